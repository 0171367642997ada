"""Items and collections put, changed and removed over STAC: entity tags, patches, many at once, and who may."""

import concurrent.futures
import json
import time

import pytest
from products import real_items

COLLECTION = {
    "type": "Collection",
    "stac_version": "1.1.0",
    "description": "Made over STAC.",
    "license": "CC-BY-4.0",
    "links": [],
}


@pytest.fixture(scope="module")
def url(node, http):
    """A collection that was made over STAC."""
    name = f"stac-{time.time_ns()}"
    made = http.post(f"{node.web}/stac/collections", json={**COLLECTION, "id": name})
    assert made.status_code == 201, made.text
    address = f"{node.web}/stac/collections/{name}"
    assert made.headers["Location"] == address and made.json()["license"] == "CC-BY-4.0"
    yield address
    assert http.delete(address).status_code == 204
    assert http.get(address).status_code == 404


@pytest.fixture(scope="module")
def items():
    return real_items("sentinel-2-l2a.ndjson.gz", 12)


def test_an_item_is_put_replaced_changed_and_removed(http, url, items):
    item = items[0]
    made = http.post(f"{url}/items", json=item)
    assert made.status_code == 201, made.text
    address = made.headers["Location"]
    assert address == f"{url}/items/{item['id']}" and made.json()["properties"] == item["properties"]
    first = http.get(address).headers["ETag"]
    assert first == made.headers["ETag"]
    again = http.post(f"{url}/items", json=item)
    assert again.status_code == 409 and "PUT" in again.json()["detail"]

    changed = {**item, "properties": {**item["properties"], "eo:cloud_cover": 1.5}}
    refused = http.put(address, json=changed, headers={"If-Match": '"1"'})
    assert refused.status_code == 412 and first in refused.json()["detail"]
    done = http.put(address, json=changed, headers={"If-Match": first})
    assert done.status_code == 204 and done.headers["ETag"] != first
    assert http.get(address, headers={"If-None-Match": done.headers["ETag"]}).status_code == 304

    merge = {"properties": {"eo:cloud_cover": 2.5, "platform": None, "note": "x"}}
    assert http.patch(address, json=merge).status_code == 204
    properties = http.get(address).json()["properties"]
    assert properties["eo:cloud_cover"] == 2.5 and properties["note"] == "x" and "platform" not in properties
    patch = [{"op": "test", "path": "/properties/note", "value": "x"}, {"op": "remove", "path": "/properties/note"}]
    headers = {"Content-Type": "application/json-patch+json"}
    assert http.patch(address, data=json.dumps(patch), headers=headers).status_code == 204
    assert http.patch(address, data=json.dumps(patch), headers=headers).status_code == 409
    found = http.get(f"{url}/items", params={"filter": "note IS NULL AND eo:cloud_cover = 2.5"}).json()
    assert [found["id"] for found in found["features"]] == [item["id"]]

    assert http.patch(address, json={"id": "another"}).status_code == 400
    assert http.patch(address, json={"properties": {"datetime": "yesterday"}}).status_code == 400
    assert http.delete(address, headers={"If-Match": first}).status_code == 412
    assert http.delete(address).status_code == 204
    assert http.delete(address).status_code == 404 and http.get(address).status_code == 404
    assert http.put(address, json=item).status_code == 404 and http.patch(address, json={}).status_code == 404


def test_many_items_come_together_or_not_at_all(http, url, items):
    several = {"type": "FeatureCollection", "features": items[1:6]}
    made = http.post(f"{url}/items", json=several)
    assert made.status_code == 201 and made.json()["numberCreated"] == 5, made.text
    # One of these is there already.
    assert http.post(f"{url}/items", json={"type": "FeatureCollection", "features": items[5:8]}).status_code == 409
    assert http.get(f"{url}/items/{items[6]['id']}").status_code == 404
    bulk = {"method": "insert", "items": {item["id"]: item for item in items[4:]}}
    assert http.post(f"{url}/bulk_items", json=bulk).status_code == 409
    assert http.post(f"{url}/bulk_items", json={**bulk, "method": "upsert"}).status_code == 200
    found = http.get(f"{url}/items", params={"limit": 100}).json()
    assert {item["id"] for item in found["features"]} == {item["id"] for item in items[1:]}
    assert found["numberMatched"] == len(items) - 1
    wrong = {"items": {"x": items[0]}}
    assert http.post(f"{url}/bulk_items", json=wrong).status_code == 400
    broken = {"type": "FeatureCollection", "features": [items[0], {"type": "Feature"}]}
    assert http.post(f"{url}/items", json=broken).status_code == 400
    assert http.get(f"{url}/items/{items[0]['id']}").status_code == 404


def test_of_two_who_change_the_same_item_one_is_told(http, node, url, items):
    item = {**items[0], "id": "raced"}
    address = http.post(f"{url}/items", json=item).headers["Location"]
    tag = http.get(address).headers["ETag"]

    def change(number):
        return node.http().patch(address, json={"properties": {"n": number}}, headers={"If-Match": tag}).status_code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(change, range(4))) == [204, 412, 412, 412]
    assert http.delete(address).status_code == 204


def test_a_collection_is_described_anew(http, node, url):
    tag = http.get(url).headers["ETag"]
    name = url.rsplit("/", 1)[1]
    described = {**COLLECTION, "id": name, "title": "Anew", "keywords": ["ice"]}
    assert http.put(url, json=described, headers={"If-Match": 'W/"1"'}).status_code == 412
    assert http.put(url, json=described, headers={"If-Match": tag}).status_code == 204
    assert http.patch(url, json={"keywords": None, "title": "Patched"}).status_code == 204
    now = http.get(url).json()
    assert now["title"] == "Patched" and "keywords" not in now and now["license"] == "CC-BY-4.0"
    assert http.put(url, json={**described, "id": "another"}).status_code == 400
    assert http.patch(url, json={"license": ""}).status_code == 400
    assert http.post(f"{node.web}/stac/collections", json={**described}).status_code == 409
    assert http.post(f"{node.web}/stac/collections", json={**described, "id": "No Bucket"}).status_code == 400
    assert http.put(f"{node.web}/stac/collections/no-such", json={**described, "id": "no-such"}).status_code == 404


def test_a_collection_with_objects_stays(http, node):
    s3 = node.s3()
    name = f"stac-full-{time.time_ns()}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    refused = http.delete(f"{node.web}/stac/collections/{name}")
    assert refused.status_code == 409 and "objects" in refused.json()["detail"]
    s3.delete_object(Bucket=name, Key="a")
    assert http.delete(f"{node.web}/stac/collections/{name}").status_code == 204


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"type":"Feature"}', b'{"type":"FeatureCollection"}', b"\xff"])
def test_what_is_no_item_is_refused(http, node, url, body):
    headers = {"Content-Type": "application/json"}
    for method, address in (("POST", f"{url}/items"), ("POST", f"{url}/bulk_items"), ("PUT", f"{url}/items/x")):
        answer = http.request(method, address, data=body, headers=headers)
        assert answer.status_code in (400, 404), f"{method} {address}: {answer.status_code} {answer.text[:200]}"
    assert node.is_alive()


def test_nobody_changes_anything_without_leave(node, url, items):
    nobody = node.http(token=False)
    for method, address in (
        ("POST", f"{url}/items"),
        ("POST", f"{url}/bulk_items"),
        ("PUT", f"{url}/items/{items[1]['id']}"),
        ("PATCH", f"{url}/items/{items[1]['id']}"),
        ("DELETE", f"{url}/items/{items[1]['id']}"),
        ("PUT", url),
        ("PATCH", url),
        ("DELETE", url),
        ("POST", f"{node.web}/stac/collections"),
    ):
        body = {"items": {}, **COLLECTION, "id": "x"} if method != "DELETE" else None
        answer = nobody.request(method, address, json=body)
        assert answer.status_code in (400, 401, 403), f"{method} {address}: {answer.status_code}"
        assert answer.status_code != 400 or "items" in address
