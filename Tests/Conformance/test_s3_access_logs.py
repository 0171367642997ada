"""Access logs of buckets: what boto3 does is written into another bucket in S3's format."""

import re
import time

import pytest
from conftest import lend_bucket
from errors import refused

DEADLINE_SECONDS = 20
# Amazon's own expression for these lines, with the fields that this suite looks at.
LINE = re.compile(
    r'(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>[^]]+)\] (?P<address>\S+) (?P<requester>\S+) (?P<id>\S+) '
    r'(?P<operation>\S+) (?P<key>\S+) "(?P<request>[^"]*)" (?P<status>\d+) (?P<error>\S+) (?P<sent>\S+) '
    r'(?P<size>\S+) (?P<total>\d+) (?P<turn>\S+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<version>\S+) '
    r'(?P<host_id>\S+) (?P<signature>\S+) (?P<cipher>\S+) (?P<authentication>\S+) (?P<host>\S+) (?P<tls>\S+) '
    r'(?P<access_point>\S+) (?P<acl>\S+)'
)


@pytest.fixture
def logs(s3):
    yield from lend_bucket(s3, "logs")


def lines(s3, logs):
    found = []
    for entry in s3.list_objects_v2(Bucket=logs).get("Contents", []):
        text = s3.get_object(Bucket=logs, Key=entry["Key"])["Body"].read().decode()
        assert text.endswith("\n")
        for line in text.splitlines():
            match = LINE.fullmatch(line)
            assert match, line
            found.append(match.groupdict())
    return found


def wait(s3, logs, condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition(found := lines(s3, logs)):
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return {(line["operation"], line["key"], line["status"]): line for line in found}


def test_requests_are_logged_in_the_format_of_s3(s3, node, bucket, logs):
    s3.put_bucket_logging(
        Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": "log/"}}
    )
    body = bytes(3_000_000)
    put = s3.put_object(Bucket=bucket, Key="a b", Body=body)
    s3.get_object(Bucket=bucket, Key="a b", Range="bytes=0-99")["Body"].read()
    got = s3.get_object(Bucket=bucket, Key="a b")
    got["Body"].read()
    s3.head_object(Bucket=bucket, Key="a b")
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="absent")
    s3.list_objects_v2(Bucket=bucket)
    s3.get_bucket_logging(Bucket=bucket)
    stranger = node.http(token=False)
    assert stranger.get(f"{node.s3_url}/{bucket}/a%20b", headers={"User-Agent": 'odd "agent"'}).status_code == 403
    s3.delete_object(Bucket=bucket, Key="a b")
    found = wait(s3, logs, lambda found: any(line["operation"] == "REST.DELETE.OBJECT" for line in found))
    line = found["REST.PUT.OBJECT", "a%2520b", "200"]
    assert line["bucket"] == bucket and line["owner"] == "admin" and line["requester"] == "admin"
    assert line["id"] == put["ResponseMetadata"]["RequestId"] and line["address"] == "127.0.0.1"
    assert line["size"] == "3000000" and line["error"] == "-" and line["signature"] == "SigV4"
    assert line["request"].startswith(f"PUT /{bucket}/a%20b") and line["authentication"] == "AuthHeader"
    assert "Boto3" in line["agent"] and line["host"] == node.s3_url.split("/")[2]
    assert found["REST.GET.OBJECT", "a%2520b", "206"]["sent"] == "100"
    assert found["REST.GET.OBJECT", "a%2520b", "206"]["size"] == "3000000"
    line = found["REST.GET.OBJECT", "a%2520b", "200"]
    assert line["sent"] == "3000000" and line["id"] == got["ResponseMetadata"]["RequestId"]
    assert found["REST.HEAD.OBJECT", "a%2520b", "200"]["size"] == "3000000"
    assert found["REST.GET.OBJECT", "absent", "404"]["error"] == "NoSuchKey"
    line = found["REST.GET.OBJECT", "a%2520b", "403"]
    assert line["error"] == "AccessDenied" and line["requester"] == "-" and line["agent"] == "odd %22agent%22"
    assert ("REST.GET.BUCKET", "-", "200") in found and ("REST.GET.LOGGING_STATUS", "-", "200") in found
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=logs)["Contents"]]
    assert all(re.fullmatch(r"log/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", key) for key in keys)
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})


def test_keys_of_logs_can_be_partitioned(s3, bucket, logs):
    target = {
        "TargetBucket": logs,
        "TargetPrefix": "",
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
    }
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": target})
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    wait(s3, logs, lambda found: any(line["key"] == "k" for line in found))
    form = rf"admin/us-east-1/{bucket}/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-00-00-00-[0-9A-F]{{16}}"
    for entry in s3.list_objects_v2(Bucket=logs)["Contents"]:
        assert re.fullmatch(form, entry["Key"]), entry["Key"]
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
