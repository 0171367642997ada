"""A disk that fills up: refused with S3's own error, nothing lost, and it works again when there is space."""

import os
import pathlib
import subprocess
import tempfile
import time

import pytest
from botocore.exceptions import ClientError

DISK_BYTES = 96 << 20
# Deleted objects stay readable for those who read them: twice the history until their bytes go.
RECOVERY_SECONDS = 60


@pytest.fixture
def small_disk():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="martlet-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def fill(s3, size, prefix):
    """PUTs until one is refused; returns the keys that were stored, with their bodies, and the refusal."""
    stored = {}
    for number in range(2 * DISK_BYTES // size):
        key, body = f"{prefix}/{number:06}", os.urandom(size)
        try:
            s3.put_object(Bucket="full", Key=key, Body=body)
            stored[key] = body
        except ClientError as error:
            return stored, error.response
    raise AssertionError(f"{len(stored)} objects of {size} B went onto a disk of {DISK_BYTES} B")


@pytest.mark.parametrize("kind", ["sqlite-http", "postgres-https"])
@pytest.mark.parametrize("size", [1 << 20, 6 << 20], ids=["1 MiB", "6 MiB"])
def test_a_full_disk_is_told_and_outlived(nodes, small_disk, kind, size):
    node = nodes.new(kind, data=small_disk / "data").start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="full")
        stored, refusal = fill(s3, size, "a")
        assert stored
        found = (refusal["Error"]["Code"], refusal["ResponseMetadata"]["HTTPStatusCode"])
        assert found == ("InsufficientStorage", 507), refusal
        # Where there is no room for a large one there may be for small ones, and for nothing at last.
        for smaller in (200_000, 20_000):
            more, refusal = fill(s3, smaller, f"b{smaller}")
            stored |= more
            assert refusal["Error"]["Code"] == "InsufficientStorage", refusal
        assert node.is_alive()
        listed = {
            found["Key"]: found["Size"]
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket="full")
            for found in page.get("Contents", [])
        }
        assert listed == {key: len(body) for key, body in stored.items()}, "what was refused is not listed"
        for key, body in stored.items():
            assert s3.get_object(Bucket="full", Key=key)["Body"].read() == body, key

        # As an operator would: give the disk a little room if the node cannot even delete, then delete.
        gone = list(stored)[: len(stored) // 2 + 1]
        try:
            s3.delete_object(Bucket="full", Key=gone[0])
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InsufficientStorage", error
            subprocess.run(["mount", "-o", f"remount,size={DISK_BYTES + (4 << 20)}", str(small_disk)], check=True)
            s3.delete_object(Bucket="full", Key=gone[0])
        for key in gone[1:]:
            s3.delete_object(Bucket="full", Key=key)
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            try:
                s3.put_object(Bucket="full", Key="again", Body=stored[gone[0]])
                break
            except ClientError as error:
                assert error.response["Error"]["Code"] == "InsufficientStorage", error
                assert time.monotonic() < deadline, (
                    f"no space {RECOVERY_SECONDS} s after half of the objects were deleted"
                )
                time.sleep(1)
        assert s3.get_object(Bucket="full", Key="again")["Body"].read() == stored[gone[0]]
        for key in set(stored) - set(gone):
            assert s3.get_object(Bucket="full", Key=key)["Body"].read() == stored[key], key

        node.restart()
        left = set(stored) - set(gone) | {"again"}
        pages = node.s3().get_paginator("list_objects_v2").paginate(Bucket="full")
        assert {found["Key"] for page in pages for found in page.get("Contents", [])} == left
        node.stop()
    finally:
        node.remove()
