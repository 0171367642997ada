"""An item leads to the traces of its product, and a trace to the item, for those who may read it."""

import secrets

import pystac
import pytest
from conftest import lend_bucket
from products import wait_for
from test_trace_events import put_product

PROVENANCE = "http://www.w3.org/ns/prov#has_provenance"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def collection(node):
    yield from lend_bucket(node.s3(), "provenance")


@pytest.fixture(scope="module")
def stranger(node):
    name = f"stranger-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    yield node.http(user=name, password=PASSWORD)
    node.cli("account", "delete", name)


def item_of(node, collection, id):
    return wait_for(f"item {id}", lambda: _ok(node.http().get(f"{node.web}/stac/collections/{collection}/items/{id}")))


def _ok(answer):
    return answer.json() if answer.status_code == 200 else None


def link(document, rel):
    return [one["href"] for one in document.get("links", []) if one["rel"] == rel]


@pytest.fixture(scope="module", params=["folder", "file"])
def product(request, node, collection):
    """The item of a product and its traces."""
    name, s3 = f"scene-{secrets.token_hex(5)}", node.s3()
    if request.param == "folder":
        put_product(s3, collection, name)
    else:
        s3.put_object(Bucket=collection, Key=f"{name}.csv", Body=secrets.token_bytes(20))
    item = item_of(node, collection, name)
    (address,) = link(item, PROVENANCE)
    traces = wait_for("traces", lambda: _ok(node.http().get(address)))
    return name, item, address, traces


def test_an_item_leads_to_the_traces_of_its_product(node, collection, product):
    name, item, address, traces = product
    assert [trace["event"] for trace in traces] == ["CREATE"]
    assert traces[0]["product"]["name"].startswith(name)
    found = node.http().post(f"{node.web}/stac/search", json={"ids": [name]}).json()["features"]
    assert link(found[0], PROVENANCE) == [address]
    assert pystac.Item.from_dict(item).get_single_link(PROVENANCE).target == address


def test_a_trace_leads_to_its_item_for_who_may_read_that(node, collection, stranger, product):
    name, item, address, traces = product
    (own,) = link(item, "self")
    id, hash = traces[0]["id"], traces[0]["product"]["hash"]
    paths = [id, f"name/{traces[0]['product']['name']}", f"hash/{hash}"]
    nobody = node.http(token=False)
    for path in paths:
        url = f"{node.web}/traces/api/v1/traces/{path}"
        shown = node.http().get(url)
        trace = shown.json() if path == id else shown.json()[0]
        assert link(trace, "item") == [own] and "Authorization" in shown.headers["Vary"]
        assert node.http().get(link(trace, "item")[0]).json()["id"] == name
        # To others the trace says what it says to all the world.
        for hidden in (
            stranger.get(url), nobody.get(url), nobody.get(url, headers={"Authorization": "Bearer "}),
            nobody.get(url, headers={"Authorization": "Bearer nonsense"}),
        ):  # fmt: skip
            assert hidden.status_code == 200
            other = hidden.json() if path == id else hidden.json()[0]
            assert {key: value for key, value in trace.items() if key != "links"} == other


def test_whether_there_is_an_item_is_not_told_to_who_may_not_read_it(node, collection, stranger, product):
    name, item, address, traces = product
    nothing = address.replace(name, "nothing")
    for http, status in ((stranger, 403), (node.http(token=False), 401)):
        there, not_there = http.get(address), http.get(nothing)
        assert there.status_code == not_there.status_code == status
        assert there.json()["detail"].replace(name, "nothing") == not_there.json()["detail"]
    assert node.http().get(nothing).status_code == 404


def test_an_item_of_no_product_has_no_traces_and_one_that_is_gone_is_linked_no_more(node, collection):
    name = f"byhand-{secrets.token_hex(5)}"
    body = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [], "assets": {},
        "properties": {"datetime": "2026-01-02T03:04:05Z"}, "collection": collection,
    }  # fmt: skip
    made = node.http().post(f"{node.web}/stac/collections/{collection}/items", json=body)
    assert made.status_code == 201, made.text
    assert link(item_of(node, collection, name), PROVENANCE) == []
    assert node.http().get(f"{node.web}/traces/api/v1/traces/item/{collection}/{name}").status_code == 404
    gone = f"gone-{secrets.token_hex(5)}"
    put_product(node.s3(), collection, gone)
    (address,) = link(item_of(node, collection, gone), PROVENANCE)
    (trace,) = wait_for("trace", lambda: _ok(node.http().get(address)))
    url = f"{node.web}/traces/api/v1/traces/{trace['id']}"
    wait_for("link", lambda: link(node.http().get(url).json(), "item"))
    for key in ("data.bin", f"{gone}.json"):
        node.s3().delete_object(Bucket=collection, Key=f"{gone}/{key}")
    wait_for("the link's end", lambda: not link(node.http().get(url).json(), "item"))
