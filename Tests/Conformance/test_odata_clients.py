"""Clients of the Copernicus Data Space, unmodified: cdsetool knows one catalogue by its name, eodag is configured."""

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

# What somebody writes who has a node in place of the Data Space: addresses and a token, in eodag's own configuration.
PROVIDER = """
cop_dataspace:
  priority: 10
  search:
    api_endpoint: "{web}/odata/v1/Products"
    metadata_mapping:
      "eodag:download_link": "{web}/odata/v1/Products({{uid}})/$value"
  auth:
    type: HTTPHeaderAuth
    matching_url: "{web}"
    headers:
      Authorization: "Bearer {{token}}"
    credentials:
      token: "{token}"
"""
USE = """
import json, sys
from eodag import EODataAccessGateway
dag = EODataAccessGateway(user_conf_file_path=sys.argv[1])
found = dag.search(provider="cop_dataspace", raise_errors=True, **json.loads(sys.argv[2]))
paths = [dag.download(product, output_dir=sys.argv[3]) for product in found] if sys.argv[3] else []
told = [product.properties for product in found]
print(json.dumps({"count": found.number_matched, "told": told, "paths": paths}, default=str))
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


def test_eodag_finds_and_downloads(filled, tmp_path):
    (tmp_path / "eodag.yml").write_text(PROVIDER.format(web=filled.web, token=filled.token()))

    def use(folder="", **terms):
        done = subprocess.run(
            [sys.executable, "-c", USE, str(tmp_path / "eodag.yml"), json.dumps(terms), str(folder)],
            # It asks for pages by urllib and for files by requests.
            env={**clean_environment(), "HOME": str(tmp_path), **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(filled.authority))},
            capture_output=True, text=True, timeout=300,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    terms = {"collection": "S2_MSI_L2A", "start": "2023-08-01", "end": "2023-09-01", "count": True}
    place = {"lonmin": -180, "latmin": -90, "lonmax": 180, "latmax": 90}
    found = use(tmp_path / "out", geom=place, **{"eo:cloud_cover": 100}, **terms)
    assert found["count"] == 1 and [one["title"] for one in found["told"]] == [LEVEL_2A]
    told = found["told"][0]
    assert told["product:type"] == "S2MSI2A" and told["sat:relative_orbit"] == 29 and told["order:status"] == "succeeded"
    folder = shared() / "products" / f"{LEVEL_2A}.SAFE"
    whole = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    top = next((tmp_path / "out").rglob("manifest.safe")).parent
    assert {str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()} == whole
    assert use(**{**terms, "collection": "S2_MSI_L1C"})["count"] == 0
    assert use(**terms, **{"sat:relative_orbit": 29})["count"] == 1
    assert use(**terms, **{"sat:relative_orbit": 30})["count"] == 0
    far = {"lonmin": 4, "latmin": 45, "lonmax": 5, "latmax": 46}
    assert use(geom=far, **terms)["count"] == 0
