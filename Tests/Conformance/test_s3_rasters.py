"""Rasters in buckets, read and written in place by GDAL's /vsis3."""

import warnings

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from clients import keys
from rasterio.transform import from_origin
from rasterio.windows import Window

SIZE = 1024


@pytest.fixture
def gdal(client_node, surrounded):
    """GDAL's own names for where the node is and whom to trust; keys and region it knows by the usual ones."""
    options = {
        "AWS_S3_ENDPOINT": client_node.s3_url.split("//")[1],
        "AWS_HTTPS": "YES" if client_node.tls else "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE": "YES",
        "VSI_CACHE": "FALSE",
    }
    if client_node.tls:
        options["GDAL_CURL_CA_BUNDLE"] = client_node.authority
    with rasterio.Env(**options) as env, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield env


@pytest.fixture
def image():
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    noise = np.random.default_rng(5).integers(0, 100, (SIZE, SIZE))
    return ((rows + columns + noise) % 4000).astype("uint16")


def profile(driver, **options):
    return dict(
        driver=driver,
        width=SIZE,
        height=SIZE,
        count=1,
        dtype="uint16",
        crs="EPSG:32632",
        transform=from_origin(500000, 5500000, 10, 10),
        **options,
    )


@pytest.mark.usefixtures("gdal")
def test_gdal_writes_a_cog_and_reads_windows_of_it(client_node, place, image):
    path = f"/vsis3/{place}/scene/B02 ü.tif"
    with rasterio.open(path, "w", **profile("COG", blocksize=256, compress="deflate")) as made:
        made.write(image, 1)
    assert keys(client_node, place) == ["scene/B02 ü.tif"]
    with rasterio.open(f"s3://{place}/scene/B02 ü.tif") as found:
        assert found.overviews(1) == [2, 4] and found.crs.to_epsg() == 32632
        window = Window(300, 700, 50, 20)
        np.testing.assert_array_equal(found.read(1, window=window), image[700:720, 300:350])
        assert found.read(1, out_shape=(256, 256)).shape == (256, 256)
    # Another process's overwrite is seen, not what GDAL kept of the old one.
    with rasterio.open(path, "w", **profile("COG", blocksize=256, compress="deflate")) as made:
        made.write(image[::-1], 1)
    with rasterio.open(path) as found:
        np.testing.assert_array_equal(found.read(1), image[::-1])


@pytest.mark.usefixtures("gdal")
def test_gdal_updates_in_place_and_adds_overviews(place, image):
    path = f"/vsis3/{place}/work.tif"
    with rasterio.open(path, "w", **profile("GTiff", tiled=True, blockxsize=256, blockysize=256)) as made:
        made.write(image, 1)
    with rasterio.open(path, "r+") as changed:
        changed.write(np.zeros((100, 100), "uint16"), 1, window=Window(0, 0, 100, 100))
        changed.build_overviews([2, 4])
        changed.update_tags(stage="corrected")
    with rasterio.open(path) as found:
        expected = image.copy()
        expected[:100, :100] = 0
        np.testing.assert_array_equal(found.read(1), expected)
        assert found.overviews(1) == [2, 4] and found.tags()["stage"] == "corrected"


@pytest.mark.usefixtures("gdal")
def test_gdal_finds_siblings_copies_and_deletes(client_node, place, image):
    path = f"/vsis3/{place}/set/plain.tif"
    with rasterio.open(path, "w", **profile("GTiff")) as made:
        made.write(image, 1)
    # The overviews go into a file beside it, which is found by listing the folder.
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as outside:
        outside.build_overviews([2])
    assert set(keys(client_node, place)) == {"set/plain.tif", "set/plain.tif.ovr"}
    with rasterio.open(path) as found:
        assert found.overviews(1) == [2]
        assert sorted(name.rsplit("/", 1)[1] for name in found.files) == ["plain.tif", "plain.tif.ovr"]
    assert rasterio.shutil.exists(path) and not rasterio.shutil.exists(f"/vsis3/{place}/set/absent.tif")
    rasterio.shutil.copy(path, f"/vsis3/{place}/set/copy.png", driver="PNG")
    with rasterio.open(f"/vsis3/{place}/set/copy.png") as copied:
        np.testing.assert_array_equal(copied.read(1), image)
    rasterio.shutil.delete(path, driver="GTiff")
    assert not [key for key in keys(client_node, place) if "plain" in key]
    with pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(path)
