"""Icechunk, a transactional store of arrays: what it promises to several writers rests on the node's conditional writes."""

import concurrent.futures
import datetime
import multiprocessing

import icechunk
import numpy as np
import pytest
import zarr

COMMITS = 6


@pytest.fixture
def storage(surrounded, place):
    return storage_of(place, surrounded.s3_url)


def storage_of(bucket, url):
    return icechunk.s3_storage(
        bucket=bucket,
        prefix="repository",
        region="us-east-1",
        endpoint_url=url,
        allow_http=True,
        force_path_style=True,
        from_env=True,
    )


def commit_cells(bucket, url, writer):
    """In a process of its own: writes its cells one after the other, each in a commit on top of whatever is newest."""
    repository = icechunk.Repository.open(storage_of(bucket, url))
    for cell in range(writer, 2 * COMMITS, 2):
        session = repository.writable_session("main")
        zarr.open_array(session.store, path="cells", mode="r+")[cell] = cell
        session.commit(f"cell {cell}", rebase_with=icechunk.ConflictDetector(), rebase_tries=100)


def test_two_writers_race_and_no_commit_is_lost(storage, surrounded, place):
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    zarr.create_array(session.store, name="cells", shape=(2 * COMMITS,), chunks=(1,), dtype="int32", fill_value=-1)
    session.commit("made")

    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        writers = [pool.submit(commit_cells, place, surrounded.s3_url, writer) for writer in range(2)]
        for writer in writers:
            writer.result(timeout=120)

    reader = icechunk.Repository.open(storage)
    history = list(reader.ancestry(branch="main"))
    messages = [snapshot.message for snapshot in history]
    assert sorted(messages[:-2]) == sorted(f"cell {cell}" for cell in range(2 * COMMITS))
    assert messages[-2] == "made"
    # One line: each stands on the one before, and that writer's own are in their order.
    assert [snapshot.parent_id for snapshot in history[:-1]] == [snapshot.id for snapshot in history[1:]]
    for writer in range(2):
        own = [message for message in reversed(messages) if message in {f"cell {c}" for c in range(writer, 99, 2)}]
        assert own == [f"cell {cell}" for cell in range(writer, 2 * COMMITS, 2)]
    cells = zarr.open_array(reader.readonly_session("main").store, path="cells", mode="r")
    assert cells[:].tolist() == list(range(2 * COMMITS))


def test_the_second_of_two_commits_to_one_chunk_is_refused(storage):
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    zarr.create_array(session.store, name="a", shape=(4,), chunks=(2,), dtype="int32")
    session.commit("made")
    first, second = (repository.writable_session("main") for _ in range(2))
    zarr.open_array(first.store, path="a")[0] = 1
    zarr.open_array(second.store, path="a")[1] = 2
    first.commit("first")
    with pytest.raises(icechunk.ConflictError):
        second.commit("second")
    with pytest.raises(icechunk.RebaseFailedError):
        second.rebase(icechunk.ConflictDetector())
    ours = icechunk.BasicConflictSolver(on_chunk_conflict=icechunk.VersionSelection.UseOurs)
    second.rebase(ours)
    second.commit("second, on top")
    assert [snapshot.message for snapshot in repository.ancestry(branch="main")][:2] == ["second, on top", "first"]


def test_branches_and_tags_stay_where_they_are_put(storage):
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    array = zarr.create_array(session.store, name="a", data=np.zeros(4))
    made = session.commit("made")
    repository.create_tag("v1", snapshot_id=made)
    repository.create_branch("trial", snapshot_id=made)
    session = repository.writable_session("trial")
    array = zarr.open_array(session.store, path="a", mode="r+")
    array[:] = 1
    tried = session.commit("tried")

    def read(**where):
        return zarr.open_array(repository.readonly_session(**where).store, path="a", mode="r")[:].sum()

    assert (read(branch="main"), read(branch="trial"), read(tag="v1")) == (0, 4, 0)
    with pytest.raises(icechunk.IcechunkError):
        repository.create_tag("v1", snapshot_id=tried)
    repository.reset_branch("main", tried)
    repository.delete_branch("trial")
    assert repository.list_branches() == {"main"} and read(branch="main") == 4
    repository.create_tag("wrong", snapshot_id=made)
    repository.delete_tag("wrong")
    # The name of a deleted tag is never given out again.
    with pytest.raises(icechunk.IcechunkError):
        repository.create_tag("wrong", snapshot_id=tried)
    assert repository.list_tags() == {"v1"}


def test_garbage_of_expired_snapshots_is_collected(storage):
    repository = icechunk.Repository.create(storage)
    for number in range(4):
        session = repository.writable_session("main")
        zarr.create_array(session.store, name="a", data=np.full(1000, number), overwrite=True)
        session.commit(f"{number}")
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    assert repository.expire_snapshots(older_than=now)
    collected = repository.garbage_collect(now)
    assert collected.snapshots_deleted == 3 and collected.bytes_deleted > 0
    again = icechunk.Repository.open(storage)
    assert [snapshot.message for snapshot in again.ancestry(branch="main")][0] == "3"
    assert zarr.open_array(again.readonly_session("main").store, path="a", mode="r")[:].sum() == 3000


def test_a_virtual_chunk_is_read_from_where_it_lies(surrounded, place):
    """An index of bytes that stay in another object, as VirtualiZarr makes it."""
    values = np.arange(10, dtype="<i4")
    surrounded.s3().put_object(Bucket=place, Key="archive/old.nc", Body=b"header--" + values.tobytes())
    configuration = icechunk.RepositoryConfig.default()
    source = icechunk.s3_store(
        region="us-east-1", endpoint_url=surrounded.s3_url, allow_http=True, force_path_style=True
    )
    prefix = f"s3://{place}/archive/"
    configuration.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, source))
    access = icechunk.containers_credentials({prefix: icechunk.s3_from_env_credentials()})
    storage = storage_of(place, surrounded.s3_url)
    repository = icechunk.Repository.create(storage, configuration, authorize_virtual_chunk_access=access)
    session = repository.writable_session("main")
    zarr.create_array(session.store, name="v", shape=(10,), chunks=(10,), dtype="<i4", compressors=None)
    session.store.set_virtual_ref("v/c/0", f"{prefix}old.nc", offset=8, length=40)
    session.commit("virtual")
    found = zarr.open_array(repository.readonly_session("main").store, path="v", mode="r")
    np.testing.assert_array_equal(found[:], values)
