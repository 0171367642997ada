"""What the tests of the STAC API share: a collection with real items, and pystac-client."""

import pystac_client
import pytest
from conftest import empty_bucket, new_bucket
from products import put_items, real_items, wait_for


def scenes(count):
    """Real items of Sentinel-2, by their ids."""
    return {item["id"]: item for item in real_items("sentinel-2-l2a.ndjson.gz", count)}


def lend_collection(node, name, items):
    """A collection with these items, which are few enough for one page."""
    s3, http = node.s3(max_pool_connections=8), node.http()
    bucket = new_bucket(s3, name)
    put_items(s3, bucket, items)

    def all_there():
        found = http.get(f"{node.web}/stac/search", params={"collections": bucket, "limit": 500})
        return len(found.json()["features"]) == len(items)

    wait_for("all items", all_there, seconds=180)
    yield bucket
    empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def lend_client(node):
    with pytest.MonkeyPatch.context() as patch:
        if node.tls:
            # It asks `requests` with `verify=True`, so this is the way its users name an authority.
            patch.setenv("REQUESTS_CA_BUNDLE", node.authority)
        yield pystac_client.Client.open(node.web + "/stac", headers={"Authorization": "Bearer " + node.token()})
