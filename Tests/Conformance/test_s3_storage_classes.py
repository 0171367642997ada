"""Storage classes with boto3: each is a blob store of the node, here a folder."""

import os
import time

import pytest
from conftest import new_bucket
from errors import refused

DAY_SECONDS = 1
DEADLINE_SECONDS = 40
LARGE = os.urandom(300_000)


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def short_days(request, nodes):
    """A node of its own, whose days are short."""
    node = nodes.new(request.param, options=["--lifecycle-day-seconds", str(DAY_SECONDS)]).start()
    yield node
    node.stop()
    node.remove()


def blobs(node, storage_class):
    """The sealed blobs in the folder of a class."""
    return [path for path in (node.home / storage_class.lower()).rglob("*") if path.is_file() and len(path.name) == 32]


def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {DEADLINE_SECONDS} s"
        time.sleep(0.2)


def test_objects_are_written_into_the_store_of_their_class(s3, node, bucket):
    before = len(blobs(node, "GLACIER"))
    put = s3.put_object(Bucket=bucket, Key="cold", Body=LARGE, StorageClass="GLACIER")
    assert put["ResponseMetadata"]["HTTPHeaders"]["x-amz-storage-class"] == "GLACIER"
    s3.put_object(Bucket=bucket, Key="small", Body=b"1", StorageClass="STANDARD_IA")
    s3.put_object(Bucket=bucket, Key="usual", Body=LARGE, StorageClass="STANDARD")
    assert len(blobs(node, "GLACIER")) == before + 1
    assert LARGE[:64] not in blobs(node, "GLACIER")[-1].read_bytes()
    found = s3.head_object(Bucket=bucket, Key="cold")
    # aws refuses to read an object of this class that does not say that it has been restored.
    assert (found["StorageClass"], found["Restore"]) == ("GLACIER", 'ongoing-request="false"')
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="usual")
    got = s3.get_object(Bucket=bucket, Key="cold")
    assert got["Body"].read() == LARGE and got["StorageClass"] == "GLACIER"
    listed = {found["Key"]: found["StorageClass"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed == {"cold": "GLACIER", "small": "STANDARD_IA", "usual": "STANDARD"}
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert {found["Key"]: found["StorageClass"] for found in versions} == listed
    attributes = s3.get_object_attributes(Bucket=bucket, Key="cold", ObjectAttributes=["StorageClass"])
    assert attributes["StorageClass"] == "GLACIER"


def test_parts_go_into_the_store_of_their_upload(s3, node, bucket):
    before = len(blobs(node, "STANDARD_IA"))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", StorageClass="STANDARD_IA")["UploadId"]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["StorageClass"] == "STANDARD_IA"
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=LARGE)
    assert s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["StorageClass"] == "STANDARD_IA"
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert len(blobs(node, "STANDARD_IA")) == before + 1
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["StorageClass"] == "STANDARD_IA" and got["Body"].read() == LARGE


def test_a_copy_has_the_class_that_it_is_given(s3, node, bucket):
    source = {"Bucket": bucket, "Key": "k"}
    s3.put_object(Bucket=bucket, Key="k", Body=LARGE, Metadata={"a": "b"})
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    # Onto itself: nothing but the class changes.
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, StorageClass="GLACIER")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["StorageClass"], head["ETag"], head["Metadata"]) == ("GLACIER", etag, {"a": "b"})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == LARGE
    s3.copy_object(Bucket=bucket, Key="warm", CopySource=source)
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="warm")
    assert s3.get_object(Bucket=bucket, Key="warm")["Body"].read() == LARGE
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=source)


@pytest.mark.parametrize("name", ["DEEP_ARCHIVE", "nonsense", "", "A" * 50])
def test_a_class_that_is_not_there_is_refused(s3, bucket, name):
    with refused("InvalidStorageClass", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"1", StorageClass=name)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_rule_to_a_class_that_is_not_there_is_refused(s3, bucket):
    rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]}
    with refused("InvalidStorageClass", 400):
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


def test_rules_move_objects_between_stores(short_days):
    s3 = short_days.s3()
    bucket = new_bucket(s3)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "move",
        "Status": "Enabled",
        "Filter": {"Prefix": "m/"},
        "Transitions": [{"Days": 2, "StorageClass": "GLACIER"}],
        "NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "DEEP"}],
    }
    with refused("InvalidStorageClass", 400):
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    rule["NoncurrentVersionTransitions"][0]["StorageClass"] = "GLACIER"
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    first = s3.put_object(Bucket=bucket, Key="m/k", Body=LARGE)["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="m/k", Body=LARGE[::-1])["VersionId"]
    s3.put_object(Bucket=bucket, Key="stays", Body=LARGE)
    modified = s3.head_object(Bucket=bucket, Key="m/k")["LastModified"]

    def classes():
        versions = s3.list_object_versions(Bucket=bucket)["Versions"]
        return {(found["Key"], found["IsLatest"]): found["StorageClass"] for found in versions}

    moved = {("m/k", True): "GLACIER", ("m/k", False): "GLACIER", ("stays", True): "STANDARD"}
    eventually(lambda: classes() == moved, "the move")
    assert len(blobs(short_days, "GLACIER")) == 2
    # What was moved is what it was, and is gone from where it was.
    head = s3.head_object(Bucket=bucket, Key="m/k")
    assert (head["VersionId"], head["LastModified"]) == (second, modified)
    assert s3.get_object(Bucket=bucket, Key="m/k")["Body"].read() == LARGE[::-1]
    assert s3.get_object(Bucket=bucket, Key="m/k", VersionId=first)["Body"].read() == LARGE

    def left():
        return [path for path in (short_days.data / "blobs").rglob("*") if path.is_file() and len(path.name) == 32]

    eventually(lambda: len(left()) == 1, "the end of the old blobs")
    short_days.restart()
    assert s3.get_object(Bucket=bucket, Key="m/k", VersionId=first)["Body"].read() == LARGE
