"""Items as lines, in and out, and pages for people."""

import json
import secrets

import pytest
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
