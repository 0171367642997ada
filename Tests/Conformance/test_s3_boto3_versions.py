"""Versions of objects with boto3: what is kept, what is hidden, and how either comes back."""

import concurrent.futures

import pytest
from conftest import new_bucket
from errors import refused


@pytest.fixture
def s3(node):
    return node.s3()


@pytest.fixture
def versioned(s3):
    bucket = new_bucket(s3)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield bucket
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for found in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def listed(s3, bucket, **options):
    answer = s3.list_object_versions(Bucket=bucket, **options)
    both = [(found, False) for found in answer.get("Versions", [])]
    both += [(found, True) for found in answer.get("DeleteMarkers", [])]
    return sorted(
        (found["Key"], found["VersionId"], found["IsLatest"], is_marker) for found, is_marker in both
    )


def test_versioning_is_off_enabled_and_suspended(s3):
    bucket = new_bucket(s3)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"first")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k")
    for status in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["VersionId"] == "null"
    with refused("MalformedXML", 400):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Perhaps"})
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    s3.delete_bucket(Bucket=bucket)


def test_every_version_is_read_by_its_id(s3, versioned):
    made = []
    for number in range(5):
        body = bytes([number]) * (number * 9000)
        made.append((s3.put_object(Bucket=versioned, Key="k", Body=body)["VersionId"], body))
    assert len({version for version, _ in made}) == 5
    for version, body in made:
        got = s3.get_object(Bucket=versioned, Key="k", VersionId=version)
        assert got["Body"].read() == body and got["VersionId"] == version
        assert s3.head_object(Bucket=versioned, Key="k", VersionId=version)["ContentLength"] == len(body)
    assert s3.get_object(Bucket=versioned, Key="k")["VersionId"] == made[-1][0]
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=made[2][0], Range="bytes=1-3")["Body"].read() == b"\2\2\2"
    for wrong in ("nonsense", "0" * 32):
        with refused("NoSuchVersion", 404):
            s3.get_object(Bucket=versioned, Key="k", VersionId=wrong)
    assert listed(s3, versioned) == sorted(
        ("k", version, version == made[-1][0], False) for version, _ in made
    )


def test_a_deletion_hides_and_its_removal_brings_back(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"one")["VersionId"]
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert deleted["DeleteMarker"] and deleted["VersionId"]
    with refused("NoSuchKey", 404) as error:
        s3.get_object(Bucket=versioned, Key="k")
    headers = error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true" and headers["x-amz-version-id"] == deleted["VersionId"]
    with refused("MethodNotAllowed", 405):
        s3.get_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    # A key that never was gets a marker, too.
    never = s3.delete_object(Bucket=versioned, Key="never")
    assert never["DeleteMarker"]
    # If-None-Match: * means that there is no object, which a marker is not.
    again = s3.put_object(Bucket=versioned, Key="k", Body=b"two", IfNoneMatch="*")["VersionId"]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=again)
    undone = s3.delete_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    assert undone["DeleteMarker"] and undone["VersionId"] == deleted["VersionId"]
    assert s3.get_object(Bucket=versioned, Key="k")["VersionId"] == first


def test_many_versions_go_at_once(s3, versioned):
    versions = [s3.put_object(Bucket=versioned, Key=f"k{number}", Body=b"x")["VersionId"] for number in range(4)]
    answer = s3.delete_objects(
        Bucket=versioned,
        Delete={
            "Objects": [
                {"Key": "k0"},
                {"Key": "k1", "VersionId": versions[1]},
                {"Key": "k2", "VersionId": "0" * 32},
                {"Key": "none"},
                {"Key": "k3", "VersionId": "nonsense"},
            ]
        },
    )
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("k3", "NoSuchVersion")]
    found = {entry["Key"]: entry for entry in answer["Deleted"]}
    assert len(found) == 4
    assert found["k0"]["DeleteMarker"] and found["k0"]["DeleteMarkerVersionId"]
    assert found["k1"]["VersionId"] == versions[1] and "DeleteMarker" not in found["k1"]
    assert found["none"]["DeleteMarker"]
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=versioned)["Contents"]]
    assert keys == ["k2", "k3"]


def test_a_version_is_copied(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"one", Metadata={"a": "1"})["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"two" * 50_000)
    source = {"Bucket": versioned, "Key": "k", "VersionId": first}
    copied = s3.copy_object(Bucket=versioned, Key="copy", CopySource=source)
    assert copied["CopySourceVersionId"] == first and copied["VersionId"]
    got = s3.get_object(Bucket=versioned, Key="copy")
    assert got["Body"].read() == b"one" and got["Metadata"] == {"a": "1"}
    # An old version is made the current one by copying it over the new one.
    s3.copy_object(Bucket=versioned, Key="k", CopySource=source, MetadataDirective="REPLACE")
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"one"
    part = s3.create_multipart_upload(Bucket=versioned, Key="parts")["UploadId"]
    etag = s3.upload_part_copy(
        Bucket=versioned, Key="parts", UploadId=part, PartNumber=1, CopySource=source
    )["CopyPartResult"]["ETag"]
    done = s3.complete_multipart_upload(
        Bucket=versioned, Key="parts", UploadId=part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )
    assert done["VersionId"] == s3.head_object(Bucket=versioned, Key="parts")["VersionId"]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_of_versions_join_to_the_whole(s3, versioned, size, delimiter):
    for key in ("a", "a/1", "a/2", "b", "b/1"):
        for _ in range(2):
            s3.put_object(Bucket=versioned, Key=key, Body=b"x")
    s3.delete_object(Bucket=versioned, Key="a/1")
    found, prefixes, markers = [], [], {}
    while True:
        page = s3.list_object_versions(Bucket=versioned, MaxKeys=size, Delimiter=delimiter, **markers)
        found += [entry["VersionId"] for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"]}
        if "NextVersionIdMarker" in page:
            markers["VersionIdMarker"] = page["NextVersionIdMarker"]
    assert len(found) == len(set(found)) == (4 if delimiter else 11)
    assert prefixes == (["a/", "b/"] if delimiter else [])


def test_writers_at_once_lose_nothing(s3, versioned):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(
            lambda number: s3.put_object(Bucket=versioned, Key="k", Body=b"%d" % number)["VersionId"], range(40)))
    found = listed(s3, versioned)
    assert {version for _, version, _, _ in found} == set(made)
    assert sum(is_latest for _, _, is_latest, _ in found) == 1


def test_attributes_and_parts(s3, versioned):
    body = b"p" * (5 << 20) + b"rest"
    upload = s3.create_multipart_upload(Bucket=versioned, Key="m", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, piece in ((2, body[: 5 << 20]), (5, body[5 << 20 :])):
        part = s3.upload_part(
            Bucket=versioned, Key="m", UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    s3.complete_multipart_upload(Bucket=versioned, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    attributes = s3.get_object_attributes(
        Bucket=versioned, Key="m", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    )
    assert attributes["ObjectSize"] == len(body) and attributes["StorageClass"] == "STANDARD"
    assert attributes["ETag"].endswith("-2") and '"' not in attributes["ETag"]
    assert attributes["Checksum"]["ChecksumType"] == "COMPOSITE"
    told = attributes["ObjectParts"]
    assert told["TotalPartsCount"] == 2 and [part["Size"] for part in told["Parts"]] == [5 << 20, 4]
    assert [part["ChecksumSHA256"] for part in told["Parts"]] == [part["ChecksumSHA256"] for part in parts]
    page = s3.get_object_attributes(Bucket=versioned, Key="m", ObjectAttributes=["ObjectParts"], MaxParts=1)
    assert page["ObjectParts"]["IsTruncated"] and len(page["ObjectParts"]["Parts"]) == 1
    second = s3.get_object(Bucket=versioned, Key="m", PartNumber=2)
    assert second["Body"].read() == b"rest" and second["PartsCount"] == 2
    assert second["ContentRange"] == f"bytes {5 << 20}-{len(body) - 1}/{len(body)}"
    assert s3.head_object(Bucket=versioned, Key="m", PartNumber=1)["ContentLength"] == 5 << 20
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=versioned, Key="m", PartNumber=3)
    s3.put_object(Bucket=versioned, Key="plain", Body=b"plain")
    assert s3.get_object(Bucket=versioned, Key="plain", PartNumber=1)["Body"].read() == b"plain"
    plain = s3.get_object_attributes(Bucket=versioned, Key="plain", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert plain["ObjectSize"] == 5 and "ObjectParts" not in plain


def test_a_bucket_with_old_versions_is_not_empty(s3, versioned):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="k")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=versioned)
