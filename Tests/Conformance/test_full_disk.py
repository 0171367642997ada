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

        node.stop()
        assert node.verify_offline()[0] == []
        node.start()
        left = set(stored) - set(gone) | {"again"}
        pages = node.s3().get_paginator("list_objects_v2").paginate(Bucket="full")
        assert {found["Key"] for page in pages for found in page.get("Contents", [])} == left
        node.stop()
    finally:
        node.remove()


def refusal(call):
    """The code of a call that is refused; nothing for one that is not."""
    try:
        call()
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_an_upload_outlives_a_full_disk(nodes, small_disk):
    node = nodes.new("sqlite-http", data=small_disk / "data").start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="full")
        uploads = {key: s3.create_multipart_upload(Bucket="full", Key=key)["UploadId"] for key in ("a", "b")}
        body, parts = os.urandom(5 << 20), {"a": [], "b": []}

        def put(key, number):
            answer = s3.upload_part(Bucket="full", Key=key, UploadId=uploads[key], PartNumber=number, Body=body)
            parts[key].append({"PartNumber": number, "ETag": answer["ETag"]})

        said = None
        for number in range(1, 50):
            said = refusal(lambda number=number: put("ab"[number % 2], number))
            if said:
                break
        assert said == "InsufficientStorage"
        for key, upload in uploads.items():
            listed = s3.list_parts(Bucket="full", Key=key, UploadId=upload)["Parts"]
            assert [part["PartNumber"] for part in listed] == [part["PartNumber"] for part in parts[key]]
        # What has come makes an object, and the room of what is given up is there again.
        s3.complete_multipart_upload(
            Bucket="full", Key="a", UploadId=uploads["a"], MultipartUpload={"Parts": parts["a"]}
        )
        s3.abort_multipart_upload(Bucket="full", Key="b", UploadId=uploads["b"])
        deadline = time.monotonic() + RECOVERY_SECONDS
        while refusal(lambda: s3.put_object(Bucket="full", Key="again", Body=body)):
            assert time.monotonic() < deadline, "no space after an upload was given up"
            time.sleep(0.5)
        assert s3.get_object(Bucket="full", Key="a")["Body"].read() == body * len(parts["a"])
        node.stop()
        findings, summary = node.verify_offline()
        assert findings == [] and summary["orphans"] == 0
    finally:
        node.remove()


def test_a_database_without_room_is_told_and_outlived(nodes, small_disk, tmp_path):
    blobs = ["--blobs", str(tmp_path / "blobs")]
    node = nodes.new("sqlite-http", data=small_disk / "data", options=blobs).start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="full")
        for number in range(20):
            s3.put_object(Bucket="full", Key=str(number), Body=b"%d" % number * 1000)
        # Not a byte is left, the reserve included.
        ballast = small_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass
        tags = {"TagSet": [{"Key": "k", "Value": "v" * 200}]}
        said = {
            "put": refusal(lambda: s3.put_object(Bucket="full", Key="new", Body=b"x" * 10_000)),
            "large": refusal(lambda: s3.put_object(Bucket="full", Key="large", Body=b"x" * 100_000)),
            "upload": refusal(lambda: s3.create_multipart_upload(Bucket="full", Key="up")),
        }
        assert (said["put"], said["large"]) == ("InsufficientStorage", "InsufficientStorage"), said
        # The log of the database may have room for small changes; at some time it has not.
        for number in range(5000):
            last = refusal(lambda number=number: s3.put_object_tagging(Bucket="full", Key=str(number % 20), Tagging=tags))
            if last:
                break
        assert last == "InsufficientStorage"
        assert refusal(lambda: s3.delete_object(Bucket="full", Key="0")) in ("InsufficientStorage", None)
        assert node.is_alive()
        for number in range(1, 20):
            assert s3.get_object(Bucket="full", Key=str(number))["Body"].read() == b"%d" % number * 1000

        ballast.unlink()
        deadline = time.monotonic() + RECOVERY_SECONDS
        while refusal(lambda: s3.put_object(Bucket="full", Key="again", Body=b"x" * 100_000)):
            assert time.monotonic() < deadline, "no space after room was made"
            time.sleep(0.5)
        node.stop()
        assert node.verify_offline()[0] == []
    finally:
        node.remove()
