"""New objects through ClamAV's own daemon, which knows one signature here: that of the EICAR test file."""

import io
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import zipfile

import boto3.s3.transfer
import pytest
from botocore.exceptions import ClientError
from conftest import empty_bucket, lend_bucket, new_bucket
from errors import refused

CLAMD = shutil.which("clamd", path=os.environ["PATH"] + ":/usr/sbin")
# Not in one piece, so that no scanner finds it in this file.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Eicar-Test-Signature"
LIMIT = 8 << 20


class Daemon:
    """clamd with nothing but the signature of the test file, on a socket of its own."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-clamd-"))
        self.socket = self.home / "clamd.sock"
        database = self.home / "db"
        database.mkdir()
        (database / "eicar.ndb").write_text(f"{SIGNATURE}:0:*:{EICAR.hex()}\n")
        self.configuration = self.home / "clamd.conf"
        self.configuration.write_text(
            f"LocalSocket {self.socket}\nDatabaseDirectory {database}\nForeground yes\nStreamMaxLength {LIMIT}\n"
            f"TemporaryDirectory {self.home}\nUser {'root' if os.geteuid() == 0 else os.environ['USER']}\n"
        )
        self.process = None

    def start(self):
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen([CLAMD, "-c", self.configuration], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.socket.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, (self.home / "log").read_text()
            time.sleep(0.05)
        return self

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None
        self.socket.unlink(missing_ok=True)

    def remove(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="module")
def clamd():
    assert CLAMD, "clamd is missing: scripts/needs.sh test"
    daemon = Daemon().start()
    yield daemon
    daemon.remove()


@pytest.fixture(scope="module", params=["sqlite-https", "postgres-http"] if os.environ.get("MARTLET_LONG") else ["sqlite-https"])
def guarded(request, nodes, clamd):
    options = ["--clamd", str(clamd.socket), "--scan-bytes-max", str(LIMIT)]
    node = nodes.new(request.param, options=options).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def s3(guarded):
    return guarded.s3()


@pytest.fixture
def bucket(s3):
    yield from lend_bucket(s3)


def scanned(s3, bucket, key, **version):
    """What the scanner says of an object, once it has."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        tags = s3.get_object_tagging(Bucket=bucket, Key=key, **version)["TagSet"]
        found = [tag["Value"] for tag in tags if tag["Key"] == "martlet:scan"]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"{key} was not scanned")


def in_a_zip():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/eicar.com", EICAR)
    return packed.getvalue()


def test_what_is_clean_is_marked_and_what_is_not_is_quarantined(guarded, s3, bucket):
    s3.put_object(Bucket=bucket, Key="clean", Body=b"nothing in it", Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="bad", Body=EICAR)
    s3.put_object(Bucket=bucket, Key="packed.zip", Body=in_a_zip())
    s3.put_object(Bucket=bucket, Key="far in", Body=os.urandom(3 << 20) + EICAR)
    assert scanned(s3, bucket, "clean") == "clean"
    assert {"Key": "a", "Value": "b"} in s3.get_object_tagging(Bucket=bucket, Key="clean")["TagSet"]
    assert s3.get_object(Bucket=bucket, Key="clean")["Body"].read() == b"nothing in it"
    for key in ["bad", "packed.zip", "far in"]:
        assert scanned(s3, bucket, key) == "infected", key
        with refused("AccessDenied", 403) as failure:
            s3.get_object(Bucket=bucket, Key=key)
        assert f"infected: {SIGNATURE}" in str(failure.value)
        with refused("AccessDenied", 403):
            s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
        with refused("403", 403):
            s3.head_object(Bucket=bucket, Key=key)
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="bad", Range="bytes=0-3")
    signed = guarded.cli("sign", f"s3://{bucket}/bad").stdout.strip()
    assert guarded.http(token=False).get(signed).status_code == 403


def test_the_operator_lists_releases_and_deletes(guarded, s3, bucket):
    for key in ["a", "b"]:
        s3.put_object(Bucket=bucket, Key=key, Body=EICAR + key.encode())
        assert scanned(s3, bucket, key) == "infected"

    def listed():
        lines = guarded.cli("quarantine", "list", "--json").stdout.splitlines()
        return {found["key"]: found for found in map(json.loads, lines) if found["collection"] == bucket}

    found = listed()
    assert set(found) == {"a", "b"} and SIGNATURE in found["a"]["reason"] and found["a"]["cause"] == "malware"
    released = guarded.cli("quarantine", "release", found["a"]["number"])
    assert released.returncode == 0, released.stderr
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == EICAR + b"a"
    assert scanned(s3, bucket, "a") == "released"
    deleted = guarded.cli("quarantine", "delete", found["b"]["number"])
    assert deleted.returncode == 0, deleted.stderr
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="b")
    assert listed() == {}


def test_tags_that_say_so_cannot_be_forged(s3, bucket):
    forged = {"TagSet": [{"Key": "martlet:scan", "Value": "clean"}]}
    with refused("InvalidTag", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=EICAR, Tagging="martlet:scan=clean")
    s3.put_object(Bucket=bucket, Key="k", Body=EICAR)
    assert scanned(s3, bucket, "k") == "infected"
    with refused("InvalidTag", 400):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=forged)
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert scanned(s3, bucket, "k") == "infected"
    # What was read can be written back with more beside it.
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] + [{"Key": "a", "Value": "b"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert len(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]) == 2


def test_a_collection_may_only_mark_or_not_scan(guarded, s3, bucket):
    assert guarded.cli_json("scan", "show", bucket, "--json")["policy"] == "quarantine"
    made = guarded.cli_json("scan", "set", bucket, "--policy", "tag", "--json")
    assert made == {"collection": bucket, "policy": "tag", "own": True}
    s3.put_object(Bucket=bucket, Key="marked", Body=EICAR)
    assert scanned(s3, bucket, "marked") == "infected"
    assert s3.get_object(Bucket=bucket, Key="marked")["Body"].read() == EICAR
    guarded.cli_json("scan", "set", bucket, "--policy", "off", "--json")
    s3.put_object(Bucket=bucket, Key="ignored", Body=EICAR)
    guarded.cli_json("scan", "reset", bucket, "--json")
    s3.put_object(Bucket=bucket, Key="later", Body=b"x")
    assert scanned(s3, bucket, "later") == "clean"
    assert s3.get_object(Bucket=bucket, Key="ignored")["Body"].read() == EICAR
    assert guarded.cli("scan", "set", bucket, "--policy", "burn").returncode == 1


def test_what_is_too_long_is_said_to_be_unscanned(s3, bucket):
    s3.put_object(Bucket=bucket, Key="long", Body=bytes(LIMIT + 1) + EICAR)
    assert scanned(s3, bucket, "long") == "unscanned"
    assert s3.head_object(Bucket=bucket, Key="long")["ContentLength"] == LIMIT + 1 + len(EICAR)


def test_infected_objects_can_be_refused(guarded, s3, bucket):
    guarded.cli_json("scan", "set", bucket, "--policy", "refuse", "--json")
    for body in [EICAR, in_a_zip(), os.urandom(2 << 20) + EICAR]:
        with refused("InfectedObject", 422) as failure:
            s3.put_object(Bucket=bucket, Key="bad", Body=body)
        assert SIGNATURE in str(failure.value)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="clean", Body=b"x")
    assert s3.get_object_tagging(Bucket=bucket, Key="clean")["TagSet"] == [{"Key": "martlet:scan", "Value": "clean"}]
    large = os.urandom(LIMIT + (1 << 20))
    s3.put_object(Bucket=bucket, Key="long", Body=large)
    assert scanned(s3, bucket, "long") == "unscanned"
    assert s3.get_object(Bucket=bucket, Key="long")["Body"].read() == large

    def upload(body):
        config = boto3.s3.transfer.TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        s3.upload_fileobj(io.BytesIO(body), bucket, "parts", Config=config)

    # Across the border of two parts.
    with pytest.raises(ClientError, match="InfectedObject"):
        upload(os.urandom((5 << 20) - 20) + EICAR + os.urandom(100))
    body = os.urandom(6 << 20)
    upload(body)
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == body
    assert scanned(s3, bucket, "parts") == "clean"
    # Nor does a copy bring in what was stored elsewhere.
    other = new_bucket(s3, "other")
    try:
        guarded.cli_json("scan", "set", other, "--policy", "tag", "--json")
        s3.put_object(Bucket=other, Key="bad", Body=EICAR)
        assert scanned(s3, other, "bad") == "infected"
        with refused("InfectedObject", 422):
            s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": other, "Key": "bad"})
    finally:
        empty_bucket(s3, other)
        s3.delete_bucket(Bucket=other)


def test_no_face_brings_in_what_is_refused(guarded, s3, bucket):
    """Moves and copies of WebDAV, of files and of folders, and uploads under a customer's key."""
    guarded.cli_json("scan", "set", bucket, "--policy", "refuse", "--json")
    other = new_bucket(s3, "other")
    session = guarded.http()

    def transfer(method, source, target, status):
        header = {"Destination": f"{guarded.web}/dav/{bucket}/{target}"}
        answer = session.request(method, f"{guarded.web}/dav/{other}/{source}", headers=header)
        assert answer.status_code == status, answer.text
        return answer

    try:
        guarded.cli_json("scan", "set", other, "--policy", "off", "--json")
        s3.put_object(Bucket=other, Key="bad", Body=EICAR)
        s3.put_object(Bucket=other, Key="folder/clean", Body=b"x")
        s3.put_object(Bucket=other, Key="folder/bad", Body=in_a_zip())
        for method in ("COPY", "MOVE"):
            assert SIGNATURE in transfer(method, "bad", "in", 422).text
            transfer(method, "folder", "in", 422)
        assert session.put(f"{guarded.web}/dav/{bucket}/in", data=EICAR).status_code == 422
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
        assert s3.list_objects_v2(Bucket=other)["KeyCount"] == 3
        s3.delete_object(Bucket=other, Key="folder/bad")
        transfer("COPY", "folder", "copied", 201)
        transfer("MOVE", "folder", "moved", 201)
        for key in ("copied/clean", "moved/clean"):
            found = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
            assert found == [{"Key": "martlet:scan", "Value": "clean"}], key
    finally:
        empty_bucket(s3, other)
        s3.delete_bucket(Bucket=other)
    # boto3 sends the key once more when it completes an upload, so that the node can look into the parts.
    extra = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    with pytest.raises(ClientError, match="InfectedObject"):
        s3.upload_fileobj(
            io.BytesIO(os.urandom((5 << 20) - 20) + EICAR + b"x"), bucket, "sealed", Config=config, ExtraArgs=extra
        )
    s3.upload_fileobj(io.BytesIO(os.urandom(6 << 20)), bucket, "sealed", Config=config, ExtraArgs=extra)
    assert scanned(s3, bucket, "sealed") == "clean"


def test_while_the_scanner_is_away_nothing_is_let_through(nodes, clamd):
    """What is refused fails, what is scanned later waits."""
    own = Daemon().start()
    node = nodes.new("sqlite-http", options=["--clamd", str(own.socket)]).start()
    try:
        s3 = node.s3()
        for name, policy in [("strict", "refuse"), ("later", "quarantine")]:
            s3.create_bucket(Bucket=name)
            node.cli_json("scan", "set", name, "--policy", policy, "--json")
        own.stop()
        with refused("ServiceUnavailable", 503):
            s3.put_object(Bucket="strict", Key="k", Body=b"x")
        s3.put_object(Bucket="later", Key="k", Body=EICAR)
        assert s3.get_object_tagging(Bucket="later", Key="k")["TagSet"] == []
        own.start()
        assert scanned(s3, "later", "k") == "infected"
        s3.put_object(Bucket="strict", Key="k", Body=b"x")
        node.stop()
    finally:
        node.remove()
        own.remove()


def test_without_a_scanner_no_policy_is_promised(any_node):
    s3 = any_node.s3()
    bucket = new_bucket(s3)
    refused_policy = any_node.cli("scan", "set", bucket, "--policy", "refuse")
    assert refused_policy.returncode == 1 and "--clamd" in refused_policy.stderr
    s3.delete_bucket(Bucket=bucket)


def test_the_catalogue_leaves_out_what_is_quarantined(guarded, s3, bucket):
    s3.put_object(Bucket=bucket, Key="product/a.txt", Body=b"fine")
    s3.put_object(Bucket=bucket, Key="product/b.txt", Body=EICAR)
    deadline = time.monotonic() + 60
    assets = None
    while time.monotonic() < deadline:
        found = guarded.http().get(f"{guarded.web}/stac/collections/{bucket}/items").json().get("features", [])
        assets = [asset["href"].rsplit("/", 1)[1] for item in found for asset in item["assets"].values()]
        if assets == ["a.txt"]:
            return
        time.sleep(0.2)
    raise AssertionError(f"the item has {assets}")
