"""Traces: each product gets one, signed and in the log; checked here by an independent verifier."""

import base64
import datetime
import hashlib
import json

import blake3
import pytest
import tlog
from conftest import lend_bucket
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from products import LEVEL_2A, shared, upload, wait_for


@pytest.fixture(scope="module")
def http(node):
    return node.http(token=False)  # Everybody may read traces.


@pytest.fixture(scope="module")
def collection(node):
    s3 = node.s3()
    yield from lend_bucket(s3, "traced")


def traces(http, node, name):
    answer = http.get(f"{node.web}/traces/api/v1/traces/name/{name}")
    assert answer.status_code in (200, 404), answer.text
    return answer.json() if answer.status_code == 200 else []


def wait_for_trace(http, node, name):
    """Of its making: where another suite has the same product, this one's is a copy of it."""
    made = wait_for(
        f"the trace of {name}", lambda: [trace for trace in traces(http, node, name) if trace["event"] == "CREATE"]
    )
    return made[0]


@pytest.fixture(scope="module")
def product(node, http, collection):
    """A Sentinel-2 product with its trace."""
    folder = shared() / "products" / f"{LEVEL_2A}.SAFE"
    files = upload(node.s3(), collection, folder, f"{LEVEL_2A}.SAFE")
    return files, wait_for_trace(http, node, f"{LEVEL_2A}.SAFE")


def test_a_trace_names_every_file_with_its_digest(product):
    files, trace = product
    assert (trace["event"], trace["hash_algorithm"]) == ("CREATE", "BLAKE3")
    assert trace["product"]["name"] == f"{LEVEL_2A}.SAFE"
    assert trace["product"]["size"] == sum(path.stat().st_size for path in files.values())
    expected = {name: blake3.blake3(path.read_bytes()).hexdigest() for name, path in files.items()}
    found = {
        content["path"].removeprefix(f"{LEVEL_2A}.SAFE/"): content["hash"] for content in trace["product"]["contents"]
    }
    assert found == expected
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(
        trace["timestamp"].replace("Z", "+00:00")
    )
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=30)


def test_a_single_file_has_its_own_digest(node, http, collection):
    node.s3().put_object(Bucket=collection, Key="single.bin", Body=b"single content")
    trace = wait_for_trace(http, node, "single.bin")
    assert trace["product"]["hash"] == blake3.blake3(b"single content").hexdigest()
    assert trace["product"]["size"] == 14


def test_a_name_that_no_trace_can_bear_holds_no_other_up(node, http, collection):
    s3 = node.s3()
    s3.put_object(Bucket=collection, Key="a\ttab.bin", Body=b"x")
    s3.put_object(Bucket=collection, Key="after.bin", Body=b"y")
    assert wait_for_trace(http, node, "after.bin")["product"]["name"] == "after.bin"


def test_the_signature_of_a_trace_verifies(node, product):
    _, trace = product
    signature = trace["signature"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature["certificate"]))
    key, signed = certificate.public_key(), base64.b64decode(signature["signature"])
    message = signature["message"].encode()
    if signature["algorithm"] == "ECDSA-SHA256":
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signed, message, ec.ECDSA(hashes.SHA256()))
    else:
        assert signature["algorithm"] == "RSA-SHA256" and isinstance(key, rsa.RSAPublicKey)
        key.verify(signed, message, padding.PKCS1v15(), hashes.SHA256())
    # The message is the product and then the event, compact, in this order (contract of the CDSE's service).
    said = json.loads(message)
    assert list(said) == ["contents", "hash", "name", "size", "event"]
    assert {name: value for name, value in said.items() if name != "event"} == {
        name: value for name, value in trace["product"].items() if value is not None
    }
    assert said["event"] == trace["event"]
    assert json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() == message
    time = datetime.datetime.fromisoformat(trace["timestamp"].replace("Z", "+00:00"))
    assert certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc
    if node.tls:
        authority = x509.load_pem_x509_certificate(open(node.authority, "rb").read())
        certificate.verify_directly_issued_by(authority)


class Log:
    def __init__(self, node, http):
        self.base, self.http = f"{node.web}/traces/log/", http
        self.vkey = self.text("vkey").strip()

    def fetch(self, path):
        answer = self.http.get(self.base + path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:200]}"
        return answer.content

    def text(self, path):
        return self.fetch(path).decode()

    def checkpoint(self):
        return tlog.checkpoint(self.text("checkpoint"), self.vkey)


def test_the_whole_log_leads_to_its_signed_root(node, http, product):
    log = Log(node, http)
    _, size, root = log.checkpoint()
    assert size >= 1
    entries, leaves = tlog.entries(log.fetch, size), tlog.hashes(log.fetch, size)
    assert [tlog.leaf_hash(entry) for entry in entries] == leaves
    assert tlog.root(leaves) == root


def test_a_trace_is_proved_to_be_in_the_log(node, http, product):
    _, trace = product
    log = Log(node, http)
    base = f"{node.web}/traces/api/v1/traces/{trace['id']}"
    entry = http.get(base + "/entry").content
    index, path, note = tlog.bundle(http.get(base + "/proof").text)
    _, size, root = tlog.checkpoint(note, log.vkey)
    assert tlog.root_by_path(tlog.leaf_hash(entry), index, size, path) == root
    assert tlog.entries(log.fetch, size)[index] == entry
    # What the log has is of this trace and of no other.
    said = json.loads(entry)
    assert said["hash"] == trace["product"]["hash"] and said["id"] == trace["id"]
    assert said["message_sha256"] == hashlib.sha256(trace["signature"]["message"].encode()).hexdigest()
    assert tlog.root_by_path(tlog.leaf_hash(entry + b" "), index, size, path) != root
    if path:
        assert tlog.root_by_path(tlog.leaf_hash(entry), index, size, path[:-1] + [bytes(32)]) != root


def test_the_log_only_grows(node, http, collection, product):
    log = Log(node, http)
    _, size, root = log.checkpoint()
    before = tlog.entries(log.fetch, size)
    for number in range(5):
        node.s3().put_object(Bucket=collection, Key=f"growing-{number}.bin", Body=b"%d" % number)
    wait_for_trace(http, node, "growing-4.bin")
    _, larger, later = wait_for("a larger log", lambda: log.checkpoint() if log.checkpoint()[1] >= size + 5 else None)
    after = tlog.entries(log.fetch, larger)
    assert after[:size] == before
    assert tlog.root([tlog.leaf_hash(entry) for entry in after[:size]]) == root
    assert tlog.root([tlog.leaf_hash(entry) for entry in after]) == later


def test_a_trace_is_found_by_the_hash_of_any_file(node, http, product):
    files, trace = product
    for path in files.values():
        hash = blake3.blake3(path.read_bytes()).hexdigest()
        found = http.get(f"{node.web}/traces/api/v1/traces/hash/{hash}").json()
        assert trace["id"] in [other["id"] for other in found]
        assert http.get(f"{node.web}/traces/api/v1/traces/hash/{hash.upper()}").json() == found
    assert http.get(f"{node.web}/traces/api/v1/traces/{trace['id']}").json() == trace
    assert http.get(f"{node.web}/traces/api/status").json()["status"] == "running"


def test_the_tile_of_what_is_not_there_yet_is_not_found(node, http, product):
    log = Log(node, http)
    size = log.checkpoint()[1]
    for path in (
        "tile/0/999",
        "tile/0/x999/999",
        "tile/63/000",
        "tile/entries/999.p/1",
        "tile/0/../../x",
        "tile/0/000.p/0",
        f"tile/0/{tlog.tile_name(size // 256, 256)}",
        "tile/x/000",
        "nothing",
    ):
        assert http.get(log.base + path).status_code in (400, 404), path


@pytest.mark.parametrize(
    "path, statuses",
    [
        ("not-a-uuid", [422]),
        ("7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7", [404]),
        ("hash/xyz", [422]),
        ("hash/" + "0" * 64, [200, 404]),
        ("name/nothing-of-this-name", [200, 404]),
    ],
)
def test_what_is_not_there_is_told_as_the_service_tells_it(node, http, path, statuses):
    answer = http.get(f"{node.web}/traces/api/v1/traces/{path}")
    assert answer.status_code in statuses, answer.text
    assert answer.json() == [] if answer.status_code == 200 else answer.json()["detail"]


# martlet trace verify


def verify(node, path):
    done = node.cli("trace", "verify", path, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[0])


def test_the_command_knows_the_genuine_the_altered_and_the_unknown(node, http, product, tmp_path):
    files, trace = product
    for name, path in files.items():
        status, said = verify(node, path)
        assert (status, said["verdict"]) == (0, "genuine"), (name, said)
    altered = tmp_path / "manifest.safe"
    body = bytearray(files["manifest.safe"].read_bytes())
    body[1000] ^= 1
    altered.write_bytes(body)
    status, said = verify(node, altered)
    assert status == 2 and said["verdict"] in ("altered", "unknown"), said
    single = tmp_path / "single.bin"
    single.write_bytes(b"single content")
    assert verify(node, single)[0] == 0
    # A file of a traced product's name with another content is an altered one.
    single.write_bytes(b"Single content")
    status, said = verify(node, single)
    assert (status, said["verdict"]) == (2, "altered")
    unknown = tmp_path / "never-seen.dat"
    unknown.write_bytes(b"never seen")
    status, said = verify(node, unknown)
    assert (status, said["verdict"]) == (2, "unknown")


def test_the_command_says_so_when_there_is_no_such_file(node):
    assert node.cli("trace", "verify", "/no/such/file").returncode == 4


def test_a_changed_product_is_traced_again(node, http, collection):
    s3 = node.s3()
    s3.put_object(Bucket=collection, Key="twice.bin", Body=b"first")
    first = wait_for_trace(http, node, "twice.bin")
    s3.put_object(Bucket=collection, Key="twice.bin", Body=b"second")
    found = wait_for(
        "the second trace", lambda: (lambda all: all if len(all) > 1 else None)(traces(http, node, "twice.bin"))
    )
    assert {trace["product"]["hash"] for trace in found} == {
        blake3.blake3(body).hexdigest() for body in (b"first", b"second")
    }
    assert first["id"] in [trace["id"] for trace in found]
