"""Products become Items: real ones with their own properties, strange ones with what is known."""

import json
import math

import blake3
import pytest
import requests
from conftest import lend_bucket
from products import LANDSAT, LEVEL_1C, LEVEL_2A, real_items, shared, upload, wait_for, wait_for_item
from schemas import validate


@pytest.fixture(scope="module")
def collection(node):
    s3 = node.s3()
    yield from lend_bucket(s3, "eo")


def describe(node, http, collection, item):
    found = wait_for_item(http, node, collection, item)
    validate(found)
    assert (found["type"], found["id"], found["collection"]) == ("Feature", item, collection)
    return found


def check_assets(node, item, files):
    """Each file is an asset that signs and opens, with its size and digest."""
    by_name = {asset["href"].split("?")[0].rsplit("/", 1)[1]: asset for asset in item["assets"].values()}
    session = node.http()
    for name, path in files.items():
        asset = by_name[name.rsplit("/", 1)[-1]]
        body = path.read_bytes()
        assert asset["file:size"] == len(body), name
        assert asset["file:checksum"] == "1e20" + blake3.blake3(body).hexdigest(), name
        signed = session.get(f"{node.web}/sign", params={"href": asset["href"]}).json()["href"]
        assert requests.get(signed, verify=node.verify).content == body, name


def test_a_sentinel_2_level_2a_product_across_the_antimeridian(node, http, collection):
    files = upload(node.s3(), collection, shared() / "products" / f"{LEVEL_2A}.SAFE", f"{LEVEL_2A}.SAFE")
    item = describe(node, http, collection, LEVEL_2A)
    properties = item["properties"]
    expected = {
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "processing:level": "L2A",
        "sat:relative_orbit": 29,
        "sat:orbit_state": "descending",
        "grid:code": "MGRS-01KAB",
        "proj:code": "EPSG:32701",
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": "05.09",
    }
    assert {name: properties.get(name) for name in expected} == expected
    assert math.isclose(properties["eo:cloud_cover"], 59.050727, abs_tol=1e-4)
    assert properties["datetime"].startswith("2023-08-21T22:19:41.024")
    # The product lies on both sides of 180°: as a box west > east, as a geometry in two parts (RFC 7946 §3.1.9).
    west, south, east, north = item["bbox"]
    assert (round(west, 2), round(east, 2)) == (179.24, -179.72)
    assert (round(south, 2), round(north, 2)) == (-17.25, -16.25)
    assert item["geometry"]["type"] == "MultiPolygon"
    longitudes = [x for polygon in item["geometry"]["coordinates"] for ring in polygon for x, *_ in ring]
    assert all(abs(x) <= 180 for x in longitudes) and min(map(abs, longitudes)) > 179
    check_assets(node, item, files)


def test_a_sentinel_2_level_1c_product(node, http, collection):
    upload(node.s3(), collection, shared() / "products" / f"{LEVEL_1C}.SAFE", f"2021/09/08/{LEVEL_1C}.SAFE")
    item = describe(node, http, collection, LEVEL_1C)
    expected = {
        "platform": "sentinel-2a",
        "processing:level": "L1C",
        "sat:relative_orbit": 133,
        "grid:code": "MGRS-46RER",
        "s2:product_type": "S2MSI1C",
        "proj:code": "EPSG:32646",
    }
    assert {name: item["properties"].get(name) for name in expected} == expected
    assert math.isclose(item["properties"]["eo:cloud_cover"], 88.2972, abs_tol=1e-4)
    assert item["geometry"]["type"] == "Polygon"
    assert [round(number, 2) for number in item["bbox"]] == [93.0, 27.03, 93.43, 28.03]


def test_a_landsat_scene_by_its_own_metadata(node, http, collection):
    folder = shared() / "products" / LANDSAT
    files = upload(node.s3(), collection, folder, LANDSAT, leave_out=[f"{LANDSAT}_SR_stac.json"])
    item = describe(node, http, collection, LANDSAT)
    expected = {
        "platform": "landsat-8",
        "instruments": ["oli", "tirs"],
        "landsat:wrs_path": "008",
        "landsat:wrs_row": "059",
        "landsat:scene_id": "LC80080592019335LGN00",
        "landsat:collection_category": "T1",
        "eo:cloud_cover": 81.02,
        "proj:code": "EPSG:32618",
        "sci:doi": "10.5066/P9OGBGM6",
    }
    assert {name: item["properties"].get(name) for name in expected} == expected
    assert item["properties"]["datetime"].startswith("2019-12-01T15:13:51.86")
    assert math.isclose(item["properties"]["view:sun_elevation"], 57.08727307, abs_tol=1e-6)
    west, south, east, north = item["bbox"]
    assert -76.2 < west < -75.9 and 0.3 < south < 0.5 and -74.2 < east < -74.0 and 2.4 < north < 2.6
    check_assets(node, item, files)
    bands = {asset["href"].rsplit("_", 1)[-1]: asset.get("bands") for asset in item["assets"].values()}
    assert bands["B4.TIF"][0]["eo:common_name"] == "red"


def test_a_scene_with_an_item_of_an_early_stac_version_still_becomes_a_valid_item(node, http, collection):
    upload(node.s3(), collection, shared() / "products" / LANDSAT, f"early/{LANDSAT}")
    item = wait_for(
        "the item",
        lambda: next(
            (
                item
                for item in http.get(f"{node.web}/stac/collections/{collection}/items", params={"limit": 100}).json()[
                    "features"
                ]
                if any(f"/early/{LANDSAT}/" in asset["href"] for asset in item["assets"].values())
            ),
            None,
        ),
    )
    validate(item)
    assert item["properties"]["eo:cloud_cover"] == 81.02


def test_a_geotiff_gives_geometry_projection_and_bands(node, http, collection):
    path = shared() / "products" / "rasters" / "RGB.byte.tif"
    node.s3().upload_file(str(path), collection, "RGB.byte.tif")
    item = describe(node, http, collection, "RGB.byte")
    asset = next(asset for asset in item["assets"].values() if asset["href"].endswith("/RGB.byte.tif"))
    assert asset["type"].startswith("image/tiff; application=geotiff")
    assert (asset.get("proj:code") or item["properties"].get("proj:code")) == "EPSG:32618"
    assert asset["proj:shape"] == [718, 791]
    assert [round(number, 3) for number in asset["proj:transform"][:6]] == [300.038, 0, 101985, 0, -300.042, 2826915]
    assert [(band.get("data_type"), band.get("nodata")) for band in asset["bands"]] == [("uint8", 0)] * 3
    assert [round(number, 2) for number in item["bbox"]] == [-78.96, 23.56, -76.57, 25.55]
    thumbnail = next(asset for asset in item["assets"].values() if "thumbnail" in asset.get("roles", []))
    signed = http.get(f"{node.web}/sign", params={"href": thumbnail["href"]}).json()["href"]
    assert requests.get(signed, verify=node.verify).content[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_cloud_optimised_geotiff_in_a_folder(node, http, collection):
    path = shared() / "products" / "rasters" / "cogeo.tif"
    node.s3().upload_file(str(path), collection, "deep/down/cog/data.tif")
    item = describe(node, http, collection, "deep_down_cog")
    asset = next(asset for asset in item["assets"].values() if asset["href"].endswith("/deep/down/cog/data.tif"))
    assert asset["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert item["geometry"] is not None and len(item["bbox"]) == 4


def test_a_real_netcdf_file_has_its_footprint(node, http, collection):
    path = shared() / "products" / "rasters" / "RGB.nc"
    node.s3().upload_file(str(path), collection, "climate/RGB.nc")
    item = describe(node, http, collection, "climate")
    west, south, east, north = item["bbox"]
    assert -79.1 < west < -78.5 and 23.4 < south < 23.7 and -76.8 < east < -76.4 and 25.3 < north < 25.7
    check_assets(node, item, {"RGB.nc": path})


def test_a_geotiff_with_damaged_pixels_is_an_item_of_what_its_header_tells(node, http, collection):
    path = shared() / "products" / "rasters" / "corrupt.tif"
    node.s3().upload_file(str(path), collection, "damaged/corrupt.tif")
    item = describe(node, http, collection, "damaged")
    whole = wait_for_item(http, node, collection, "deep_down_cog")
    assert item["geometry"] in (None, whole["geometry"])
    check_assets(node, item, {"corrupt.tif": path})


@pytest.mark.parametrize(
    "name, body",
    [
        ("empty.tif", b""),
        ("short.tif", b"II*\0"),
        ("none.tif", b"not a TIFF at all"),
        ("loop.tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
        ("bomb.xml", b"<a>" * 100_000),
        ("MTD_MSIL2A.xml", b"<x/>"),
        ("X_MTL.txt", b"GROUP = "),
        ("X_MTL.json", b"{"),
        ("item.json", b'{"type":"Feature","stac_version":"1.0.0"}'),
        ("item2.json", b'{"type":"Feature","stac_version":"1.0.0","id":7,"geometry":[[[[' + b"[" * 5000),
        ("item3.json", b"\xff\xfe"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_an_item_too(node, http, collection, name, body):
    folder = "odd-" + name.replace(".", "-")
    node.s3().put_object(Bucket=collection, Key=f"{folder}/{name}", Body=body)
    item = describe(node, http, collection, folder)
    assert item["geometry"] is None
    assert node.is_alive()


def test_a_damaged_manifest_does_not_hide_the_product(node, http, collection):
    node.s3().put_object(Bucket=collection, Key="S2B_BROKEN.SAFE/manifest.safe", Body=b"<xfdu:XFDU><open>")
    node.s3().put_object(Bucket=collection, Key="S2B_BROKEN.SAFE/GRANULE/x/B02.jp2", Body=b"x" * 1000)
    item = describe(node, http, collection, "S2B_BROKEN")
    assert len(item["assets"]) == 2


def test_an_item_beside_the_data_is_taken_as_it_is(node, http, collection):
    given = real_items("pc-naip.ndjson.gz", 3)[2]
    given["collection"] = collection
    given["assets"] = {"image": {"href": "./image.tif", "roles": ["data"], "title": "Kept"}}
    given["properties"]["a:custom"] = {"deep": [1, 2.5, None, "ü"]}
    s3 = node.s3()
    s3.put_object(Bucket=collection, Key="naip/image.tif", Body=b"pixels")
    s3.put_object(Bucket=collection, Key="naip/item.json", Body=json.dumps(given).encode())
    item = describe(node, http, collection, given["id"])
    for member in ("geometry", "bbox", "properties", "stac_version"):
        assert item[member] == given[member], member
    assert item["assets"]["image"]["title"] == "Kept"
    assert item["assets"]["image"]["href"] == f"{node.s3_url}/{collection}/naip/image.tif"


def test_a_product_that_changes_is_described_anew_and_one_that_goes_is_gone(node, http, collection):
    s3 = node.s3()
    s3.put_object(Bucket=collection, Key="changing/a.txt", Body=b"a")
    first = describe(node, http, collection, "changing")
    assert len(first["assets"]) == 1
    s3.put_object(Bucket=collection, Key="changing/b.txt", Body=b"b")
    address = f"{node.web}/stac/collections/{collection}/items/changing"
    wait_for("the second asset", lambda: len(http.get(address).json()["assets"]) == 2)
    for name in ("a", "b"):
        s3.delete_object(Bucket=collection, Key=f"changing/{name}.txt")
    wait_for("the item's end", lambda: http.get(address).status_code == 404)


def test_a_collection_tells_what_its_items_cover(node, http, collection):
    wait_for_item(http, node, collection, LEVEL_1C)
    found = http.get(f"{node.web}/stac/collections/{collection}").json()
    validate(found)
    assert found["id"] == collection
    box = found["extent"]["spatial"]["bbox"][0]
    assert len(box) == 4
    start, end = found["extent"]["temporal"]["interval"][0]
    assert start[:4] <= "2021" <= end[:4]
