"""The catalogue's limits, met from outside: large items, large pages, shapes that are none, links of others."""

import json
import secrets

import pytest
from products import real_items


@pytest.fixture(scope="module")
def url(node, http):
    name = "limits-" + secrets.token_hex(4)
    document = {
        "type": "Collection", "stac_version": "1.1.0", "id": name, "description": "d", "license": "other", "links": [],
    }  # fmt: skip
    assert http.post(f"{node.web}/stac/collections", json=document).status_code == 201
    address = f"{node.web}/stac/collections/{name}"
    yield address
    for item in http.get(f"{address}/items?limit=10000&fields=id").json()["features"]:
        http.delete(f"{address}/items/{item['id']}")
    http.delete(address)


def memory_mib(node):
    """The most that the node has had in memory."""
    with open(f"/proc/{node.process.pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def test_a_page_of_10000_large_items_is_cut_and_goes_on(node, http, url):
    item = {**real_items("sentinel-2-l2a.ndjson.gz", 1)[0], "padding": "x" * 4000}
    count = 1600
    for start in range(0, count, 400):
        lines = b"\n".join(
            json.dumps({**item, "id": f"large-{number:05}"}).encode() for number in range(start, start + 400)
        )
        put = http.post(f"{url}/bulk_items", data=lines, headers={"Content-Type": "application/x-ndjson"})
        assert put.status_code == 200, put.text
    before = memory_mib(node)
    found, address, pages = [], f"{url}/items?limit=10000", 0
    while address:
        answer = http.get(address)
        # 16 MiB of documents, and the links of the node.
        assert len(answer.content) < 20 << 20
        page = answer.json()
        found += [feature["id"] for feature in page["features"]]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
        pages += 1
    assert sorted(found) == [f"large-{number:05}" for number in range(count)] and pages >= 2
    assert memory_mib(node) - before < 200


def test_an_item_of_100_mb_is_refused_before_it_is_in_memory(node, http, url):
    before = memory_mib(node)

    def body():
        yield b'{"type":"Feature","stac_version":"1.1.0","id":"huge","padding":"'
        for _ in range(100):
            yield b"x" * 1_000_000
        yield b'"}'

    for method, path in (("POST", "items"), ("PUT", "items/huge"), ("POST", "bulk_items")):
        try:
            answer = node.http().request(method, f"{url}/{path}", data=body())
            assert answer.status_code == 413, f"{method} {path}: {answer.status_code}"
        except OSError:
            # The node has answered and ended the connection while the client was still sending.
            pass
    assert node.is_alive() and memory_mib(node) - before < 150


@pytest.mark.parametrize(
    "coordinates, status",
    [
        ([[[0, 0], [1, 0], [1, 1]]], 400),
        ([[[0, 0], [1, 0], [1, 1], [0, 1]]], 400),
        ([[[0, 0], [0, 0], [0, 0], [0, 0]]], 200),
        # A bow tie crosses itself: it is what its lines say.
        ([[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]], 200),
        ([[[-200, 0], [1, 0], [1, 1], [-200, 0]]], 400),
        ([[[0, 0], [1, 0], [1, 91], [0, 0]]], 400),
        ([[]], 400),
        ([], 400),
    ],
)
def test_shapes(node, http, coordinates, status):
    shape = {"type": "Polygon", "coordinates": coordinates}
    for body in ({"intersects": shape}, {"filter": {"op": "s_intersects", "args": [{"property": "geometry"}, shape]}}):
        answer = http.post(f"{node.web}/stac/search", json=body)
        assert answer.status_code == status, answer.text
        assert status == 200 or answer.json()["detail"]


@pytest.mark.parametrize(
    "box, status",
    [
        ("170,-60,-170,60", 200), ("-180,-90,180,90", 200), ("0,89,10,90", 200), ("12,90,12,90", 200),
        ("0,0,181,1", 400), ("0,-91,1,1", 400), ("0,1,1,0", 400), ("0,0,1", 400), ("nan,0,1,1", 400),
    ],
)  # fmt: skip
def test_boxes(node, http, box, status):
    assert http.get(f"{node.web}/stac/search", params={"bbox": box}).status_code == status


def test_ten_million_points_are_refused(node, http):
    """More than a body of a search may be: told while it is sent."""
    before = memory_mib(node)

    def body():
        yield b'{"intersects":{"type":"MultiPoint","coordinates":[[0,0]'
        for _ in range(10_000):
            yield b",[1.5,2.5]" * 1000
        yield b"]}}"

    try:
        assert http.post(f"{node.web}/stac/search", data=body()).status_code == 413
    except OSError:
        pass
    assert node.is_alive() and memory_mib(node) - before < 100


def test_links_of_others_stay_and_those_of_another_node_go(http, url):
    item = {
        **real_items("sentinel-2-l2a.ndjson.gz", 1)[0],
        "id": "linked",
        "links": [
            {"rel": "self", "href": "https://elsewhere.example/item"},
            {"rel": "collection", "href": "https://elsewhere.example/collection"},
            {"rel": "license", "href": "https://elsewhere.example/license"},
            {"rel": "about", "href": "javascript:alert(1)"},
            {"rel": "via", "href": "file:///etc/passwd"},
        ],
    }
    made = http.post(f"{url}/items", json=item)
    assert made.status_code == 201, made.text
    links = [(link["rel"], link["href"]) for link in http.get(f"{url}/items/linked").json()["links"]]
    assert ("license", "https://elsewhere.example/license") in links
    assert {"javascript:alert(1)", "file:///etc/passwd"} <= {href for _, href in links}
    assert [href for rel, href in links if rel in ("self", "collection")] == [f"{url}/items/linked", url]
    # They are text: a page for people does not lead there.
    page = http.get(f"{url}/items/linked?f=html").text
    assert 'href="javascript' not in page and 'href="file' not in page
