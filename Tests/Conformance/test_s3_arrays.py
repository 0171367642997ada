"""Arrays kept in buckets by the libraries that people use for them: Zarr, xarray, obstore, TensorStore, TileDB."""

import concurrent.futures
import datetime
import os

import numpy as np
import obstore
import pytest
import requests
import s3fs
import tensorstore
import tiledb
import xarray
import zarr
import zarr.storage
from clients import keys
from obstore.store import S3Store


@pytest.fixture(autouse=True)
def environment(surrounded):
    """Every client here finds the node by its environment."""
    s3fs.S3FileSystem.clear_instance_cache()


def obstore_bucket(place, prefix=None):
    return S3Store(place, prefix=prefix, client_options={"allow_http": True})


# Zarr, over fsspec and over obstore


@pytest.fixture(params=["fsspec", "obstore"])
def zarr_store(request, place):
    """Makes a Zarr store below a prefix of the bucket."""
    if request.param == "fsspec":
        return lambda prefix, **options: zarr.storage.FsspecStore.from_url(f"s3://{place}/{prefix}", **options)
    return lambda prefix, **options: zarr.storage.ObjectStore(obstore_bucket(place, prefix), **options)


def test_zarr_shards_are_written_read_and_grown(zarr_store, client_node, place):
    shape, rows = (60, 80), np.arange(4800, dtype="float32").reshape(60, 80)
    made = zarr.create_array(zarr_store("a.zarr"), shape=shape, chunks=(10, 10), shards=(30, 40), dtype="float32")
    made[:] = rows
    # A part of a shard: the whole is read, changed and written.
    made[5:35, 38:42] = -1
    rows[5:35, 38:42] = -1
    assert len(keys(client_node, place, "a.zarr/c/")) == 4

    found = zarr.open_array(zarr_store("a.zarr", read_only=True), mode="r")
    np.testing.assert_array_equal(found[:], rows)
    np.testing.assert_array_equal(found[7:9, 70:], rows[7:9, 70:])
    np.testing.assert_array_equal(found.oindex[[1, 59], :3], rows[[1, 59], :3])

    more = zarr.open_array(zarr_store("a.zarr"), mode="r+")
    more.append(np.full((15, 80), 7, dtype="float32"))
    assert more.shape == (75, 80)
    more.resize((75, 100))
    found = zarr.open_array(zarr_store("a.zarr"), mode="r")
    np.testing.assert_array_equal(found[:, :80], np.concatenate([rows, np.full((15, 80), 7)]))
    assert (found[:, 80:] == 0).all()
    more.resize((30, 40))
    assert keys(client_node, place, "a.zarr/c/") == ["a.zarr/c/0/0"]
    np.testing.assert_array_equal(more[:], rows[:30, :40])


def test_zarr_groups_of_many_small_chunks(zarr_store, client_node, place):
    group = zarr.create_group(zarr_store("g.zarr"), attributes={"title": "many", "é": [1, 2]})
    counts = group.create_array("deep/counts", shape=(16, 16), chunks=(1, 1), dtype="int16", fill_value=-1)
    values = np.arange(256, dtype="int16").reshape(16, 16)
    counts[:] = values
    group.create_array("other", data=np.ones(3))
    assert len(keys(client_node, place, "g.zarr/deep/counts/c/")) == 256

    zarr.consolidate_metadata(zarr_store("g.zarr"))
    found = zarr.open_group(zarr_store("g.zarr", read_only=True), mode="r")
    assert found.attrs["title"] == "many" and found.attrs["é"] == [1, 2]
    assert sorted(name for name, _ in found.members(max_depth=None)) == ["deep", "deep/counts", "other"]
    np.testing.assert_array_equal(found["deep/counts"][:], values)
    # A chunk of nothing but the fill value is removed.
    counts[3, 3] = -1
    assert len(keys(client_node, place, "g.zarr/deep/counts/c/")) == 255
    assert "absent" not in found

    with pytest.raises(zarr.errors.ContainsGroupError):
        zarr.create_group(zarr_store("g.zarr"))
    del zarr.open_group(zarr_store("g.zarr"), mode="r+")["deep"]
    assert keys(client_node, place, "g.zarr/deep") == []
    zarr.create_group(zarr_store("g.zarr"), overwrite=True)
    assert keys(client_node, place, "g.zarr/") == ["g.zarr/zarr.json"]


def test_one_zarr_of_two_clients(client_node, place):
    over_obstore = zarr.storage.ObjectStore(obstore_bucket(place, "both.zarr"))
    array = zarr.create_array(over_obstore, shape=(100,), chunks=(10,), dtype="int64")
    array[:50] = 5
    over_s3fs = zarr.open_array(f"s3://{place}/both.zarr", mode="r+")
    over_s3fs[50:] = 6
    assert array[:].tolist() == [5] * 50 + [6] * 50


def test_xarray_appends_writes_regions_and_reads_lazily(zarr_store):
    times = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]")
    field = np.arange(2 * 8 * 9, dtype="float64").reshape(2, 8, 9)
    data = xarray.Dataset(
        {"t2m": (("time", "lat", "lon"), field, {"units": "K"})}, {"time": times, "lat": np.arange(8.0)}
    )
    data.to_zarr(zarr_store("x.zarr"), mode="w", encoding={"t2m": {"chunks": (1, 4, 9)}})
    data.assign_coords(time=times + np.timedelta64(2, "D")).to_zarr(zarr_store("x.zarr"), append_dim="time")
    region = (data[["t2m"]].isel(time=[0]) * 0).drop_vars(["time", "lat"])
    region.to_zarr(zarr_store("x.zarr"), region={"time": slice(3, 4)})

    found = xarray.open_zarr(zarr_store("x.zarr", read_only=True), chunks=None)
    assert found.sizes == {"time": 4, "lat": 8, "lon": 9} and found.t2m.attrs["units"] == "K"
    assert float(found.t2m.sel(time="2026-01-03", lat=2.0).isel(lon=1)) == field[0, 2, 1]
    assert float(abs(found.t2m.isel(time=3)).max()) == 0


# obstore (Rust's object_store, which polars and delta-rs also use)


def test_obstore_creates_and_updates_on_condition(place):
    bucket = obstore_bucket(place, "one")
    first = bucket.put("state", b"1", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        bucket.put("state", b"2", mode="create")
    second = bucket.put("state", b"2", mode={"e_tag": first["e_tag"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        bucket.put("state", b"3", mode={"e_tag": first["e_tag"]})
    assert bucket.get("state", options={"if_match": second["e_tag"]}).bytes().to_bytes() == b"2"
    with pytest.raises(obstore.exceptions.NotModifiedError):
        bucket.get("state", options={"if_none_match": second["e_tag"]})
    bucket.copy("state", "copied")
    bucket.rename("copied", "renamed")
    with pytest.raises(FileNotFoundError):
        bucket.head("copied")
    assert [found["path"] for found in bucket.list().collect()] == ["renamed", "state"]


def test_obstore_of_two_racing_creators_one_wins(place):
    bucket = obstore_bucket(place)

    def create(number):
        try:
            bucket.put("once", b"%d" % number, mode="create")
        except obstore.exceptions.AlreadyExistsError:
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [winner for winner in pool.map(create, range(24)) if winner is not None]
    assert len(winners) == 1
    assert bucket.get("once").bytes().to_bytes() == b"%d" % winners[0]


def test_obstore_reads_ranges_and_writes_in_parts(client_node, place):
    bucket = obstore_bucket(place, "large")
    body = os.urandom((12 << 20) + 3)
    bucket.put("parts/a b+ü.bin", body, attributes={"Content-Type": "image/tiff", "origin": "obstore"})
    found = bucket.get("parts/a b+ü.bin")
    assert found.meta["size"] == len(body)
    assert found.attributes["Content-Type"] == "image/tiff" and found.attributes["origin"] == "obstore"
    assert b"".join(bytes(chunk) for chunk in found.stream(min_chunk_size=1 << 20)) == body
    ranges = bucket.get_ranges("parts/a b+ü.bin", starts=[0, 5 << 20, 12 << 20], lengths=[10, 20, 3])
    assert [bytes(found) for found in ranges] == [body[:10], body[5 << 20 : (5 << 20) + 20], body[-3:]]
    tail = bucket.get("parts/a b+ü.bin", options={"range": {"suffix": 9}}).bytes()
    assert tail.to_bytes() == body[-9:]
    url = obstore.sign(bucket, "GET", "parts/a b+ü.bin", datetime.timedelta(minutes=1))
    assert requests.get(url, headers={"Range": "bytes=1-4"}, verify=client_node.verify).content == body[1:5]


def test_obstore_lists_from_an_offset_and_deletes_many(client_node, place):
    bucket = obstore_bucket(place)
    names = [f"n/{number:04}" for number in range(1100)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: bucket.put(name, b"."), names))
    assert [found["path"] for found in bucket.list("n").collect()] == names
    assert [found["path"] for found in bucket.list("n", offset="n/1089").collect()] == names[1090:]
    assert bucket.list_with_delimiter()["common_prefixes"] == ["n"]
    bucket.delete(names)
    assert keys(client_node, place) == []


# TensorStore


def tensorstore_spec(node, place, driver, path):
    kvstore = {
        "driver": "s3",
        "bucket": place,
        "path": path,
        "endpoint": node.s3_url,
        "aws_region": "us-east-1",
        "aws_credentials": {"type": "environment"},
    }
    return {"driver": driver, "kvstore": kvstore}


def layout(chunk):
    return tensorstore.ChunkLayout(chunk_shape=chunk)


@pytest.mark.parametrize("driver", ["zarr3", "n5"])
def test_tensorstore_writes_in_transactions(client_node, place, driver):
    spec = tensorstore_spec(client_node, place, driver, "t/")
    store = tensorstore.open(
        spec, create=True, dtype=tensorstore.int32, shape=[64, 64], chunk_layout=layout([16, 16])
    ).result()
    with pytest.raises(ValueError, match="ALREADY_EXISTS|already exists"):
        tensorstore.open(spec, create=True, dtype=tensorstore.int32, shape=[64, 64]).result()
    store[:20, :20] = 5
    with tensorstore.Transaction() as transaction:
        within = store.with_transaction(transaction)
        within[10:50, 10:50] = 7
        assert int(within[10, 10].read().result()) == 7
        assert int(store[10, 10].read().result()) == 5
    expected = np.zeros((64, 64), "int32")
    expected[:20, :20] = 5
    expected[10:50, 10:50] = 7
    again = tensorstore.open(spec).result()
    np.testing.assert_array_equal(again.read().result(), expected)
    # What holds nothing but the fill value is deleted.
    count = len(keys(client_node, place, "t/"))
    again[32:, 32:] = 0
    assert len(keys(client_node, place, "t/")) < count
    grown = again.resize(exclusive_max=[80, 64]).result()
    grown[64:] = 9
    assert tensorstore.open(spec).result().read().result()[70, 5] == 9
    if driver == "zarr3":
        assert zarr.open_array(f"s3://{place}/t", mode="r")[70, 5] == 9


def test_tensorstore_writers_of_one_chunk_lose_nothing(client_node, place):
    """Each reads the chunk, changes its own cells and writes on the condition that nobody else has."""
    spec = tensorstore_spec(client_node, place, "zarr3", "race/")
    tensorstore.open(
        spec, create=True, dtype=tensorstore.int32, shape=[32], fill_value=-1, chunk_layout=layout([32])
    ).result()

    def write(writer):
        store = tensorstore.open(spec, context=tensorstore.Context()).result()
        for cell in range(writer, 32, 8):
            store[cell] = cell

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert tensorstore.open(spec).result().read().result().tolist() == list(range(32))


# TileDB


@pytest.fixture
def tiledb_context(client_node):
    return tiledb.Ctx(
        {
            "vfs.s3.endpoint_override": client_node.s3_url.split("//")[1],
            "vfs.s3.scheme": "https" if client_node.tls else "http",
            "vfs.s3.ca_file": client_node.authority or "",
            "vfs.s3.use_virtual_addressing": "false",
            "vfs.s3.region": "us-east-1",
            "sm.compute_concurrency_level": "2",
            "sm.io_concurrency_level": "4",
        }
    )


def test_tiledb_dense_array_travels_in_time(place, tiledb_context):
    uri = f"s3://{place}/dense"
    axis = tiledb.Dim("row", (0, 99), tile=10, dtype=np.int32, ctx=tiledb_context)
    domain = tiledb.Domain(axis, ctx=tiledb_context)
    value = tiledb.Attr("v", dtype=np.float64, ctx=tiledb_context)
    tiledb.Array.create(uri, tiledb.ArraySchema(domain, [value], ctx=tiledb_context), ctx=tiledb_context)
    for timestamp in (1, 2, 3):
        with tiledb.open(uri, "w", ctx=tiledb_context, timestamp=timestamp) as array:
            array[: 100 // timestamp] = np.full(100 // timestamp, float(timestamp))
            array.meta["last"] = timestamp

    def read(timestamp=None):
        with tiledb.open(uri, ctx=tiledb_context, timestamp=timestamp) as array:
            return array[:]["v"].tolist(), array.meta["last"]

    assert read(1) == ([1.0] * 100, 1)
    assert read(2) == ([2.0] * 50 + [1.0] * 50, 2)
    newest = ([3.0] * 33 + [2.0] * 17 + [1.0] * 50, 3)
    assert read() == newest
    assert len(tiledb.array_fragments(uri, ctx=tiledb_context)) == 3
    for mode in ("fragments", "array_meta", "commits"):
        config = tiledb.Config({**tiledb_context.config().dict(), "sm.consolidation.mode": mode})
        tiledb.consolidate(uri, config=config, ctx=tiledb_context)
        config["sm.vacuum.mode"] = mode
        tiledb.vacuum(uri, config=config, ctx=tiledb_context)
    assert len(tiledb.array_fragments(uri, ctx=tiledb_context)) == 1
    assert read() == newest


def test_tiledb_sparse_array_is_queried_and_deleted(client_node, place, tiledb_context):
    uri = f"s3://{place}/sparse"
    axes = [tiledb.Dim(name, (0, 999), tile=100, dtype=np.int64, ctx=tiledb_context) for name in ("x", "y")]
    schema = tiledb.ArraySchema(
        tiledb.Domain(*axes, ctx=tiledb_context),
        [tiledb.Attr("name", dtype=str, ctx=tiledb_context), tiledb.Attr("n", dtype=np.int32, ctx=tiledb_context)],
        sparse=True,
        allows_duplicates=False,
        ctx=tiledb_context,
    )
    tiledb.Array.create(uri, schema, ctx=tiledb_context)
    for begin in (0, 500):
        cells = np.arange(begin, begin + 500)
        with tiledb.open(uri, "w", ctx=tiledb_context) as array:
            array[cells, 999 - cells] = {"name": np.array([f"ü{c}" for c in cells]), "n": cells.astype("int32")}
    with tiledb.open(uri, ctx=tiledb_context) as array:
        assert array.nonempty_domain() == ((0, 999), (0, 999))
        found = array.query(cond="n >= 490 and n < 510")[400:600, :]
        assert sorted(found["n"].tolist()) == list(range(490, 510))
        assert "ü495" in found["name"].tolist()
    tiledb.consolidate(uri, ctx=tiledb_context)
    tiledb.vacuum(uri, ctx=tiledb_context)
    with tiledb.open(uri, ctx=tiledb_context) as array:
        assert array.multi_index[:9, :]["n"].tolist() == list(range(10))
    tiledb.Array.delete_array(uri, ctx=tiledb_context)
    assert keys(client_node, place) == []


def test_tiledb_files_are_written_moved_and_listed(place, tiledb_context):
    files = tiledb.VFS(ctx=tiledb_context)
    assert files.is_bucket(f"s3://{place}") and not files.is_bucket(f"s3://{place}-absent")
    body = os.urandom((6 << 20) + 5)
    with files.open(f"s3://{place}/vfs/a.bin", "wb") as file:
        file.write(body[: 1 << 20])
        file.write(body[1 << 20 :])
    assert files.file_size(f"s3://{place}/vfs/a.bin") == len(body)
    with files.open(f"s3://{place}/vfs/a.bin", "rb") as file:
        file.seek(5 << 20)
        assert file.read(50) == body[5 << 20 :][:50]
    files.move_file(f"s3://{place}/vfs/a.bin", f"s3://{place}/vfs/b.bin")
    files.touch(f"s3://{place}/vfs/empty")
    assert sorted(uri.rsplit("/", 1)[1] for uri in files.ls(f"s3://{place}/vfs")) == ["b.bin", "empty"]
    files.remove_dir(f"s3://{place}/vfs")
    assert not files.is_dir(f"s3://{place}/vfs")
