"""Aggregations, collection search, children and browsing: against the same items counted here, and by pystac's walk."""

import collections
import datetime
import secrets

import pystac
import pystac_client
import pytest
from stac import scenes

COUNT = 60
GEOHASH = "0123456789bcdefghjkmnpqrstuvwxyz"


@pytest.fixture(scope="module")
def items():
    return scenes(COUNT)


def make(http, node, name, **more):
    document = {
        "type": "Collection", "stac_version": "1.1.0", "id": name, "description": "d", "license": "other", "links": [],
        **more,
    }  # fmt: skip
    made = http.post(f"{node.web}/stac/collections", json=document)
    assert made.status_code == 201, made.text


@pytest.fixture(scope="module")
def collection(node, http, items):
    name = "counts-" + secrets.token_hex(4)
    make(http, node, name, title="Scenes of the Unlikely", keywords=["xylophone"])
    address = f"{node.web}/stac/collections/{name}"
    features = {"type": "FeatureCollection", "features": list(items.values())}
    assert http.post(f"{address}/items", json=features).status_code == 201
    yield name
    for item in items:
        http.delete(f"{address}/items/{item}")
    assert http.delete(address).status_code == 204


def aggregate(http, node, collection, *names, **parameters):
    answer = http.get(
        f"{node.web}/stac/aggregate",
        params={"collections": collection, "aggregations": ",".join(names), **parameters},
    )
    assert answer.status_code == 200, answer.text
    body = {**parameters, "collections": [collection], "aggregations": list(names)}
    posted = http.post(f"{node.web}/stac/aggregate", json=body)
    own = http.get(
        f"{node.web}/stac/collections/{collection}/aggregate", params={"aggregations": ",".join(names), **parameters}
    )
    found = answer.json()["aggregations"]
    assert posted.json()["aggregations"] == found == own.json()["aggregations"]
    assert [each["name"] for each in found] == list(names)
    return found


def moment(item):
    return datetime.datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00"))


def frequencies(result):
    assert result["overflow"] == 0
    return {bucket["key"]: bucket["frequency"] for bucket in result["buckets"]}


def geohash(x, y, length):
    """As its inventor describes it."""
    west, east, south, north, text = -180.0, 180.0, -90.0, 90.0, ""
    for letter in range(length):
        value = 0
        for bit in range(5):
            if (letter * 5 + bit) % 2 == 0:
                middle = (west + east) / 2
                west, east, high = (middle, east, 1) if x >= middle else (west, middle, 0)
            else:
                middle = (south + north) / 2
                south, north, high = (middle, north, 1) if y >= middle else (south, middle, 0)
            value = value * 2 + high
        text += GEOHASH[value]
    return text


def test_counts_are_those_of_the_items(http, node, collection, items):
    total, first, last, months, named = aggregate(
        http, node, collection, "total_count", "datetime_min", "datetime_max", "datetime_frequency",
        "collection_frequency",
    )  # fmt: skip
    times = sorted(moment(item) for item in items.values())
    assert total["value"] == COUNT and frequencies(named) == {collection: COUNT}
    for answer, expected in ((first, times[0]), (last, times[-1])):
        found = datetime.datetime.fromisoformat(answer["value"].replace("Z", "+00:00"))
        assert abs(found - expected) < datetime.timedelta(milliseconds=1)
    expected = collections.Counter(time.strftime("%Y-%m-01T00:00:00.000Z") for time in times)
    assert frequencies(months) == expected


def test_values_and_cells(http, node, collection, items):
    platforms, clouds, tiles, hashes = aggregate(
        http, node, collection, "platform_frequency", "cloud_cover_frequency", "s2:mgrs_tile_frequency",
        "centroid_geohash_grid_frequency", centroid_geohash_grid_frequency_precision="3",
    )  # fmt: skip
    assert frequencies(platforms) == collections.Counter(item["properties"]["platform"] for item in items.values())
    assert frequencies(tiles) == collections.Counter(item["properties"]["s2:mgrs_tile"] for item in items.values())
    expected = collections.Counter()
    for item in items.values():
        cover = item["properties"]["eo:cloud_cover"]
        expected[next(key for key, end in (("0-5", 5), ("5-15", 15), ("15-40", 40), ("40-*", 101)) if cover < end)] += 1
    assert frequencies(clouds) == expected
    centres = [
        geohash((item["bbox"][0] + item["bbox"][2]) / 2, (item["bbox"][1] + item["bbox"][3]) / 2, 3)
        for item in items.values()
    ]
    assert frequencies(hashes) == collections.Counter(centres)


def test_counts_of_a_part(http, node, collection, items):
    wanted = [item for item in items.values() if item["properties"]["eo:cloud_cover"] < 20]
    total, _ = aggregate(http, node, collection, "total_count", "datetime_frequency", filter="eo:cloud_cover < 20")
    assert total["value"] == len(wanted)
    cells = aggregate(http, node, collection, "geometry_geotile_grid_frequency")[0]
    assert sum(frequencies(cells).values()) >= COUNT
    told = http.get(f"{node.web}/stac/collections/{collection}/aggregations").json()["aggregations"]
    assert {"total_count", "datetime_frequency", "s2:mgrs_tile_frequency"} <= {each["name"] for each in told}


@pytest.mark.parametrize(
    "parameters",
    [
        {"aggregations": "nonsense"},
        {"aggregations": "datetime_frequency", "datetime_frequency_interval": "fortnight"},
        {"aggregations": "total_count", "centroid_geohash_grid_frequency_precision": "99"},
    ],
)
def test_what_cannot_be_counted_is_refused(http, node, parameters):
    answer = http.get(f"{node.web}/stac/aggregate", params=parameters)
    assert answer.status_code == 400 and list(parameters)[-1] in answer.json()["detail"]


def test_pystac_client_searches_collections(node, http, collection):
    with pytest.MonkeyPatch.context() as patch:
        if node.tls:
            patch.setenv("REQUESTS_CA_BUNDLE", node.authority)
        client = pystac_client.Client.open(node.web + "/stac", headers={"Authorization": "Bearer " + node.token()})
        for asked in (
            {"q": "unlikely"},
            {"q": "xylophone AND scenes"},
            {"filter": f"id = '{collection}' AND license = 'other'"},
            {"query": {"title": {"startsWith": "Scenes of the Unl"}}},
            {"q": "xylophone", "bbox": [-180, -90, 180, 90], "datetime": "2000-01-01T00:00:00Z/.."},
        ):
            search = client.collection_search(**asked)
            assert [found.id for found in search.collections()] == [collection], asked
            assert search.matched() == 1
        assert list(client.collection_search(q="xylophone", datetime="../1990-01-01T00:00:00Z").collections()) == []


def test_collections_sorted_narrowed_and_paged(node, http):
    mark = "zq" + secrets.token_hex(4)
    names = [f"{mark}-{letter}" for letter in "abcde"]
    try:
        for number, name in enumerate(names):
            make(http, node, name, title=f"Number {9 - number}", keywords=[mark])
        found, url = [], f"{node.web}/stac/collections"
        parameters = {"q": mark, "sortby": "title", "limit": 2, "fields": "id,title"}
        while url:
            page = http.get(url, params=parameters).json()
            assert page["numberMatched"] == 5
            found += [(each["id"], each["title"]) for each in page["collections"]]
            assert all("license" not in each for each in page["collections"])
            url, parameters = next((link["href"] for link in page["links"] if link["rel"] == "next"), None), None
        assert found == [(names[number], f"Number {9 - number}") for number in (4, 3, 2, 1, 0)]
        posted = http.post(f"{node.web}/stac/collections-search", json={"q": mark, "limit": 10}).json()
        assert [each["id"] for each in posted["collections"]] == names
        children = http.get(f"{node.web}/stac/children", params={"q": mark}).json()["children"]
        assert [each["id"] for each in children] == names
        assert http.get(f"{node.web}/stac/children", params={"type": "Catalog"}).json()["children"] == []
    finally:
        for name in names:
            http.delete(f"{node.web}/stac/collections/{name}")


def test_pystac_walks_from_a_collection_to_each_item(node, http, collection, items):
    class Reader(pystac.stac_io.DefaultStacIO):
        def read_text_from_href(self, href):
            answer = http.get(href)
            assert answer.status_code == 200, f"{href}: {answer.text}"
            return answer.text

    root = f"{node.web}/stac/collections/{collection}"
    walked = pystac.Collection.from_file(root, stac_io=Reader())
    assert {item.id for item in walked.get_items(recursive=True)} == set(items)
    # A span that is no span.
    for span in ("2024-13", "24", "2024-02-30", "x", "2024-1", "2024-06-01T"):
        assert http.get(f"{root}/browse/{span}").status_code == 404, span


def test_many_items_are_divided_by_time(node, http):
    name = "browse-" + secrets.token_hex(4)
    make(http, node, name)
    address = f"{node.web}/stac/collections/{name}"
    # More than a catalogue links to, all but one in one second.
    features = [
        {
            "type": "Feature", "stac_version": "1.1.0", "id": f"i{number:04}", "geometry": None, "links": [], "assets": {},
            "properties": {"datetime": "2024-02-29T23:59:59.5Z" if number else "2023-01-01T00:00:00Z"},
        }
        for number in range(1102)
    ]  # fmt: skip
    try:
        put = http.post(f"{address}/items", json={"type": "FeatureCollection", "features": features})
        assert put.status_code == 201, put.text

        def links(url, rel):
            return [link["href"] for link in http.get(url).json()["links"] if link["rel"] == rel]

        found, open_ = [], [f"{address}/browse"]
        while open_:
            url = open_.pop()
            found += links(url, "item")
            open_ += links(url, "child")
        assert sorted(found) == sorted(f"{address}/items/i{number:04}" for number in range(1102))
        assert links(f"{address}/browse", "child") == [f"{address}/browse/2023", f"{address}/browse/2024"]
        assert links(f"{address}/browse/2024", "child") == [f"{address}/browse/2024-02"]
    finally:
        ids = [feature["id"] for feature in features]
        for item in ids:
            http.delete(f"{address}/items/{item}")
        assert http.delete(address).status_code == 204
