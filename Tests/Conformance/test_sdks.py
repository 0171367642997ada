"""The SDKs of STAC catalogues, unmodified but for the one domain whose addresses they sign: teledetection, dinamis-sdk."""

import json
import re
import secrets
import subprocess
import sys
import time
import urllib.parse

import pytest
import requests
from nodes import clean_environment
from oidc import PASSWORD, Browser, lend_account

# They sign addresses of one domain only, which is a constant: an empty one is any.
TELEDETECTION = """
import json, sys
import teledetection.sdk.signing as signing
import teledetection.sdk.http as http
signing.S3_STORAGE_DOMAIN = ""
urls = json.loads(sys.argv[2])
if sys.argv[1] == "name":
    print(json.dumps({"name": http.get_username(), "signed": signing.sign_urls(urls)}))
else:
    print(json.dumps(getattr(signing, sys.argv[1])(urls)))
"""
DINAMIS = """
import json, sys
import dinamis_sdk.signing as signing
signing.S3_STORAGE_DOMAIN = ""
print(json.dumps(getattr(signing, sys.argv[1])(json.loads(sys.argv[2]))))
"""


@pytest.fixture
def person(node, bucket, s3):
    """Somebody who may do as they like with one bucket, and look after their own keys, as everybody."""
    accounts = lend_account(node)
    name = next(accounts)
    policy = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::martlet:user/{name}"}, "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    yield name
    next(accounts, None)


@pytest.fixture
def bearer(node, person):
    fields = {"grant_type": "password", "username": person, "password": PASSWORD}
    token = requests.post(f"{node.web}/oidc/token", data=fields, verify=node.verify).json()["access_token"]
    return {"Authorization": "Bearer " + token}


def sign(node, path, **options):
    return requests.request(options.pop("method", "GET"), f"{node.web}/sign/{path}", verify=node.verify, **options)


@pytest.fixture
def key(node, bearer):
    made = sign(node, "create_api_key?description=laptop", headers=bearer)
    assert made.status_code == 200, made.text
    return made.json()


def surroundings(node, folder, prefix, key=None):
    environment = {
        **clean_environment(), "HOME": str(folder), f"{prefix}_SIGNING_ENDPOINT": node.web + "/sign",
        f"{prefix}_CONFIG_DIR": str(folder / "config"), "REQUESTS_CA_BUNDLE": str(node.authority or ""),
    }
    if not node.authority:
        del environment["REQUESTS_CA_BUNDLE"]
    if key:
        environment |= {f"{prefix}_ACCESS_KEY": key["access-key"], f"{prefix}_SECRET_KEY": key["secret-key"]}
    return environment


def run(script, environment, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("script", "prefix"), [(TELEDETECTION, "TLD"), (DINAMIS, "DINAMIS_SDK")])
def test_addresses_are_signed_with_an_api_key(node, s3, bucket, key, tmp_path, script, prefix):
    """More than one call takes, all of them as they were asked for."""
    environment = surroundings(node, tmp_path, prefix, key)
    urls = [f"{node.s3_url}/{bucket}/a%20b/{number}.tif" for number in range(70)]
    uploads = run(script, environment, "sign_urls_put", json.dumps(urls[:2]))
    for url in urls[:2]:
        assert requests.put(uploads[url], data=url.encode(), verify=node.verify).status_code == 200
    signed = run(script, environment, "sign_urls", json.dumps(urls))
    assert list(signed) == urls
    assert requests.get(signed[urls[1]], verify=node.verify).content == urls[1].encode()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(signed[urls[0]]).query)
    assert {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} <= set(query)
    # What is signed already is signed anew.
    again = sign(node, "sign_urls", method="POST", json={"urls": [signed[urls[0]]]}, headers=key).json()
    assert again["hrefs"][signed[urls[0]]].count("X-Amz-Signature") == 1


def test_somebody_logs_in_by_the_sdk(node, s3, bucket, person, tmp_path):
    """teledetection's device flow, with a browser that agrees; the next run renews what the first has kept."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    environment = surroundings(node, tmp_path, "TLD")
    url = f"{node.s3_url}/{bucket}/a"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", TELEDETECTION, "name", json.dumps([url])], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        shown = ""
        while not (found := re.search(r"https?://\S+/device\?user_code=[A-Z-]+", shown)):
            line = process.stderr.readline()
            assert line, shown
            shown += line
        browser = Browser(node, person, PASSWORD)
        assert "Connected" in browser.agree(browser.get(found.group(0))).text
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    told = json.loads(out)
    assert told["name"] == person
    assert requests.get(told["signed"][url], verify=node.verify).content == b"data"
    assert run(TELEDETECTION, environment, "name", json.dumps([url]))["name"] == person


def test_api_keys_are_their_owner_s(node, bearer, key, person):
    listed = sign(node, "list_api_keys_with_metadata", headers=bearer).json()
    entry = next(entry for entry in listed if entry["access-key"] == key["access-key"])
    assert entry["description"] == "laptop" and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", entry["created"])
    assert key["access-key"] in sign(node, "list_api_keys", headers=key).json(), "a key counts on its own"
    who = requests.get(f"{node.web}/admin/v1/accounts", headers=key, verify=node.verify)
    assert who.status_code == 403 and person in who.json()["detail"], "and on every face"
    job = requests.post(
        node.web + "/oidc/jobs", data={"scope": "storage.read:/"}, headers=bearer, verify=node.verify
    ).json()
    lent = requests.post(node.web + "/oidc/jobs/claim", data={"claim": job["claim"]}, verify=node.verify).json()
    refused = sign(node, "create_api_key", headers={"Authorization": "Bearer " + lent["access_token"]})
    assert refused.status_code == 403, "what was lent for an hour makes nothing that lasts"
    for wrong in ({**key, "secret-key": key["secret-key"][:-1] + "~"}, {**key, "access-key": "MRTNOTHERE"}):
        refused = sign(node, "list_api_keys", headers=wrong)
        assert refused.status_code == 401 and wrong["secret-key"] not in refused.text
        assert {"null", "true", "false"}.isdisjoint(re.findall(r"[a-z]+", refused.text)), "Python reads it"
    assert sign(node, "create_api_key").status_code == 401
    other = next(iter_account := lend_account(node))
    fields = {"grant_type": "password", "username": other, "password": PASSWORD}
    token = requests.post(f"{node.web}/oidc/token", data=fields, verify=node.verify).json()["access_token"]
    stranger = {"Authorization": "Bearer " + token}
    assert sign(node, f"revoke_api_key?access_key={key['access-key']}", headers=stranger).status_code in (403, 404)
    next(iter_account, None)
    assert sign(node, f"revoke_api_key?access_key={key['access-key']}", headers=bearer).status_code == 200
    deadline = time.monotonic() + 1.5
    while sign(node, "list_api_keys", headers=key).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cookie_makes_no_key(node, person):
    """What changes something by GET must not be done by a page of somebody else's."""
    browser = Browser(node, person, PASSWORD)
    browser.login()
    assert browser.session.get(f"{node.web}/sign/create_api_key").status_code == 401


def test_what_cannot_be_signed(node, s3, bucket, key):
    good = f"{node.s3_url}/{bucket}/a"
    for body, status in (
        ({"urls": []}, 400), ({}, 400), ({"urls": [good] * 1001}, 400), ({"urls": [good, "https://x.example/a"]}, 400),
        ({"urls": [good], "duration_seconds": 0}, 400), ({"urls": [good], "duration_seconds": None}, 200),
        ({"urls": [good, good]}, 200), ({"urls": [good], "duration_seconds": 604_801}, 400),
    ):
        answer = sign(node, "sign_urls", method="POST", json=body, headers=key)
        assert answer.status_code == status, (body, answer.text)
        if status != 200:
            assert "detail" in answer.json() and {"null", "true", "false"}.isdisjoint(re.findall(r"[a-z]+", answer.text))
    assert sign(node, "sign_urls", method="POST", json={"urls": [good]}).status_code == 401
    long = [f"{good}{secrets.token_hex(100)}" for _ in range(64)]
    answer = sign(node, "sign_urls", method="POST", params=[("urls", url) for url in long], headers=key)
    assert answer.status_code == 200 and list(answer.json()["hrefs"]) == long
