"""Data that is no satellite product becomes Items too: arrays, features, tables, pictures of a camera."""

import io
import json

import netCDF4
import numpy as np
import PIL.ExifTags
import PIL.Image
import pyogrio.raw
import pytest
import rasterio
import rasterio.transform
import requests
import shapely
import xarray
from conftest import lend_bucket
from products import wait_for, wait_for_item
from schemas import validate


@pytest.fixture(scope="module")
def collection(node):
    yield from lend_bucket(node.s3(), "data")


def describe(node, http, collection, item, is_whole=lambda item: True):
    """The Item, once it is whole: what comes as several files may be described before all are there."""

    def find():
        found = wait_for_item(http, node, collection, item)
        return found if is_whole(found) else None

    found = wait_for("the whole item", find)
    validate(found)
    return found


def put(node, collection, folder, prefix):
    for path in folder.rglob("*"):
        if path.is_file():
            node.s3().upload_file(str(path), collection, f"{prefix}/{path.relative_to(folder)}")


def thumbnail(node, http, item):
    """The preview's pixels."""
    href = item["assets"]["thumbnail"]["href"]
    signed = http.get(f"{node.web}/sign", params={"href": href}).json()["href"]
    return PIL.Image.open(io.BytesIO(requests.get(signed, verify=node.verify).content))


def grid():
    """Two days on a regular grid of one degree: 10 to 19 degrees east, 40 to 45 north, warm in the north."""
    values = np.broadcast_to(np.arange(6, dtype="f4")[None, :, None], (2, 6, 10)).copy()
    return xarray.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K", "long_name": "temperature at two metres"})},
        coords={
            "time": np.array(["2024-03-01", "2024-03-02"], dtype="datetime64[ns]"),
            "lat": ("lat", np.arange(40.0, 46), {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", np.arange(10.0, 20), {"units": "degrees_east", "standard_name": "longitude"}),
        },
        attrs={"title": "A small reanalysis", "institution": "An institute", "Conventions": "CF-1.11"},
    )


def check_grid(item):
    properties = item["properties"]
    assert properties["title"] == "A small reanalysis"
    assert properties["providers"] == [{"name": "An institute", "roles": ["producer"]}]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2024-03-01T00:00:00Z"
    assert properties["end_datetime"] == "2024-03-02T00:00:00Z"
    dimensions = properties["cube:dimensions"]
    assert dimensions["time"] == {
        "type": "temporal",
        "extent": ["2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"],
        "unit": dimensions["time"]["unit"],
    }
    assert (dimensions["lon"]["type"], dimensions["lon"]["axis"]) == ("spatial", "x")
    assert dimensions["lon"]["extent"] == [10, 19] and dimensions["lat"]["extent"] == [40, 45]
    variable = properties["cube:variables"]["t2m"]
    assert variable["dimensions"] == ["time", "lat", "lon"]
    assert (variable["type"], variable["unit"], variable["data_type"]) == ("data", "K", "float32")
    assert variable["description"] == "temperature at two metres"
    # The cells reach half a degree beyond their centres.
    assert item["bbox"] == pytest.approx([9.5, 39.5, 19.5, 45.5])


@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_netcdf(node, http, collection, tmp_path, form):
    grid().to_netcdf(tmp_path / "x.nc", format=form, engine="netcdf4")
    node.s3().upload_file(str(tmp_path / "x.nc"), collection, f"{form}.nc")
    item = describe(node, http, collection, form)
    check_grid(item)
    assert item["assets"][f"{form}.nc"]["type"] == "application/x-netcdf"
    # The north is up, and brighter.
    picture = np.asarray(thumbnail(node, http, item).convert("L")).astype(int)
    assert picture[0].mean() > picture[-1].mean() + 100


@pytest.mark.parametrize("version", [2, 3])
def test_zarr(node, http, collection, tmp_path, version):
    store = tmp_path / f"x{version}.zarr"
    grid().to_zarr(store, zarr_format=version)
    put(node, collection, store, f"cubes/x{version}.zarr")
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    item = describe(node, http, collection, f"x{version}", lambda item: item["assets"]["data"]["file:size"] == size)
    check_grid(item)
    data = item["assets"]["data"]
    assert data["type"] == "application/vnd.zarr" and data["href"].endswith(f"/cubes/x{version}.zarr/")
    # The chunks are no assets: one store is.
    assert not [name for name in item["assets"] if name.startswith(("t2m", "lat"))]
    picture = np.asarray(thumbnail(node, http, item).convert("L")).astype(int)
    assert picture[0].mean() > picture[-1].mean() + 100


def test_a_swath_with_coordinates_of_two_dimensions(node, http, collection, tmp_path):
    with netCDF4.Dataset(tmp_path / "s.nc", "w") as file:
        file.createDimension("row", 30)
        file.createDimension("column", 20)
        for name, unit in [("latitude", "degrees_north"), ("longitude", "degrees_east")]:
            file.createVariable(name, "f8", ("row", "column")).units = unit
        rows, columns = np.mgrid[0:30, 0:20]
        file["latitude"][:] = 60 - rows * 0.1 + columns * 0.05
        file["longitude"][:] = 5 + columns * 0.2 + rows * 0.1
        file.time_coverage_start, file.time_coverage_end = "2024-01-01T10:00:00Z", "2024-01-01T10:03:00Z"
    node.s3().upload_file(str(tmp_path / "s.nc"), collection, "swath.nc")
    item = describe(node, http, collection, "swath")
    assert item["properties"]["start_datetime"] == "2024-01-01T10:00:00Z"
    outline = shapely.from_geojson(json.dumps(item["geometry"]))
    # A slanted quadrangle, not the box around it.
    assert outline.is_valid and outline.area < 0.8 * shapely.box(*item["bbox"]).area
    assert outline.buffer(0.01).contains(shapely.Point(5 + 19 * 0.2 + 2.9, 60 - 2.9 + 19 * 0.05))


def test_arrays_without_a_place_and_calendars_that_are_not_ours(node, http, collection, tmp_path):
    with netCDF4.Dataset(tmp_path / "n.nc", "w") as file:
        file.createDimension("time", 2)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "days since 2000-01-01", "360_day"
        time[:] = [0, 30]
        file.createVariable("flow", "f4", ("time",))[:] = [1, 2]
    node.s3().upload_file(str(tmp_path / "n.nc"), collection, "gauge.nc")
    item = describe(node, http, collection, "gauge")
    assert item["geometry"] is None and "bbox" not in item
    assert item["properties"]["martlet:datetime_is_arrival"] is True
    assert item["properties"]["cube:dimensions"]["time"]["extent"] == [0, 30]


POINTS = {"Oslo": (10.75, 59.91), "Lisbon": (-9.14, 38.72), "Athens": (23.73, 37.98)}


def write_features(path, driver, **options):
    pyogrio.raw.write(
        str(path),
        geometry=shapely.to_wkb(shapely.points(list(POINTS.values()))),
        field_data=[
            np.array(list(POINTS), dtype=object),
            np.array(["2024-05-01", "2024-05-03", "2024-05-02"], dtype="datetime64[D]"),
        ],
        fields=["name", "seen"],
        geometry_type="Point",
        crs="EPSG:4326",
        driver=driver,
        **options,
    )


@pytest.mark.parametrize(
    "driver, ending, media",
    [
        ("ESRI Shapefile", "shp", "application/vnd.shp"),
        ("GPKG", "gpkg", "application/geopackage+sqlite3"),
        ("GeoJSON", "geojson", "application/geo+json"),
        ("FlatGeobuf", "fgb", "application/vnd.flatgeobuf"),
    ],
)
def test_features(node, http, collection, tmp_path, driver, ending, media):
    write_features(tmp_path / f"towns.{ending}", driver)
    put(node, collection, tmp_path, f"towns-{ending}")
    count = len(list(tmp_path.iterdir()))
    item = describe(node, http, collection, f"towns-{ending}", lambda item: len(item["assets"]) >= count)
    assert item["bbox"] == pytest.approx([-9.14, 37.98, 23.73, 59.91])
    assert item["properties"]["start_datetime"].startswith("2024-05-01")
    assert item["properties"]["end_datetime"].startswith("2024-05-03")
    asset = item["assets"][f"towns.{ending}"]
    assert asset["type"] == media
    assert asset["table:row_count"] == 3
    assert {"name", "seen", "geometry"} <= {column["name"] for column in asset["table:columns"]}
    picture = np.asarray(thumbnail(node, http, item))
    assert 1 <= (picture[..., 3] > 0).sum() <= 30


def test_features_in_projected_coordinates(node, http, collection, tmp_path):
    square = shapely.box(600_000, 5_000_000, 610_000, 5_010_000)
    pyogrio.raw.write(
        str(tmp_path / "area.gpkg"), geometry=shapely.to_wkb(np.array([square])), field_data=[np.array([1])],
        fields=["n"], geometry_type="Polygon", crs="EPSG:32632", driver="GPKG",
    )  # fmt: skip
    node.s3().upload_file(str(tmp_path / "area.gpkg"), collection, "area.gpkg")
    item = describe(node, http, collection, "area")
    west, south, east, north = item["bbox"]
    assert 10.26 < west < 10.28 and 10.39 < east < 10.42 and 45.14 < south < 45.16 and 45.23 < north < 45.25
    assert item["properties"]["proj:code"] == "EPSG:32632"


def test_a_table_with_coordinates(node, http, collection):
    rows = "\n".join(f"{name},{y},{x},2024-06-0{n}T12:00:00Z" for n, (name, (x, y)) in enumerate(POINTS.items(), 1))
    node.s3().put_object(Bucket=collection, Key="stations.csv", Body=f"name,lat,lon,time\n{rows}\n".encode())
    item = describe(node, http, collection, "stations")
    assert item["bbox"] == pytest.approx([-9.14, 37.98, 23.73, 59.91])
    assert item["properties"]["start_datetime"].startswith("2024-06-01T12:00:00")
    assert item["assets"]["stations.csv"]["table:row_count"] == 3
    # One place is a point; a table without coordinates is no place.
    node.s3().put_object(Bucket=collection, Key="one.csv", Body=b"lon,lat\n7.5,47.5\n")
    node.s3().put_object(Bucket=collection, Key="none.csv", Body=b"a,b\n1,2\n")
    assert describe(node, http, collection, "one")["geometry"] == {"type": "Point", "coordinates": [7.5, 47.5]}
    assert describe(node, http, collection, "none")["geometry"] is None


def test_a_picture_of_a_camera(node, http, collection):
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Make], exif[PIL.ExifTags.Base.Model] = "Acme", "Drone 3"
    exif.get_ifd(PIL.ExifTags.IFD.Exif)[PIL.ExifTags.Base.DateTimeOriginal] = "2024:07:01 14:00:00"
    exif.get_ifd(PIL.ExifTags.IFD.Exif)[PIL.ExifTags.Base.OffsetTimeOriginal] = "+02:00"
    place = exif.get_ifd(PIL.ExifTags.IFD.GPSInfo)
    place[PIL.ExifTags.GPS.GPSLatitudeRef], place[PIL.ExifTags.GPS.GPSLatitude] = "S", (33.0, 51.0, 36.0)
    place[PIL.ExifTags.GPS.GPSLongitudeRef], place[PIL.ExifTags.GPS.GPSLongitude] = "E", (151.0, 12.0, 0.0)
    file = io.BytesIO()
    PIL.Image.new("RGB", (640, 480), (40, 120, 60)).save(file, "JPEG", exif=exif)
    node.s3().put_object(Bucket=collection, Key="photo.jpg", Body=file.getvalue())
    item = describe(node, http, collection, "photo")
    assert item["geometry"]["coordinates"] == pytest.approx([151.2, -33.86])
    assert item["properties"]["datetime"] == "2024-07-01T12:00:00Z"
    assert item["properties"]["instruments"] == ["acme drone 3"]
    assert item["assets"]["photo.jpg"]["type"] == "image/jpeg"


@pytest.mark.parametrize("ending", ["nc", "h5", "gpkg", "shp", "csv", "geojson", "fgb", "jpg"])
def test_what_is_not_what_its_name_says_is_an_item_with_its_file(node, http, collection, ending):
    node.s3().put_object(Bucket=collection, Key=f"broken-{ending}.{ending}", Body=b"CDF\x05" + bytes(range(256)) * 20)
    item = describe(node, http, collection, f"broken-{ending}")
    assert item["assets"][f"broken-{ending}.{ending}"]["file:size"] == 5124


def test_a_zarr_store_that_is_no_store(node, http, collection):
    node.s3().put_object(Bucket=collection, Key="empty.zarr/.zgroup", Body=b"{")
    item = describe(node, http, collection, "empty")
    assert item["geometry"] is None and item["assets"]["data"]["file:size"] == 1


def test_a_program_of_the_operator_describes_what_the_node_cannot_read(nodes, tmp_path):
    program = tmp_path / "laser-item"
    program.write_text(
        """#!/bin/sh
        read -r west south east north
        test "$west" != broken || { echo "no laser points" >&2; exit 3; }
        echo '{"geometry": {"type": "Point", "coordinates": ['$west', '$south']}, "bbox": ['$west,$south,$east,$north'],
            "properties": {"datetime": "2020-01-02T03:04:05Z", "title": "'$(basename "$1")'", "pc:count": '$(wc -c)'}}'
        """
    )
    program.chmod(0o755)
    node = nodes.new("sqlite-http")
    node.options += ["--describers", f"las,laz={program}"]
    node.start()
    try:
        http, s3 = node.http(), node.s3()
        s3.create_bucket(Bucket="laser")
        points = bytes(range(256)) * 10_000
        s3.put_object(Bucket="laser", Key="points.LAZ", Body=b"10 40 11 41\n" + points)
        s3.put_object(Bucket="laser", Key="other.las", Body=b"broken 1 2 3\n")
        # What it says that makes no valid Item is left out.
        s3.put_object(Bucket="laser", Key="wrong.las", Body=b"10 40 11 400\n")
        item = describe(node, http, "laser", "points.LAZ")
        assert item["geometry"] == {"type": "Point", "coordinates": [10, 40]} and item["bbox"] == [10, 40, 11, 41]
        told = {name: item["properties"][name] for name in ["datetime", "title", "pc:count"]}
        assert told == {"datetime": "2020-01-02T03:04:05Z", "title": "points.LAZ", "pc:count": len(points)}
        assert item["assets"]["points.LAZ"]["file:size"] == len(points) + 12
        assert describe(node, http, "laser", "other.las")["geometry"] is None
        assert describe(node, http, "laser", "wrong.las")["geometry"] is None
    finally:
        node.stop()
        node.remove()


def test_bands_have_what_the_raster_extension_says_of_them(node, http, collection, tmp_path):
    path = tmp_path / "scaled.tif"
    place = rasterio.transform.from_origin(500000, 5000000, 20, 20)
    options = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", transform=place, nbits=12, **options) as raster:
        raster.write(np.arange(64, dtype="u2").reshape(1, 8, 8))
        raster.scales, raster.offsets, raster.units = [0.0001], [-0.1], ["W"]
    node.s3().upload_file(str(path), collection, "scaled.tif")
    item = describe(node, http, collection, "scaled")
    band = item["assets"]["scaled.tif"]["bands"][0]
    assert band == {
        "name": "1",
        "data_type": "uint16",
        "unit": "W",
        "raster:sampling": "area",
        "raster:spatial_resolution": 20,
        "raster:bits_per_sample": 12,
        "raster:scale": 0.0001,
        "raster:offset": -0.1,
    }
    assert "https://stac-extensions.github.io/raster/v2.0.0/schema.json" in item["stac_extensions"]
