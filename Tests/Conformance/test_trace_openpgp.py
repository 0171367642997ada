"""Traces that are signed by OpenPGP, with keys made by gpg: they count where the key is registered."""

import base64
import json
import secrets
import shutil
import subprocess

import pytest
import requests
from nodes import Node
from signers import TraceSigner, message, new_product

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def node(nodes, request):
    node = Node("trace-openpgp", metadata=nodes.metadata(request.param)).start()
    node.cli_json("account", "create", "ada", "--password-from-stdin", "--json", input=PASSWORD + "\n")
    yield node
    node.stop()
    node.remove()


class Keyring:
    def __init__(self, home):
        self.home = home

    def gpg(self, *arguments, input=None):
        command = ["gpg", "--homedir", self.home, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        return subprocess.run([*command, *arguments], input=input, capture_output=True, check=True, timeout=60).stdout

    def make(self, name, algorithm="ed25519", expires="never"):
        self.gpg("--quick-generate-key", name, algorithm, "sign", expires)
        return PGPSigner(self, name)


class PGPSigner(TraceSigner):
    """Signs traces as sites did that had OpenPGP keys."""

    def __init__(self, keyring, name):
        self.keyring, self.name = keyring, name
        self.public = keyring.gpg("--export", name)
        self.armoured = keyring.gpg("--armor", "--export", name).decode()
        self.certificate = base64.b64encode(self.public).decode()
        lines = keyring.gpg("--with-colons", "--list-keys", name).decode().splitlines()
        self.fingerprint = next(line.split(":")[9] for line in lines if line.startswith("fpr"))

    def sign(self, message, *options):
        signature = self.keyring.gpg("--local-user", self.name, *options, "--detach-sign", input=message)
        return {
            "algorithm": "OpenPGP",
            "certificate": self.certificate,
            "message": message.decode(),
            "signature": base64.b64encode(signature).decode(),
        }


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    # Short: gpg-agent has a socket there.
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    yield Keyring(str(home))
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True)
    shutil.rmtree(home, ignore_errors=True)


def api(node, path):
    return f"{node.web}/traces/api/v1/{path}"


def register(node, *traces):
    answer = node.http().put(api(node, "traces"), json=list(traces))
    assert answer.status_code == 201, answer.text
    return answer.json()["traces"]


def approve(node, signer):
    ada = node.http(user="ada", password=PASSWORD)
    asked = ada.post(api(node, "key-requests"), json={"openpgp": signer.armoured, "note": "since 2019"})
    assert asked.status_code == 201, asked.text
    return node.http().post(api(node, f"key-requests/{asked.json()['id']}/approve"), json={})


@pytest.fixture(scope="module")
def signer(node, keyring):
    signer = keyring.make(f"ground-segment-{secrets.token_hex(4)}@example.org", "rsa2048")
    # Before it is registered it counts for nothing.
    (refused,) = register(node, signer.trace())
    assert not refused["success"] and f"{signer.fingerprint} is not registered" in refused["message"]
    assert approve(node, signer).json()["state"] == "approved"
    return signer


def test_a_registered_keys_signatures_count(node, signer, tmp_path):
    keys = requests.get(api(node, "keys")).json()
    (own,) = [key for key in keys if key.get("openpgp_fingerprint") == signer.fingerprint]
    assert own["certificate"] == signer.certificate and own["account"] == "ada"
    file = tmp_path / f"scene-{secrets.token_hex(4)}.bin"
    file.write_bytes(secrets.token_bytes(64))
    made = json.loads(node.cli("trace", "hash", "--json", str(file)).stdout)
    product = {"name": file.name, "size": made["size"], "hash": made["hash"]}
    (done,) = register(node, signer.trace(product))
    assert done["success"], done
    trace = requests.get(api(node, f"traces/{done['id']}")).json()
    assert trace["signature_status"] == "trusted" and trace["signature"]["algorithm"] == "OpenPGP"
    # The client asks gpgv itself, and the log's proof holds.
    verified = node.cli("trace", "verify", str(file))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert node.cli("trace", "check", str(file)).returncode == 0
    valid = requests.get(api(node, f"traces/{product['name']}/validate"), {"filehash": product["hash"]}).json()
    assert valid["success"]
    quality = requests.get(f"{node.web}/trace-api/Traces({done['id']})/Datac.Quality()").json()
    assert quality["IsValid"] and quality["Faults"] == []
    # Without gpgv nobody says that it is good.
    empty = tmp_path / "empty"
    empty.mkdir()
    alone = node.cli("trace", "verify", str(file), environment={"PATH": str(empty)})
    assert alone.returncode == 2 and "gpgv" in alone.stdout


def test_many_in_one_batch_have_each_their_result(node, signer, keyring):
    other = keyring.make(f"other-{secrets.token_hex(4)}@example.org")
    traces = [signer.trace() for _ in range(6)] + [other.trace()]
    altered = signer.trace()
    altered["product"]["size"] += 1
    forged = signer.trace()
    forged["signature"]["signature"] = base64.b64encode(secrets.token_bytes(300)).decode()
    mixed = signer.trace()
    # The signature of one key, shown with another key.
    mixed["signature"] = {**other.sign(mixed["signature"]["message"].encode()), "certificate": signer.certificate}
    x509 = TraceSigner().trace()
    results = register(node, *traces, altered, forged, mixed, x509)
    assert [result["success"] for result in results] == [True] * 6 + [False] * 4 + [True]
    assert "another size" in results[7]["message"]


@pytest.mark.parametrize("options", [("--textmode",), ("--digest-algo", "SHA1")])
def test_weak_signatures_are_refused(node, signer, options):
    product = new_product()
    trace = {"event": "CREATE", "hash_algorithm": "BLAKE3", "product": product}
    trace["signature"] = signer.sign(message(product, "CREATE"), *options)
    (refused,) = register(node, trace)
    assert not refused["success"], refused


def test_keys_that_are_none_are_refused_and_one_is_registered_once(node, signer, keyring):
    ada = node.http(user="ada", password=PASSWORD)
    secret = keyring.gpg("--armor", "--export-secret-keys", signer.name).decode()
    weak = keyring.make(f"weak-{secrets.token_hex(4)}", "rsa1024").armoured
    for text, why in ((secret, "PUBLIC KEY BLOCK"), (weak, "too weak"), ("nonsense", "OpenPGP")):
        answer = ada.post(api(node, "key-requests"), json={"openpgp": text})
        assert answer.status_code == 422 and why in answer.json()["detail"]
    # With another name on it, it is still the same key.
    keyring.gpg("--quick-add-uid", signer.name, f"again-{secrets.token_hex(4)}@example.org")
    again = PGPSigner(keyring, signer.name)
    assert again.fingerprint == signer.fingerprint and again.public != signer.public
    assert approve(node, again).status_code == 409
    (done,) = register(node, again.trace())
    assert done["success"]
    stored = requests.get(api(node, f"traces/{done['id']}")).json()["signature"]["certificate"]
    assert stored == signer.certificate


def test_a_revoked_key_counts_no_more(node, keyring, tmp_path):
    signer = keyring.make(f"revoked-{secrets.token_hex(4)}@example.org", "nistp256")
    armoured = tmp_path / "key.asc"
    armoured.write_text(signer.armoured)
    asked = json.loads(node.cli("trace", "key", "request", "--openpgp", str(armoured), "--json").stdout)
    assert node.cli("trace", "key", "approve", asked["id"]).returncode == 0
    (done,) = register(node, signer.trace())
    assert done["success"]
    digest = next(
        json.loads(line)["certificate_sha256"]
        for line in node.cli("trace", "key", "registered", "--json").stdout.splitlines()
        if json.loads(line).get("openpgp_fingerprint") == signer.fingerprint
    )
    assert node.cli("trace", "revoke", digest, "--reason", "lost").returncode == 0
    (refused,) = register(node, signer.trace())
    assert not refused["success"] and "lost" in refused["message"]


def test_the_log_verifies_offline(node, signer):
    node.stop()
    findings, _ = node.verify_offline()
    node.start()
    assert findings == []
