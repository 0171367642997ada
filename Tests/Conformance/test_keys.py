"""Encryption keys: rotation that a crash does not stop, destruction that leaves no copy, and where the master key is."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import secrets
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from nodes import BINARY, clean_environment
from products import wait_for

FAILED, NOT_ALLOWED, NOT_FOUND, USAGE = 1, 3, 4, 64
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
ROTATION_SECONDS = 60


def body(index):
    source = random.Random(index)
    return source.randbytes(source.choice([0, 1, 1000, 16_385, 100_000]))


def fill(node, bucket, count=60):
    s3 = node.s3(max_pool_connections=8)
    s3.create_bucket(Bucket=bucket)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: s3.put_object(Bucket=bucket, Key=f"k{index}", Body=body(index)), range(count)))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in [(1, bytes(5 << 20)), (2, b"end")]
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})


def check(node, bucket, count=60, sample=None):
    """All objects, or some of them that `sample` picks."""
    s3 = node.s3(max_pool_connections=8)
    indices = sample.sample(range(count), 20) if sample else range(count)

    def wrong(index):
        return s3.get_object(Bucket=bucket, Key=f"k{index}")["Body"].read() != body(index)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(wrong, indices))
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == bytes(5 << 20) + b"end"


def status(node):
    done = node.cli("keys", "status", "--json")
    assert done.returncode == 0, done.stderr
    return {key["name"]: key["generations"] for key in map(json.loads, done.stdout.splitlines())}


def generations(node, name):
    return [found["generation"] for found in status(node)[name]]


def wait_for_rotation(node, *names):
    deadline = time.monotonic() + ROTATION_SECONDS
    while any(len(generations(node, name)) > 1 for name in names):
        assert time.monotonic() < deadline, status(node)
        time.sleep(0.3)


def events(node, subject):
    """The journal has no face of its own yet, so that its table is read."""
    with sqlite3.connect(f"file:{node.data}/metadata.sqlite?mode=ro", uri=True) as database:
        rows = database.execute("SELECT kind, actor, detail FROM events WHERE subject = ? ORDER BY tid", (subject,))
        return [(kind, actor, json.loads(detail)) for kind, actor, detail in rows]


@pytest.fixture
def place(node):
    name = "keys-" + secrets.token_hex(5)
    yield name
    s3 = node.s3()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)


def test_a_collections_key_is_rotated_while_clients_read_and_write(node, place):
    fill(node, place)
    stop, failures = threading.Event(), []

    def work(seed):
        s3 = node.s3(retries=3)
        source = random.Random(seed)
        while not stop.is_set():
            index = source.randrange(60)
            try:
                if source.random() < 0.5:
                    s3.put_object(Bucket=place, Key=f"k{index}", Body=body(index))
                elif s3.get_object(Bucket=place, Key=f"k{index}")["Body"].read() != body(index):
                    failures.append(f"k{index}: other bytes")
            except (BotoCoreError, ClientError) as error:
                failures.append(str(error))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    try:
        told = node.cli_json("keys", "rotate", "--collection", place, "--wait", "--json")
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert told == {"name": f"collection {place}", "generation": 2}
    assert not failures, failures[:5]
    assert generations(node, f"collection {place}") == [2]
    check(node, place)


def test_a_space_and_the_root_are_rotated(node, place):
    fill(node, place, count=5)
    access, secret = node.create_key("admin")
    for arguments, name in [(["--space", "main"], "space main"), (["--master"], "master")]:
        before = generations(node, name)
        told = node.cli_json("keys", "rotate", *arguments, "--wait", "--json")
        assert generations(node, name) == [told["generation"]] == [max(before) + 1]
    check(node, place, count=5)
    # Secrets of access keys are sealed under the root.
    assert place in [found["Name"] for found in node.s3(key=(access, secret)).list_buckets()["Buckets"]]
    node.restart()
    check(node, place, count=5)
    assert place in [found["Name"] for found in node.s3(key=(access, secret)).list_buckets()["Buckets"]]


def test_a_destroyed_key_makes_unreadable_and_nothing_else(node, place):
    fill(node, place, count=5)
    s3 = node.s3()
    for key in ("manifest.safe", "x.bin", "item.json"):
        s3.put_object(Bucket=place, Key=f"S2.SAFE/{key}", Body=b"{}")
    assert node.cli("keys", "destroy", "--collection", place).returncode == USAGE
    assert node.cli("keys", "destroy", "--collection", place, "--yes", "--force").returncode == USAGE
    proof = node.cli_json("keys", "destroy", "--collection", place, "--yes", "--json")
    assert proof["versions"] >= 9 and proof["logEmptied"] and len(proof["keys"]) == 1
    for call in [
        lambda: s3.get_object(Bucket=place, Key="k0"),
        lambda: s3.get_object(Bucket=place, Key="k1"),
        lambda: s3.get_object(Bucket=place, Key="parts"),
        lambda: s3.put_object(Bucket=place, Key="new", Body=b"x"),
        lambda: s3.copy_object(Bucket=place, Key="copy", CopySource=f"{place}/k0"),
    ]:
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "InvalidObjectState"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert len(s3.list_objects_v2(Bucket=place)["Contents"]) == 9
    assert s3.head_object(Bucket=place, Key="parts")["ContentLength"] == (5 << 20) + 3
    s3.delete_object(Bucket=place, Key="k1")
    assert len(s3.list_objects_v2(Bucket=place)["Contents"]) == 8
    assert status(node)[f"collection {place}"] == []
    assert "destroyed" in node.cli("keys", "status").stdout
    for arguments in [("destroy", "--collection", place, "--yes"), ("rotate", "--collection", place)]:
        again = node.cli("keys", *arguments)
        assert again.returncode == FAILED and "destroyed" in again.stderr
    # The workers meet products that nobody can read, and go on.
    s3.delete_object(Bucket=place, Key="S2.SAFE/x.bin")
    other = "keys-" + secrets.token_hex(5)
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key="a.bin", Body=b"a")
    http = node.http()
    wait_for("an item", lambda: http.get(f"{node.web}/stac/collections/{other}/items").json().get("features"))
    s3.delete_object(Bucket=other, Key="a.bin")
    s3.delete_bucket(Bucket=other)


def test_the_proof_stands_in_the_journal_and_the_files_hold_no_copy(nodes):
    node = nodes.new("sqlite-http").start()
    try:
        fill(node, "gone", count=5)
        with sqlite3.connect(f"file:{node.data}/metadata.sqlite?mode=ro", uri=True) as database:
            (wrapped,) = database.execute(
                "SELECT sealed_key FROM collection_keys, collections WHERE collection = id AND name = 'gone'").fetchone()
        files = [pathlib.Path(node.data) / name for name in ("metadata.sqlite", "metadata.sqlite-wal")]
        assert any(wrapped in file.read_bytes() for file in files)
        proof = node.cli_json("keys", "destroy", "--collection", "gone", "--yes", "--json")
        assert not any(wrapped in file.read_bytes() for file in files)
        kind, actor, detail = events(node, "collection gone")[-1]
        assert (kind, actor) == ("key.destroyed", "admin")
        assert detail["versions"] == proof["versions"] == 6
        assert detail["keys"] == proof["keys"]
        assert detail["keys"][0]["wrappedKeySHA256"] == hashlib.sha256(wrapped).hexdigest()
        node.stop()
    finally:
        node.remove()


def test_who_may_not_is_told_so(node, place):
    node.s3().create_bucket(Bucket=place)
    name = "nobody-" + secrets.token_hex(4)
    password = "a long password " + secrets.token_hex(4)
    made = node.cli("account", "create", name, "--password-from-stdin", input=password + "\n")
    assert made.returncode == 0, made.stderr
    for arguments in [
        ("status",),
        ("rotate", "--master"),
        ("rotate", "--collection", place),
        ("destroy", "--collection", place, "--yes"),
    ]:
        refused = node.cli("keys", *arguments, user=name, password=password)
        assert refused.returncode == NOT_ALLOWED, (arguments, refused.stderr)
    for arguments in [("rotate", "--collection", "none"), ("rotate", "--space", "none")]:
        assert node.cli("keys", *arguments).returncode == NOT_FOUND
    assert node.cli("keys", "destroy", "--collection", "none", "--yes").returncode == NOT_FOUND
    for arguments in [(), ("--master", "--space", "main")]:
        assert node.cli("keys", "rotate", *arguments).returncode == USAGE


class Writers:
    """Clients that go on putting; what was answered must be there whatever happens to the node."""

    def __init__(self, node, buckets, seed):
        self.answered, self.failure = {}, None
        self.begun, self.stopped = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(node, buckets, seed, number)) for number in range(2)]
        for thread in self.threads:
            thread.start()

    def work(self, node, buckets, seed, number):
        s3, count = node.s3(connect_timeout=5, read_timeout=10), 0
        while not self.stopped.is_set() and node.is_alive():
            place = buckets[count % len(buckets)], f"w{seed}-{number}-{count}"
            try:
                s3.put_object(Bucket=place[0], Key=place[1], Body=body(place[1]))
                self.answered[place] = body(place[1])
                self.begun.set()
            except (BotoCoreError, ClientError) as error:
                self.failure = error
            count += 1

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        return self.answered


@pytest.mark.parametrize("kind", ["sqlite-http", "postgres-http"])
def test_a_rotation_goes_on_after_kills(nodes, kind):
    """Killed while what was replaced is closed, rewrapped and removed, with clients writing; all of it is there then.

    MARTLET_LONG=1: 200 rounds. MARTLET_CRASH_SEED=N begins with another one.
    """
    first = int(os.environ.get("MARTLET_CRASH_SEED", "1"))
    rounds = 200 if os.environ.get("MARTLET_LONG") else 2
    node = nodes.new(kind).start()
    buckets = [f"crash-{number}" for number in range(4)]
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": secrets.token_bytes(32)}
    named = {"ServerSideEncryption": "aws:kms"}
    try:
        # More than are rewrapped in one step; several collections, so that there is more time to hit.
        counts = {bucket: 520 if bucket == buckets[0] else 60 for bucket in buckets}
        s3 = node.s3()
        for bucket, count in counts.items():
            fill(node, bucket, count)
        s3.put_object(Bucket=buckets[1], Key="customer", Body=b"customer", **customer)
        s3.put_object(Bucket=buckets[1], Key="named", Body=b"named", **named)
        keys = [f"collections/{bucket}" for bucket in buckets] + ["spaces/main", "master"]
        names = [f"collection {bucket}" for bucket in buckets] + ["space main", "master"]
        for seed in range(first, first + rounds):
            chance = random.Random(f"{seed}")
            http = node.http()
            for key in keys:
                # One that is still under way is not begun anew.
                assert http.post(f"{node.web}/admin/v1/encryption/{key}/rotate").status_code in (202, 409)
            writers = Writers(node, buckets, seed)
            # An old key is closed five seconds after the rotation, and removed five seconds after its sweep.
            time.sleep(chance.choice([5, 10.2]) + chance.uniform(-0.5, 1))
            # However slow the machine is.
            has_begun = writers.begun.wait(60)
            node.kill()
            answered = writers.stop()
            assert has_begun, f"seed {seed}: no client could write: {writers.failure}"
            node.start()
            s3 = node.s3()
            for bucket, count in counts.items():
                check(node, bucket, count, sample=chance)
            assert s3.get_object(Bucket=buckets[1], Key="customer", **customer)["Body"].read() == b"customer"
            assert s3.get_object(Bucket=buckets[1], Key="named")["Body"].read() == b"named"
            for (bucket, key), content in answered.items():
                assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == content, f"seed {seed}: {key}"
                s3.delete_object(Bucket=bucket, Key=key)
        wait_for_rotation(node, *names)
        found = status(node)
        assert all(found[name][0]["generation"] > 1 for name in names)
        for bucket, count in counts.items():
            check(node, bucket, count)
        node.stop()
    finally:
        node.remove()


# Where the master key is


def program(*arguments, environment=None):
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_credential_of_systemd_is_the_master_key(nodes, tmp_path):
    digits = secrets.token_hex(32)
    credential = tmp_path / "martlet-key"
    credential.write_text(digits)
    credential.chmod(0o400)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    node = nodes.new("sqlite-http", options=["--master-key", "credential:martlet-key"], environment=environment)
    try:
        node.start()
        fill(node, "credential", count=3)
        assert not (node.data / "master.key").exists()
        assert "credential martlet-key" in node.cli("keys", "status").stdout
        node.cli_json("keys", "rotate", "--master", "--wait", "--json")
        node.restart()
        check(node, "credential", count=3)
        node.stop()
        credential.chmod(0o600)
        credential.write_text(secrets.token_hex(32))
        with pytest.raises(RuntimeError, match="another master key"):
            node.start()
        assert digits not in node.log.read_text()
    finally:
        node.remove()


@pytest.fixture
def token(tmp_path):
    """A token of SoftHSM: what the environment has to say, and the URI of a key in it."""
    if not pathlib.Path(SOFTHSM).exists() or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed: scripts/needs.sh test")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(configuration)}
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "martlet", "--pin", "736251", "--so-pin", "5678"],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    pin = tmp_path / "pin"
    pin.write_text("736251\n")
    pin.chmod(0o600)
    return environment, f"pkcs11:token=martlet;object=master?module-path={SOFTHSM}&pin-source=file:{pin}"


def test_a_token_is_the_master_key(nodes, token):
    environment, uri = token
    node = nodes.new("sqlite-http", options=["--master-key", uri], environment=environment)
    try:
        with pytest.raises(RuntimeError, match="no such AES key"):
            node.start()
        made = program("keys", "init", "--master-key", uri, "--json", environment=environment)
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout) == {"created": "pkcs11 token martlet, key master"}
        assert program("keys", "init", "--master-key", uri, environment=environment).returncode == FAILED
        node.start()
        fill(node, "token", count=5)
        assert "pkcs11 token martlet, key master" in node.cli("keys", "status").stdout
        for arguments in (["--collection", "token"], ["--space", "main"], ["--master"]):
            node.cli_json("keys", "rotate", *arguments, "--wait", "--json")
        check(node, "token", count=5)
        node.kill()
        node.start()
        check(node, "token", count=5)
        node.stop()
        assert not (node.data / "master.key").exists()
        assert "736251" not in node.log.read_text()
        # Without the token nothing opens.
        for made in (pathlib.Path(environment["SOFTHSM2_CONF"]).parent / "tokens").iterdir():
            shutil.rmtree(made)
        with pytest.raises(RuntimeError, match="no such token"):
            node.start()
    finally:
        node.remove()


def test_the_master_key_moves_from_a_file_into_a_token(nodes, token):
    environment, uri = token
    node = nodes.new("sqlite-http", environment=environment).start()
    try:
        fill(node, "moved", count=5)
        node.stop()
        assert program("keys", "init", "--master-key", uri, environment=environment).returncode == 0
        moved = program("keys", "move", "--data", node.data, "--to", uri, "--json", environment=environment)
        assert moved.returncode == 0, moved.stderr
        assert json.loads(moved.stdout) == {"moved": 1}
        with pytest.raises(RuntimeError, match="another master key"):
            node.start()
        (node.data / "master.key").unlink()
        node.options += ["--master-key", uri]
        node.start()
        check(node, "moved", count=5)
        assert [kind for kind, _, _ in events(node, "master") if kind != "key.used"] == ["master-key.moved"]
        node.stop()
    finally:
        node.remove()
