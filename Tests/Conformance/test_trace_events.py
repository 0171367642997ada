"""What happens to the node's own products is traced: made, copied, removed, withdrawn; and what they were made from."""

import json
import secrets

import blake3
import pytest
from conftest import lend_bucket
from products import wait_for


@pytest.fixture(scope="module")
def collection(node):
    yield from lend_bucket(node.s3(), "lifecycle")


@pytest.fixture(scope="module")
def elsewhere(node):
    yield from lend_bucket(node.s3(), "elsewhere")


def traces(node, name, *events):
    """The traces of a name, the earliest first, as soon as there are as many as events; they have to be these."""

    def find():
        answer = node.http(token=False).get(f"{node.web}/traces/api/v1/traces/name/{name}")
        found = answer.json()[::-1] if answer.status_code == 200 else []
        return found if len(found) >= len(events) else None

    found = wait_for(f"{', '.join(events)} of {name}", find)
    assert [trace["event"] for trace in found] == list(events)
    return found


def item(id, **members):
    """A STAC item that lies beside its data."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "geometry": None,
        "properties": {"datetime": "2026-01-02T03:04:05Z"},
        "links": [],
        "assets": {"data": {"href": "./data.bin"}},
        **members,
    }


def put_product(s3, collection, name, body=None, **members):
    s3.put_object(Bucket=collection, Key=f"{name}/data.bin", Body=body or secrets.token_bytes(20))
    s3.put_object(Bucket=collection, Key=f"{name}/{name}.json", Body=json.dumps(item(name, **members)).encode())


def test_copies_and_removals_are_traced(node, collection, elsewhere):
    s3, name, body = node.s3(), f"{secrets.token_hex(5)}.bin", secrets.token_bytes(30)
    s3.put_object(Bucket=collection, Key=name, Body=body)
    (made,) = traces(node, name, "CREATE")
    hash = blake3.blake3(body).hexdigest()
    assert made["product"]["hash"] == hash
    s3.copy_object(Bucket=elsewhere, Key=name, CopySource=f"{collection}/{name}")
    _, copied = traces(node, name, "CREATE", "COPY")
    assert (copied["product"]["hash"], copied["product"]["size"]) == (hash, 30)
    assert "contents" not in copied["product"] and copied["signature_status"] == "trusted"
    s3.delete_object(Bucket=collection, Key=name)
    removed = traces(node, name, "CREATE", "COPY", "DELETE")[-1]
    assert removed["product"]["hash"] == hash
    # It comes again, goes again: each time something happened.
    s3.put_object(Bucket=collection, Key=name, Body=body)
    traces(node, name, "CREATE", "COPY", "DELETE", "COPY")
    s3.delete_object(Bucket=collection, Key=name)
    s3.delete_object(Bucket=elsewhere, Key=name)
    traces(node, name, "CREATE", "COPY", "DELETE", "COPY", "DELETE", "DELETE")
    # Another content under the name is another product.
    s3.put_object(Bucket=collection, Key=name, Body=b"another")
    traces(node, name, "CREATE", "COPY", "DELETE", "COPY", "DELETE", "DELETE", "CREATE")


def test_a_deprecated_item_makes_its_product_obsolete(node, collection):
    s3, name = node.s3(), f"scene-{secrets.token_hex(5)}"
    put_product(s3, collection, name)
    (made,) = traces(node, name, "CREATE")
    http, url = node.http(), f"{node.web}/stac/collections/{collection}/items/{name}"
    stored = http.get(url).json()
    check = f"{node.web}/traces/api/v1/traces/{name}/validate?filehash={made['product']['hash']}"
    assert http.get(check).json()["success"]
    links = [{"rel": "successor-version", "href": "https://example.org/new.json", "title": "baseline 05.11"}]
    patch = {"properties": {**stored["properties"], "deprecated": True}, "links": links}
    answer = http.patch(url, json=patch, headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code in (200, 204), answer.text
    obsolete = traces(node, name, "CREATE", "OBSOLETE")[-1]
    assert obsolete["obsolescence"] == "superseded by baseline 05.11"
    assert obsolete["product"]["hash"] == made["product"]["hash"]
    assert not http.get(check).json()["success"]


def test_an_item_that_comes_deprecated_is_told_so(node, collection):
    name = f"scene-{secrets.token_hex(5)}"
    properties = {"datetime": "2026-01-02T03:04:05Z", "deprecated": True}
    put_product(node.s3(), collection, name, properties=properties)
    assert traces(node, name, "CREATE", "OBSOLETE")[-1]["obsolescence"]


def test_a_processed_product_names_its_inputs(node, collection):
    s3, mark = node.s3(), secrets.token_hex(4)
    source, result, last = (f"{level}-{mark}" for level in ("L0", "L1", "L2"))
    put_product(s3, collection, source)
    (made,) = traces(node, source, "CREATE")
    own = f"{node.web}/stac/collections/{collection}/items/{source}"
    links = [
        {"rel": "derived_from", "href": own},
        {"rel": "derived_from", "href": "https://example.org/stac/AUX_01.json?x=1"},
        {"rel": "about", "href": "https://example.org/"},
    ]
    put_product(s3, collection, result, links=links)
    (derived,) = traces(node, result, "CREATE")
    assert derived["product"]["inputs"] == [
        {"name": source, "hash": made["product"]["hash"]},
        {"name": "AUX_01", "hash": ""},
    ]
    put_product(s3, collection, last, links=[{"rel": "derived_from", "href": own.replace(source, result)}])
    traces(node, last, "CREATE")
    graph = json.loads(node.cli("trace", "graph", last, "--json").stdout)
    assert [one["name"] for one in graph["nodes"]] == [last, result, source, "AUX_01"]
    page = node.http().get(f"{node.web}/collections/{collection}/items/{last}")
    if page.status_code == 200:
        assert "Made from" in page.text and result in page.text
