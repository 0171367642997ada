"""Lifecycle rules with boto3, on a node whose days are short."""

import datetime
import time

import pytest
from conftest import new_bucket

DAY_SECONDS = 1
DEADLINE_SECONDS = 40


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def node(request, nodes):
    """A node of its own: the shared ones have days as long as everybody's."""
    node = nodes.new(request.param, options=["--lifecycle-day-seconds", str(DAY_SECONDS)]).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def s3(node):
    return node.s3()


def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {DEADLINE_SECONDS} s"
        time.sleep(0.2)


def set_rules(s3, bucket, *rules):
    rules = [{"ID": f"rule {number}", "Status": "Enabled", "Filter": {}, **rule} for number, rule in enumerate(rules)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def keys(s3, bucket):
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_objects_expire_by_prefix_tag_and_size(s3):
    bucket = new_bucket(s3)
    set_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}},
        {"Filter": {"And": {"Prefix": "x/", "Tags": [{"Key": "a", "Value": "b"}]}}, "Expiration": {"Days": 1}},
        {"Filter": {"And": {"Prefix": "x/", "ObjectSizeGreaterThan": 20_000}}, "Expiration": {"Days": 1}},
        {"Filter": {"Prefix": "old/"}, "Expiration": {"Date": datetime.datetime(2020, 1, 1)}},
        {"Filter": {"Prefix": "never/"}, "Expiration": {"Days": 10_000}},
    )
    put = s3.put_object(Bucket=bucket, Key="tmp/1", Body=b"1")
    assert put["Expiration"].endswith('rule-id="rule%200"')
    date = put["Expiration"].split('"')[1]
    due = datetime.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.timezone.utc)
    assert 0 < due.timestamp() - time.time() <= 2 * DAY_SECONDS
    assert s3.head_object(Bucket=bucket, Key="tmp/1")["Expiration"] == put["Expiration"]
    assert s3.get_object(Bucket=bucket, Key="tmp/1")["Expiration"] == put["Expiration"]
    s3.put_object(Bucket=bucket, Key="x/plain", Body=b"1")
    s3.put_object(Bucket=bucket, Key="x/tagged", Body=b"1", Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="x/large", Body=bytes(20_001))
    s3.put_object(Bucket=bucket, Key="old/1", Body=b"1")
    s3.put_object(Bucket=bucket, Key="never/1", Body=b"1")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="x/plain")
    eventually(lambda: keys(s3, bucket) == ["never/1", "x/plain"], "the expiration")


def test_versions_expire_and_their_markers(s3):
    bucket = new_bucket(s3)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2", b"3"):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
    s3.put_object(Bucket=bucket, Key="kept", Body=b"1")
    expires = {"Filter": {"Prefix": "k"}, "Expiration": {"Days": 1}}
    set_rules(s3, bucket, {**expires, "Filter": {"And": {"Prefix": "k", "ObjectSizeLessThan": 2}}})

    def listed():
        answer = s3.list_object_versions(Bucket=bucket)
        return (
            [(found["Key"], found["IsLatest"]) for found in answer.get("Versions", [])],
            [found["Key"] for found in answer.get("DeleteMarkers", [])],
        )

    # Nothing is lost: a marker stands before the versions.
    eventually(lambda: listed()[1] == ["k", "kept"], "the delete markers")
    assert listed()[0] == [("k", False)] * 3 + [("kept", False)]
    set_rules(s3, bucket, {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}})
    eventually(lambda: listed() == ([("k", False), ("kept", False)], ["k", "kept"]), "the end of old versions")
    set_rules(
        s3,
        bucket,
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    )
    eventually(lambda: listed() == ([], []), "the end of versions and markers")
    s3.delete_bucket(Bucket=bucket)


def test_a_locked_version_outlives_its_rule(s3):
    bucket = new_bucket(s3)
    s3.create_bucket(Bucket=bucket + "-lock", ObjectLockEnabledForBucket=True)
    bucket += "-lock"
    held = s3.put_object(Bucket=bucket, Key="k", Body=b"1", ObjectLockLegalHoldStatus="ON")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3")
    set_rules(s3, bucket, {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}})

    def noncurrent():
        versions = s3.list_object_versions(Bucket=bucket)["Versions"]
        return [found["VersionId"] for found in versions if not found["IsLatest"]]

    eventually(lambda: noncurrent() == [held], "the end of the version without a hold")
    time.sleep(DAY_SECONDS)
    assert noncurrent() == [held]


def test_uploads_that_are_forgotten_are_aborted(s3):
    bucket = new_bucket(s3)
    set_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "up/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    )
    upload = s3.create_multipart_upload(Bucket=bucket, Key="up/1")
    assert upload["AbortRuleId"] == "rule%200"
    assert 0 < upload["AbortDate"].timestamp() - time.time() <= 2 * DAY_SECONDS
    other = s3.create_multipart_upload(Bucket=bucket, Key="other")
    assert "AbortDate" not in other
    eventually(
        lambda: [found["Key"] for found in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])] == ["other"],
        "the abortion",
    )
