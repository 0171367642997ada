"""Items as lines and as GeoParquet, in and out, and pages for people."""

import datetime
import io
import json
import secrets

import duckdb
import geopandas
import pyarrow.parquet
import pytest
import stac_geoparquet.arrow
from browsing import SCHEMES, WIDTHS, look, open_page
from products import real_items


@pytest.fixture(scope="module")
def items():
    return real_items("sentinel-2-l2a.ndjson.gz", 40)


@pytest.fixture
def collection(node, http):
    name = "formats-" + secrets.token_hex(4)
    document = {
        "type": "Collection", "stac_version": "1.1.0", "id": name, "description": "d <script>alert(1)</script>",
        "license": "other", "links": [{"rel": "about", "href": "javascript:alert(1)", "title": "<b>no</b>"}],
    }  # fmt: skip
    assert http.post(f"{node.web}/stac/collections", json=document).status_code == 201
    yield name
    address = f"{node.web}/stac/collections/{name}"
    for item in http.get(f"{address}/items?limit=5000&fields=id").json()["features"]:
        http.delete(f"{address}/items/{item['id']}")
    assert http.delete(address).status_code == 204


def lines(items):
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def load(node, collection, *paths, **options):
    done = node.cli("items", "load", *paths, "--collection", collection, "--json", **options)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_items_are_loaded_and_come_back_as_lines(node, http, collection, items, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(lines(items[:20]) + b"\n\n")
    folder = tmp_path / "more" / "deep"
    folder.mkdir(parents=True)
    (folder / "b.jsonl").write_bytes(lines(items[20:30]).rstrip())
    (folder / "c.json").write_text(json.dumps({"type": "FeatureCollection", "features": items[30:39]}, indent=2))
    (folder / "d.geojson").write_text(json.dumps(items[39], indent=2))
    (folder / "notes.txt").write_text("no items")
    done, told = load(node, collection, tmp_path / "a.ndjson", tmp_path / "more")
    assert done.returncode == 0, done.stderr
    assert sum(line["stored"] for line in told) == sum(line["changed"] for line in told) == len(items)
    # Once more: nothing changes, but for the one that did.
    (tmp_path / "a.ndjson").write_bytes(lines([{**items[0], "note": 1}, *items[1:20]]))
    done, told = load(node, collection, tmp_path / "a.ndjson", tmp_path / "more")
    assert sum(line["stored"] for line in told) == len(items) and sum(line["changed"] for line in told) == 1

    url, found = f"{node.web}/stac/search?collections={collection}&limit=7&f=ndjson", []
    while url:
        page = http.get(url)
        assert page.headers["Content-Type"] == "application/x-ndjson"
        assert page.headers["OGC-NumberMatched"] == str(len(items))
        found += [json.loads(line) for line in page.text.splitlines()]
        url = page.links.get("next", {}).get("url")
    assert {item["id"]: item["assets"] for item in found} == {item["id"]: item["assets"] for item in items}
    accepted = http.get(
        f"{node.web}/stac/collections/{collection}/items?fields=id", headers={"Accept": "application/x-ndjson"}
    )
    assert len(accepted.text.splitlines()) == 10 and "assets" not in json.loads(accepted.text.splitlines()[0])


def test_a_wrong_item_is_named_and_nothing_of_its_batch_is_stored(node, http, collection, items, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(lines([*items[:3], {**items[3], "geometry": "here"}, items[4]]))
    done, _ = load(node, collection, tmp_path / "a.ndjson")
    assert done.returncode == 1 and "items 1 to 5: item 4: geometry" in done.stderr, done.stderr
    assert http.get(f"{node.web}/stac/search?collections={collection}").json()["numberMatched"] == 0
    (tmp_path / "b.ndjson").write_bytes(b'{"type":\n')
    assert "item" in load(node, collection, tmp_path / "b.ndjson")[0].stderr
    (tmp_path / "c.ndjson").write_bytes(lines(items[:1]))
    assert load(node, "no-such-collection", tmp_path / "c.ndjson")[0].returncode == 4
    assert load(node, collection, tmp_path / "none.ndjson")[0].returncode == 4
    refused = http.post(
        f"{node.web}/stac/collections/{collection}/bulk_items", data=lines(items[:1] * 2001),
        headers={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    assert refused.status_code == 413
    nobody = node.http(token=False).post(
        f"{node.web}/stac/collections/{collection}/bulk_items", data=lines(items[:1]),
        headers={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    assert nobody.status_code in (401, 403)


TIMES = {"datetime", "start_datetime", "end_datetime", "created", "updated"}


def moment(text):
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return text


def plain(value):
    """Without what is null, and moments as such: a table has a place for what an item lacks, and no text of a time."""
    if isinstance(value, dict):
        return {
            key: moment(inner) if key in TIMES else plain(inner)
            for key, inner in value.items()
            if inner is not None
        }
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def by_id(items):
    return {item["id"]: plain(item) for item in items}


def rows(table):
    return by_id(stac_geoparquet.arrow.stac_table_to_items(table))


def own(item):
    """An item as it was handed in: without the links of the node that serves it."""
    links = [link for link in item["links"] if link["rel"] not in ("self", "root", "parent", "collection")]
    return {**item, "links": links}


@pytest.mark.parametrize("name", ["sentinel-2-l2a", "real-landsat", "pc-naip", "real-s2-cogs-e84"])
def test_items_come_as_geoparquet(node, http, collection, tmp_path, name):
    items = real_items(f"{name}.ndjson.gz", 40)
    (tmp_path / "a.ndjson").write_bytes(lines(items))
    done, _ = load(node, collection, tmp_path / "a.ndjson")
    assert done.returncode == 0, done.stderr
    search = f"{node.web}/stac/search?collections={collection}"
    expected = by_id(http.get(f"{search}&limit=100").json()["features"])
    assert len(expected) == len(items)

    url, found = f"{search}&limit=15&f=parquet", {}
    while url:
        page = http.get(url)
        assert page.status_code == 200 and page.headers["Content-Type"] == "application/vnd.apache.parquet", page.text
        assert page.headers["OGC-NumberMatched"] == str(len(items))
        found |= rows(pyarrow.parquet.read_table(io.BytesIO(page.content)))
        url = page.links.get("next", {}).get("url")
    assert found == expected

    page = http.get(
        f"{node.web}/stac/collections/{collection}/items?limit=40",
        headers={"Accept": "application/vnd.apache.parquet"},
    )
    (tmp_path / "b.parquet").write_bytes(page.content)
    places = geopandas.read_parquet(tmp_path / "b.parquet")
    assert places.crs == "OGC:CRS84" and set(places["id"]) == set(expected) and places.is_valid.all()
    west = duckdb.sql(f"SELECT min(bbox.xmin), count(datetime) FROM '{tmp_path / 'b.parquet'}'").fetchone()
    assert west == (min(item["bbox"][0] for item in items), len(items))
    metadata = pyarrow.parquet.read_metadata(tmp_path / "b.parquet").metadata
    assert json.loads(metadata[b"stac-geoparquet"])["version"] == "1.1.0"

    # The command line puts all pages into one file.
    done = node.cli("search", "--collection", collection, "--format", "parquet", "--output", tmp_path / "c.parquet")
    assert done.returncode == 0, done.stderr
    assert rows(pyarrow.parquet.read_table(tmp_path / "c.parquet")) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ndjson", "b.parquet", "c.parquet"]
    assert node.cli("search", "--collection", collection, "--format", "parquet").returncode != 0
    # What this node wrote, it reads: nothing changes.
    done, told = load(node, collection, tmp_path / "b.parquet")
    assert done.returncode == 0, done.stderr
    assert sum(line["stored"] for line in told) == len(items)
    again = http.get(f"{search}&limit=100").json()["features"]
    assert by_id(again) == expected


def test_parts_of_items_come_as_geoparquet(node, http, collection, items, tmp_path):
    url = f"{node.web}/stac/collections/{collection}/items?f=parquet"
    assert pyarrow.parquet.read_table(io.BytesIO(http.get(url).content)).num_rows == 0
    (tmp_path / "a.ndjson").write_bytes(lines(items[:3]))
    assert load(node, collection, tmp_path / "a.ndjson")[0].returncode == 0
    table = pyarrow.parquet.read_table(io.BytesIO(http.get(url + "&fields=id,properties.eo:cloud_cover").content))
    assert "assets" not in table.column_names and "gsd" not in table.column_names
    assert dict(zip(table["id"].to_pylist(), table["eo:cloud_cover"].to_pylist())) == {
        item["id"]: item["properties"]["eo:cloud_cover"] for item in items[:3]
    }


def test_what_fits_no_column_is_not_lost(node, http, collection, items, tmp_path):
    """Members and properties that stac-geoparquet has no place for go out and come in again."""
    odd = [{**item, "properties": {**item["properties"]}} for item in items[:4]]
    odd[0]["note"] = {"mine": [1, {}]}
    odd[1]["properties"] |= {"id": "another", "created": "yesterday", "mixed": 1}
    odd[2]["properties"] |= {"mixed": ["a", {"b": {}}], "empty": {}}
    odd[3] |= {"geometry": None, "bbox": [0, 1, 2, 3.5]}
    (tmp_path / "a.ndjson").write_bytes(lines(odd))
    assert load(node, collection, tmp_path / "a.ndjson")[0].returncode == 0
    search = f"{node.web}/stac/search?collections={collection}"
    expected = by_id(http.get(search).json()["features"])
    (tmp_path / "b.parquet").write_bytes(http.get(search + "&f=parquet").content)
    for name in expected:
        http.delete(f"{node.web}/stac/collections/{collection}/items/{name}")
    done, _ = load(node, collection, tmp_path / "b.parquet")
    assert done.returncode == 0, done.stderr
    assert by_id(http.get(search).json()["features"]) == expected


@pytest.mark.parametrize(
    "options",
    [
        {}, {"compression": "zstd"}, {"compression": "gzip"}, {"compression": "none", "use_dictionary": False},
        {"data_page_version": "2.0", "data_page_size": 500, "row_group_size": 7},
    ],
    ids=str,
)  # fmt: skip
def test_geoparquet_of_others_is_loaded(node, http, collection, items, tmp_path, options):
    stac_geoparquet.arrow.parse_stac_items_to_parquet(items, output_path=str(tmp_path / "a.parquet"))
    if options:
        table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet", **options)
    done, told = load(node, collection, tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(line["stored"] for line in told) == sum(line["changed"] for line in told) == len(items)
    found = http.get(f"{node.web}/stac/search?collections={collection}&limit=100").json()["features"]
    expected = [own({**item, "collection": collection}) for item in items]
    assert by_id(own(item) for item in found) == by_id(expected)


def test_a_broken_geoparquet_file_is_refused_by_name(node, collection, items, tmp_path):
    file = tmp_path / "a.parquet"
    stac_geoparquet.arrow.parse_stac_items_to_parquet(items, output_path=str(file))
    whole = file.read_bytes()
    table = pyarrow.parquet.read_table(file)
    file.write_bytes(whole[:-9])
    done, _ = load(node, collection, file)
    assert done.returncode == 1 and "it is no Parquet file" in done.stderr, done.stderr
    file.write_bytes(whole[:4] + bytes(200) + whole[204:])
    done, _ = load(node, collection, file)
    assert done.returncode == 1 and "column id" in done.stderr or "column type" in done.stderr, done.stderr
    pyarrow.parquet.write_table(table, file, compression="brotli")
    done, _ = load(node, collection, file)
    assert done.returncode == 1 and "Brotli" in done.stderr, done.stderr


def test_pages_for_people(node, http, collection, items):
    put = http.post(f"{node.web}/stac/collections/{collection}/items", json=items[0])
    assert put.status_code == 201, put.text
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("", f"/collections/{collection}", f"/collections/{collection}/items/{items[0]['id']}", "/collections"):
        page = http.get(f"{node.web}/stac{path}", headers=browser)
        assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html"), path
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "<script" not in page.text and "<b>" not in page.text and 'href="javascript' not in page.text
        assert http.get(f"{node.web}/stac{path}").headers["Content-Type"] != page.headers["Content-Type"]
        assert "json" in http.get(f"{node.web}/stac{path}?f=json", headers=browser).headers["Content-Type"]
    assert http.get(f"{node.web}/stac/api?f=html").headers["Content-Type"].startswith("text/html")
    assert http.get(f"{node.web}/stac/search?f=nonsense").status_code == 400


def test_pages_look_right(any_node, browser, screenshots):
    """Nothing is wider than the screen, in both widths and schemes."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            look(browser, width, scheme)
            open_page(browser, any_node, "/stac/conformance?f=html")
            browser.save_screenshot(str(screenshots / f"stac-{width}-{scheme}.png"))
            wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{width} {scheme}"
