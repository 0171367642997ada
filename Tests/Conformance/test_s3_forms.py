"""Uploads by a browser's form: POST policies as boto3 signs them, sent by requests and curl."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import subprocess
import urllib.parse
import zlib

import boto3
import pytest
import requests
from raw_http import Connection

SCOPE_SERVICE = "s3/aws4_request"


def send(node, bucket, fields, body=b"content", filename="file.txt", session=requests, **options):
    return session.post(
        f"{node.s3_url}/{bucket}",
        data=fields,
        files={"file": (filename, body)},
        verify=node.verify,
        timeout=60,
        allow_redirects=False,
        **options,
    )


@pytest.fixture
def s3(node):
    """A client that signs forms in the present way."""
    return node.s3(signature_version="s3v4")


def code(answer):
    return answer.text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in answer.text else None


def refused(answer, expected, status, words=""):
    assert (code(answer), answer.status_code) == (expected, status), answer.text
    assert words in answer.text, answer.text


def signed(node, policy, signer=None, /, **fields):
    """A form with a policy of our own, signed by hand."""
    access, secret = signer or node.access_key()
    now = datetime.datetime.now(datetime.timezone.utc)
    date = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/us-east-1/{SCOPE_SERVICE}"
    fields = {
        **fields,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{access}/{scope}",
        "x-amz-date": date,
    }
    if isinstance(policy, dict):
        policy = dict(policy)
        policy.setdefault("expiration", (now + datetime.timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        if "conditions" in policy:
            policy["conditions"] = [*policy["conditions"], *({name: fields[name]} for name in fields if "x-amz-" in name)]
        policy = json.dumps({name: value for name, value in policy.items() if value is not None})
    encoded = base64.b64encode(policy.encode()).decode()
    signing = ("AWS4" + secret).encode()
    for part in [date[:8], "us-east-1", *SCOPE_SERVICE.split("/")]:
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, encoded.encode(), hashlib.sha256).hexdigest()
    return {**fields, "policy": encoded, "x-amz-signature": signature}


def test_a_form_that_boto3_signed(node, s3, bucket):
    body = os.urandom(2_000_000)
    post = s3.generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"Content-Type": "image/tiff", "x-amz-meta-who": "ada", "acl": "private"},
        Conditions=[
            {"Content-Type": "image/tiff"},
            ["starts-with", "$x-amz-meta-who", ""],
            {"acl": "private"},
            ["content-length-range", 1, 3_000_000],
        ],
    )
    answer = requests.post(
        post["url"],
        data=post["fields"],
        files={"file": ("C:\\data\\päper 1.tif", body)},
        verify=node.verify,
        timeout=60,
    )
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    found = s3.get_object(Bucket=bucket, Key="in/päper 1.tif")
    assert found["Body"].read() == body
    assert found["ContentType"] == "image/tiff" and found["Metadata"] == {"who": "ada"}
    assert answer.headers["ETag"] == found["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert answer.headers["Location"] == f"{node.s3_url}/{bucket}/in/p%C3%A4per%201.tif"


@pytest.mark.parametrize("size", [0, 1, 65_536, 9_000_001])
def test_curl_sends_files_of_every_size(node, s3, bucket, tmp_path, size):
    body = os.urandom(size)
    # Bytes that look like the beginning of a delimiter.
    body = b"\r\n--" + body + b"\r\n-\r\r\n--" if size else body
    (tmp_path / "file").write_bytes(body)
    post = s3.generate_presigned_post(bucket, "k")
    fields = [part for name, value in post["fields"].items() for part in ("-F", f"{name}={value}")]
    done = subprocess.run(
        ["curl", "-sS", "-w", "%{http_code}", *(["--cacert", node.authority] if node.tls else [])]
        + [*fields, "-F", f"file=@{tmp_path / 'file'}", post["url"]],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("204", 0), done.stderr
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_the_answer_that_the_form_asks_for(node, s3, bucket):
    policy = {"conditions": [{"bucket": bucket}, {"key": "k"}, ["starts-with", "$success_action_status", ""]]}
    for asked, status in [("200", 200), ("201", 201), ("204", 204), ("404", 204)]:
        answer = send(node, bucket, signed(node, policy, key="k", success_action_status=asked))
        assert answer.status_code == status, answer.text
        assert ("<PostResponse>" in answer.text) == (status == 201)
    assert f"<Bucket>{bucket}</Bucket><Key>k</Key>" in send(
        node, bucket, signed(node, policy, key="k", success_action_status="201")
    ).text.replace("\n", "")
    for target in ["https://a.example/done", "https://a.example/done?x=1"]:
        policy = {"conditions": [{"bucket": bucket}, {"key": "k"}, {"success_action_redirect": target}]}
        answer = send(node, bucket, signed(node, policy, key="k", success_action_redirect=target))
        assert answer.status_code == 303
        location = answer.headers["Location"]
        assert location.startswith(target)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
        assert (query["bucket"], query["key"]) == ([bucket], ["k"])
        assert query["etag"] == [answer.headers["ETag"]]


def test_what_a_form_says_of_its_object(node, s3, bucket):
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>1 2</Value></Tag></TagSet></Tagging>"
    body = b"checked"
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
    said = {
        "key": "k",
        "Cache-Control": "max-age=5",
        "Content-Disposition": 'attachment; filename="x"',
        "tagging": tagging,
        "x-amz-checksum-crc32": crc,
        "x-ignore-me": "anything",
    }
    conditions = [{"bucket": bucket}, *({name: value} for name, value in said.items() if name[0] != "x")]
    answer = send(node, bucket, signed(node, {"conditions": conditions}, **said), body)
    assert answer.status_code == 204, answer.text
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["CacheControl"], head["ChecksumCRC32"]) == ("max-age=5", crc)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1 2"}]
    refused(send(node, bucket, signed(node, {"conditions": conditions}, **said), b"changed"), "BadDigest", 400)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_a_policy_is_held_to(node, s3, bucket):
    def attempt(conditions, body=b"content", policy=None, **fields):
        form = signed(node, {"conditions": [{"bucket": bucket}, *conditions], **(policy or {})}, **fields)
        return send(node, bucket, form, body)

    key = {"key": "k"}
    assert attempt([["eq", "$KEY", "k"]], **key).status_code == 204
    assert attempt([["starts-with", "$key", "in/"]], key="in/x").status_code == 204
    assert attempt([key, ["starts-with", "$Content-Type", "image/"]], key="k", **{"Content-Type": "image/a,image/b"})
    wrong = "Invalid according to Policy: "
    refused(attempt([["starts-with", "$key", "in/"]], **key), "AccessDenied", 403, wrong + "Policy Condition failed")
    refused(attempt([["eq", "$key", "other"]], **key), "AccessDenied", 403, wrong)
    refused(attempt([key, {"acl": "private"}], **key), "AccessDenied", 403, wrong)
    refused(attempt([key], key="k", acl="public-read"), "AccessDenied", 403, wrong + "Extra input fields: acl")
    refused(
        attempt([key, ["starts-with", "$Content-Type", "image/"]], key="k", **{"Content-Type": "image/a,text/html"}),
        "AccessDenied",
        403,
    )
    past = {"expiration": "2026-01-01T00:00:00Z"}
    refused(attempt([key], policy=past, **key), "AccessDenied", 403, wrong + "Policy expired.")
    limits = [key, ["content-length-range", 5, 10]]
    refused(attempt(limits, b"1234", **key), "EntityTooSmall", 400)
    refused(attempt(limits, b"12345678901", **key), "EntityTooLarge", 400)
    refused(attempt(limits, os.urandom(5_000_000), **key), "EntityTooLarge", 400)
    assert attempt(limits, b"12345", **key).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"12345"
    # A policy for another bucket.
    refused(send(node, bucket, signed(node, {"conditions": [{"bucket": "other"}, key]}, **key)), "AccessDenied", 403)


@pytest.mark.parametrize(
    "policy",
    [
        "no JSON",
        "[]",
        {"expiration": None, "conditions": []},
        {"Expiration": "2999-01-01T00:00:00Z", "expiration": None, "conditions": []},
        {"CONDITIONS": []},
        {"expiration": "tomorrow", "conditions": []},
        {"conditions": [{}]},
        {"conditions": ["key"]},
        {"conditions": [["like", "$key", "k"]]},
        {"conditions": [["content-length-range", 1]]},
        {"conditions": [["content-length-range", -1, 0]]},
        {"conditions": [["content-length-range", 5, 1]]},
    ],
    ids=str,
)
def test_a_policy_that_cannot_be_read(node, bucket, policy):
    answer = send(node, bucket, signed(node, policy, key="k"))
    refused(answer, "InvalidPolicyDocument", 400, "Invalid Policy")


def test_who_signed_is_checked(node, s3, bucket):
    policy = {"conditions": [{"bucket": bucket}, {"key": "k"}]}
    form = signed(node, policy, key="k")
    refused(send(node, bucket, {**form, "x-amz-signature": "0" * 64}), "SignatureDoesNotMatch", 403)
    refused(
        send(node, bucket, signed(node, policy, ("AKIANOBODY", "secret"), key="k")), "InvalidAccessKeyId", 403
    )
    other = base64.b64encode(base64.b64decode(form["policy"]) + b" ").decode()
    refused(send(node, bucket, {**form, "policy": other}), "SignatureDoesNotMatch", 403)
    without = {name: value for name, value in form.items() if name != "x-amz-signature"}
    refused(send(node, bucket, without), "InvalidArgument", 400, "X-Amz-Signature")
    refused(send(node, bucket, {name: form[name] for name in form if name != "key"}), "InvalidArgument", 400, "'key'")
    refused(send(node, bucket, {"key": "k"}), "AccessDenied", 403)
    old = {"key": "k", "policy": form["policy"], "AWSAccessKeyId": "A", "signature": base64.b64encode(bytes(20))}
    refused(send(node, bucket, old), "InvalidAccessKeyId", 403)
    refused(send(node, bucket, {**old, "AWSAccessKeyId": node.access_key()[0]}), "SignatureDoesNotMatch", 403)
    refused(send(node, bucket, {**old, "signature": "x"}), "AuthorizationHeaderMalformed", 400)
    # Somebody who may not write signs in vain.
    name = "poster-" + bucket[-6:]
    node.cli_json("account", "create", name, "--kind", "service", "--json")
    refused(send(node, bucket, signed(node, policy, node.create_key(name), key="k")), "AccessDenied", 403)


def test_temporary_credentials_sign_forms(node, bucket):

    access, secret = node.access_key()
    sts = boto3.client(
        "sts",
        endpoint_url=node.s3_url,
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        verify=node.verify,
    )
    session = sts.get_session_token(DurationSeconds=900)["Credentials"]
    key = (session["AccessKeyId"], session["SecretAccessKey"])
    form = signed(
        node,
        {"conditions": [{"bucket": bucket}, {"key": "k"}]},
        key,
        **{"key": "k", "x-amz-security-token": session["SessionToken"]},
    )
    assert send(node, bucket, form).status_code == 204


def test_anybody_posts_to_a_public_bucket(node, s3, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert send(node, bucket, {"key": "from/anybody"}).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="from/anybody")["Body"].read() == b"content"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    refused(send(node, bucket, {"key": "again"}), "AccessDenied", 403)


def test_bodies_that_are_no_form(node, bucket):
    def attempt(body, boundary="b"):
        with Connection(node.s3_url, node.authority) as connection:
            head = {
                "Host": connection.host,
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(len(body)),
            }
            connection.head("POST", f"/{bucket}", head)
            connection.send(body)
            return connection.answer()

    field = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nxyz'
    for body, expected in [
        (b"", "InvalidArgument"),
        (b"nonsense" * 500, "MalformedPOSTRequest"),
        (field + b"--b--\r\n", "InvalidArgument"),
        (b"--b\r\nno head\r\n\r\n", "MalformedPOSTRequest"),
        (b"--b\r\nContent-Disposition: attachment\r\n\r\n", "MalformedPOSTRequest"),
        (b"--b\r\n" + b"X: y\r\n" * 5000, "MalformedPOSTRequest"),
        (b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"k" * 100_000, "MaxPostPreDataLengthExceededError"),
        (file + b"\r\n--b--\r\n", "InvalidArgument"),
    ]:
        assert attempt(body).code == expected, body[:60]
    assert attempt(field, "").code == "MalformedPOSTRequest"
    assert attempt(field, "x" * 71).code == "MalformedPOSTRequest"


def test_a_file_that_breaks_off_is_not_stored(node, s3, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    field = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nxyz'
    with Connection(node.s3_url, node.authority) as connection:
        head = {"Host": connection.host, "Content-Type": "multipart/form-data; boundary=b"}
        connection.head("POST", f"/{bucket}", {**head, "Content-Length": str(len(field + file))})
        connection.send(field + file)
        assert connection.answer().code == "MalformedPOSTRequest"
        # The same, whole, on the same connection, and what follows the file is dropped.
        body = field + file + b"\r\n" + field.replace(b"\r\nk\r\n", b"\r\nother\r\n") + b"--b--\r\n"
        connection.head("POST", f"/{bucket}", {**head, "Content-Length": str(len(body))})
        connection.send(body)
        assert connection.answer().status == 204
        connection.head("GET", f"/{bucket}/other", {"Host": connection.host})
        assert connection.answer().status in (403, 404)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"xyz"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
