"""cdsetool, unmodified: it knows one catalogue by its name, which leads to the node here."""

import json
import subprocess
import sys

import pytest
from nodes import clean_environment
from products import LEVEL_2A, shared, upload, wait_for_item

HOST = "catalogue.dataspace.copernicus.eu"
# What a name server and a certificate for the name would do: the connection goes to the node.
LEAD = """
import json, sys, urllib3.util.connection as connection
original = connection.create_connection
connection.create_connection = lambda address, *rest, **options: original(("127.0.0.1", int(sys.argv[1])), *rest, **options)
from cdsetool.query import describe_collection, query_features
terms = json.loads(sys.argv[3])
found = query_features(sys.argv[2], terms, options={"expand_attributes": True, "max_attempts": 1})
print(json.dumps({"count": len(found), "names": [one["Name"] for one in found], "terms": sorted(describe_collection(sys.argv[2]))}))
"""


@pytest.fixture
def named(nodes):
    """A node whose own certificate is good for the catalogue's name, and in which everybody sees the catalogue."""
    node = nodes.new("sqlite-https", options=[f"--s3-alias=https://{HOST}"]).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def filled(named, tmp_path):
    s3, http = named.s3(), named.http()
    s3.create_bucket(Bucket="sentinel-2")
    upload(s3, "sentinel-2", shared() / "products" / f"{LEVEL_2A}.SAFE", f"{LEVEL_2A}.SAFE")
    wait_for_item(http, named, "sentinel-2", LEVEL_2A)
    statement = {"Effect": "Allow", "Action": "stac:*", "Resource": "*"}
    (tmp_path / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    named.cli_json("policy", "put", "open", tmp_path / "policy.json", "--json")
    named.cli_json("policy", "attach", "open", "--to", "everyone", "--json")
    return named


def test_cdsetool_finds_products(filled, tmp_path):
    def ask(**terms):
        done = subprocess.run(
            [sys.executable, "-c", LEAD, str(filled.ports["web"]), "SENTINEL-2", json.dumps(terms)],
            env={**clean_environment(), "REQUESTS_CA_BUNDLE": str(filled.authority), "HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    found = ask(
        contentDateStartGe="2023-08-21", contentDateStartLt="2023-08-22T23:00:00Z", cloudCover="[0,100]", productType="S2MSI2A",
        geometry="POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))",
    )
    assert found["names"] == [f"{LEVEL_2A}.SAFE"] and found["count"] == 1
    assert {"cloudCover", "productType", "contentDateStart"} <= set(found["terms"])
    assert ask(name="MSIL2A", relativeOrbitNumberEq="29")["count"] == 1
    assert ask(name="MSIL1C")["count"] == 0
