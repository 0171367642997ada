"""The SDKs of STAC catalogues, unmodified: teledetection, dinamis-sdk, planetary-computer."""

import json
import re
import secrets
import subprocess
import sys
import time
import urllib.parse

import numpy
import pytest
import rasterio
import requests
from conftest import empty_bucket, new_bucket
from nodes import S3_ALIASES, clean_environment
from oidc import PASSWORD, Browser, lend_account
from products import wait_for_item

STORAGE, CONTAINERS = S3_ALIASES

TELEDETECTION = """
import json, sys
import teledetection.sdk.signing as signing
import teledetection.sdk.http as http
urls = json.loads(sys.argv[2])
if sys.argv[1] == "name":
    print(json.dumps({"name": http.get_username(), "signed": signing.sign_urls(urls)}))
else:
    print(json.dumps(getattr(signing, sys.argv[1])(urls)))
"""
DINAMIS = """
import json, sys
import dinamis_sdk.signing as signing
print(json.dumps(getattr(signing, sys.argv[1])(json.loads(sys.argv[2]))))
"""
PLANETARY_COMPUTER = """
import json, sys
import planetary_computer, pystac
item = pystac.Item.from_dict(json.loads(sys.argv[1]))
print(json.dumps(planetary_computer.sign(item).to_dict()))
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
    urls = [f"{STORAGE}/{bucket}/a%20b/{number}.tif" for number in range(70)]
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
    url = f"{STORAGE}/{bucket}/a"
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


# planetary-computer and its tokens


def token(node, path, key=None, **options):
    headers = {"Ocp-Apim-Subscription-Key": f"{key['access-key']}:{key['secret-key']}"} if key else {}
    return requests.get(f"{node.web}/sas/v1/{path}", headers=headers, verify=node.verify, **options)


def test_planetary_computer_signs_an_item(node, s3, bucket, key, tmp_path):
    """One token for all assets, which plain GET and GDAL open; at the name that the addresses have, too."""
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8") as raster:
        raster.write(numpy.arange(64, dtype="uint8").reshape(1, 8, 8))
    for name in ("a.tif", "deep/b+ü.tif"):
        s3.upload_file(str(tmp_path / "a.tif"), bucket, name)
    hrefs = {"a": f"{CONTAINERS}/{bucket}/a.tif", "b": f"{CONTAINERS}/{bucket}/deep/{urllib.parse.quote('b+ü.tif')}"}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "x", "geometry": None, "links": [], "stac_extensions": [],
        "properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {name: {"href": href} for name, href in hrefs.items()},
    }
    environment = surroundings(node, tmp_path, "UNUSED") | {
        "PC_SDK_SAS_URL": node.web + "/sas/v1/token",
        "PC_SDK_SUBSCRIPTION_KEY": f"{key['access-key']}:{key['secret-key']}",
    }
    signed = {name: asset["href"] for name, asset in run(PLANETARY_COMPUTER, environment, json.dumps(item))["assets"].items()}
    content = (tmp_path / "a.tif").read_bytes()
    for name, href in hrefs.items():
        assert signed[name].startswith(href + "?st=")
        assert requests.get(signed[name].replace(CONTAINERS, node.s3_url), verify=node.verify).content == content
    assert signed["a"].split("?")[1] == signed["b"].split("?")[1]
    if node.tls:
        command = ["curl", "-sSf", "--cacert", node.authority, "--connect-to", f"::127.0.0.1:{node.ports['s3']}", signed["a"]]
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == content
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"} | ({"GDAL_CURL_CA_BUNDLE": node.authority} if node.tls else {})
    with rasterio.Env(**options):
        for href in (signed["a"].replace(CONTAINERS, node.s3_url), sign_one(node, key, hrefs["a"])):
            with rasterio.open("/vsicurl/" + href) as raster:
                assert raster.read(1).sum() == 63 * 32


def sign_one(node, key, href):
    answer = token(node, "sign", key, params={"href": href, "duration": 5})
    assert answer.status_code == 200 and answer.json()["msft:expiry"].endswith("Z"), answer.text
    return answer.json()["href"]


def test_a_token_opens_what_it_is_for_and_only_to_read(node, s3, bucket, key):
    for name in ("a/b/c", "a/bc", "a/d", "e"):
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    other = new_bucket(s3)
    s3.put_object(Bucket=other, Key="a/b/c", Body=b"not this one")

    def get(name, query, method="GET", place=bucket, **options):
        return requests.request(method, f"{node.s3_url}/{place}/{name}?{query}", verify=node.verify, **options)

    whole = token(node, f"token/any/{bucket}", key)
    assert whole.status_code == 200, whole.text
    assert token(node, f"token/{bucket}", key).status_code == 200, "an account need not be named"
    query = whole.json()["token"]
    assert {"st", "se", "sp", "sr", "sig"} <= set(urllib.parse.parse_qs(query))
    for name in ("a/b/c", "e"):
        assert get(name, query).content == name.encode()
        assert get(name, query, "HEAD").headers["Content-Length"] == str(len(name))
        assert get(name, query, headers={"Range": "bytes=0-0"}).status_code == 206
    assert b"<Key>a/bc</Key>" in get("", query + "&list-type=2").content
    folder = token(node, f"token/any/{bucket}/a/b", key).json()["token"]
    assert get("a/b/c", folder).content == b"a/b/c"
    for name, used in (("a/bc", folder), ("a/b", folder), ("e", folder), ("", folder + "&list-type=2")):
        assert get(name, used).status_code == 403, name
    assert get("a/b/c", query, place=other).status_code == 403
    for method, name in (("PUT", "e"), ("PUT", "new"), ("DELETE", "e"), ("POST", "e")):
        assert get(name, query + ("&uploads" if method == "POST" else ""), method, data=b"x").status_code == 403, method
    for name in ("se", "sr", "sdd", "skoid", "sig", "st"):
        items = dict(urllib.parse.parse_qsl(folder))
        items[name] = {"se": "2040-01-01T00:00:00Z", "st": "2020-01-01T00:00:00Z", "sr": "c", "sdd": "1", "skoid": key["access-key"]}.get(
            name, "A" * 43 + "="
        )
        assert get("a/b/c", urllib.parse.urlencode(items)).status_code == 403, name
    late = {**dict(urllib.parse.parse_qsl(query)), "se": "2020-01-01T00:00:00Z"}
    assert "expired" in get("e", urllib.parse.urlencode(late)).text
    for name in ("se", "sig", "sdd"):
        assert get("e", urllib.parse.urlencode({**dict(urllib.parse.parse_qsl(query)), name: "0"})).status_code in (400, 403)
    empty_bucket(s3, other)
    s3.delete_bucket(Bucket=other)


def test_who_gets_no_token(node, s3, bucket, key, bearer):
    assert token(node, f"token/any/{bucket}").status_code == 401
    assert token(node, "token/any/not-there", key).status_code in (403, 404)
    assert token(node, "sign", key).status_code == 400
    assert token(node, "sign?href=s3://a/b").status_code == 401
    assert token(node, f"token/any/{bucket}?duration=0", key).status_code == 400
    assert token(node, f"token/any/{bucket}" + "/a" * 65, key).status_code == 400
    wrong = {**key, "secret-key": "no"}
    assert token(node, f"token/any/{bucket}", wrong).status_code == 401
    # What was lent for a part gives tokens for that part.
    job = requests.post(
        node.web + "/oidc/jobs", data={"scope": f"storage.read:/{bucket}/part/"}, headers=bearer, verify=node.verify
    ).json()
    lent = requests.post(node.web + "/oidc/jobs/claim", data={"claim": job["claim"]}, verify=node.verify).json()
    headers = {"Authorization": "Bearer " + lent["access_token"]}
    asked = [f"{node.web}/sas/v1/token/any/{bucket}{folder}" for folder in ("", "/par", "/part")]
    answers = [requests.get(url, headers=headers, verify=node.verify).status_code for url in asked]
    assert answers == [403, 403, 200]


def test_a_token_of_nobody_opens_what_everybody_may_read(node, s3, bucket):
    policy = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    s3.put_object(Bucket=bucket, Key="a", Body=b"public")
    answer = token(node, f"token/any/{bucket}")
    assert answer.status_code == 200, answer.text
    assert requests.get(f"{node.s3_url}/{bucket}/a?{answer.json()['token']}", verify=node.verify).content == b"public"


def test_items_name_objects_by_the_public_address(nodes):
    """An institute that keeps its storage domain: the SDKs sign what the node's own items say, and open it."""
    node = nodes.new("sqlite-http", options=[f"--asset-url={STORAGE}"]).start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="scene.csv", Body=b"lon,lat\n4.8,45.7\n")
        item = wait_for_item(node.http(), node, "kept", "scene")
        href = next(asset["href"] for asset in item["assets"].values() if asset["href"].endswith("scene.csv"))
        assert href == f"{STORAGE}/kept/scene.csv"
        signed = node.http().get(f"{node.web}/sign", params={"href": href}).json()["href"]
        assert signed.startswith(node.s3_url) and requests.get(signed).content.startswith(b"lon,lat")
        page = node.http().get(f"{node.web}/open", params={"href": href}, allow_redirects=False)
        assert page.status_code in (302, 303)
    finally:
        node.stop()
        node.remove()
