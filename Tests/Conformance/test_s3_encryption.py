"""Server-side encryption by unmodified clients: SSE-S3, SSE-KMS with the node's named keys, SSE-C."""

import base64
import contextlib
import hashlib
import io
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import minio
import minio.commonconfig
import minio.sse
import pytest
import requests
import urllib3
from botocore.exceptions import ClientError
from conftest import lend_bucket
from nodes import Node, clean_environment, free_port
from products import wait_for

BIN = pathlib.Path(sys.executable).parent
SSE = "x-amz-server-side-encryption"


@contextlib.contextmanager
def refused(code, status, message=None):
    with pytest.raises(ClientError) as error:
        yield
    response = error.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), response
    if message:
        assert message in response["Error"]["Message"], response


class Customer:
    """A customer's key, in the words of boto3."""

    def __init__(self):
        self.key = secrets.token_bytes(32)
        self.md5 = base64.b64encode(hashlib.md5(self.key).digest()).decode()

    @property
    def sse(self):
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": self.key}

    @property
    def text(self):
        """For GetObjectAttributes, whose key botocore does not encode by itself."""
        key = base64.b64encode(self.key).decode()
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key, "SSECustomerKeyMD5": self.md5}

    @property
    def source(self):
        return {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": self.key}

    @property
    def headers(self):
        return {
            f"{SSE}-customer-algorithm": "AES256",
            f"{SSE}-customer-key": base64.b64encode(self.key).decode(),
            f"{SSE}-customer-key-MD5": self.md5,
        }


@pytest.fixture
def mine():
    return Customer()


@pytest.fixture
def key(node):
    """A named key, destroyed after the test."""
    made = node.cli_json("kms", "create", "test-" + secrets.token_hex(5), "--json")
    yield made
    node.cli("kms", "destroy", made["name"], "--yes")


# SSE-S3


def test_every_object_is_encrypted_and_says_so(s3, bucket):
    for extra in ({}, {"ServerSideEncryption": "AES256"}):
        assert s3.put_object(Bucket=bucket, Key="o", Body=b"x", **extra)["ServerSideEncryption"] == "AES256"
        assert s3.get_object(Bucket=bucket, Key="o")["ServerSideEncryption"] == "AES256"
        assert s3.head_object(Bucket=bucket, Key="o")["ServerSideEncryption"] == "AES256"
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="x", Body=b"x", ServerSideEncryption="AES512")
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="x", Body=b"x", ServerSideEncryption="aws:kms:dsse")
    with refused("InvalidArgument", 400, "requires HTTP header"):
        s3.put_object(Bucket=bucket, Key="x", Body=b"x", ServerSideEncryption="AES256", SSEKMSKeyId="k")


# SSE-C


@pytest.mark.parametrize("size", [0, 1000, 300_000])
def test_what_a_customers_key_encrypts_needs_that_key(s3, bucket, mine, size):
    body, other = os.urandom(size), Customer()
    put = s3.put_object(Bucket=bucket, Key="o", Body=body, **mine.sse)
    assert (put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]) == ("AES256", mine.md5)
    assert "ServerSideEncryption" not in put
    assert put["ETag"].strip('"') != hashlib.md5(body).hexdigest()
    got = s3.get_object(Bucket=bucket, Key="o", **mine.sse)
    assert got["Body"].read() == body
    assert (got["SSECustomerKeyMD5"], got["ETag"]) == (mine.md5, put["ETag"])
    if size:
        ranged = s3.get_object(Bucket=bucket, Key="o", Range="bytes=10-99", **mine.sse)
        assert ranged["Body"].read() == body[10:100]
    head = s3.head_object(Bucket=bucket, Key="o", **mine.sse)
    assert head["ContentLength"] == size and head["SSECustomerAlgorithm"] == "AES256"
    attributes = s3.get_object_attributes(Bucket=bucket, Key="o", ObjectAttributes=["ObjectSize"], **mine.text)
    assert attributes["ObjectSize"] == size
    for call, wrong in (
        (s3.get_object, other.sse),
        (lambda **a: s3.get_object_attributes(ObjectAttributes=["ObjectSize"], **a), other.text),
    ):
        with refused("InvalidRequest", 400, "The correct parameters must be provided"):
            call(Bucket=bucket, Key="o")
        with refused("AccessDenied", 403):
            call(Bucket=bucket, Key="o", **wrong)
    for sse, status in (({}, 400), (other.sse, 403)):
        with pytest.raises(ClientError) as error:
            s3.head_object(Bucket=bucket, Key="o", **sse)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    # Listing, tagging and deleting need no key.
    assert [found["Size"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [size]
    s3.put_object_tagging(Bucket=bucket, Key="o", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=bucket, Key="o")


def test_a_key_for_what_needs_none_is_refused(s3, bucket, mine):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    with refused("InvalidRequest", 400, "not applicable"):
        s3.get_object(Bucket=bucket, Key="o", **mine.sse)
    with refused("InvalidArgument", 400, "incompatible"):
        s3.put_object(Bucket=bucket, Key="o", Body=b"x", ServerSideEncryption="AES256", **mine.sse)


def signed(node, method, path, headers, body=b""):
    """A request signed by botocore whose headers botocore's S3 client would not let through."""
    request = botocore.awsrequest.AWSRequest(method, node.s3_url + path, headers=headers, data=body)
    request.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
    credentials = botocore.credentials.Credentials(*node.access_key())
    botocore.auth.S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    return requests.request(
        method, request.url, headers=dict(request.headers), data=body, verify=node.verify, timeout=30
    )


@pytest.mark.parametrize(
    "change, code, message",
    [
        ({f"{SSE}-customer-algorithm": None}, "InvalidArgument", "a valid encryption algorithm"),
        ({f"{SSE}-customer-algorithm": "AES128"}, "InvalidEncryptionAlgorithmError", "AES256"),
        ({f"{SSE}-customer-key": None}, "InvalidArgument", "an appropriate secret key"),
        ({f"{SSE}-customer-key": "c2hvcnQ="}, "InvalidArgument", "The secret key was invalid"),
        ({f"{SSE}-customer-key": "!"}, "InvalidArgument", "The secret key was invalid"),
        ({f"{SSE}-customer-key-MD5": None}, "InvalidArgument", "MD5 of the secret key"),
        ({f"{SSE}-customer-key-MD5": "AAAA"}, "InvalidArgument", "did not match the hash"),
    ],
)
def test_a_key_that_is_none_is_refused_in_s3s_words(node, bucket, mine, change, code, message):
    headers = {name: value for name, value in {**mine.headers, **change}.items() if value is not None}
    answer = signed(node, "PUT", f"/{bucket}/o", headers, b"x")
    assert answer.status_code == 400 and f"<Code>{code}</Code>" in answer.text and message in answer.text, answer.text
    assert "Contents" not in node.s3().list_objects_v2(Bucket=bucket)


def test_an_upload_in_parts_under_a_customers_key(s3, bucket, mine):
    bodies = [os.urandom(5 << 20), os.urandom(1000)]
    begun = s3.create_multipart_upload(Bucket=bucket, Key="p", **mine.sse)
    assert begun["SSECustomerKeyMD5"] == mine.md5
    part = {"Bucket": bucket, "Key": "p", "UploadId": begun["UploadId"]}
    with refused("InvalidRequest", 400, "must include the appropriate encryption parameters"):
        s3.upload_part(PartNumber=1, Body=b"x", **part)
    with refused("InvalidRequest", 400, "did not match the ones used originally"):
        s3.upload_part(PartNumber=1, Body=b"x", **part, **Customer().sse)
    parts = []
    for number, body in enumerate(bodies, 1):
        put = s3.upload_part(PartNumber=number, Body=body, **part, **mine.sse)
        assert put["SSECustomerKeyMD5"] == mine.md5
        parts.append({"PartNumber": number, "ETag": put["ETag"]})
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **part)
    assert s3.get_object(Bucket=bucket, Key="p", **mine.sse)["Body"].read() == b"".join(bodies)
    assert s3.get_object(Bucket=bucket, Key="p", PartNumber=2, **mine.sse)["Body"].read() == bodies[1]
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key="p")
    plain = s3.create_multipart_upload(Bucket=bucket, Key="q")["UploadId"]
    with refused("InvalidRequest", 400, "did not request encryption"):
        s3.upload_part(Bucket=bucket, Key="q", UploadId=plain, PartNumber=1, Body=b"x", **mine.sse)
    # Parts copied out of and into uploads under keys of their own.
    other = Customer()
    begun = s3.create_multipart_upload(Bucket=bucket, Key="r", **other.sse)
    copied = s3.upload_part_copy(
        Bucket=bucket,
        Key="r",
        UploadId=begun["UploadId"],
        PartNumber=1,
        CopySource=f"{bucket}/p",
        CopySourceRange="bytes=100-199",
        **other.sse,
        **mine.source,
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(Bucket=bucket, Key="r", UploadId=begun["UploadId"], MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="r", **other.sse)["Body"].read() == bodies[0][100:200]


def test_copies_change_the_key(s3, bucket, mine):
    other, source = Customer(), f"{bucket}/o"
    s3.put_object(Bucket=bucket, Key="o", Body=b"content", Metadata={"a": "b"}, **mine.sse)
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="x", CopySource=source)
    with refused("AccessDenied", 403):
        s3.copy_object(Bucket=bucket, Key="x", CopySource=source, **other.source)
    s3.copy_object(Bucket=bucket, Key="plain", CopySource=source, **mine.source)
    assert s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == b"content"
    # Onto itself: the way to change a key.
    s3.copy_object(Bucket=bucket, Key="o", CopySource=source, **mine.source, **other.sse)
    got = s3.get_object(Bucket=bucket, Key="o", **other.sse)
    assert (got["Body"].read(), got["Metadata"]) == (b"content", {"a": "b"})
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="o", **mine.sse)


def test_no_key_travels_in_clear(mine):
    """Through another address than loopback: what a colleague's computer would come by."""
    address = next((found for found in own_addresses() if not found.startswith("127.")), None)
    if address is None:
        pytest.skip("there is no other address")
    for options, is_taken in (([], False), (["--s3-url", "https://s3.example.org"], True)):
        port = free_port()
        other = Node("elsewhere", options=[*options, "--s3", f"{address}:{port}"])
        other.ports = {"web": free_port()}
        try:
            other.start()
            other.ready["s3"] = f"http://{address}:{port}"
            s3 = other.s3()
            s3.create_bucket(Bucket="clear")
            if is_taken:
                s3.put_object(Bucket="clear", Key="o", Body=b"x", **mine.sse)
            else:
                with refused("InvalidRequest", 400, "secure connection"):
                    s3.put_object(Bucket="clear", Key="o", Body=b"x", **mine.sse)
            other.stop()
        finally:
            other.remove()


def own_addresses():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the route alone is looked up.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]


def test_neither_disk_nor_log_holds_a_customers_key(nodes, mine):
    node = nodes.new("sqlite-http").start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="quiet")
        for name, size in (("small", 1000), ("large", 100_000)):
            s3.put_object(Bucket="quiet", Key=name, Body=b"telltale " * (size // 9), **mine.sse)
            s3.get_object(Bucket="quiet", Key=name, **mine.sse)["Body"].read()
            with refused("AccessDenied", 403):
                s3.get_object(Bucket="quiet", Key=name, **Customer().sse)
        node.stop()
        traces = [mine.key, mine.key.hex().encode(), base64.b64encode(mine.key), mine.md5.encode(), b"telltale tell"]
        files = [path for path in node.home.rglob("*") if path.is_file()]
        assert any(path.name == "metadata.sqlite" for path in files)
        for path in files:
            content = path.read_bytes()
            assert not any(trace in content for trace in traces), path
    finally:
        node.remove()


def test_workers_go_round_what_they_cannot_read(node, bucket, mine):
    s3 = node.s3()
    folder = "S2A_MSIL2A_20260101T000000_N0511_R008_T32UQD_20260101T000000.SAFE"
    s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.safe", Body=b"<manifest/>", **mine.sse)
    s3.put_object(Bucket=bucket, Key=f"{folder}/image.tif", Body=os.urandom(50_000), **mine.sse)
    s3.put_object(Bucket=bucket, Key="item.json", Body=b'{"type":"Feature"}', **mine.sse)
    s3.put_object(Bucket=bucket, Key="last.bin", Body=b"x")
    http = node.http()
    items = f"{node.web}/stac/collections/{bucket}/items?limit=100"
    found = wait_for(
        "three items", lambda: len(features := http.get(items).json().get("features", [])) == 3 and features
    )
    # What is known without reading: there are files of some size.
    (product,) = [item for item in found if folder.removesuffix(".SAFE") in item["id"]]
    assert len(product["assets"]) == 2


# SSE-KMS


def test_a_named_key_encrypts(s3, bucket, key):
    context = base64.b64encode(json.dumps({"project": "x"}).encode()).decode()
    for name in (key["name"], "alias/" + key["name"], key["id"], key["arn"]):
        put = s3.put_object(
            Bucket=bucket,
            Key="o",
            Body=b"content",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=name,
            SSEKMSEncryptionContext=context,
            BucketKeyEnabled=True,
        )
        expected = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["arn"], "BucketKeyEnabled": True}
        assert {name: put[name] for name in expected} == expected
        for got in (s3.get_object(Bucket=bucket, Key="o"), s3.head_object(Bucket=bucket, Key="o")):
            assert {name: got[name] for name in expected} == expected
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"content"
    with refused("KMS.NotFoundException", 400):
        s3.put_object(Bucket=bucket, Key="o", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="none")
    with refused("InvalidArgument", 400):
        s3.put_object(
            Bucket=bucket, Key="o", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSEncryptionContext="bm90IGpzb24="
        )
    copied = s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/o", ServerSideEncryption="AES256")
    assert copied["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == b"content"


def test_a_buckets_default_is_a_named_key(s3, bucket, key):
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["arn"]},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    put = s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key["arn"])
    assert s3.put_object(Bucket=bucket, Key="o", Body=b"x", ServerSideEncryption="AES256")[
        "ServerSideEncryption"
    ] == "AES256"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="p")
    assert upload["SSEKMSKeyId"] == key["arn"]
    part = s3.upload_part(Bucket=bucket, Key="p", UploadId=upload["UploadId"], PartNumber=1, Body=b"part")
    assert part["ServerSideEncryption"] == "aws:kms"
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="p",
        UploadId=upload["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert done["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket=bucket, Key="p")["Body"].read() == b"part"
    # Without a name it is the node's own key for S3.
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    put = s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    assert put["ServerSideEncryption"] == "aws:kms" and put["SSEKMSKeyId"] != key["arn"]
    with refused("NotImplemented", 501):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse"}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def test_operators_disable_rotate_and_destroy(node, s3, bucket, key):
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["name"]}
    s3.put_object(Bucket=bucket, Key="old", Body=b"old", **kms)
    assert node.cli_json("kms", "rotate", key["name"], "--json") == {"generation": 2}
    s3.put_object(Bucket=bucket, Key="new", Body=b"new", **kms)
    for name in ("old", "new"):
        assert s3.get_object(Bucket=bucket, Key=name)["Body"].read() == name.encode()
    assert node.cli("kms", "disable", key["name"]).returncode == 0
    with refused("KMS.DisabledException", 400, "is disabled"):
        s3.get_object(Bucket=bucket, Key="old")
    with refused("KMS.DisabledException", 400):
        s3.put_object(Bucket=bucket, Key="x", Body=b"x", **kms)
    assert s3.head_object(Bucket=bucket, Key="old")["ContentLength"] == 3
    assert node.cli("kms", "enable", key["name"]).returncode == 0
    assert s3.get_object(Bucket=bucket, Key="old")["Body"].read() == b"old"
    listed = [json.loads(line) for line in node.cli("kms", "list", "--json").stdout.splitlines()]
    (mine,) = [found for found in listed if found["name"] == key["name"]]
    assert (mine["state"], mine["generation"], mine["versions"]) == ("enabled", 2, 2)
    assert key["name"] in node.cli("kms", "list").stdout
    assert node.cli("kms", "destroy", key["name"]).returncode == 64
    proof = node.cli_json("kms", "destroy", key["name"], "--yes", "--json")
    assert proof["versions"] == 2 and len(proof["keys"]) == 2
    with refused("KMS.KMSInvalidStateException", 400):
        s3.get_object(Bucket=bucket, Key="old")
    assert node.cli("kms", "destroy", key["name"], "--yes").returncode == 4
    assert node.cli("kms", "destroy", key["id"], "--yes").returncode == 1
    assert node.cli("kms", "create", "aws/s3").returncode == 1


def allow(node, user, *statements):
    name = f"kms-{secrets.token_hex(4)}"
    document = node.home / f"{name}.json"
    document.write_text(
        json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **found} for found in statements]})
    )
    for arguments in (("put", name, document), ("attach", name, "--to", f"user:{user}")):
        done = node.cli("policy", *arguments)
        assert done.returncode == 0, done.stderr


def test_who_may_not_use_a_key_neither_writes_nor_reads(node, s3, bucket, key):
    user, password = "kms-" + secrets.token_hex(4), "a long password " + secrets.token_hex(4)
    assert node.cli("account", "create", user, "--password-from-stdin", input=password + "\n").returncode == 0
    objects = {"Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    allow(node, user, objects)
    theirs = node.s3(key=node.create_key(user))
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["name"]}
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", **kms)
    with refused("AccessDenied", 403, "kms:Decrypt"):
        theirs.get_object(Bucket=bucket, Key="o")
    with refused("AccessDenied", 403, "kms:GenerateDataKey"):
        theirs.put_object(Bucket=bucket, Key="o", Body=b"y", **kms)
    with refused("AccessDenied", 403, "kms:Decrypt"):
        theirs.copy_object(Bucket=bucket, Key="x", CopySource=f"{bucket}/o")
    # The node's own key for S3 is for everybody.
    theirs.put_object(Bucket=bucket, Key="own", Body=b"z", ServerSideEncryption="aws:kms")
    assert theirs.get_object(Bucket=bucket, Key="own")["Body"].read() == b"z"
    allow(node, user, {"Action": ["kms:Decrypt"], "Resource": key["arn"]})
    wait_for("the right to read", lambda: reads(theirs, bucket))
    with refused("AccessDenied", 403, "kms:GenerateDataKey"):
        theirs.put_object(Bucket=bucket, Key="o", Body=b"y", **kms)
    for arguments in (("list",), ("create", "x"), ("disable", key["name"]), ("destroy", key["name"], "--yes")):
        assert node.cli("kms", *arguments, user=user, password=password).returncode == 3


def reads(s3, bucket):
    try:
        return s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"x"
    except ClientError:
        return False


def test_a_bucket_policy_demands_a_key(s3, bucket, key):
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:PutObject",
                        "Resource": f"arn:aws:s3:::{bucket}/*",
                        "Condition": {"StringNotEquals": {f"s3:{SSE}": "aws:kms"}},
                    }
                ],
            }
        ),
    )
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=bucket, Key="o", Body=b"x", ServerSideEncryption="AES256")
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["id"])


def test_webdav_reads_what_the_node_can_and_moves_the_rest(node, s3, bucket, mine, key):
    s3.put_object(Bucket=bucket, Key="mine", Body=b"mine", **mine.sse)
    s3.put_object(Bucket=bucket, Key="named", Body=b"named", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["id"])

    def dav(method, name, **headers):
        return requests.request(
            method,
            f"{node.web}/dav/{bucket}/{name}",
            auth=("admin", node.password),
            headers=headers,
            verify=node.verify,
            timeout=30,
        )

    refused = dav("GET", "mine")
    assert refused.status_code == 403 and "Server Side Encryption" in refused.text
    assert dav("GET", "named").content == b"named"
    assert dav("MOVE", "mine", Destination=f"{node.web}/dav/{bucket}/moved").status_code == 201
    assert dav("COPY", "moved", Destination=f"{node.web}/dav/{bucket}/copied").status_code == 201
    for name in ("moved", "copied"):
        assert s3.get_object(Bucket=bucket, Key=name, **mine.sse)["Body"].read() == b"mine"
    assert node.cli("kms", "disable", key["name"]).returncode == 0
    assert dav("GET", "named").status_code == 409


# Other clients


@pytest.fixture(params=["http", "https"])
def client_node(request, nodes):
    return nodes.shared({"http": "postgres-http", "https": "sqlite-https"}[request.param])


@pytest.fixture
def place(client_node):
    s3 = client_node.s3()
    yield from lend_bucket(s3, "sse")


def test_minio_py(client_node, place):
    node = client_node
    access, secret = node.access_key()
    client = minio.Minio(
        node.s3_url.split("://")[1],
        access_key=access,
        secret_key=secret,
        secure=node.tls,
        http_client=urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=node.authority) if node.tls else None,
    )
    made = node.cli_json("kms", "create", "minio-" + secrets.token_hex(4), "--json")
    bodies = {"small": os.urandom(2000), "parts": os.urandom(6 << 20)}
    for sse in (minio.sse.SseS3(), minio.sse.SseKMS(made["name"], {"a": "b"})):
        for name, body in bodies.items():
            client.put_object(place, name, io.BytesIO(body), len(body), part_size=5 << 20, sse=sse)
            assert client.get_object(place, name).read() == body
    if node.tls:
        # minio-py itself refuses customers' keys over http.
        mine = minio.sse.SseCustomerKey(secrets.token_bytes(32))
        for name, body in bodies.items():
            client.put_object(place, name, io.BytesIO(body), len(body), part_size=5 << 20, sse=mine)
            assert client.get_object(place, name, ssec=mine).read() == body
            assert client.stat_object(place, name, ssec=mine).size == len(body)
            with pytest.raises(minio.S3Error, match="InvalidRequest"):
                client.get_object(place, name)
        client.copy_object(place, "copy", minio.commonconfig.CopySource(place, "small", ssec=mine), sse=mine)
        assert client.get_object(place, "copy", ssec=mine).read() == bodies["small"]
    node.cli("kms", "destroy", made["name"], "--yes")


def test_aws_cli(client_node, place, tmp_path):
    node = client_node
    access, secret = node.access_key()
    environment = {
        **clean_environment(),
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        **({"AWS_CA_BUNDLE": node.authority} if node.tls else {}),
    }

    def aws(*arguments):
        return subprocess.run(
            [BIN / "aws", "--endpoint-url", node.s3_url, "s3", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    key, body = tmp_path / "key", os.urandom((9 << 20) + 5)
    key.write_bytes(secrets.token_bytes(32))
    (tmp_path / "file").write_bytes(body)
    customer = ["--sse-c", "AES256", "--sse-c-key", f"fileb://{key}"]
    source = ["--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", f"fileb://{key}"]
    for arguments in (
        ("cp", tmp_path / "file", f"s3://{place}/c", *customer),
        ("cp", f"s3://{place}/c", tmp_path / "back", *customer),
        ("cp", f"s3://{place}/c", f"s3://{place}/plain", *source),
        ("cp", f"s3://{place}/plain", tmp_path / "plain"),
        ("cp", tmp_path / "file", f"s3://{place}/k", "--sse", "aws:kms"),
        ("cp", f"s3://{place}/k", tmp_path / "k"),
    ):
        done = aws(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    for name in ("back", "plain", "k"):
        assert (tmp_path / name).read_bytes() == body
    refused = aws("cp", f"s3://{place}/c", tmp_path / "none")
    assert refused.returncode == 1 and "400" in refused.stderr
