"""Who may: presigned addresses, and every credential that is not one, with its exact code."""

import datetime
import re
import time

import botocore.auth
import botocore.crt.auth
import pytest
import requests
from botocore import UNSIGNED
from errors import refused
from test_iam_sts import client, temporary


@pytest.fixture
def stored(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b/ü+%.tif", Body=b"body", ContentType="image/tiff")
    return {"Bucket": bucket, "Key": "a b/ü+%.tif"}


@pytest.fixture
def signer(node):
    """Left to itself, boto3 presigns for other people's endpoints with the scheme before SigV4: see below."""
    return node.s3(signature_version="s3v4")


def code_of(answer):
    text = answer.text
    assert "<Code>" in text, text
    return text.split("<Code>")[1].split("</Code>")[0]


def test_a_presigned_get_is_opened_without_credentials(node, signer, stored):
    url = signer.generate_presigned_url("get_object", Params=stored, ExpiresIn=60)
    answer = requests.get(url, verify=node.verify)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"body", "image/tiff")
    part = requests.get(url, verify=node.verify, headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"od")


def test_a_presigned_put_stores(node, s3, signer, bucket):
    url = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    answer = requests.put(url, data=b"by url", verify=node.verify)
    assert answer.status_code == 200, answer.text
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by url"


def test_a_presigned_address_is_for_its_method_and_key_only(node, s3, signer, stored):
    url = signer.generate_presigned_url("get_object", Params=stored, ExpiresIn=60)
    for answer in (
        requests.put(url, data=b"x", verify=node.verify),
        requests.delete(url, verify=node.verify),
        requests.get(url.replace(".tif", ".tiff"), verify=node.verify),
        requests.get(url + "&response-content-type=text/html", verify=node.verify),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "SignatureDoesNotMatch"), answer.url
    assert s3.get_object(**stored)["Body"].read() == b"body"


def test_an_expired_presigned_address_is_refused(node, signer, stored):
    url = signer.generate_presigned_url("get_object", Params=stored, ExpiresIn=1)
    time.sleep(2.1)
    answer = requests.get(url, verify=node.verify)
    assert (answer.status_code, code_of(answer)) == (403, "AccessDenied")
    assert "expire" in answer.text.lower()


@pytest.mark.parametrize("seconds", [0, 604_801])
def test_a_presigned_address_lives_one_second_to_seven_days(node, signer, stored, seconds):
    # The SDK does not sign for no time at all, so the time is written over: it is looked at before the signature.
    url = signer.generate_presigned_url("get_object", Params=stored, ExpiresIn=60)
    answer = requests.get(url.replace("X-Amz-Expires=60", f"X-Amz-Expires={seconds}"), verify=node.verify)
    assert (answer.status_code, code_of(answer)) == (400, "AuthorizationQueryParametersError")


# The scheme before SigV4, with which boto3 and aws-cli presign for other people's endpoints unless told otherwise


def test_an_address_signed_with_the_old_scheme_is_opened(node, s3, stored):
    url = s3.generate_presigned_url("get_object", Params={**stored, "ResponseContentType": "text/csv"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in url and "X-Amz" not in url
    answer = requests.get(url, verify=node.verify)
    assert (answer.content, answer.headers["Content-Type"]) == (b"body", "text/csv")
    assert requests.get(url, verify=node.verify, headers={"Range": "bytes=1-2"}).content == b"od"
    plain = s3.generate_presigned_url("get_object", Params=stored)
    later = re.sub(r"Expires=(\d+)", lambda end: f"Expires={int(end[1]) + 60}", url)
    refused = {
        "another method": requests.delete(plain, verify=node.verify),
        "another key": requests.get(url.replace(".tif", ".txt"), verify=node.verify),
        "another answer": requests.get(url.replace("text%2Fcsv", "text%2Fhtml"), verify=node.verify),
        "a header more": requests.get(url, verify=node.verify, headers={"x-amz-checksum-mode": "ENABLED"}),
        "a later end": requests.get(later, verify=node.verify),
    }
    for what, answer in refused.items():
        assert (answer.status_code, code_of(answer)) == (403, "SignatureDoesNotMatch"), what
    # A version is part of what is signed; what is not is not taken.
    answer = requests.get(url + "&partNumber=1", verify=node.verify)
    assert (answer.status_code, code_of(answer)) == (403, "SignatureDoesNotMatch")
    listing = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": stored["Bucket"], "Prefix": "a"})
    answer = requests.get(listing, verify=node.verify)
    assert (answer.status_code, code_of(answer)) == (403, "AccessDenied")


def test_the_old_scheme_uploads_and_ends(node, s3, bucket, stored):
    asked = {"Bucket": bucket, "Key": "new", "ContentType": "image/png"}
    url = s3.generate_presigned_url("put_object", Params=asked, ExpiresIn=60)
    answer = requests.put(url, data=b"new", verify=node.verify, headers={"Content-Type": "text/plain"})
    assert (answer.status_code, code_of(answer)) == (403, "SignatureDoesNotMatch")
    answer = requests.put(url, data=b"new", verify=node.verify, headers={"Content-Type": "image/png"})
    assert answer.status_code == 200, answer.text
    assert s3.head_object(Bucket=bucket, Key="new")["ContentType"] == "image/png"
    gone = s3.generate_presigned_url("delete_object", Params={"Bucket": bucket, "Key": "new"})
    assert requests.delete(gone, verify=node.verify).status_code == 204
    for seconds in (-5, 8 * 86_400):
        url = s3.generate_presigned_url("get_object", Params=stored, ExpiresIn=seconds)
        answer = requests.get(url, verify=node.verify)
        assert (answer.status_code, code_of(answer)) == (403, "AccessDenied")
    other = node.s3(key=(node.access_key()[0], "wrong"))
    url = other.generate_presigned_url("get_object", Params=stored)
    answer = requests.get(url, verify=node.verify)
    assert (answer.status_code, code_of(answer)) == (403, "SignatureDoesNotMatch")


def test_the_old_scheme_signs_for_lent_credentials_too(node, stored):
    lent = client(node, "sts").get_session_token()["Credentials"]
    s3 = temporary(node, "s3", lent)
    url = s3.generate_presigned_url("get_object", Params=stored)
    assert "x-amz-security-token=" in url
    assert requests.get(url, verify=node.verify).content == b"body"
    answer = requests.get(re.sub("x-amz-security-token=[^&]*&?", "", url), verify=node.verify)
    assert (answer.status_code, code_of(answer)) == (400, "InvalidToken")


def test_a_form_that_boto3_signs_by_itself_uploads(node, s3, bucket):
    form = s3.generate_presigned_post(bucket, "in/${filename}", Conditions=[["content-length-range", 1, 10]])
    assert "signature" in form["fields"]
    sent = requests.post(form["url"], data=form["fields"], files={"file": ("a.txt", b"12345")}, verify=node.verify)
    assert sent.status_code == 204, sent.text
    assert s3.get_object(Bucket=bucket, Key="in/a.txt")["Body"].read() == b"12345"
    sent = requests.post(form["url"], data=form["fields"], files={"file": ("a.txt", bytes(11))}, verify=node.verify)
    assert (sent.status_code, code_of(sent)) == (400, "EntityTooLarge")


def test_nobody_may_do_anything(node, bucket, stored):
    nobody = node.s3(key=("", ""), signature_version=UNSIGNED)
    for call, arguments in [
        ("list_buckets", {}),
        ("list_objects_v2", {"Bucket": bucket}),
        ("get_object", stored),
        ("put_object", {**stored, "Body": b"x"}),
        ("delete_object", stored),
        ("create_bucket", {"Bucket": "by-nobody"}),
        ("create_multipart_upload", {"Bucket": bucket, "Key": "k"}),
    ]:
        with refused("AccessDenied", 403):
            getattr(nobody, call)(**arguments)
    assert node.s3().get_object(**stored)["Body"].read() == b"body"


def test_nobody_deletes_many_either(node, s3, stored):
    nobody = node.s3(key=("", ""), signature_version=UNSIGNED)
    try:
        answer = nobody.delete_objects(Bucket=stored["Bucket"], Delete={"Objects": [{"Key": stored["Key"]}]})
        assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    except nobody.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
    assert s3.get_object(**stored)["Body"].read() == b"body"


def test_a_bucket_that_is_not_there_is_not_told_to_nobody(node):
    nobody = node.s3(key=("", ""), signature_version=UNSIGNED)
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket="surely-not-there")


def test_a_wrong_secret_does_not_match(node, stored):
    access, secret = node.access_key()
    other = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    with refused("SignatureDoesNotMatch", 403) as failure:
        node.s3(key=(access, other)).get_object(**stored)
    assert secret not in str(failure.value.response)


def test_an_unknown_key_is_named_as_such(node, stored):
    with refused("InvalidAccessKeyId", 403):
        node.s3(key=("MRTAAAAAAAAAAAAAAAAA", "x" * 40)).get_object(**stored)


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock that requests are signed by, in both of botocore's signers."""
    real = botocore.auth.get_current_datetime

    def turn(minutes):
        for module in (botocore.auth, botocore.crt.auth):
            monkeypatch.setattr(
                module,
                "get_current_datetime",
                lambda *arguments, **options: real(*arguments, **options) + datetime.timedelta(minutes=minutes),
            )

    return turn


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_wrong_by_twenty_minutes_is_refused(node, stored, clock, minutes):
    clock(minutes)
    with refused("RequestTimeTooSkewed", 403):
        node.s3().get_object(**stored)


def test_a_clock_that_is_wrong_by_five_minutes_is_taken(node, stored, clock):
    clock(-5)
    assert node.s3().get_object(**stored)["Body"].read() == b"body"


def test_a_deleted_key_no_longer_opens_anything(node, stored):
    key = node.create_key("admin")
    s3 = node.s3(key=key)
    assert s3.get_object(**stored)["Body"].read() == b"body"
    assert node.cli("key", "delete", key[0]).returncode == 0
    with refused("InvalidAccessKeyId", 403):
        s3.get_object(**stored)
