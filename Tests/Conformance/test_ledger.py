"""The log of traces as others check it: replayed, watched, cosigned, and verified by PyPI `aics-tlog`."""

import base64
import datetime
import hashlib
import json
import shutil
import sqlite3
import subprocess
import threading

import cbor2
import pytest
import requests
import scitt_cose
import tlog
from authorities import TestAuthority, now, pem
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from logs import TOOLS, aics_witness, lying, register, size_of, wait_for_size
from nodes import BINARY, Node, clean_environment
from products import wait_for
from timestamps import timestamp_authority
from webhooks import Receiver

# So that nothing but the tests makes traces.
QUIET = ["--audit-seconds", "3600"]


def new_node(name, options=()):
    return Node(name, options=[*QUIET, *options])


@pytest.fixture(scope="module")
def node():
    """A node whose log has three bundles."""
    node = new_node("ledger").start()
    node.ids = register(node, 520)
    yield node
    node.remove()


def ledger(*arguments, status=0):
    done = subprocess.run(
        [BINARY, "ledger", *map(str, arguments)], capture_output=True, text=True, timeout=300,
        env=clean_environment())
    assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def vkey_of(node, *options):
    return ledger("vkey", node.web, *options).strip()


def test_a_log_is_replayed_over_http(node):
    vkey = vkey_of(node)
    said = json.loads(ledger("verify", node.web, "--vkey", vkey, "--json"))
    _, size, root = tlog.checkpoint(requests.get(f"{node.web}/traces/log/checkpoint").text, vkey)
    assert (said["size"], said["origin"]) == (size, vkey.split("+")[0]) and size >= 520
    assert "all is well" in ledger("verify", f"{node.web}/traces/log/", "--log-only")
    # Another log's key, and no log at all.
    other = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    assert "checkpoint" in ledger("verify", node.web, "--vkey", other, status=2)
    assert "has none" in ledger("verify", f"{node.web}/nothing", "--vkey", vkey, status=2)
    ledger("verify", "http://127.0.0.1:1", "--vkey", vkey, status=1)


def flip(at):
    return lambda body: body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize(
    "path, lie, place",
    [
        ("/traces/log/tile/entries/000", flip(700), "entry "),
        ("/traces/log/tile/0/001", flip(33), "entry 257"),
        ("/traces/log/tile/1/000.p/2", flip(40), "tile/1/000.p/2"),
        ("/traces/log/tile/entries/001", lambda _: None, "tile/entries/001"),
        ("/traces/log/checkpoint", lambda note: note.replace(b"\n", b"x\n", 1), "checkpoint"),
    ],
)
def test_the_first_altered_place_is_told(node, path, lie, place):
    with lying(node) as log:
        assert json.loads(ledger("verify", log.url, "--vkey", vkey_of(node), "--json"))["size"] == size_of(node)
        log.lies[path] = lie
        said = json.loads(ledger("verify", log.url, "--vkey", vkey_of(node), "--json", status=2))
        assert said["place"].startswith(place), said


def test_a_trace_that_is_not_the_one_in_the_log_is_told(node):
    with lying(node) as log:
        path = f"/traces/api/v1/traces/{node.ids[300]}"
        index = next(
            at for at, entry in enumerate(tlog.entries(fetch(node), size_of(node)))
            if json.loads(entry)["id"] == node.ids[300])
        log.lies[path] = lambda body: body.replace(b'"size":', b'"size":1', 1)
        assert f"entry {index}:" in ledger("verify", log.url, "--vkey", vkey_of(node), status=2)
        ledger("verify", log.url, "--vkey", vkey_of(node), "--log-only")
        log.lies[path] = lambda _: None
        assert f"entry {index}:" in ledger("verify", log.url, "--vkey", vkey_of(node), status=2)


def fetch(node):
    return lambda path: requests.get(f"{node.web}/traces/log/{path}").content


def test_a_stopped_nodes_folder_is_replayed(tmp_path):
    node = new_node("folder").start()
    try:
        register(node, 300)
        node.stop()
        folder = ["verify", "--data", node.data]
        assert "300 traces" in ledger(*folder)
        with sqlite3.connect(node.data / "metadata.sqlite") as database:
            database.execute(
                "UPDATE log_tiles SET hashes = substr(hashes, 33) || substr(hashes, 1, 32) WHERE number = 1")
        first = ledger(*folder, status=2).splitlines()[0]
        assert "tile 1 of level 0" in first
        # A node on it says nothing of that, but whoever reads its tiles does.
        node.start()
        assert "entry 256" in ledger("verify", node.web, "--log-only", status=2)
    finally:
        node.remove()


# Watching


def monitor(url, state, *options, status=0):
    return ledger("monitor", url, "--state", state, "--once", "--json", *options, status=status)


def test_a_monitor_sees_that_a_log_grows(node, tmp_path):
    state = tmp_path / "state"
    first = json.loads(monitor(node.web, state))
    assert first["new"] == first["size"] == size_of(node)
    register(node, 70)
    second = json.loads(monitor(node.web, state))
    assert (second["size"], second["new"]) == (first["size"] + 70, 70)
    assert json.loads(monitor(node.web, state, "--all"))["new"] == 0
    # It knows the key from the first time: a log of another key is another log.
    other = new_node("other").start()
    try:
        assert "checkpoint" in monitor(other.web, state, status=2)
    finally:
        other.remove()
    ledger("monitor", "http://127.0.0.1:1", "--state", state, "--once", status=1)


def test_a_log_that_was_set_back_or_forked_is_found(tmp_path):
    node = new_node("forked").start()
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    try:
        register(node, 260)
        node.stop()
        shutil.copytree(node.data, tmp_path / "copy")
        node.start()
        register(node, 10)
        state, later = tmp_path / "state", tmp_path / "later"
        assert json.loads(monitor(node.web, state))["size"] == 270
        shutil.copy(state, later)
        node.stop()
        shutil.rmtree(node.data)
        shutil.copytree(tmp_path / "copy", node.data)
        node.start()
        assert "gone back from size 270 to 260" in monitor(
            node.web, state, "--webhook", receiver.address("/alarm"), status=2)
        path, _, message = receiver.posts[0]
        assert path == "/alarm" and "gone back" in message["problem"] and message["log"] == node.web
        register(node, 10)
        assert "fork" in monitor(node.web, state, status=2)
        # Both notes are signed by the log: that is the proof.
        vkey = vkey_of(node)
        kept = tlog.checkpoint(state.read_text().split("\n", 1)[1], vkey)
        refused = tlog.checkpoint((tmp_path / "state.refused").read_text(), vkey)
        assert kept[1] == refused[1] == 270 and kept[2] != refused[2]
        register(node, 10)
        assert "tree of size 270" in monitor(node.web, later, status=2)
        # A monitor that goes on looking ends when it has found that.
        ledger("monitor", node.web, "--state", later, "--interval", "1", status=2)
    finally:
        receiver.shutdown()
        receiver.server_close()
        node.remove()


def test_an_altered_tile_is_found_by_a_monitor(node, tmp_path):
    state = tmp_path / "state"
    with lying(node) as log:
        monitor(log.url, state)
        log.lies["/traces/log/tile/0/000"] = flip(100)
        register(node, 1)
        assert "entry 3" in monitor(log.url, state, "--all", status=2)
        log.lies["/traces/log/tile/1/000.p/2"] = flip(3)
        assert "tree of size" in monitor(log.url, state, status=2)


# Witnesses


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two nodes that witness each other, and each wants the other's cosignature."""
    folder = tmp_path_factory.mktemp("witnesses")
    nodes = [new_node(name, ["--log-policy", str(folder / name)]) for name in ("left", "right")]
    for node in nodes:
        (folder / node.name).write_text("quorum none\n")
        node.start()
    for node, other in (nodes, nodes[::-1]):
        (folder / node.name).write_text(
            f"log {vkey_of(other)}\nwitness other {vkey_of(other, '--witness')} {other.web}/witness/\nquorum other\n")
    for node in nodes:
        node.restart()
        node.policy = folder / f"{node.name}.verifier"
        node.policy.write_text(
            f"log {vkey_of(node)}\n" + (folder / node.name).read_text().split("\n", 1)[1])
    yield nodes
    for node in nodes:
        node.remove()


def test_two_nodes_witness_each_other(pair, tmp_path):
    for node, other in (pair, pair[::-1]):
        trace = register(node, 3)[2]
        wait_for_size(node, 3)
        vkey = vkey_of(node)
        said = json.loads(ledger("verify", node.web, "--policy", node.policy, "--json"))
        assert said["witnesses"] == ["other"]
        assert json.loads(monitor(node.web, tmp_path / node.name, "--policy", node.policy))["witnesses"] == ["other"]
        # The witness gives out what it has cosigned.
        digest = hashlib.sha256(vkey.split("+")[0].encode()).hexdigest()
        note = requests.get(f"{other.web}/witness/{digest}/checkpoint").text
        assert tlog.checkpoint(note, vkey)[1] == size_of(node)
        assert len(note.split("\n\n")[1].splitlines()) == 2
        # A proof holds up offline, with the quorum.
        base = f"{node.web}/traces/api/v1/traces/{trace}"
        (tmp_path / "proof").write_bytes(requests.get(base + "/proof").content)
        (tmp_path / "trace").write_bytes(requests.get(base).content)
        (tmp_path / "entry").write_bytes(requests.get(base + "/entry").content)
        proof = ["verify-proof", tmp_path / "proof"]
        for what in ("trace", "entry"):
            said = json.loads(
                ledger(*proof, f"--{what}", tmp_path / what, "--policy", node.policy, "--json"))
            assert (said["witnesses"], said["origin"]) == (["other"], vkey.split("+")[0])
        ledger(*proof, "--entry", tmp_path / "entry", "--vkey", vkey)
        (tmp_path / "entry").write_bytes((tmp_path / "entry").read_bytes().replace(b"CREATE", b"DELETE"))
        assert "inclusion" in ledger(*proof, "--entry", tmp_path / "entry", "--vkey", vkey, status=2)
        stranger = tmp_path / "stranger"
        stranger.write_text(f"witness other {vkey_of(node, '--witness')}\nquorum other\n")
        assert "quorum" in ledger(
            *proof, "--trace", tmp_path / "trace", "--vkey", vkey, "--policy", stranger, status=2)


def test_without_its_witness_a_log_gives_out_no_new_checkpoint(pair):
    node, other = pair
    register(node, 1)
    size = size_of(node)
    wait_for_size(node, max(size, 1))
    other.stop()
    try:
        trace = register(node, 2)[0]
        before = size_of(node)
        base = f"{node.web}/traces/api/v1/traces/{trace}"
        assert requests.get(base).status_code == requests.get(base + "/entry").status_code == 200
        answer = requests.get(base + "/proof")
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "1", answer.text
        assert size_of(node) == before
    finally:
        other.start()
    wait_for_size(node, before + 2)
    assert requests.get(base + "/proof").status_code == 200
    ledger("verify", node.web, "--policy", node.policy)


def test_what_no_witness_may_cosign_is_refused_as_the_protocol_says(pair):
    node, other = pair
    register(node, 1)
    size = size_of(node)
    note = requests.get(f"{node.web}/traces/log/checkpoint").text

    def add(body):
        return requests.post(f"{other.web}/witness/add-checkpoint", data=body.encode())

    assert add("nonsense").status_code == 400
    assert add(f"old {size + 9}\n\n{note}").status_code == 400
    conflict = add(f"old 0\n\n{note}")
    assert (conflict.status_code, conflict.headers["Content-Type"]) == (409, "text/x.tlog.size")
    assert int(conflict.text) >= size
    origin = note.split("\n")[0]
    assert add(f"old 0\n\n{note.replace(origin, origin + 'x')}").status_code == 404
    head, signatures = note.split("\n\n")
    assert add(f"old {size}\n\n{head}x\n\n{signatures}").status_code in (400, 403)
    assert add(f"old {size}\n\n{head}\nmore\n\n{signatures}").status_code == 403
    assert requests.get(f"{other.web}/witness/{'0' * 64}/checkpoint").status_code == 404
    assert requests.get(f"{other.web}/witness/add-checkpoint").status_code == 405


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_witness_from_elsewhere_cosigns(nodes, engine, tmp_path):
    policy = tmp_path / "policy"
    policy.write_text("quorum none\n")
    options = [*QUIET, "--log-policy", str(policy)]
    node = Node("cosigned", metadata=nodes.metadata(engine), options=options).start()
    try:
        register(node, 3)
        vkey = vkey_of(node)
        with aics_witness(tmp_path, vkey.split("+")[0], vkey) as (url, key):
            policy.write_text(f"witness aics {key} {url}\nquorum aics\n")
            node.restart()
            for count in (260, 1, 40):
                size = size_of(node)
                register(node, count)
                wait_for_size(node, size + count)
            said = json.loads(ledger("verify", node.web, "--vkey", vkey, "--policy", policy, "--json"))
            assert said["witnesses"] == ["aics"]
            checkpoint = ["verify-checkpoint", "--tiles", f"{node.web}/traces/log", "--log-key", vkey]
            aics_tlog(*checkpoint, "--witness-key", key, "--quorum", "1")
    finally:
        node.remove()


# aics-tlog


def aics_tlog(*arguments, status=0):
    done = subprocess.run(
        [TOOLS / "aics-tlog", *map(str, arguments)], capture_output=True, text=True, timeout=120,
        env=clean_environment())
    assert done.returncode == status, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_another_verifier_finds_the_log_good(node, tmp_path):
    vkey = vkey_of(node)
    key, tiles = tmp_path / "vkey", f"{node.web}/traces/log"
    key.write_text(vkey + "\n")
    log = ["--tiles", tiles, "--vkey-file", key]
    old = tmp_path / "old"
    aics_tlog("verify-checkpoint", *log, "--save-checkpoint", old)
    entries = tlog.entries(fetch(node), size_of(node))
    bundle = tmp_path / "bundle.json"
    for index in (0, 255, 256, len(entries) - 1):
        (tmp_path / "leaf").write_bytes(entries[index])
        aics_tlog("verify-inclusion", *log, "--leaf", tmp_path / "leaf", "--index", index, "--bundle-out", bundle)
        aics_tlog("verify-bundle", "--bundle", bundle, "--offline", "--vkey-file", key)
    register(node, 30)
    aics_tlog("verify-consistency", *log, "--old-checkpoint", old)
    with lying(node) as lie:
        lie.lies["/traces/log/tile/0/000"] = flip(10)
        (tmp_path / "leaf").write_bytes(entries[0])
        done = subprocess.run(
            [TOOLS / "aics-tlog", "verify-inclusion", "--tiles", f"{lie.url}/traces/log", "--vkey-file", key, "--leaf",
             tmp_path / "leaf", "--index", "0"], capture_output=True, timeout=60, env=clean_environment())
        assert done.returncode != 0


# Time


def openssl_verifies(folder, text, token):
    (folder / "text").write_text(text)
    (folder / "token").write_bytes(token)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", folder / "text", "-in", folder / "token", "-CAfile", folder / "ca.pem"],
        capture_output=True, text=True)
    return done.returncode == 0 and "OK" in done.stdout + done.stderr


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_an_authority_signs_when_a_checkpoint_was_there(nodes, engine, tmp_path):
    with timestamp_authority(tmp_path) as authority:
        options = [*QUIET, "--timestamp-authority", authority.url, "--timestamp-seconds", "1"]
        node = Node("times", metadata=nodes.metadata(engine), options=options).start()
        try:
            register(node, 3)
            base = f"{node.web}/traces/log"
            stamped = wait_for("a time", lambda: (found := requests.get(f"{base}/timestamp")).ok and found)
            wait_for("the time of size 3", lambda: requests.get(f"{base}/timestamp/3").ok)
            assert stamped.headers["Content-Type"] == "application/timestamp-reply"
            token, note = requests.get(f"{base}/timestamp/3").content, requests.get(f"{base}/checkpoint/3").text
            vkey = vkey_of(node)
            assert tlog.checkpoint(note, vkey)[1] == 3
            text = note.split("\n\n")[0] + "\n"
            assert openssl_verifies(tmp_path, text, token)
            assert not openssl_verifies(tmp_path, text + "x", token)
            (tmp_path / "note").write_text(note)
            (tmp_path / "token").write_bytes(token)
            files = [tmp_path / "note", tmp_path / "token", "--vkey", vkey]
            said = json.loads(
                ledger("verify-timestamp", *files, "--authorities", tmp_path / "ca.pem", "--json"))
            time = datetime.datetime.fromisoformat(said["time"])
            assert said["size"] == 3
            assert abs(datetime.datetime.now(datetime.timezone.utc) - time) < datetime.timedelta(minutes=10)
            other = tmp_path / "other.pem"
            other.write_text(pem(TestAuthority("Another").certificate))
            assert "trusted" in ledger("verify-timestamp", *files, "--authorities", other, status=2)
            for at in range(0, len(token), 97):
                (tmp_path / "token").write_bytes(flip(at)(token))
                done = subprocess.run(
                    [BINARY, "ledger", "verify-timestamp", *files, "--authorities", tmp_path / "ca.pem"],
                    capture_output=True, text=True, env=clean_environment())
                # A flip in what nobody signs, such as a certificate's unused place, changes nothing that is said.
                assert done.returncode == 2 or said["time"] in done.stdout, (at, done.stdout, done.stderr)
            for path in ("timestamp/2", "timestamp/x", "checkpoint/2", "checkpoint/03"):
                assert requests.get(f"{base}/{path}").status_code == 404, path
            # What an authority answers to another request is not kept.
            authority.lie = lambda _: token
            register(node, 1)
            time_out = now() + datetime.timedelta(seconds=4)
            wait_for("the log to say so", lambda: "time-stamp" in node.tail() or now() > time_out)
            assert "not the answer to the request" in node.tail()
            assert requests.get(f"{base}/timestamp/4").status_code == 404
            authority.lie = None
            wait_for("the time of size 4", lambda: requests.get(f"{base}/timestamp/4").ok)
        finally:
            node.remove()


def test_a_certificate_for_something_else_signs_no_time(tmp_path):
    with timestamp_authority(tmp_path, usage=ExtendedKeyUsageOID.CODE_SIGNING) as authority:
        node = new_node("no-times", ["--timestamp-authority", authority.url, "--timestamp-seconds", "1"]).start()
        try:
            wait_for("the log to say so", lambda: "timestamper" in node.tail())
            assert requests.get(f"{node.web}/traces/log/timestamp").status_code == 404
        finally:
            node.remove()


# COSE receipts


def test_a_receipt_is_verified_by_a_verifier_of_scitt(node):
    keys = requests.get(f"{node.web}/.well-known/scitt-keys")
    assert keys.headers["Content-Type"] == "application/cbor"
    [key] = cbor2.loads(keys.content)
    assert (key[1], key[3], key[-1]) == (1, -8, 6)
    name = base64.urlsafe_b64encode(key[2]).decode().rstrip("=")
    assert cbor2.loads(requests.get(f"{node.web}/.well-known/scitt-keys/{name}").content) == key
    assert requests.get(f"{node.web}/.well-known/scitt-keys/{'A' * 43}").status_code == 404
    pem = Ed25519PublicKey.from_public_bytes(key[-2]).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for number in (0, 255, 256, 519):
        base = f"{node.web}/traces/api/v1/traces/{node.ids[number]}"
        receipt = requests.get(base + "/receipt")
        assert receipt.headers["Content-Type"] == "application/cose"
        entry = requests.get(base + "/entry").content
        found = scitt_cose.verify_receipt(receipt.content, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)
        assert found.ok, found.errors
        assert (found.issuer, found.subject) == (vkey_of(node).split("+")[0], f"urn:uuid:{node.ids[number]}")
        assert found.protected_header_ext[4] == key[2]
        assert not scitt_cose.verify_receipt(
            receipt.content, leaf_entry_hex=(entry + b" ").hex(), log_public_key_pem=pem).ok
    nobody = "7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7"
    assert requests.get(f"{node.web}/traces/api/v1/traces/{nobody}/receipt").status_code == 404
