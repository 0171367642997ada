"""Pictures of rasters: tiles, previews and mosaics, as GDAL's drivers, curl and scripts ask for them."""

import concurrent.futures
import io
import json
import math
import secrets
import subprocess

import numpy
import pytest
import rasterio
import requests
from conftest import lend_bucket
from PIL import Image
from products import wait_for
from rasterio.transform import from_origin
from rasterio.warp import transform, transform_bounds

PASSWORD = "a long pass phrase 1"
# Two scenes side by side, and where the middle of each lies.
EDGE, PIXEL, NORTH = 256, 20.0, 5_200_000.0
SCENES = {"west": 600_000.0, "east": 600_000.0 + EDGE * PIXEL}
# The values of their red and their near-infrared band.
VALUES = {"west": (100, 300), "east": (200, 200)}


def raster(values, origin, **options):
    """A GeoTIFF with overviews and an empty upper left quarter."""
    data = numpy.stack([numpy.full((EDGE, EDGE), value) for value in values])
    data[:, : EDGE // 4, : EDGE // 4] = 0
    options = {"dtype": "uint16", "nodata": 0, "crs": "EPSG:32632", **options}
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=EDGE, height=EDGE, count=len(values), tiled=True, blockxsize=128, blockysize=128,
            transform=from_origin(origin, NORTH, PIXEL, PIXEL), **options,
        ) as file:
            file.write(data.astype(options["dtype"]))
            file.build_overviews([2, 4])
        return memory.read()


def box(origin):
    return transform_bounds("EPSG:32632", "EPSG:4326", origin, NORTH - EDGE * PIXEL, origin + EDGE * PIXEL, NORTH)


def middle(scene):
    x, y = transform("EPSG:32632", "EPSG:3857", [SCENES[scene] + EDGE * PIXEL / 2], [NORTH - EDGE * PIXEL / 2])
    return x[0], y[0]


HALF = math.pi * 6_378_137


def tile_of(x, y, zoom):
    """The tile that a place in Web Mercator lies on, and the pixel there."""
    column, row = ((x + HALF) / (2 * HALF) * 2**zoom, (HALF - y) / (2 * HALF) * 2**zoom)
    return int(column), int(row), int(column % 1 * 256), int(row % 1 * 256)


def picture(answer):
    assert answer.status_code == 200, answer.text
    return numpy.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


@pytest.fixture(scope="module")
def collection(node):
    s3 = node.s3()
    for bucket in lend_bucket(s3, "tiles"):
        http = node.http()
        for number, (scene, origin) in enumerate(SCENES.items()):
            red, nir = VALUES[scene]
            s3.put_object(Bucket=bucket, Key=f"{scene}/B04.tif", Body=raster([red], origin))
            s3.put_object(Bucket=bucket, Key=f"{scene}/B08.tif", Body=raster([nir], origin))
            colours = raster([250, 100, 50], origin, dtype="uint8", nodata=None, photometric="RGB")
            s3.put_object(Bucket=bucket, Key=f"{scene}/visual.tif", Body=colours)
            west, south, east, north = box(origin)
            ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
            item = {
                "type": "Feature", "stac_version": "1.0.0", "id": scene, "links": [], "bbox": [west, south, east, north],
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"datetime": f"2026-11-{number + 1:02}T10:00:00Z"},
                "assets": {
                    name: {"href": f"./{name}.tif", "type": "image/tiff", "roles": roles}
                    for name, roles in (("B04", ["data"]), ("B08", ["data"]), ("visual", ["visual"]))
                },
            }
            s3.put_object(Bucket=bucket, Key=f"{scene}/{scene}.json", Body=json.dumps(item).encode())
        for scene in SCENES:
            wait_for("the item with its own names", lambda: "B04" in (
                http.get(f"{node.web}/stac/collections/{bucket}/items/{scene}").json().get("assets", ())))
        yield bucket


def address(node, collection, item=None):
    base = f"{node.web}/raster/collections/{collection}"
    return f"{base}/items/{item}" if item else base


NDVI = {"expression": "(B08 - B04) / (B08 + B04)", "rescale": "-1,1", "colormap_name": "rdylgn", "resampling": "nearest"}


def test_band_maths_in_colours_where_the_scene_lies(node, http, collection):
    column, row, x, y = tile_of(*middle("west"), 13)
    url = f"{address(node, collection, 'west')}/tiles/WebMercatorQuad/13/{column}/{row}"
    tile = picture(http.get(url + ".png", params=NDVI))
    assert tile.shape == (256, 256, 4)
    # 0.5 lies three quarters up, between the eighth and the ninth of eleven colours.
    low, high = numpy.array([0xA6, 0xD9, 0x6A]), numpy.array([0x66, 0xBD, 0x63])
    assert abs(tile[y, x, :3].astype(int) - (low + high) / 2).max() <= 1 and tile[y, x, 3] == 255
    double = picture(http.get(url + "@2x.png", params=NDVI))
    assert double.shape == (512, 512, 4) and (double[2 * y, 2 * x] == tile[y, x]).all()
    # In degrees the same place has the same colour.
    lon, lat = transform("EPSG:3857", "EPSG:4326", [middle("west")[0]], [middle("west")[1]])
    part = picture(http.get(f"{address(node, collection, 'west')}/bbox/{lon[0] - 0.001},{lat[0] - 0.001},{lon[0] + 0.001},{lat[0] + 0.001}/64x32.png", params=NDVI))
    assert part.shape == (32, 64, 4) and (part[16, 32] == tile[y, x]).all()
    column, row = int((lon[0] + 180) / 180 * 2**12), int((90 - lat[0]) / 180 * 2**12)
    degrees = picture(http.get(f"{address(node, collection, 'west')}/tiles/WorldCRS84Quad/12/{column}/{row}", params=NDVI))
    assert (degrees[..., 3] == 255).any()


def test_a_preview_shows_the_colours_that_there_are(node, http, collection):
    shown = picture(http.get(address(node, collection, "west") + "/preview.png?max_size=200&nodata=0&resampling=nearest"))
    assert max(shown.shape) == 200 and (shown[100, 100] == [250, 100, 50, 255]).all() and shown[20, 20, 3] == 0
    answer = http.get(address(node, collection, "west") + "/preview.jpg?max_size=64")
    assert answer.headers["Content-Type"] == "image/jpeg" and max(picture(answer).shape) == 64
    one = picture(http.get(address(node, collection, "west") + "/preview", params={"assets": "visual", "bidx": 2, "resampling": "nearest"}))
    assert (one[256, 256, :3] == 100).all()
    classes = {"assets": "B04", "colormap": '{"100": "#112233"}', "resampling": "nearest"}
    assert (picture(http.get(address(node, collection, "west") + "/preview", params=classes))[256, 256] == [0x11, 0x22, 0x33, 255]).all()
    assert (picture(http.get(address(node, collection, "east") + "/preview", params=classes))[..., 3] == 0).all()
    # Without a range one is found out, and an even band is drawn all the same.
    assert (picture(http.get(address(node, collection, "west") + "/preview", params={"assets": "B08"}))[256, 256, 3] == 255)
    info = http.get(address(node, collection, "west") + "/info").json()
    assert {asset["key"]: asset["shown"] for asset in info["assets"]} == {"B04": False, "B08": False, "visual": True}


def test_a_collection_is_a_mosaic(node, http, collection):
    params = {"assets": "B04", "rescale": "0,255", "resampling": "nearest"}
    edge, y = (middle("west")[0] + middle("east")[0]) / 2, middle("west")[1]
    column, row, x, y = tile_of(edge, y, 11)
    url = f"{address(node, collection)}/tiles/WebMercatorQuad/11/{column}/{row}.png"
    both = picture(http.get(url, params=params))
    found = {int(value) for value in numpy.unique(both[..., 0][both[..., 3] == 255])}
    assert found == {100, 200}
    for chosen, value in (({"datetime": "../2026-11-01T23:00:00Z"}, 100), ({"ids": "east"}, 200), ({"filter": "id = 'west'"}, 100)):
        part = picture(http.get(url, params=params | chosen))
        assert set(numpy.unique(part[..., 0][part[..., 3] == 255])) == {value}, chosen
    # Elsewhere there is nothing, and that is a picture too.
    far = picture(http.get(f"{address(node, collection)}/tiles/WebMercatorQuad/11/0/0.png", params=params))
    assert (far[..., 3] == 0).all()


def test_a_tag_tells_whether_a_tile_has_changed(node, http, collection):
    s3 = node.s3()
    url = address(node, collection, "east") + "/preview.png?assets=B08&rescale=0,500&resampling=nearest"
    first = http.get(url)
    tag = first.headers["ETag"]
    again = http.get(url, headers={"If-None-Match": tag})
    assert again.status_code == 304 and not again.content
    assert http.get(url + "&max_size=64").headers["ETag"] != tag
    s3.put_object(Bucket=collection, Key="east/B08.tif", Body=raster([400], SCENES["east"]))
    try:
        changed = http.get(url, headers={"If-None-Match": tag})
        assert changed.status_code == 200 and picture(changed)[256, 256, 0] == 204
    finally:
        s3.put_object(Bucket=collection, Key="east/B08.tif", Body=raster([200], SCENES["east"]))


def read(place, scene):
    """The colour at the middle of a scene, as GDAL reads it."""
    with rasterio.open(place) as source:
        row, column = source.index(*middle(scene))
        window = rasterio.windows.Window(column - 2, row - 2, 5, 5)
        return [int(value) for value in source.read(window=window)[:3, 2, 2]]


def gdal(node):
    options = {"GDAL_HTTP_TIMEOUT": "30", "GDAL_HTTP_PROXY": ""}
    return rasterio.Env(**options, **({"GDAL_CURL_CA_BUNDLE": node.authority} if node.tls else {}))


def test_gdal_reads_wmts_and_xyz(node, http, collection):
    params = {"assets": "B04", "rescale": "0,255", "resampling": "nearest"}
    capabilities = http.get(address(node, collection) + "/WMTSCapabilities.xml", params=params)
    assert capabilities.status_code == 200 and "ResourceURL" in capabilities.text, capabilities.text
    # The addresses in it are signed: who has it needs nothing else.
    own = capabilities.text.split('xlink:href="')[1].split('"')[0].replace("&amp;", "&")
    assert requests.get(own, verify=node.verify).status_code == 200
    with gdal(node):
        place = f"WMTS:{own},layer={collection},tilematrixset=WebMercatorQuad"
        assert read(place, "west") == [100, 100, 100] and read(place, "east") == [200, 200, 200]
        template = http.get(address(node, collection) + "/tilejson.json", params=params).json()["tiles"][0]
        for name in "zxy":
            template = template.replace("{%s}" % name, "${%s}" % name)
        xyz = f"""<GDAL_WMS><Service name="TMS"><ServerUrl>{template.replace("&", "&amp;")}</ServerUrl></Service>
            <DataWindow><UpperLeftX>{-HALF}</UpperLeftX><UpperLeftY>{HALF}</UpperLeftY><LowerRightX>{HALF}</LowerRightX>
            <LowerRightY>{-HALF}</LowerRightY><TileLevel>14</TileLevel><TileCountX>1</TileCountX>
            <TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection>
            <BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"""
        assert read(xyz, "west") == [100, 100, 100] and read(xyz, "east") == [200, 200, 200]


def test_plain_curl_opens_a_signed_tile_of_its_collection_only(node, http, collection):
    described = http.get(address(node, collection, "west") + "/tilejson.json", params={"assets": "B04", "duration_seconds": 600}).json()
    assert described["tilejson"] == "3.0.0" and described["bounds"] == pytest.approx(box(SCENES["west"]))
    column, row, _, _ = tile_of(*middle("west"), 12)
    url = described["tiles"][0].replace("{z}", "12").replace("{x}", str(column)).replace("{y}", str(row))
    authority = ["--cacert", node.authority] if node.tls else []

    def curl(url):
        done = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{content_type}", *authority, url],
            capture_output=True, text=True, env=node.client_environment(), check=True, timeout=60)
        return done.stdout

    assert curl(url) == "200 image/png"
    assert curl(url.split("?")[0])[:3] == "401"
    assert curl(url.replace("sig=", "sig=AAAA"))[:3] in ("400", "401", "403")
    assert curl(url.replace(f"/{collection}/", f"/{collection}x/"))[:3] in ("401", "403", "404")
    # One picture alone, by an address that the other signs nothing of.
    one = f"{address(node, collection, 'west')}/preview.png?assets=B04&max_size=64"
    signed = http.get(f"{node.web}/sign", params={"href": one, "duration_seconds": 600}).json()["href"]
    assert curl(signed) == "200 image/png"
    assert curl(signed.replace("assets=B04", "assets=B08"))[:3] == "403" and curl(signed.replace("/west/", "/east/"))[:3] == "403"
    again = http.get(f"{node.web}/sign", params={"href": signed}).json()["href"]
    assert curl(again) == "200 image/png"
    assert http.get(f"{node.web}/sign", params={"href": node.web + "/stac"}).status_code == 400
    assert http.get(address(node, collection, "west") + "/tilejson.json?duration_seconds=0").status_code == 400


def test_who_may_not_read_the_file_sees_no_picture_of_it(node, collection):
    name = f"eve-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "stac:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{collection}/east/*"}]}
    admin = node.http()
    assert admin.put(f"{node.web}/admin/v1/policies/pictures-{name}", json=policy).ok
    assert admin.put(f"{node.web}/admin/v1/policies/pictures-{name}/attachments/user:{name}").ok
    eve = node.http(user=name, password=PASSWORD)
    assert eve.get(address(node, collection, "west") + "/preview").status_code == 403
    assert eve.get(address(node, collection, "east") + "/preview").status_code == 200
    # Of a mosaic, what may be seen.
    column, row, _, _ = tile_of((middle("west")[0] + middle("east")[0]) / 2, middle("west")[1], 11)
    url = f"{address(node, collection)}/tiles/WebMercatorQuad/11/{column}/{row}.png"
    params = {"assets": "B04", "rescale": "0,255", "resampling": "nearest"}
    seen = picture(eve.get(url, params=params))
    assert set(numpy.unique(seen[..., 0][seen[..., 3] == 255])) == {200}
    assert requests.get(url, verify=node.verify).status_code == 401
    # An app password, as desktop programs have it.
    password = admin.post(f"{node.web}/admin/v1/app-passwords", json={"account": name}).json()["password"]
    assert requests.get(url, auth=(name, password), verify=node.verify).status_code == 200
    assert node.cli("account", "disable", name).returncode == 0
    assert eve.get(address(node, collection, "east") + "/preview").status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "expression=B04 ** ",
        "expression=B04%2BB99",
        "expression=" + "(" * 900,
        "expression=B04;B08",
        "assets=B04&assets=B08",
        "assets=nothing",
        "bidx=0",
        "bidx=1,2",
        "rescale=1",
        "rescale=a,b",
        "rescale=0,nan",
        "colormap_name=rainbows",
        "colormap=[]",
        "colormap={\"a\": 1}",
        "resampling=best",
        "max_size=100000",
        "max_size=x",
    ],
)
def test_what_is_asked_for_wrongly_is_a_bad_request(node, http, collection, query):
    answer = http.get(f"{address(node, collection, 'west')}/preview?{query}")
    assert answer.status_code == 400 and answer.json()["detail"], (answer.status_code, answer.text)


def test_places_that_there_are_not(node, http, collection):
    item = address(node, collection, "west")
    for path, status in (
        ("/tiles/WebMercatorQuad/3/9/0", 404), ("/tiles/WebMercatorQuad/99/0/0", 404), ("/tiles/Nowhere/0/0/0", 404),
        ("/tiles/WebMercatorQuad/a/0/0", 400), ("/tiles/WebMercatorQuad/1/-1/0", 404), ("/tiles/WebMercatorQuad/1/0/0.gif", 400),
        ("/bbox/1,2,3", 400), ("/bbox/3,2,1,4.png", 400), ("/bbox/1,2,3,4/0x5.png", 400), ("/bbox/1,2,3,4/9999x5.png", 400),
        ("/anything", 404),
    ):
        assert http.get(item + path).status_code == status, path
    assert http.get(address(node, collection, "nobody") + "/preview").status_code == 404
    assert http.get(address(node, collection) + "/preview").status_code == 404
    sets = http.get(f"{node.web}/raster/tileMatrixSets").json()["tileMatrixSets"]
    assert [one["id"] for one in sets] == ["WebMercatorQuad", "WorldCRS84Quad"]
    assert len(http.get(sets[0]["links"][0]["href"]).json()["tileMatrices"]) == 25


def test_a_file_that_is_no_raster_harms_nothing(node, http, collection):
    s3 = node.s3()
    s3.put_object(Bucket=collection, Key="bad/a.tif", Body=raster([7], SCENES["west"])[:700] + secrets.token_bytes(5000))
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "bad", "links": [], "bbox": [10, 46, 11, 47],
        "geometry": {"type": "Point", "coordinates": [10.5, 46.5]}, "properties": {"datetime": "2026-01-01T00:00:00Z"},
        "assets": {"a": {"href": "./a.tif"}, "far": {"href": "https://example.org/x.tif"}},
    }
    s3.put_object(Bucket=collection, Key="bad/bad.json", Body=json.dumps(item).encode())
    wait_for("the bad item", lambda: "far" in (
        http.get(f"{node.web}/stac/collections/{collection}/items/bad").json().get("assets", ())))
    for query in ("", "?assets=a&rescale=0,1"):
        answer = http.get(address(node, collection, "bad") + "/preview" + query)
        assert answer.status_code == 422 and answer.json()["detail"], answer.text
    assert http.get(address(node, collection, "bad") + "/preview?assets=far").status_code == 400
    assert http.get(address(node, collection, "west") + "/preview").status_code == 200


def test_many_tiles_at_once(node, http, collection):
    column, row, _, _ = tile_of(*middle("west"), 13)

    def one(number):
        url = f"{address(node, collection, 'west')}/tiles/WebMercatorQuad/13/{column + number % 3}/{row + number // 3 % 3}.png"
        return http.get(url, params={"assets": "B04", "rescale": f"0,{500 + number // 18}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(36))) == {200}
