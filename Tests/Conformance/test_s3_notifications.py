"""Event notifications: what boto3 does to objects is posted to webhooks in S3's messages."""

import json
import secrets
import socket

import pytest
from conftest import new_bucket
from errors import refused
from webhooks import receiver


@pytest.fixture
def hook():
    with receiver() as server:
        yield server


@pytest.fixture
def webhook(node, hook):
    """The name of a webhook that leads to the receiver's path of the same name."""
    name = "hook-" + secrets.token_hex(4)
    secret = node.home / (name + ".secret")
    secret.write_text(f"token-{name}\n")
    node.cli_json("webhook", "put", name, hook.address("/" + name), "--secret-file", secret, "--json")
    yield name
    node.cli_json("webhook", "delete", name, "--json")


def notify(s3, bucket, *targets):
    targets = [
        {"Id": f"target {number}", "QueueArn": "arn:martlet:webhook:::" + name, "Events": events, **more}
        for number, (name, events, more) in enumerate(targets)
    ]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": targets}
    )


def told(hook, name):
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in hook.records("/" + name)]


def test_every_kind_of_change_is_told(s3, bucket, hook, webhook):
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"]
    notify(s3, bucket, (webhook, events, {}))
    hook.wait(lambda: [message for at, _, message in hook.posts if message.get("Event") == "s3:TestEvent"])
    put = s3.put_object(Bucket=bucket, Key="in/a b+ü", Body=b"12345")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "in/a b+ü"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"1")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="copy")
    s3.put_object_acl(Bucket=bucket, Key="copy", ACL="private")
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.delete_object(Bucket=bucket, Key="absent")
    expected = [
        ("ObjectCreated:Put", "in/a+b%2B%C3%BC"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "parts"),
        ("ObjectTagging:Put", "copy"),
        ("ObjectTagging:Delete", "copy"),
        ("ObjectAcl:Put", "copy"),
        ("ObjectRemoved:Delete", "copy"),
    ]
    hook.wait(lambda: len(hook.records("/" + webhook)) >= len(expected))
    assert told(hook, webhook) == expected
    record = hook.records("/" + webhook)[0]
    assert record["eventVersion"] == "2.1" and record["eventSource"] == "aws:s3"
    assert record["userIdentity"]["principalId"] == "admin"
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert record["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert record["s3"]["configurationId"] == "target 0" and record["s3"]["bucket"]["name"] == bucket
    assert record["s3"]["object"]["size"] == 5 and f'"{record["s3"]["object"]["eTag"]}"' == put["ETag"]
    assert "versionId" not in record["s3"]["object"]
    sequencers = [record["s3"]["object"]["sequencer"] for record in hook.records("/" + webhook)]
    assert sequencers == sorted(sequencers)
    assert all(headers["Authorization"] == f"Bearer token-{webhook}" for _, headers, _ in hook.posts)


def test_prefix_suffix_and_event_decide(s3, bucket, node, hook, webhook):
    other = webhook + "-b"
    node.cli_json("webhook", "put", other, hook.address("/" + other), "--json")
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".tif"}]
    notify(
        s3,
        bucket,
        (webhook, ["s3:ObjectCreated:*"], {"Filter": {"Key": {"FilterRules": rules}}}),
        (other, ["s3:ObjectRemoved:Delete"], {}),
    )
    for key in ("in/1.tif", "in/1.jp2", "out/1.tif", "in/2.tif"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    s3.delete_object(Bucket=bucket, Key="in/1.jp2")
    hook.wait(lambda: len(hook.records("/" + webhook)) == 2 and hook.records("/" + other))
    assert told(hook, webhook) == [("ObjectCreated:Put", "in/1.tif"), ("ObjectCreated:Put", "in/2.tif")]
    assert told(hook, other) == [("ObjectRemoved:Delete", "in/1.jp2")]
    node.cli_json("webhook", "delete", other, "--json")


def test_versions_are_named(s3, hook, webhook):
    bucket = new_bucket(s3)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    notify(s3, bucket, (webhook, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], {}))
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    hook.wait(lambda: len(hook.records("/" + webhook)) == 4)
    assert [(record["eventName"], record["s3"]["object"]["versionId"]) for record in hook.records("/" + webhook)] == [
        ("ObjectCreated:Put", version),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", marker),
        ("ObjectRemoved:Delete", version),
    ]
    s3.delete_bucket(Bucket=bucket)


def test_nothing_is_lost_while_a_receiver_is_down_and_no_other_waits(s3, node, bucket, hook, webhook):
    with socket.socket() as silent:
        # Takes connections and never answers.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        dead = webhook + "-dead"
        node.cli_json("webhook", "put", dead, f"http://127.0.0.1:{silent.getsockname()[1]}/", "--json")
        notify(s3, bucket, (dead, ["s3:ObjectRemoved:*"], {}), (webhook, ["s3:ObjectCreated:*"], {}))
        hook.wait(lambda: hook.posts)
        with hook.changed:
            hook.status = 503
        for number in range(5):
            s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"1")
        hook.wait(lambda: len(hook.posts) >= 2)
        state = next(
            line
            for line in map(json.loads, node.cli("webhook", "list", "--json").stdout.splitlines())
            if line["name"] == webhook
        )
        assert state["waiting"] == 5 and "secret" not in state and state["hasSecret"]
        with hook.changed:
            hook.status = 200
            del hook.posts[:]
        hook.wait(lambda: len(hook.records("/" + webhook)) == 5)
        assert [key for _, key in told(hook, webhook)] == [f"k{number}" for number in range(5)]
        node.cli_json("webhook", "delete", dead, "--json")


@pytest.mark.parametrize(
    "arn",
    [
        "arn:martlet:webhook:::absent",
        "arn:martlet:webhook:::http://127.0.0.1:9/",
        "arn:martlet:webhook:::http://localhost/",
        "arn:martlet:webhook:::http://[::1]/",
        "arn:martlet:webhook:::http://169.254.169.254/latest",
        "arn:martlet:webhook:::http://2130706433/",
    ],
)
def test_a_client_cannot_have_the_node_post_into_its_own_network(s3, bucket, arn):
    target = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    with refused("InvalidArgument", 400):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [target]}
        )


def test_webhooks_are_the_operators(node):
    refusal = node.http(token=False).put(node.web + "/admin/v1/webhooks/mine", json={"url": "http://127.0.0.1/"})
    assert refusal.status_code in (401, 403)
    for name, url in (("a b", "http://a/"), ("ab", "ftp://a/"), ("ab", "")):
        answer = node.http().put(f"{node.web}/admin/v1/webhooks/{name}", json={"url": url})
        assert answer.status_code == 400, answer.text
    assert node.http().delete(node.web + "/admin/v1/webhooks/absent").status_code == 404
