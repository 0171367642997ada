"""Object lock and tags of objects with boto3."""

import datetime
import json
import secrets

import pytest
from conftest import new_bucket
from errors import refused


@pytest.fixture
def s3(node):
    return node.s3()


def soon(**delta):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(**delta)


@pytest.fixture
def locked(s3):
    bucket = f"lock-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return bucket


def test_a_bucket_with_object_lock_keeps_versions(s3, locked):
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    found = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert found == {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=locked, VersioningConfiguration={"Status": "Suspended"})
    plain = new_bucket(s3)
    with refused("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=plain)
    configuration = {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        s3.put_object_lock_configuration(Bucket=plain, ObjectLockConfiguration=configuration)
    with refused("InvalidRequest", 400):
        s3.put_object(Bucket=plain, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=plain, ObjectLockConfiguration=configuration)
    assert s3.get_object_lock_configuration(Bucket=plain)["ObjectLockConfiguration"] == configuration


def test_compliance_can_only_be_lengthened(s3, locked):
    until = soon(hours=1)
    version = s3.put_object(
        Bucket=locked, Key="k", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    head = s3.head_object(Bucket=locked, Key="k")
    assert head["ObjectLockMode"] == "COMPLIANCE" and head["ObjectLockRetainUntilDate"] == until
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    for shorter in ({"Mode": "COMPLIANCE", "RetainUntilDate": soon(minutes=5)}, {"Mode": "GOVERNANCE", "RetainUntilDate": soon(hours=2)}, {}):
        with refused("AccessDenied", 403):
            s3.put_object_retention(
                Bucket=locked, Key="k", Retention=shorter, BypassGovernanceRetention=True
            )
    later = soon(hours=3)
    s3.put_object_retention(Bucket=locked, Key="k", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": later})
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["RetainUntilDate"] == later
    # To delete without a version only hides.
    assert s3.delete_object(Bucket=locked, Key="k")["DeleteMarker"]
    assert s3.get_object(Bucket=locked, Key="k", VersionId=version)["Body"].read() == b"x"
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=locked)


def test_governance_can_be_bypassed(s3, locked):
    version = s3.put_object(
        Bucket=locked, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=soon(hours=1)
    )["VersionId"]
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    answer = s3.delete_objects(
        Bucket=locked, Delete={"Objects": [{"Key": "k", "VersionId": version}, {"Key": "other"}]}
    )
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"] and len(answer["Deleted"]) == 1
    s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=locked, Key="k", VersionId=version)


def test_the_right_to_bypass_is_asked_for_each_object(node, s3, locked):
    name = "bypass-" + secrets.token_hex(4)
    node.cli_json("account", "create", name, "--json")
    user = node.s3(key=node.create_key(name))
    statement = {"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam::martlet:user/{name}"]}}
    everything = {**statement, "Action": "s3:*", "Resource": [f"arn:aws:s3:::{locked}/*"]}
    never = {
        **statement,
        "Effect": "Deny",
        "Action": "s3:BypassGovernanceRetention",
        "Resource": [f"arn:aws:s3:::{locked}/kept/*"],
    }
    s3.put_bucket_policy(
        Bucket=locked, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything, never]})
    )
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": soon(days=1)}
    versions = {
        key: s3.put_object(Bucket=locked, Key=key, Body=b"x", **lock)["VersionId"]
        for key in ("kept/1", "free/1", "free/2")
    }
    asked = [{"Key": key, "VersionId": version} for key, version in versions.items() if key != "free/2"]
    answer = user.delete_objects(Bucket=locked, Delete={"Objects": asked}, BypassGovernanceRetention=True)
    assert [entry["Key"] for entry in answer["Deleted"]] == ["free/1"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("kept/1", "AccessDenied")]
    with refused("AccessDenied", 403):
        user.delete_object(
            Bucket=locked, Key="kept/1", VersionId=versions["kept/1"], BypassGovernanceRetention=True
        )
    with refused("AccessDenied", 403):
        user.put_object_retention(Bucket=locked, Key="kept/1", Retention={}, BypassGovernanceRetention=True)
    user.put_object_retention(Bucket=locked, Key="free/2", Retention={}, BypassGovernanceRetention=True)
    user.delete_object(Bucket=locked, Key="free/2", VersionId=versions["free/2"])
    assert s3.get_object(Bucket=locked, Key="kept/1")["Body"].read() == b"x"


def test_a_legal_hold_holds(s3, locked):
    version = s3.put_object(Bucket=locked, Key="k", Body=b"x")["VersionId"]
    assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"]["Status"] == "OFF"
    s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "ON"})
    assert s3.head_object(Bucket=locked, Key="k")["ObjectLockLegalHoldStatus"] == "ON"
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(Bucket=locked, Key="k", VersionId=version, LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_the_default_retention_is_for_new_objects(s3, locked):
    s3.put_object(Bucket=locked, Key="before", Body=b"x")
    s3.put_object_lock_configuration(
        Bucket=locked,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}
        },
    )
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="before")
    s3.put_object(Bucket=locked, Key="after", Body=b"x")
    s3.copy_object(Bucket=locked, Key="copy", CopySource={"Bucket": locked, "Key": "before"})
    upload = s3.create_multipart_upload(Bucket=locked, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(
        Bucket=locked, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )
    for key in ("after", "copy", "parts"):
        found = s3.get_object_retention(Bucket=locked, Key=key)["Retention"]
        left = found["RetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)
        assert found["Mode"] == "GOVERNANCE" and datetime.timedelta(days=1.9) < left <= datetime.timedelta(days=2)


def test_tags_come_and_go(s3):
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="project=mars&stage=raw%20data")
    tags = [{"Key": "project", "Value": "mars"}, {"Key": "stage", "Value": "raw data"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    assert s3.get_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
    s3.copy_object(Bucket=bucket, Key="same", CopySource={"Bucket": bucket, "Key": "k"})
    assert s3.get_object_tagging(Bucket=bucket, Key="same")["TagSet"] == tags
    s3.copy_object(
        Bucket=bucket, Key="new", CopySource={"Bucket": bucket, "Key": "k"}, TaggingDirective="REPLACE", Tagging="a=1"
    )
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "ü", "Value": ""}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "ü", "Value": ""}]
    with refused("InvalidTag", 400):
        s3.put_object_tagging(
            Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
        )
    with refused("BadRequest", 400):
        s3.put_object_tagging(
            Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": f"k{n}", "Value": ""} for n in range(11)]}
        )
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    with refused("NoSuchKey", 404):
        s3.get_object_tagging(Bucket=bucket, Key="none")
