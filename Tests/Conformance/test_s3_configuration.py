"""The configurations of a bucket: put, read back, deleted, refused; and what they do to requests."""

import json
import secrets

import pytest
import requests
from botocore import UNSIGNED
from conftest import empty_bucket, new_bucket
from errors import refused

RULE = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
WEBHOOK = "arn:martlet:webhook:::https://hooks.example.org/s3"
OPEN_BLOCK = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": False,
}


@pytest.fixture
def nobody(node):
    return node.s3(key=("", ""), signature_version=UNSIGNED)


@pytest.fixture
def user(node):
    """A client of an account without any rights, and its ARN."""
    name = "user-" + secrets.token_hex(4)
    node.cli_json("account", "create", name, "--json")
    return node.s3(key=node.create_key(name)), f"arn:aws:iam::martlet:user/{name}"


def policy(bucket, effect="Allow", principal="*", actions="s3:GetObject", resource="/*", **more):
    statement = {"Effect": effect, "Principal": principal, "Action": actions}
    statement["Resource"] = f"arn:aws:s3:::{bucket}{resource}"
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


# Each configuration: put, read back, deleted

CORS = {
    "CORSRules": [
        {
            "ID": "site",
            "AllowedOrigins": ["https://*.example.org"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["x-amz-*", "authorization"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 600,
        },
        {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
    ]
}
LIFECYCLE = {
    "Rules": [
        RULE,
        {
            "ID": "all",
            "Status": "Disabled",
            "Filter": {
                "And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 10},
            },
            "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
        },
        {"ID": "uploads", "Status": "Enabled", "Prefix": "", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    ]
}
ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}
DELETABLE = [
    ("bucket_cors", "CORSConfiguration", CORS, None, "NoSuchCORSConfiguration"),
    ("bucket_lifecycle_configuration", "LifecycleConfiguration", LIFECYCLE, None, "NoSuchLifecycleConfiguration"),
    ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "größe", "Value": "a b"}]}, None, "NoSuchTagSet"),
    (
        "public_access_block",
        "PublicAccessBlockConfiguration",
        {**OPEN_BLOCK, "BlockPublicAcls": True},
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
    ),
    (
        "bucket_ownership_controls",
        "OwnershipControls",
        {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
        "OwnershipControls",
        "OwnershipControlsNotFoundError",
    ),
]


def told(answer, member=None):
    answer = answer[member] if member else answer
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.mark.parametrize("name, member, value, wrapped, missing", DELETABLE, ids=[row[0] for row in DELETABLE])
def test_a_configuration_is_read_back_as_it_was_put(s3, bucket, name, member, value, wrapped, missing):
    get = getattr(s3, "get_" + name)
    delete = getattr(s3, "delete_" + name.replace("_lifecycle_configuration", "_lifecycle"))
    with refused(missing, 404):
        get(Bucket=bucket)
    getattr(s3, "put_" + name)(Bucket=bucket, **{member: value})
    assert told(get(Bucket=bucket), wrapped) == value
    assert delete(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused(missing, 404):
        get(Bucket=bucket)
    delete(Bucket=bucket)


def test_a_policy_is_given_back_to_the_byte(s3, bucket):
    text = policy(bucket, principal={"AWS": "arn:aws:iam::martlet:user/ada"}) + "  "
    assert s3.put_bucket_policy(Bucket=bucket, Policy=text)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    s3.delete_bucket_policy(Bucket=bucket)
    for call in (s3.get_bucket_policy, s3.get_bucket_policy_status):
        with refused("NoSuchBucketPolicy", 404):
            call(Bucket=bucket)


def test_encryption_is_aes256_from_the_beginning(s3, bucket):
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == ENCRYPTION
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=ENCRYPTION)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == ENCRYPTION
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == ENCRYPTION


def test_logging_names_a_bucket_that_is_there(s3, bucket):
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    status = {"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": "log/"}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=status)
    assert told(s3.get_bucket_logging(Bucket=bucket)) == status
    absent = {"LoggingEnabled": {"TargetBucket": "absent-" + secrets.token_hex(4), "TargetPrefix": ""}}
    with refused("InvalidTargetBucketForLogging", 400):
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=absent)
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


@pytest.mark.parametrize(
    "kind, arn", [("Queue", "QueueArn"), ("Topic", "TopicArn"), ("LambdaFunction", "LambdaFunctionArn")]
)
def test_a_webhook_stands_in_any_kind_of_notification(s3, bucket, kind, arn):
    filters = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".tif"}]}}
    target = {"Id": "hook", arn: WEBHOOK, "Events": ["s3:ObjectCreated:*"], "Filter": filters}
    configuration = {kind + "Configurations": [target]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    assert told(s3.get_bucket_notification_configuration(Bucket=bucket)) == configuration
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert told(s3.get_bucket_notification_configuration(Bucket=bucket)) == {}


def test_a_notification_to_somebody_elses_queue_is_refused(s3, bucket):
    target = {"QueueArn": "arn:aws:sqs:us-east-1:1:q", "Events": ["s3:ObjectCreated:*"]}
    with refused("InvalidArgument", 400):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [target]}
        )
    with refused("NotImplemented", 501):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def test_what_is_never_set_reads_so(s3, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    with refused("NotImplemented", 501):
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)
    with refused("NotImplemented", 501) as failure:
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert "website is off" in str(failure.value)
    # As in S3, deleting what is not there is no error, and deletes no bucket.
    s3.delete_bucket_website(Bucket=bucket)
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)
    with refused("ReplicationConfigurationNotFoundError", 404):
        s3.get_bucket_replication(Bucket=bucket)


def test_a_configuration_goes_with_its_bucket(s3):
    name = new_bucket(s3)
    s3.put_bucket_cors(Bucket=name, CORSConfiguration=CORS)
    s3.put_bucket_policy(Bucket=name, Policy=policy(name))
    s3.delete_bucket(Bucket=name)
    with refused("NoSuchBucket", 404):
        s3.get_bucket_cors(Bucket=name)
    s3.create_bucket(Bucket=name)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=name)
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=name)
    s3.delete_bucket(Bucket=name)


# Malformed ones


@pytest.mark.parametrize(
    "code, call, arguments",
    [
        ("InvalidRequest", "cors", {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}]}),
        ("InvalidRequest", "cors", {"CORSRules": [{"AllowedOrigins": ["*.*"], "AllowedMethods": ["GET"]}]}),
        ("MalformedXML", "cors", {"CORSRules": []}),
        ("InvalidArgument", "lifecycle", {"Rules": [RULE, RULE]}),
        ("InvalidArgument", "lifecycle", {"Rules": [{**RULE, "Expiration": {"Days": 0}}]}),
        ("MalformedXML", "lifecycle", {"Rules": [{**RULE, "Status": "On"}]}),
        ("MalformedXML", "lifecycle", {"Rules": [{**RULE, "Prefix": "x"}]}),
        ("InvalidTag", "tagging", {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}),
        ("InvalidTag", "tagging", {"TagSet": [{"Key": "aws:a", "Value": "1"}]}),
        ("BadRequest", "tagging", {"TagSet": [{"Key": f"k{i}", "Value": ""} for i in range(51)]}),
        ("MalformedXML", "ownership", {"Rules": [{"ObjectOwnership": "Nobody"}]}),
    ],
)
def test_a_malformed_configuration_is_refused_and_changes_nothing(s3, bucket, code, call, arguments):
    put, member = {
        "cors": (s3.put_bucket_cors, "CORSConfiguration"),
        "lifecycle": (s3.put_bucket_lifecycle_configuration, "LifecycleConfiguration"),
        "tagging": (s3.put_bucket_tagging, "Tagging"),
        "ownership": (s3.put_bucket_ownership_controls, "OwnershipControls"),
    }[call]
    with refused(code, 400):
        put(Bucket=bucket, **{member: arguments})
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "nonsense",
        lambda text: text[:-1],
        lambda text: text.replace('"Principal": "*", ', ""),
        lambda text: text.replace("Allow", "Perhaps"),
        lambda text: text.replace("s3:GetObject", "ec2:RunInstances"),
        lambda text: text.replace("arn:aws:s3:::", "arn:aws:s3:::other-"),
    ],
)
def test_a_malformed_policy_is_refused(s3, bucket, change):
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=bucket, Policy=change(policy(bucket)))
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)


# Bucket policies


def test_a_bucket_policy_lets_everybody_read_and_no_more(s3, bucket, nobody):
    s3.put_object(Bucket=bucket, Key="k", Body=b"open")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"open"
    # Nor does an address make a page of it.
    with refused("InvalidRequest", 400):
        nobody.get_object(Bucket=bucket, Key="k", ResponseContentType="text/html")
    for call, arguments in [
        ("put_object", {"Key": "k", "Body": b"x"}),
        ("list_objects_v2", {}),
        ("get_bucket_policy", {}),
        ("delete_object", {"Key": "k"}),
    ]:
        with refused("AccessDenied", 403):
            getattr(nobody, call)(Bucket=bucket, **arguments)
    s3.delete_bucket_policy(Bucket=bucket)
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="k")


def test_nobody_lists_buckets_however_public_they_are(s3, bucket, nobody, user):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, actions="s3:ListBucket", resource=""))
    assert nobody.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with refused("AccessDenied", 403):
        nobody.list_buckets()
    # An account sees those whose keys it may list.
    assert [found["Name"] for found in user[0].list_buckets()["Buckets"] if found["Name"] == bucket] == [bucket]


def test_a_bucket_policy_names_whom_it_is_for(s3, bucket, nobody, user):
    client, arn = user
    with refused("AccessDenied", 403):
        client.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(
        Bucket=bucket, Policy=policy(bucket, principal={"AWS": [arn]}, actions=["s3:PutObject", "s3:GetObject"])
    )
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    for other in (nobody.get_object, client.delete_object):
        with refused("AccessDenied", 403):
            other(Bucket=bucket, Key="k")


def test_a_deny_of_the_bucket_wins_and_an_administrator_can_take_it_back(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, effect="Deny", actions="s3:*", resource="*"))
    for call, arguments in [("get_object", {"Key": "k"}), ("list_objects_v2", {}), ("get_bucket_cors", {})]:
        with refused("AccessDenied", 403):
            getattr(s3, call)(Bucket=bucket, **arguments)
    assert "Deny" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_condition_of_a_bucket_policy_counts(s3, bucket, nobody):
    s3.put_object(Bucket=bucket, Key="a/k", Body=b"x")
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=policy(
            bucket, actions="s3:ListBucket", resource="", Condition={"StringLike": {"s3:prefix": "a/*"}}
        ),
    )
    assert [found["Key"] for found in nobody.list_objects_v2(Bucket=bucket, Prefix="a/")["Contents"]] == ["a/k"]
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=bucket)


# ACLs


def test_a_bucket_policy_asks_for_tags(s3, bucket, nobody, user):
    client, arn = user
    read = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/Public": ["yes", "really"]}},
    }
    write = {
        "Effect": "Allow",
        "Principal": {"AWS": [arn]},
        "Action": ["s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {
            "StringEquals": {"s3:RequestObjectTag/stage": "raw", "s3:x-amz-storage-class": "STANDARD_IA"},
            "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["stage", "of"]},
        },
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [read, write]}))
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="Public=yes")
    s3.put_object(Bucket=bucket, Key="closed", Body=b"x", Tagging="Public=no")
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    assert nobody.get_object(Bucket=bucket, Key="open")["Body"].read() == b"x"
    for key in ("closed", "plain", "absent"):
        with refused("AccessDenied", 403):
            nobody.get_object(Bucket=bucket, Key=key)
    # It is asked of the version that is read, as it is now.
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="open", Body=b"y")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="open")
    assert nobody.get_object(Bucket=bucket, Key="open", VersionId="null")["Body"].read() == b"x"
    s3.put_object_tagging(Bucket=bucket, Key="closed", Tagging={"TagSet": [{"Key": "Public", "Value": "really"}]})
    assert nobody.get_object(Bucket=bucket, Key="closed")["Body"].read() == b"x"
    tagged = {"StorageClass": "STANDARD_IA", "Tagging": "stage=raw&of=B02"}
    client.put_object(Bucket=bucket, Key="in", Body=b"x", **tagged)
    for wrong in ({"Tagging": "stage=final"}, {"Tagging": "stage=raw&a=b"}, {"StorageClass": "STANDARD"}):
        with refused("AccessDenied", 403):
            client.put_object(Bucket=bucket, Key="in", Body=b"x", **{**tagged, **wrong})


def test_canned_acls_that_open_nothing_are_always_taken(s3, bucket):
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    for acl in ("private", "bucket-owner-full-control"):
        s3.put_bucket_acl(Bucket=bucket, ACL=acl)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=acl)
        s3.put_object_acl(Bucket=bucket, Key="k", ACL=acl)
        assert [grant["Permission"] for grant in s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]] == ["FULL_CONTROL"]


def test_an_object_is_public_by_its_acl_until_it_is_replaced(s3, bucket, nobody):
    s3.put_object(Bucket=bucket, Key="k", Body=b"one", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL", "READ"]
    assert grants[1]["Grantee"]["URI"].endswith("/global/AllUsers")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="other")
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=bucket)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"two")
    for key in ("k", "copy"):
        with refused("AccessDenied", 403):
            nobody.get_object(Bucket=bucket, Key=key)


def test_an_object_acl_is_set_and_taken_back(s3, bucket, nobody):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    told_back = s3.get_object_acl(Bucket=bucket, Key="k")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="k")
    document = {"Owner": told_back["Owner"], "Grants": told_back["Grants"]}
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=document)
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("NoSuchKey", 404):
        s3.put_object_acl(Bucket=bucket, Key="absent", ACL="private")


def test_each_version_has_an_acl_of_its_own(s3, bucket, nobody):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"open", ACL="public-read")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"closed")["VersionId"]
    assert nobody.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"open"
    for arguments in ({}, {"VersionId": second}):
        with refused("AccessDenied", 403):
            nobody.get_object(Bucket=bucket, Key="k", **arguments)
    s3.put_object_acl(Bucket=bucket, Key="k", VersionId=second, ACL="public-read")
    s3.put_object_acl(Bucket=bucket, Key="k", VersionId=first, ACL="private")
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"closed"
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="k", VersionId=first)
    assert len(s3.get_object_acl(Bucket=bucket, Key="k", VersionId=second)["Grants"]) == 2
    for version in (first, second):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version)


def test_an_upload_in_parts_has_the_acl_that_it_began_with(s3, bucket, nobody):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    answer = nobody.get_object(Bucket=bucket, Key="k")
    assert answer["Body"].read() == b"part"
    assert "x-amz-acl" not in answer["ResponseMetadata"]["HTTPHeaders"]


def test_a_bucket_is_listed_or_filled_by_its_acl(s3, bucket, nobody, user):
    client, _ = user
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_acl(Bucket=bucket, ACL="authenticated-read")
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    nobody.put_object(Bucket=bucket, Key="by-nobody", Body=b"x")
    assert nobody.list_objects_v2(Bucket=bucket)["KeyCount"] == 2
    permissions = [grant["Permission"] for grant in s3.get_bucket_acl(Bucket=bucket)["Grants"]]
    assert permissions == ["FULL_CONTROL", "READ", "WRITE"]
    # What an ACL lets somebody put is still not theirs to open.
    with refused("AccessDenied", 403):
        nobody.put_object(Bucket=bucket, Key="opened", Body=b"x", ACL="public-read")
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=bucket)


def test_acls_are_off_where_the_owner_is_enforced(s3, bucket, nobody):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="k")
    for call, arguments in [
        ("put_bucket_acl", {}),
        ("put_object_acl", {"Key": "k"}),
        ("put_object", {"Key": "k", "Body": b"y"}),
        ("create_multipart_upload", {"Key": "k"}),
    ]:
        with refused("AccessControlListNotSupported", 400):
            getattr(s3, call)(Bucket=bucket, ACL="public-read", **arguments)


def test_a_new_bucket_has_the_acl_that_it_was_made_with(s3, nobody):
    name = "test-" + secrets.token_hex(6)
    s3.create_bucket(Bucket=name, ACL="public-read")
    assert nobody.list_objects_v2(Bucket=name)["KeyCount"] == 0
    s3.delete_bucket(Bucket=name)
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        s3.create_bucket(Bucket=name, ACL="public-read", ObjectOwnership="BucketOwnerEnforced")
    s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced")
    rules = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.delete_bucket(Bucket=name)


def test_an_acl_that_is_none_or_for_one_account_is_refused(s3, bucket):
    with refused("InvalidArgument", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="everything")
    owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "somebody"}, "Permission": "READ"}
    with refused("NotImplemented", 501):
        s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": owner, "Grants": [grant]})
    with refused("AccessControlListNotSupported", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", GrantRead="id=somebody")


# Public access block


def test_a_block_refuses_public_policies_and_acls(s3, bucket):
    block = {**OPEN_BLOCK, "BlockPublicAcls": True, "BlockPublicPolicy": True}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    for call, arguments in [
        ("put_bucket_policy", {"Policy": policy(bucket)}),
        ("put_bucket_acl", {"ACL": "public-read"}),
        ("put_object_acl", {"Key": "k", "ACL": "authenticated-read"}),
        ("put_object", {"Key": "k", "Body": b"y", "ACL": "public-read"}),
    ]:
        with refused("AccessDenied", 403):
            getattr(s3, call)(Bucket=bucket, **arguments)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    # One that names somebody, or an address, is not public.
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, principal={"AWS": "arn:aws:iam::martlet:user/ada"}))
    fixed = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, Condition=fixed))


def test_a_block_takes_away_what_was_public_before(s3, bucket, nobody, user):
    client, _ = user
    s3.put_object(Bucket=bucket, Key="by-acl", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="by-policy", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, resource="/by-policy"))
    for key in ("by-acl", "by-policy"):
        assert nobody.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    block = {**OPEN_BLOCK, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    for key in ("by-acl", "by-policy"):
        with refused("AccessDenied", 403):
            nobody.get_object(Bucket=bucket, Key=key)
    # Whoever is of this node is not the public that RestrictPublicBuckets keeps out.
    assert client.get_object(Bucket=bucket, Key="by-policy")["Body"].read() == b"x"
    s3.delete_public_access_block(Bucket=bucket)
    for key in ("by-acl", "by-policy"):
        assert nobody.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"


# Who may configure


@pytest.mark.parametrize(
    "call, arguments, action",
    [
        ("get_bucket_cors", {}, "s3:GetBucketCORS"),
        ("put_bucket_cors", {"CORSConfiguration": CORS}, "s3:PutBucketCORS"),
        ("delete_bucket_cors", {}, "s3:PutBucketCORS"),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": LIFECYCLE}, "s3:PutLifecycleConfiguration"),
        ("get_bucket_encryption", {}, "s3:GetEncryptionConfiguration"),
        ("get_public_access_block", {}, "s3:GetBucketPublicAccessBlock"),
        ("delete_bucket_policy", {}, "s3:DeleteBucketPolicy"),
        ("put_bucket_acl", {"ACL": "private"}, "s3:PutBucketAcl"),
    ],
)
def test_each_configuration_has_a_right_of_its_own(s3, bucket, user, call, arguments, action):
    client, arn = user
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OPEN_BLOCK)
    with refused("AccessDenied", 403) as failure:
        getattr(client, call)(Bucket=bucket, **arguments)
    assert action in str(failure.value)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, principal={"AWS": arn}, actions=action, resource=""))
    getattr(client, call)(Bucket=bucket, **arguments)


# CORS


def ask(node, method, path, **headers):
    return requests.request(method, node.s3_url + path, headers=headers, verify=node.verify)


def preflight(node, path, origin="https://a.example.org", method="PUT", names=None):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if names:
        headers["Access-Control-Request-Headers"] = names
    return ask(node, "OPTIONS", path, **headers)


def code_of(answer):
    return answer.text.split("<Code>")[1].split("</Code>")[0]


def test_a_preflight_is_answered_by_the_rules(node, s3, bucket):
    answer = preflight(node, f"/{bucket}/k")
    assert (answer.status_code, code_of(answer)) == (403, "AccessForbidden")
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    answer = preflight(node, f"/{bucket}/k?partNumber=1&uploadId=u", names="X-Amz-Date, authorization")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example.org"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "x-amz-date, authorization"
    assert answer.headers["Access-Control-Expose-Headers"] == "ETag"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]
    everybody = preflight(node, f"/{bucket}", origin="https://elsewhere.test", method="HEAD")
    assert everybody.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in everybody.headers
    for other in (
        preflight(node, f"/{bucket}/k", origin="https://elsewhere.test"),
        preflight(node, f"/{bucket}/k", method="DELETE"),
        preflight(node, f"/{bucket}/k", names="x-other"),
        preflight(node, "/absent-" + secrets.token_hex(4)),
    ):
        assert (other.status_code, code_of(other)) == (403, "AccessForbidden")
        assert "Access-Control-Allow-Origin" not in other.headers


def test_a_preflight_says_what_it_asks(node, bucket):
    for headers in ({}, {"Origin": "https://a.example.org"}):
        answer = ask(node, "OPTIONS", f"/{bucket}/k", **headers)
        assert (answer.status_code, code_of(answer)) == (400, "BadRequest")


def test_answers_and_errors_and_presigned_requests_carry_cors_headers(node, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    signer = node.s3(signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    origin = {"Origin": "https://a.example.org"}
    answer = requests.get(url, headers=origin, verify=node.verify)
    assert (answer.status_code, answer.content) == (200, b"x")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example.org"
    assert answer.headers["Access-Control-Expose-Headers"] == "ETag"
    denied = ask(node, "GET", f"/{bucket}/k", **origin)
    assert denied.status_code == 403 and denied.headers["Access-Control-Allow-Origin"] == "https://a.example.org"
    unknown = ask(node, "GET", f"/{bucket}?torrent", **origin)
    assert unknown.status_code == 501 and "Access-Control-Allow-Origin" in unknown.headers
    for without in (
        requests.get(url, verify=node.verify),
        requests.get(url, headers={"Origin": "https://elsewhere.test"}, verify=node.verify),
    ):
        assert without.status_code == 200 and "Access-Control-Allow-Origin" not in without.headers


def test_an_anonymous_object_is_read_by_plain_http(node, s3):
    name = new_bucket(s3)
    s3.put_object(Bucket=name, Key="a b/ü.txt", Body=b"open", ACL="public-read", ContentType="text/plain")
    answer = ask(node, "GET", f"/{name}/a%20b/%C3%BC.txt")
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, "open", "text/plain")
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)
