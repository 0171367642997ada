"""Signed addresses: plain curl opens them until they expire; policy decides who gets one."""

import datetime
import subprocess
import time
import urllib.parse

import pytest
import requests

KEY = "deep/a b+ü%.tif"


@pytest.fixture
def stored(s3, bucket):
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"signed content", ContentType="image/tiff")
    return bucket


def plain(node, stored):
    return f"{node.s3_url}/{stored}/{urllib.parse.quote(KEY)}"


def curl(node, url, *arguments):
    authority = ["--cacert", node.authority] if node.tls else []
    return subprocess.run(
        ["curl", "-sS", "-o", "-", "-w", "\n%{http_code}", *authority, *arguments, url],
        capture_output=True,
        text=True,
        env=node.client_environment(),
        check=True,
        timeout=60,
    ).stdout.rsplit("\n", 1)


def sign(node, href, **parameters):
    answer = node.http().get(f"{node.web}/sign", params={"href": href, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("form", ["s3", "address", "signed already"])
def test_curl_opens_a_signed_address(node, stored, form):
    href = f"s3://{stored}/{KEY}" if form == "s3" else plain(node, stored)
    if form == "signed already":
        href = sign(node, href, duration_seconds=5)["href"]
    answer = sign(node, href)
    assert curl(node, answer["href"]) == ["signed content", "200"]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(answer["href"]).query)
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"):
        assert len(query[f"X-Amz-{name}"]) == 1
    expiry = datetime.datetime.fromisoformat(answer["expiry"].replace("Z", "+00:00"))
    left = expiry - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=1) < left <= datetime.timedelta(seconds=int(query["X-Amz-Expires"][0]))


def test_a_signed_address_ends(node, stored):
    url = sign(node, f"s3://{stored}/{KEY}", duration_seconds=2)["href"]
    assert curl(node, url)[1] == "200"
    time.sleep(3.2)
    body, status = curl(node, url)
    assert status == "403" and "AccessDenied" in body


def test_a_signed_address_opens_one_object_by_one_method(node, s3, stored):
    s3.put_object(Bucket=stored, Key="other", Body=b"secret")
    url = sign(node, f"s3://{stored}/{KEY}")["href"]
    query = url.split("?")[1]
    assert curl(node, f"{node.s3_url}/{stored}/other?{query}")[1] == "403"
    assert curl(node, url, "-X", "PUT", "--data", "x")[1] == "403"
    assert curl(node, url, "-X", "DELETE")[1] == "403"
    assert s3.get_object(Bucket=stored, Key="other")["Body"].read() == b"secret"


def test_many_are_signed_at_once_and_for_upload(node, s3, stored):
    hrefs = [f"s3://{stored}/new/{number}" for number in range(100)]
    answer = node.http().post(f"{node.web}/sign", json={"hrefs": hrefs, "method": "PUT", "duration_seconds": 60})
    assert answer.status_code == 200, answer.text
    signed = answer.json()["hrefs"]
    assert set(signed) == set(hrefs)
    put = requests.put(signed[hrefs[7]], data=b"uploaded", verify=node.verify)
    assert put.status_code == 200, put.text
    assert s3.get_object(Bucket=stored, Key="new/7")["Body"].read() == b"uploaded"
    one = node.http().post(f"{node.web}/sign", json={"href": f"s3://{stored}/{KEY}"})
    assert curl(node, one.json()["href"]) == ["signed content", "200"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "href=",
        "href=https://elsewhere.example/x",
        "href=s3://",
        "href=s3://only-a-bucket",
        "href=file:///etc/passwd",
        "href=s3://a/b&duration_seconds=0",
        "href=s3://a/b&duration_seconds=604801",
        "href=s3://a/b&duration_seconds=x",
    ],
)
def test_what_cannot_be_signed_is_a_bad_request(node, query):
    answer = node.http().get(f"{node.web}/sign?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"hrefs":[]}',
        b'{"hrefs":[7]}',
        b'{"hrefs":"x"}',
        b'{"href":"s3://a/b","method":"DELETE"}',
        b"{" * 9000,
    ],
)
def test_a_body_that_is_none_is_a_bad_request(node, body):
    assert node.http().post(f"{node.web}/sign", data=body).status_code == 400


def test_nobody_gets_nothing_signed(node, stored):
    answer = node.http(token=False).get(f"{node.web}/sign", params={"href": f"s3://{stored}/{KEY}"})
    assert answer.status_code == 401
    assert "X-Amz-Signature" not in answer.text


def test_who_is_denied_gets_a_reason_and_no_address(node, stored):
    node.cli_json("account", "create", "unsigned", "--password-from-stdin", "--json", input="a long pass phrase 1\n")
    try:
        http = node.http(user="unsigned", password="a long pass phrase 1")
        answer = http.get(f"{node.web}/sign", params={"href": f"s3://{stored}/{KEY}"})
        assert answer.status_code == 403
        said = answer.json()
        assert "unsigned" in said["detail"] and "s3:GetObject" in said["detail"]
        mixed = http.post(f"{node.web}/sign", json={"hrefs": [f"s3://{stored}/{KEY}"]})
        assert mixed.status_code == 403 and "X-Amz-Signature" not in mixed.text
    finally:
        node.cli("account", "delete", "unsigned")
