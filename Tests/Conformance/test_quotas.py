"""Quotas of collections and spaces: set by the command line, enforced at once for S3 clients."""

import os
import re
import threading

import pytest
from botocore.exceptions import ClientError
from errors import refused
from raw_http import Connection
from sigv4 import UNSIGNED, Signer


@pytest.fixture
def quota(node, bucket):
    def quota(*arguments):
        return node.cli_json("quota", *arguments, "--json")

    yield quota
    node.cli("quota", "delete", bucket)


def test_the_command_line_sets_shows_lists_and_removes_quotas(node, s3, bucket, quota):
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(1000))
    made = quota("set", bucket, "--bytes", "2KiB", "--objects", "3")
    assert made == {"collection": bucket, "bytesMax": 2048, "objectsMax": 3, "bytes": 1000, "objects": 1}
    assert quota("show", bucket) == made
    listed = node.cli("quota", "list")
    assert f"{bucket}" in listed.stdout and "1000 of 2048 bytes, 1 of 3 objects" in listed.stdout
    assert quota("set", bucket, "--objects", "5") == {
        "collection": bucket,
        "objectsMax": 5,
        "bytes": 1000,
        "objects": 1,
    }
    assert node.cli("quota", "delete", bucket).returncode == 0
    gone = node.cli("quota", "show", bucket)
    assert (gone.returncode, "has no quota" in gone.stderr) == (4, True)
    assert node.cli("quota", "set", "absent-bucket", "--bytes", "1").returncode == 4
    assert node.cli("quota", "set", bucket, "--bytes", "1 GB").returncode == 64
    assert node.cli("quota", "set", bucket).returncode == 64


def test_only_who_may_sets_quotas(node, s3, bucket):
    name = "quota-" + bucket[-6:]
    node.cli_json("account", "create", name, "--kind", "service", "--json")
    # Not even whom the bucket's own policy allows everything.
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy='{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}',
    )
    answer = node.http(token=False).put(f"{node.web}/admin/v1/quotas/collections/{bucket}", json={"bytesMax": 1})
    assert answer.status_code == 401
    s3.delete_bucket_policy(Bucket=bucket)
    for body in [{}, {"bytesMax": -1}, {"bytesMax": "1"}, {"bytesMax": 1.5}]:
        answer = node.http().put(f"{node.web}/admin/v1/quotas/collections/{bucket}", json=body)
        assert answer.status_code == 400, body


def test_s3_clients_are_told(node, s3, bucket, quota):
    quota("set", bucket, "--bytes", "1MiB", "--objects", "2")
    s3.put_object(Bucket=bucket, Key="a", Body=bytes(1 << 20))
    with refused("QuotaExceeded", 403):
        s3.put_object(Bucket=bucket, Key="b", Body=b"x")
    s3.put_object(Bucket=bucket, Key="a", Body=bytes(1000))
    with refused("QuotaExceeded", 403):
        s3.put_object(Bucket=bucket, Key="b", Body=bytes(1 << 20))
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    with refused("QuotaExceeded", 403):
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a"})
    assert quota("show", bucket)["bytes"] == 2000
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    with refused("QuotaExceeded", 403):
        s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=bytes((1 << 20) + 1))
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=bytes(1 << 20))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    with refused("QuotaExceeded", 403):
        s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
    # The parts are still there, so that room can be made for them.
    s3.delete_object(Bucket=bucket, Key="a")
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
    found = quota("show", bucket)
    assert (found["bytes"], found["objects"]) == (1 << 20, 1)


def test_a_body_that_cannot_fit_is_not_asked_for(node, bucket, quota):
    quota("set", bucket, "--bytes", "1000")
    with Connection(node.s3_url, node.authority) as connection:
        headers = Signer(*node.access_key()).headers("PUT", f"/{bucket}/k", connection.host, payload=UNSIGNED)
        headers |= {"content-length": "1001", "expect": "100-continue"}
        connection.head("PUT", f"/{bucket}/k", headers)
        answer = connection.answer()
        assert (answer.status, answer.code) == (403, "QuotaExceeded"), "and no 100 before it"


def test_versions_count_until_they_are_removed(s3, bucket, quota):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    quota("set", bucket, "--bytes", "100")
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=bytes(40))["VersionId"] for _ in range(2)]
    with refused("QuotaExceeded", 403):
        s3.put_object(Bucket=bucket, Key="k", Body=bytes(40))
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    assert quota("show", bucket)["bytes"] == 80
    s3.delete_object(Bucket=bucket, Key="k", VersionId=versions[0])
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(60))
    assert quota("show", bucket) == {"collection": bucket, "bytesMax": 100, "bytes": 100, "objects": 2}
    for found in s3.list_object_versions(Bucket=bucket)["Versions"]:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=found["VersionId"])
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert quota("show", bucket)["bytes"] == 0


def test_of_many_clients_as_many_succeed_as_there_is_room_for(node, s3, bucket, quota):
    quota("set", bucket, "--bytes", "50000")
    stored = []

    def put(number):
        try:
            node.s3().put_object(Bucket=bucket, Key=str(number), Body=os.urandom(10_000))
            stored.append(number)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "QuotaExceeded", error

    threads = [threading.Thread(target=put, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored) == 5
    assert {found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {str(n) for n in stored}


def test_webdav_clients_are_told(node, s3, bucket, quota):
    """RFC 4331: what is left, and a status of its own where it is not enough."""
    session, folder = node.http(), f"{node.web}/dav/{bucket}"
    ask = """<D:propfind xmlns:D="DAV:"><D:prop><D:quota-available-bytes/><D:quota-used-bytes/></D:prop></D:propfind>"""

    def told(address, depth="0"):
        answer = session.request("PROPFIND", address, headers={"Depth": depth}, data=ask)
        assert answer.status_code == 207, answer.text
        return re.findall(r"<D:quota-(available|used)-bytes>(\d+)<", answer.text)

    assert told(folder + "/") == []
    quota("set", bucket, "--bytes", "2000")
    s3.put_object(Bucket=bucket, Key="sub/k", Body=bytes(500))
    assert told(folder + "/") == [("available", "1500"), ("used", "500")]
    # Of folders, not of files.
    assert told(folder + "/", "1") == [("available", "1500"), ("used", "500")] * 2
    assert told(folder + "/sub/k") == []
    everything = session.request("PROPFIND", folder + "/", headers={"Depth": "0"})
    assert "quota" not in everything.text
    for body in (bytes(1501), iter([bytes(1000), bytes(1000)])):
        refused = session.put(folder + "/large", data=body)
        assert refused.status_code == 507 and "<D:quota-not-exceeded" in refused.text, refused.text
    for target, status in [("again", 201), ("third", 201), ("fourth", 201), ("fifth", 507)]:
        copied = session.request("COPY", folder + "/sub", headers={"Destination": f"{folder}/{target}"})
        assert copied.status_code == status, copied.text
    # The list of collections tells what the space has left.
    node.cli_json("quota", "set", "main", "--space", "--bytes", "1024TiB", "--json")
    try:
        ((_, left), (_, used)) = told(f"{node.web}/dav/")
        assert int(left) + int(used) == 1 << 50 and int(used) >= 2000
    finally:
        node.cli("quota", "delete", "main", "--space")
