"""STAC API: pystac-client unmodified, searches against an oracle over real items, paging both ways."""

import datetime
import itertools
import urllib.parse

import pytest
import requests
from schemas import validate
from stac import lend_client, lend_collection, scenes

COUNT = 120


@pytest.fixture(scope="module")
def items():
    return scenes(COUNT)


@pytest.fixture(scope="module")
def collection(node, items):
    yield from lend_collection(node, "s2", items.values())


@pytest.fixture(scope="module")
def client(node):
    yield from lend_client(node)


def intersects(box, item):
    """Whether an item's box touches a box; items of the set do not cross the antimeridian, so numbers will do."""
    west, south, east, north = item["bbox"]
    sides = [(box[0], box[2])] if box[0] <= box[2] else [(box[0], 180), (-180, box[2])]
    return any(west <= right and east >= left for left, right in sides) and south <= box[3] and north >= box[1]


# pystac-client


def test_pystac_client_opens_and_finds_the_collection(client, collection):
    assert collection in [found.id for found in client.get_collections()]
    found = client.get_collection(collection)
    assert found.extent.spatial.bboxes and found.extent.temporal.intervals
    assert len(list(itertools.islice(found.get_items(), COUNT + 1))) == COUNT


def test_pystac_client_finds_an_item_as_it_was_put(client, collection, items):
    wanted = next(iter(items))
    found = client.get_collection(collection).get_item(wanted)
    # pystac itself writes items of older versions anew, so their times and projections read differently.
    assert found.properties["s2:mgrs_tile"] == items[wanted]["properties"]["s2:mgrs_tile"]
    assert found.geometry == items[wanted]["geometry"]
    assert {name: asset.href for name, asset in found.assets.items()} == {
        name: asset["href"] for name, asset in items[wanted]["assets"].items()
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("page", [7, 50, 1000])
def test_pystac_client_pages_through_all(client, collection, items, method, page):
    search = client.search(method=method, collections=[collection], limit=page)
    found = [item.id for item in search.items()]
    assert sorted(found) == sorted(items)
    assert (
        client.search(method=method, collections=[collection], limit=page, max_items=11).item_collection().__len__()
        == 11
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "box",
    [
        [-180, -90, 180, 90],
        [-105, 30, -90, 45],
        [5, 40, 20, 55],
        [170, -60, -170, 60],
        [0, 0, 0.001, 0.001],
        [-60, -30, 60, 30],
    ],
)
def test_pystac_client_searches_by_box(client, collection, items, method, box):
    found = {item.id for item in client.search(method=method, collections=[collection], bbox=box, limit=100).items()}
    expected = {id for id, item in items.items() if intersects(box, item)}
    # An item's footprint may be smaller than its box: none too many, and all whose footprint surely lies inside.
    inside = {
        id
        for id in expected
        if box[0] <= box[2]
        and box[0] <= items[id]["bbox"][0]
        and items[id]["bbox"][2] <= box[2]
        and box[1] <= items[id]["bbox"][1]
        and items[id]["bbox"][3] <= box[3]
    }
    assert inside <= found <= expected


def moment(item):
    return datetime.datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_searches_by_time(client, collection, items, method):
    times = sorted(moment(item) for item in items.values())
    middle, later = times[COUNT // 3], times[2 * COUNT // 3]

    def text(time):
        return time.isoformat().replace("+00:00", "Z")

    cases = {
        f"{text(middle)}/{text(later)}": lambda time: middle <= time <= later,
        f"../{text(middle)}": lambda time: time <= middle,
        f"{text(later)}/..": lambda time: time >= later,
        text(middle): lambda time: time == middle,
    }
    for asked, fits in cases.items():
        found = {
            item.id
            for item in client.search(method=method, collections=[collection], datetime=asked, limit=100).items()
        }
        assert found == {id for id, item in items.items() if fits(moment(item))}, asked


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_searches_by_ids(client, collection, items, method):
    wanted = list(items)[3:9]
    found = [
        item.id for item in client.search(method=method, collections=[collection], ids=[*wanted, "absent"]).items()
    ]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_searches_by_geometry(client, collection, items, method):
    item = next(iter(items.values()))
    west, south, east, north = item["bbox"]
    x, y = (west + east) / 2, (south + north) / 2
    shape = {"type": "Polygon", "coordinates": [[[x, y], [x + 0.01, y], [x, y + 0.01], [x, y]]]}
    found = {got.id for got in client.search(method=method, collections=[collection], intersects=shape).items()}
    assert item["id"] in found
    assert found <= {id for id, other in items.items() if intersects([x, y, x + 0.01, y + 0.01], other)}


def test_a_search_in_no_collection_of_that_name_is_empty(client):
    assert list(client.search(collections=["no-such-collection"]).items()) == []


# Links, both ways


def ids(page):
    return [item["id"] for item in page["features"]]


def link(page, rel):
    return next((link for link in page["links"] if link["rel"] == rel), None)


def test_get_pages_lead_forward_and_back(node, http, collection, items):
    page = http.get(f"{node.web}/stac/search", params={"collections": collection, "limit": 25}).json()
    forward = [ids(page)]
    assert link(page, "prev") is None
    while (following := link(page, "next")) is not None:
        page = http.get(following["href"]).json()
        forward.append(ids(page))
    assert [len(found) for found in forward] == [25, 25, 25, 25, 20]
    assert sorted(itertools.chain(*forward)) == sorted(items)
    for expected in reversed(forward[:-1]):
        page = http.get(link(page, "prev")["href"]).json()
        assert ids(page) == expected
    assert link(page, "prev") is None and link(page, "next") is not None


def follow(http, asked, step):
    assert step["method"] == "POST"
    body = {**asked, **step["body"]} if step.get("merge") else step["body"]
    return http.post(step["href"], json=body).json(), body


def test_post_pages_lead_forward_and_back(node, http, collection, items):
    asked = {"collections": [collection], "limit": 50, "bbox": [-180, -90, 180, 90]}
    page, body = http.post(f"{node.web}/stac/search", json=asked).json(), asked
    forward = [ids(page)]
    while (step := link(page, "next")) is not None:
        page, body = follow(http, body, step)
        forward.append(ids(page))
    assert sorted(itertools.chain(*forward)) == sorted(items)
    for expected in reversed(forward[:-1]):
        page, body = follow(http, body, link(page, "prev"))
        assert ids(page) == expected


def test_the_items_of_a_collection_are_paged_too(node, http, collection, items):
    page = http.get(f"{node.web}/stac/collections/{collection}/items", params={"limit": 40}).json()
    found = ids(page)
    while (following := link(page, "next")) is not None:
        page = http.get(following["href"]).json()
        found += ids(page)
    assert sorted(found) == sorted(items)


def test_newest_come_first(node, http, collection):
    page = http.get(f"{node.web}/stac/search", params={"collections": collection, "limit": 200}).json()
    times = [item["properties"]["datetime"] for item in page["features"]]
    assert times == sorted(times, reverse=True)


# Documents


def test_the_landing_page_says_what_it_conforms_to(node, http):
    landing = http.get(f"{node.web}/stac").json()
    validate(landing)
    for part in ("core", "collections", "ogcapi-features", "item-search"):
        assert f"https://api.stacspec.org/v1.0.0/{part}" in landing["conformsTo"]
    assert http.get(f"{node.web}/stac/conformance").json()["conformsTo"] == landing["conformsTo"]
    for rel in ("self", "root", "conformance", "data", "search", "service-desc"):
        found = link(landing, rel)
        assert found is not None, rel
        if found.get("method", "GET") == "GET":
            assert http.get(found["href"]).status_code == 200, found
    assert {step.get("method", "GET") for step in landing["links"] if step["rel"] == "search"} == {"GET", "POST"}


def test_collections_and_items_are_valid_and_their_links_lead_somewhere(node, http, collection):
    listed = http.get(f"{node.web}/stac/collections").json()
    for found in listed["collections"]:
        validate(found)
    page = http.get(f"{node.web}/stac/collections/{collection}/items", params={"limit": 3})
    assert page.headers["Content-Type"].startswith("application/geo+json")
    for item in page.json()["features"]:
        validate(item)
        for rel in ("self", "collection", "parent", "root"):
            there = http.get(link(item, rel)["href"])
            assert there.status_code == 200, (rel, link(item, rel))
        assert link(item, "self")["href"].startswith(node.web)
        assert http.get(link(item, "self")["href"]).json()["id"] == item["id"]


def test_counts_tell_how_many(node, http, collection):
    page = http.get(f"{node.web}/stac/search", params={"collections": collection, "limit": 10}).json()
    assert page["numberReturned"] == 10
    assert page["numberMatched"] == COUNT


# What is wrong is said


@pytest.mark.parametrize(
    "query",
    [
        "bbox=1,2,3",
        "bbox=a,b,c,d",
        "bbox=0,10,10,0",
        "bbox=-200,0,10,10",
        "datetime=yesterday",
        "datetime=2024-13-01T00:00:00Z",
        "datetime=2024-01-02T00:00:00Z/2024-01-01T00:00:00Z",
        "limit=0",
        "limit=-1",
        "limit=many",
        "intersects=%7B",
        "token=nonsense",
        "bbox=0,0,1,1&intersects=%7B%22type%22:%22Point%22,%22coordinates%22:[0,0]%7D",
        "datetime=../..",
    ],
)
def test_a_search_that_cannot_be_meant_is_a_bad_request(node, http, query):
    answer = http.get(f"{node.web}/stac/search?{query}")
    if query == "datetime=../..":
        assert answer.status_code in (200, 400)  # The specification's text and its examples disagree.
        return
    assert answer.status_code == 400, answer.text[:300]
    assert answer.headers["Content-Type"].startswith(("application/problem+json", "application/json"))
    said = answer.json()
    assert said.get("detail") or said.get("description"), said


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"nul",
        b'{"bbox": "x"}',
        b'{"collections": 1}',
        b'{"limit": "x"}',
        b'{"ids": [1]}',
        b'{"intersects": {"type": "Polygon", "coordinates": []}}',
        b'{"intersects": {"type": "Circle"}}',
        b'{"intersects": {"type": "Polygon", "coordinates": ' + b"[" * 20_000,
        b"\xff",
        b'{"bbox": [1e999,0,0,0]}',
    ],
)
def test_a_body_that_is_none_is_a_bad_request(node, http, body):
    answer = http.post(f"{node.web}/stac/search", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413, 422), f"{answer.status_code} {answer.text[:300]}"
    assert node.is_alive()


@pytest.mark.parametrize("path", ["collections/none", "collections/none/items", "collections/none/items/x", "nothing"])
def test_what_is_not_there_is_not_found(node, http, path):
    answer = http.get(f"{node.web}/stac/{path}")
    assert answer.status_code == 404, answer.text[:300]


def test_an_item_that_is_not_there_is_not_found(node, http, collection):
    assert http.get(f"{node.web}/stac/collections/{collection}/items/none").status_code == 404


def test_nobody_sees_nothing(node, collection):
    """Default deny: who has not logged in is refused, or sees no item."""
    nobody = node.http(token=False)
    for address in (
        f"/stac/search?collections={collection}",
        f"/stac/collections/{collection}/items",
        f"/stac/collections/{collection}",
    ):
        answer = nobody.get(node.web + address)
        assert answer.status_code in (401, 403, 404) or answer.json().get("features") == [], (
            f"{address}: {answer.text[:200]}"
        )
    listed = nobody.get(f"{node.web}/stac/collections")
    assert listed.status_code in (401, 403) or collection not in listed.text


def test_a_token_that_is_none_is_refused(node):
    for token in ("", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."):
        answer = requests.get(
            f"{node.web}/stac/collections", headers={"Authorization": f"Bearer {token}"}, verify=node.verify
        )
        assert answer.status_code == 401, (token, answer.text[:200])


def test_addresses_in_links_are_whole(node, http, collection):
    page = http.get(f"{node.web}/stac/search", params={"collections": collection, "limit": 5}).json()
    following = urllib.parse.urlsplit(link(page, "next")["href"])
    assert f"{following.scheme}://{following.netloc}" == node.web
    assert following.path == "/stac/search"
