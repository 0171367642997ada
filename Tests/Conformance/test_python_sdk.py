"""The SDK in clients/python, against real nodes."""

import concurrent.futures
import http.server
import json
import os
import secrets
import stat
import threading

import fsspec
import martlet
import pystac
import pystac_client
import pytest
import requests
from oidc import PASSWORD, Browser, lend_account
from products import wait_for

ITEM = {
    "type": "Feature", "stac_version": "1.0.0", "id": "scene", "geometry": None, "links": [],
    "properties": {"datetime": "2020-01-01T00:00:00Z"},
}


@pytest.fixture(autouse=True)
def nothing_of_the_tester(monkeypatch, tmp_path, node):
    for name in [name for name in os.environ if name.startswith(("MARTLET_", "BEARER_")) and name != "MARTLET_BIN"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("MARTLET_URL", node.web)
    if node.authority:
        monkeypatch.setenv("MARTLET_CA", str(node.authority))


@pytest.fixture
def sdk(node):
    return martlet.connect(credentials=martlet.ApiKey(*node.access_key()))


def test_what_is_found_opens(node, sdk, bucket):
    sdk.files.pipe(f"{bucket}/scene/a b+ü.bin", b"closed to others")
    elsewhere = "https://elsewhere.example/eo/x.tif?y=1"
    item = {**ITEM, "assets": {"a": {"href": f"s3://{bucket}/x"}, "b": {"href": elsewhere}}}
    item["assets"]["c"] = {"href": f"{node.s3_url}/{bucket}/scene/a%20b%2B%C3%BC.bin"}
    sdk.files.pipe(f"{bucket}/scene/scene.json", json.dumps(item).encode())
    found = wait_for("the item", lambda: list(sdk.search(collections=[bucket]).items()))[0]
    assert requests.get(found.assets["c"].href, verify=node.verify).content == b"closed to others"
    assert found.assets["b"].href == elsewhere and found.assets["a"].href.startswith("s3://")
    plain = item["assets"]["c"]["href"]
    for thing in (item, pystac.Item.from_dict(item), pystac.ItemCollection([item]), pystac.Asset(plain)):
        signed = sdk.sign(thing)
        text = json.dumps(signed if isinstance(signed, dict) else signed.to_dict())
        assert text.count("X-Amz-Signature") == 1
        assert "X-Amz" not in json.dumps(thing if isinstance(thing, dict) else thing.to_dict()), "the copy is signed"
    assert sdk.sign(plain) == sdk.sign(plain), "remembered"
    assert sdk.sign(sdk.sign(plain)) == sdk.sign(plain), "not signed twice"
    assert sdk.sign(f"s3://{bucket}/scene/a b+ü.bin").startswith(node.s3_url)
    with_modifier = pystac_client.Client.open(
        f"{node.web}/stac", modifier=sdk.sign_inplace, headers=dict(sdk.credentials.headers()), stac_io=None
    ) if not node.tls else None
    if with_modifier:
        again = next(with_modifier.search(collections=[bucket]).items())
        assert "X-Amz-Signature" in again.assets["c"].href
    many = sdk.signer(seconds=120).many([f"{node.s3_url}/{bucket}/{number}" for number in range(1001)], method="PUT")
    assert len(many) == 1001
    assert requests.put(many[f"{node.s3_url}/{bucket}/1000"], data=b"x", verify=node.verify).status_code == 200


def test_files_by_fsspec(node, sdk, bucket, monkeypatch):
    fs = sdk.files
    monkeypatch.setattr(martlet.files.MartletFile, "PART_BYTES", 5 << 20)
    large = secrets.token_bytes(12 << 20)
    with fs.open(f"{bucket}/deep/large", "wb") as file:
        for start in range(0, len(large), 1 << 20):
            file.write(large[start : start + (1 << 20)])
    assert fs.cat(f"{bucket}/deep/large") == large
    with fs.open(f"{bucket}/deep/empty", "wb"):
        pass
    with pytest.raises(ZeroDivisionError), fs.open(f"{bucket}/deep/broken", "wb") as file:
        file.write(large[: 6 << 20])
        file.write(b"%d" % (1 // 0))
    assert not node.s3().list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert fs.ls(f"{bucket}/deep", detail=False) == [f"{bucket}/deep/empty", f"{bucket}/deep/large"]
    assert fs.ls(bucket) == [{"name": f"{bucket}/deep", "type": "directory", "size": 0}] and f"{bucket}" in fs.ls("", detail=False)
    assert fs.cat_file(f"{bucket}/deep/large", 5, 10) == large[5:10] == fs.cat_file(f"{bucket}/deep/large", 5 - len(large), 10 - len(large))
    assert fs.cat_file(f"{bucket}/deep/large", -7) == large[-7:] and fs.cat_file(f"{bucket}/deep/large", 3, 3) == b""
    with fs.open(f"{bucket}/deep/large") as file:
        file.seek(11 << 20)
        assert file.read(100) == large[11 << 20 :][:100]
    fs.cp(f"{bucket}/deep/large", f"{bucket}/copied")
    assert fs.info(f"{bucket}/copied")["size"] == len(large) and fs.isdir(f"{bucket}/deep")
    fs.rm(f"{bucket}/deep", recursive=True)
    assert fs.find(bucket) == [f"{bucket}/copied"]
    with pytest.raises(FileNotFoundError):
        fs.info(f"{bucket}/deep")
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{bucket}/not/there")
    with pytest.raises(martlet.NodeError):
        fs.pipe_file(f"{bucket}/copied", b"x", mode="create")
    with fs.open(f"{bucket}/once", "xb") as file:
        file.write(b"first")
    for size in (6, 6 << 20):
        with pytest.raises(martlet.NodeError), fs.open(f"{bucket}/once", "xb") as file:
            file.write(b"s" * size)
    assert fs.cat(f"{bucket}/once") == b"first"
    assert not node.s3().list_multipart_uploads(Bucket=bucket).get("Uploads")
    with pytest.raises(ValueError, match="not opened by 'ab'"):
        fs.open(f"{bucket}/once", "ab")
    access, secret = node.access_key()
    monkeypatch.setenv("MARTLET_ACCESS_KEY", access)
    monkeypatch.setenv("MARTLET_SECRET_KEY", secret)
    with fsspec.open(f"martlet://{bucket}/text", "w") as file:
        file.write("Grüße")
    with fsspec.open(f"martlet://{bucket}/text", encoding="utf-8", mode="r") as file:
        assert file.read() == "Grüße"
    assert requests.get(fs.sign(f"{bucket}/text", 60), verify=node.verify).text == "Grüße"


def test_an_upload_is_genuine(sdk, bucket, tmp_path):
    folder = tmp_path / "product"
    (folder / "inner").mkdir(parents=True)
    for name in ("b.txt", "inner/a.txt"):
        (folder / name).write_text(secrets.token_hex(20))
    seen = []
    assert sdk.upload(folder, f"{bucket}/product", progress=seen.append) == sorted(seen)
    assert sorted(seen) == [f"{bucket}/product/b.txt", f"{bucket}/product/inner/a.txt"]
    single = tmp_path / "uploaded-by-sdk.bin"
    single.write_text(secrets.token_hex(20))
    sdk.upload(single, bucket)
    verdict, trace = wait_for("a trace", lambda: (said := sdk.verify(single))[1] and said)
    assert verdict is martlet.Verdict.GENUINE and trace.name == "uploaded-by-sdk.bin"
    assert sdk.traces(name=trace.name)[0].hash == trace.hash
    assert sdk.traces(hash=trace.hash)[0].id == trace.id
    single.write_text("altered")
    assert sdk.verify(single) == (martlet.Verdict.UNKNOWN, None)
    other = sdk.http.get(f"{sdk.url}/traces/log/vkey").text
    single.write_bytes(sdk.files.cat(f"{bucket}/uploaded-by-sdk.bin"))
    with pytest.raises(martlet.MartletError):
        sdk.verify(single, vkey=other.strip()[:-8] + "AAAAAAA=")
    with pytest.raises(FileNotFoundError):
        sdk.upload(tmp_path / "missing", bucket)


@pytest.fixture
def login(node):
    """Somebody who has logged in by the device flow, with a browser that agrees."""
    accounts = lend_account(node)
    name = next(accounts)
    login = martlet.Login(node.web)
    browser = Browser(node, name, PASSWORD)
    shown = []

    def show(address, code):
        shown.append(code)
        threading.Thread(target=lambda: browser.agree(browser.get(address))).start()

    login.open(show)
    assert shown
    yield login, name
    next(accounts, None)


def test_a_login_is_kept_and_renewed(node, login):
    kept, name = login
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600 and stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    token = json.loads(kept.path.read_text())
    assert repr(kept) == f"Login({node.web!r})" and token["access_token"] not in repr(martlet.connect())

    def who(credentials):
        answer = requests.get(f"{node.web}/oidc/userinfo", headers=credentials.headers(), verify=node.verify)
        return answer.json()["preferred_username"] if answer.ok else answer.text

    assert who(martlet.connect().credentials) == name
    # Programs that find it run out at once renew it once.
    kept.path.write_text(json.dumps({**token, "expires_at": 0}))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: who(martlet.Login(node.web)), range(4))) == {name}
    assert json.loads(kept.path.read_text())["refresh_token"] != token["refresh_token"]
    again = martlet.Login(node.web)
    again.forget()
    assert not again.is_kept
    with pytest.raises(martlet.LoginError, match="martlet-login"):
        again.headers()
    assert isinstance(martlet.connect().credentials, martlet.credentials.Anonymous)


def test_a_job_does_what_it_was_granted(node, sdk, bucket, login, s3):
    credentials, name = login
    policy = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::martlet:user/{name}"}, "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    sdk.files.pipe(f"{bucket}/in/a", b"read me")
    theirs = martlet.connect(credentials=credentials)
    grant = theirs.grant_job([f"storage.read:/{bucket}/in"], description="night run")
    assert grant.claim not in repr(grant)
    with martlet.JobToken(node.web, grant.claim, job="4711") as token:
        job = martlet.connect(credentials=token)
        assert job.files.cat(f"{bucket}/in/a") == b"read me"
        with pytest.raises(PermissionError):
            job.files.pipe(f"{bucket}/in/b", b"x")
        token._renew_at = 0
        first = token.headers()
        assert first == token.headers() and job.files.cat(f"{bucket}/in/a") == b"read me"
    with pytest.raises(martlet.LoginError):
        token._renew_at = 0
        token.headers()
    with pytest.raises(martlet.LoginError):
        martlet.JobToken(node.web, grant.claim)


def test_who_asks_is_found_in_the_environment(node, bucket, monkeypatch, tmp_path):
    token = tmp_path / f"bt_u{os.getuid()}"
    token.write_text(node.token() + "\n")
    token.chmod(0o600)
    found = martlet.connect()
    assert isinstance(found.credentials, martlet.TokenFile) and found.files.ls(bucket) == []
    token.write_text("")
    with pytest.raises(martlet.LoginError, match="no token"):
        found.files.ls(bucket)
    monkeypatch.setenv("BEARER_TOKEN", node.token())
    assert martlet.connect().files.ls(bucket) == []
    monkeypatch.setenv("MARTLET_ACCESS_KEY", node.access_key()[0])
    monkeypatch.setenv("MARTLET_SECRET_KEY", "wrong")
    with pytest.raises(PermissionError, match="access key"):
        martlet.connect().files.ls(bucket)
    monkeypatch.delenv("MARTLET_URL")
    with pytest.raises(martlet.MartletError, match="MARTLET_URL"):
        martlet.connect()


def test_secrets_go_to_the_node_alone():
    """Not to whose name only begins like the node's, nor to another port."""
    auth = martlet.credentials.Auth(martlet.ApiKey("id", "secret"), "https://node.example", "https://node.example:9000")
    for url, is_told in (
        ("https://node.example/stac", True), ("https://node.example:9000/eo/a", True), ("https://node.example.evil/", False),
        ("http://node.example/", False), ("https://node.example:9001/", False), ("https://other.example/https://node.example/", False),
    ):
        prepared = requests.Request("GET", url, auth=auth).prepare()
        assert ("secret-key" in prepared.headers) is is_told, url


def test_a_redirect_takes_no_key_along():
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append((self.server.server_port, dict(self.headers)))
            self.send_response(302 if self.path == "/go" else 200)
            self.send_header("Location", f"http://127.0.0.1:{servers[1].server_port}/end")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        first = f"http://127.0.0.1:{servers[0].server_port}"
        session = martlet.http.session()
        session.auth = martlet.credentials.Auth(martlet.ApiKey("id", "secret"), first)
        session.trust_env = False
        assert session.get(first + "/go").status_code == 200
        assert heard[0][1]["secret-key"] == "secret" and "secret-key" not in heard[1][1]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
