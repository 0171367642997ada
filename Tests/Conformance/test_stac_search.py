"""Searches with filters, orders, fields and words: pystac-client unmodified, and the PyPI `cql2` package as an oracle."""

import json

import cql2
import pytest
from stac import lend_client, lend_collection, scenes

COUNT = 80


@pytest.fixture(scope="module")
def items():
    return scenes(COUNT)


@pytest.fixture(scope="module")
def collection(node, items):
    yield from lend_collection(node, "cql2", items.values())


@pytest.fixture(scope="module")
def client(node):
    yield from lend_client(node)


def search(http, node, collection, **body):
    answer = http.post(f"{node.web}/stac/search", json={"collections": [collection], **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["features"]


CLOUDS = "eo:cloud_cover"
FILTERS = [
    "eo:cloud_cover < 10",
    "eo:cloud_cover BETWEEN 5 AND 50",
    "eo:cloud_cover >= 50 OR platform = 'Sentinel-2A'",
    "NOT platform = 'Sentinel-2A'",
    "platform IN ('Sentinel-2A', 'x') AND eo:cloud_cover > 1",
    "s2:mgrs_tile LIKE '1%'",
    "instruments IS NULL",
    "eo:cloud_cover + 10 < 15",
    "eo:cloud_cover * 2 > sat:relative_orbit",
    "S_INTERSECTS(geometry, POLYGON((-130 0,0 0,0 60,-130 60,-130 0)))",
    "S_DISJOINT(geometry, POLYGON((-130 0,0 0,0 60,-130 60,-130 0)))",
    "S_WITHIN(geometry, POLYGON((-130 0,0 0,0 60,-130 60,-130 0)))",
    "A_CONTAINS(instruments, ('msi'))",
    "CASEI(platform) = casei('SENTINEL-2a')",
]


@pytest.mark.parametrize("text", FILTERS)
def test_filters_find_what_the_cql2_package_finds(node, http, collection, items, text):
    expression = cql2.Expr(text)
    expression.validate()
    found = {item["id"] for item in search(http, node, collection, filter=expression.to_json(), limit=500)}
    again = http.get(
        f"{node.web}/stac/collections/{collection}/items", params={"filter": expression.to_text(), "limit": 500}
    )
    assert again.status_code == 200, again.text
    assert {item["id"] for item in again.json()["features"]} == found
    try:
        expected = {id for id, item in items.items() if expression.matches(item)}
    except ValueError as error:  # It does not evaluate every operator that it parses.
        pytest.skip(f"cql2 cannot say: {error}")
    assert found == expected


def test_pystac_client_filters_and_sorts(client, collection, items):
    wanted = {"op": "<", "args": [{"property": CLOUDS}, 20]}
    for method in ("GET", "POST"):
        found = list(
            client.search(
                method=method, collections=[collection], filter=wanted, sortby=[f"-properties.{CLOUDS}"], limit=7
            ).items()
        )
        clouds = [item.properties[CLOUDS] for item in found]
        assert clouds == sorted((item["properties"][CLOUDS] for item in items.values() if item["properties"][CLOUDS] < 20), reverse=True)


@pytest.mark.parametrize("sortby", ["id", "-id", f"+properties.{CLOUDS},-id", "datetime", "-properties.datetime"])
def test_pages_of_every_order_lead_forward_and_back(node, http, collection, items, sortby):
    url = f"{node.web}/stac/search"
    page = http.get(url, params={"collections": collection, "limit": 17, "sortby": sortby}).json()
    forward = [[item["id"] for item in page["features"]]]
    links = {link["rel"]: link["href"] for link in page["links"]}
    assert page["numberMatched"] == COUNT
    while "next" in links:
        page = http.get(links["next"]).json()
        links = {link["rel"]: link["href"] for link in page["links"]}
        forward.append([item["id"] for item in page["features"]])
    seen = sum(forward, [])
    name = sortby.lstrip("+-").split(",")[0].removeprefix("properties.")
    values = [items[id]["id"] if name == "id" else items[id]["properties"][name] for id in seen]
    assert values == sorted(values, reverse=sortby.startswith("-")) and set(seen) == set(items)
    for expected in reversed(forward[:-1]):
        page = http.get(links["prev"]).json()
        links = {link["rel"]: link["href"] for link in page["links"]}
        assert [item["id"] for item in page["features"]] == expected


def test_an_index_changes_how_and_not_what_is_found(node, http, collection, items):
    asked = {"filter": {"op": "<", "args": [{"property": CLOUDS}, 30]}, "sortby": [{"field": CLOUDS, "direction": "asc"}]}
    before = [item["id"] for item in search(http, node, collection, limit=100, **asked)]
    assert node.cli_json("collection", "index", collection, CLOUDS, "--json")["property"] == CLOUDS
    assert [item["id"] for item in search(http, node, collection, limit=100, **asked)] == before
    schema = http.get(f"{node.web}/stac/collections/{collection}/queryables").json()
    assert schema["properties"][CLOUDS]["x-indexed"] is True
    assert node.cli_json("collection", "indexes", collection, "--json") == {"property": CLOUDS, "isReady": True}
    by_cli = node.cli("search", "--collection", collection, "--filter", f"{CLOUDS} < 30", "--sortby", CLOUDS, "--json")
    assert [json.loads(line)["id"] for line in by_cli.stdout.splitlines()] == before
    assert node.cli("collection", "index", collection, CLOUDS, "--remove").returncode == 0
    assert node.cli("collection", "indexes", collection, "--json").stdout == ""


def test_fields_are_there_or_not(node, http, collection):
    url = f"{node.web}/stac/search"
    full = http.get(url, params={"collections": collection, "limit": 1}).json()["features"][0]
    without = http.get(url, params={"collections": collection, "limit": 1, "fields": "-assets,-links"}).json()["features"][0]
    assert without == {name: value for name, value in full.items() if name not in ("assets", "links")}
    few = search(http, node, collection, limit=1, fields={"include": ["id", f"properties.{CLOUDS}"]})[0]
    assert few["properties"] == {CLOUDS: full["properties"][CLOUDS]} and "assets" not in few
    assert len(json.dumps(few)) < 400 < len(json.dumps(full))


def test_the_query_extension_and_free_text(node, http, collection, items):
    found = search(http, node, collection, query={CLOUDS: {"gte": 10, "lt": 50}, "platform": {"endsWith": "2A"}}, limit=500)
    assert {item["id"] for item in found} == {
        id
        for id, item in items.items()
        if 10 <= item["properties"][CLOUDS] < 50 and item["properties"]["platform"].endswith("2A")
    }
    one = next(iter(items.values()))["properties"]["s2:mgrs_tile"]
    found = search(http, node, collection, q=[one], limit=500)
    assert {item["id"] for item in found} >= {id for id, item in items.items() if item["properties"]["s2:mgrs_tile"] == one}
    assert search(http, node, collection, q="nowhere AND " + one) == []


def test_queryables_sortables_and_functions_are_told(node, http, collection):
    for path in ("", f"/collections/{collection}"):
        for kind in ("queryables", "sortables"):
            url = f"{node.web}/stac{path}/{kind}"
            answer = http.get(url)
            assert answer.headers["Content-Type"] == "application/schema+json"
            assert answer.json()["$id"] == url and CLOUDS in answer.json()["properties"]
    functions = http.get(f"{node.web}/stac/functions").json()["functions"]
    assert "month" in [function["name"] for function in functions]
    assert search(http, node, collection, filter="month(datetime) = 13", limit=1) == []


@pytest.mark.parametrize(
    "text", ["(" * 10_000 + "a = 1" + ")" * 10_000, "NOT " * 10_000 + "a = 1", "a = 1" + " + 1" * 10_000, "a =", "nothing(a)"]
)
def test_what_cannot_be_meant_is_refused(node, http, text):
    answer = http.post(f"{node.web}/stac/search", json={"filter": text, "filter-lang": "cql2-text"})
    assert answer.status_code == 400 and answer.json()["detail"].startswith("filter"), answer.text[:300]
    deep = '{"filter":' + '{"op":"not","args":[' * 10_000 + "true" + "]}" * 10_000 + "}"
    answer = http.post(f"{node.web}/stac/search", data=deep, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and node.is_alive()
