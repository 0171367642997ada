"""teledetection's command line, unmodified: it publishes, edits and deletes items and collections with their files."""

import contextlib
import json
import secrets

import numpy
import pystac
import pytest
import rasterio
import requests
from clients import BIN, run
from nodes import S3_ALIASES, clean_environment

STORAGE = S3_ALIASES[0]


@pytest.fixture(scope="module")
def node(any_node):
    """One is enough: the command takes seconds to begin, each time."""
    return any_node


@pytest.fixture
def tld(node, tmp_path):
    """The command, with an API key; its answer is what it printed."""
    access, secret = node.access_key()
    environment = {
        **clean_environment(), "HOME": str(tmp_path), "TLD_CONFIG_DIR": str(tmp_path / "config"),
        "TLD_SIGNING_ENDPOINT": node.web + "/sign", "TLD_ACCESS_KEY": access, "TLD_SECRET_KEY": secret,
    }
    if node.tls:
        environment["REQUESTS_CA_BUNDLE"] = environment["SSL_CERT_FILE"] = str(node.authority)

    def call(*arguments, **more):
        return run([BIN / "tld", *arguments, "--stac_endpoint", node.web + "/stac"], {**environment, **more})

    return call


@contextlib.contextmanager
def public(node, name, folder):
    """Everybody may see what is in a collection of the catalogue: the command reads without saying who it is."""
    actions = ["stac:Search", "stac:GetCollection", "stac:GetItem"]
    resources = [f"arn:martlet:stac:::{name}", f"arn:martlet:stac:::{name}/*"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    (folder / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    node.cli_json("policy", "put", name, folder / "policy.json", "--json")
    node.cli_json("policy", "attach", name, "--to", "everyone", "--json")
    yield
    node.cli_json("policy", "detach", name, "--from", "everyone", "--json")
    node.cli_json("policy", "delete", name, "--json")


@pytest.fixture
def published(node, s3, bucket, tld, tmp_path):
    """A collection of two items, each with a raster and a text, published from a folder."""
    name = "tld-" + secrets.token_hex(4)
    extent = pystac.Extent(
        pystac.SpatialExtent([[4.0, 45.0, 5.0, 46.0]]), pystac.TemporalExtent([[None, None]])
    )
    collection = pystac.Collection(name, "From a folder", extent, license="CC-BY-4.0")
    for number in (1, 2):
        folder = tmp_path / "files" / f"scene-{number}"
        folder.mkdir(parents=True)
        profile = {"crs": "EPSG:4326", "transform": rasterio.Affine(0.01, 0, 4, 0, -0.01, 46)}
        with rasterio.open(folder / "band.tif", "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8", **profile) as out:
            out.write(numpy.full((1, 64, 64), number, dtype="uint8"))
        (folder / "notes.txt").write_text(f"notes of {number}")
        box = [4.0, 45.36, 4.64, 46.0]
        ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]], [box[0], box[1]]]
        item = pystac.Item(
            f"scene-{number}", {"type": "Polygon", "coordinates": [ring]}, box, pystac.utils.str_to_datetime("2020-06-01T00:00:00Z"), {}
        )
        for file in sorted(folder.iterdir()):
            item.add_asset(file.stem, pystac.Asset(str(file)))
        collection.add_item(item)
    collection.normalize_and_save(str(tmp_path / "catalogue"), pystac.CatalogType.SELF_CONTAINED)
    with public(node, name, tmp_path):
        tld("publish", tmp_path / "catalogue" / "collection.json", "--storage_endpoint", STORAGE, "-b", bucket)
        yield name
    node.http().delete(f"{node.web}/stac/collections/{name}")


def test_what_is_published_is_found_edited_and_deleted(node, s3, bucket, tld, published, tmp_path):
    name, http, stac = published, node.http(), node.web + "/stac"
    item = http.get(f"{stac}/collections/{name}/items/scene-1").json()
    assert item["assets"]["notes"]["href"] == f"{STORAGE}/{bucket}/{name}/scene-1/notes.txt"
    assert item["assets"]["band"]["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    signed = http.get(f"{node.web}/sign", params={"href": item["assets"]["notes"]["href"]}).json()["href"]
    assert requests.get(signed, verify=node.verify).text == "notes of 1"
    assert "Found 2 item(s)" in tld("list-col-items", "-c", name)
    # Once more: nothing is uploaded anew, items are replaced.
    before = s3.head_object(Bucket=bucket, Key=f"{name}/scene-1/notes.txt")["LastModified"]
    tld("publish", tmp_path / "catalogue" / "collection.json", "--storage_endpoint", STORAGE, "-b", bucket)
    assert s3.head_object(Bucket=bucket, Key=f"{name}/scene-1/notes.txt")["LastModified"] == before

    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/\"properties\": {/\"properties\": {\"platform\": \"edited\",/' \"$1\"\n")
    editor.chmod(0o755)
    tld("edit", "-c", name, "-i", "scene-1", EDITOR=str(editor))
    assert http.get(f"{stac}/collections/{name}/items/scene-1").json()["properties"]["platform"] == "edited"
    editor.write_text("#!/bin/sh\nsed -i 's/From a folder/Edited/' \"$1\"\n")
    tld("edit", "-c", name, EDITOR=str(editor))
    assert http.get(f"{stac}/collections/{name}").json()["description"] == "Edited"
    tld("grab", "-c", name, "-i", "scene-2", "-s", "-o", tmp_path / "grabbed.json")
    grabbed = json.loads((tmp_path / "grabbed.json").read_text())
    assert requests.get(grabbed["assets"]["notes"]["href"], verify=node.verify).text == "notes of 2"
    tld("update-col-extent", "--col_id", name)

    tld("delete", "-c", name, "-i", "scene-1")
    assert http.get(f"{stac}/collections/{name}/items/scene-1").status_code == 404
    assert http.get(f"{stac}/collections/{name}/items/scene-2").status_code == 200
    tld("delete", "-c", name)
    assert http.get(f"{stac}/collections/{name}").status_code == 404
