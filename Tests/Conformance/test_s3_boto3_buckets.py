"""The life of a bucket, and what it answers when asked for things that it does not have."""

import json
import re
import secrets

import pytest
from botocore.handlers import validate_bucket_name
from conftest import new_bucket
from errors import refused
from test_iam_sts import client


def test_a_bucket_is_listed_from_creation_to_deletion(s3):
    name = new_bucket(s3)
    found = {bucket["Name"]: bucket for bucket in s3.list_buckets()["Buckets"]}
    assert found[name]["CreationDate"].tzinfo is not None
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    with refused("404", 404):
        s3.head_bucket(Bucket=name)


def test_creating_an_own_bucket_again_says_so(s3, bucket):
    with refused("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket=bucket)


def test_a_bucket_with_an_object_is_not_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("call", ["delete_bucket", "list_objects", "list_objects_v2", "get_bucket_location"])
def test_a_bucket_that_is_not_there_is_no_such_bucket(s3, call):
    with refused("NoSuchBucket", 404):
        getattr(s3, call)(Bucket="absent-" + secrets.token_hex(6))


def test_an_object_of_a_bucket_that_is_not_there_is_no_such_bucket(s3):
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket="absent-" + secrets.token_hex(6), Key="k", Body=b"x")
    with refused("NoSuchBucket", 404):
        s3.get_object(Bucket="absent-" + secrets.token_hex(6), Key="k")


@pytest.mark.parametrize(
    "name", ["ab", "Upper-case", "under_score", "-dash-first", "dot..dot", "192.168.5.4", "a" * 64]
)
def test_a_name_that_s3_does_not_allow_is_refused(s3, name):
    # botocore has its own opinion of names, which would keep the request from being sent.
    s3.meta.events.unregister("before-parameter-build.s3.CreateBucket", validate_bucket_name)
    with refused("InvalidBucketName", 400):
        s3.create_bucket(Bucket=name)


def test_the_region_is_the_default_one(s3, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_a_bucket_is_not_versioned(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_the_acl_names_the_owner_with_full_control(s3, bucket):
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Owner"]["ID"]
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]


@pytest.mark.parametrize(
    "call, code",
    [
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_bucket_tagging", "NoSuchTagSet"),
    ],
)
def test_a_configuration_that_is_not_set_is_not_found(s3, bucket, call, code):
    with refused(code, 404):
        getattr(s3, call)(Bucket=bucket)


def _put_website(s3, bucket):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})


def _put_accelerate(s3, bucket):
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})


def _put_request_payment(s3, bucket):
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})


def _get_torrent(s3, bucket):
    s3.get_object_torrent(Bucket=bucket, Key="k")


def _restore(s3, bucket):
    s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1})


@pytest.mark.parametrize("call", [_put_website, _put_accelerate, _put_request_payment, _get_torrent, _restore])
def test_what_is_not_implemented_says_so_and_changes_nothing(s3, bucket, call):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    with refused("NotImplemented", 501):
        call(s3, bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_errors_name_the_resource_and_the_request(s3, bucket):
    with refused("NoSuchKey", 404) as failure:
        s3.get_object(Bucket=bucket, Key="not/there")
    answer = failure.value.response
    assert answer["Error"]["Message"]
    assert re.fullmatch(r"\S+", answer["ResponseMetadata"]["RequestId"])


def test_buckets_are_listed_in_pages_by_prefix_and_region(s3):
    prefix = "many-" + secrets.token_hex(6)
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in [*names, prefix]:
        s3.create_bucket(Bucket=name)
    pages = list(s3.get_paginator("list_buckets").paginate(Prefix=prefix, PaginationConfig={"PageSize": 2}))
    assert [len(page["Buckets"]) for page in pages] == [2, 2, 2]
    assert [bucket["Name"] for page in pages for bucket in page["Buckets"]] == [prefix, *names]
    assert {bucket["BucketRegion"] for page in pages for bucket in page["Buckets"]} == {"us-east-1"}
    assert len(s3.list_buckets(Prefix=prefix, BucketRegion="us-east-1")["Buckets"]) == 6
    assert s3.list_buckets(BucketRegion="eu-north-1")["Buckets"] == []
    with refused("InvalidArgument", 400):
        s3.list_buckets(ContinuationToken="not one")
    for name in [*names, prefix]:
        s3.delete_bucket(Bucket=name)


def test_a_new_bucket_is_at_once_all_that_it_was_asked_to_be(node, s3):
    name = "whole-" + secrets.token_hex(6)
    tags = [{"Key": "project", "Value": "mars"}]
    s3.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=True,
        ObjectOwnership="ObjectWriter",
        ACL="public-read",
        CreateBucketConfiguration={"LocationConstraint": "eu-north-1", "Tags": tags},
    )
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags
    assert s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "ObjectWriter"}
    ]
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 2
    # One transaction, one event.
    events = [json.loads(line) for line in node.cli("history", f"s3://{name}", "--json").stdout.splitlines()]
    assert [event["kind"] for event in events if "kind" in event] == ["collection.created"], events
    s3.delete_bucket(Bucket=name)
    with refused("NotImplemented", 501):
        s3.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={
                "Location": {"Type": "AvailabilityZone", "Name": "use1-az1"},
                "Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"},
            },
        )
    with refused("InvalidTag", 400):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": [{"Key": "aws:x", "Value": "y"}]})
    with refused("404", 404):
        s3.head_bucket(Bucket=name)


def test_who_expects_another_owner_is_refused(node, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    account = client(node, "sts").get_caller_identity()["Account"]
    source = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    calls = {
        "head_bucket": {},
        "list_objects_v2": {},
        "get_bucket_policy_status": {},
        "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
        "get_object": {"Key": "k"},
        "put_object": {"Key": "k", "Body": b"y"},
        "delete_object": {"Key": "k"},
        "delete_objects": {"Delete": {"Objects": [{"Key": "k"}]}},
        "copy_object": {"Key": "c", "CopySource": source},
        "upload_part": {"Key": "parts", "UploadId": upload, "PartNumber": 1, "Body": b"x"},
        "delete_bucket": {},
    }
    for call, arguments in calls.items():
        with refused("403" if call == "head_bucket" else "AccessDenied", 403):
            getattr(s3, call)(Bucket=bucket, ExpectedBucketOwner="111122223333", **arguments)
    with refused("AccessDenied", 403):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, ExpectedSourceBucketOwner="111122223333")
    for right in (owner, account):
        assert s3.get_object(Bucket=bucket, Key="k", ExpectedBucketOwner=right)["Body"].read() == b"x"
        s3.copy_object(
            Bucket=bucket, Key="c", CopySource=source, ExpectedBucketOwner=right, ExpectedSourceBucketOwner=right
        )
    with refused("NoSuchBucket", 404):
        s3.get_bucket_cors(Bucket="absent-" + secrets.token_hex(6), ExpectedBucketOwner=owner)
