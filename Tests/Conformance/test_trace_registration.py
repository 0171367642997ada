"""Traces that others hand in: verified when they are registered, proved by the log, and never lost."""

import base64
import concurrent.futures
import datetime
import hashlib
import json
import secrets
import time

import blake3
import martlet
import pytest
import requests
import tlog
from authorities import TestAuthority, now, pem
from nodes import Node
from products import shared
from signers import KINDS, Nobody, TraceSigner, new_product



@pytest.fixture(scope="module")
def authority():
    return TestAuthority("Authority of signers")


@pytest.fixture(scope="module")
def node(nodes, authority, tmp_path_factory):
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_text(pem(authority.certificate))
    node = Node("traces", options=["--trace-authorities", str(file)]).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture(scope="module")
def signer(authority):
    return TraceSigner(authority=authority)


def base(node):
    return f"{node.web}/traces/api/v1/traces"


def register(node, traces, **options):
    return node.http(**options).put(base(node), json=traces)


def registered(node, trace):
    """Registers one trace, and looks it up."""
    answer = register(node, [trace])
    assert answer.status_code == 201, answer.text
    assert (answer.json()["success"], answer.json()["error"]) == (1, 0), answer.text
    found = requests.get(f"{base(node)}/{answer.json()['traces'][0]['id']}")
    assert found.status_code == 200
    return found.json()


def in_log(node, trace):
    """Whether the log has the trace, by its proof alone."""
    http = node.http(token=False)
    vkey = http.get(f"{node.web}/traces/log/vkey").text.strip()
    entry = http.get(f"{base(node)}/{trace['id']}/entry").content
    index, path, note = tlog.bundle(http.get(f"{base(node)}/{trace['id']}/proof").text)
    _, size, root = tlog.checkpoint(note, vkey)
    said = json.loads(entry)
    assert said["message_sha256"] == hashlib.sha256(trace["signature"]["message"].encode()).hexdigest()
    assert said["signature_status"] == trace["signature_status"]
    return tlog.root_by_path(tlog.leaf_hash(entry), index, size, path) == root


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_trace_comes_back_as_it_was_given_and_is_in_the_log(node, authority, kind):
    given = TraceSigner(kind, authority).trace()
    trace = registered(node, given)
    assert {name: trace[name] for name in given} == given
    assert trace["signature_status"] == "trusted"
    assert trace["origin"].startswith("admin@")
    age = now() - datetime.datetime.fromisoformat(trace["timestamp"])
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=30)
    assert in_log(node, trace)
    content = given["product"]["contents"][0]["hash"]
    for found in (f"hash/{given['product']['hash']}", f"hash/{content}", f"name/{given['product']['name']}"):
        assert requests.get(f"{base(node)}/{found}").json() == [trace]


def test_strangers_and_nobody_are_told_apart_from_signers(node):
    assert registered(node, TraceSigner().trace())["signature_status"] == "unknown"
    trace = registered(node, Nobody().trace())
    assert trace["signature_status"] == "unsigned" and in_log(node, trace)


def test_a_batch_has_a_result_for_each_trace(node, authority, signer):
    traces = [signer.trace() for _ in range(6)]
    traces[1]["product"]["name"] += "x"
    traces[2]["signature"]["signature"] = traces[3]["signature"]["signature"]
    traces[4]["signature"]["certificate"] = TraceSigner(authority=authority).certificate
    traces[5] = TraceSigner(authority=authority, since=now() - datetime.timedelta(days=9)).trace()
    answer = register(node, traces)
    assert answer.status_code == 201
    said = answer.json()
    assert (said["success"], said["error"]) == (2, 4)
    assert [result["success"] for result in said["traces"]] == [True, False, False, True, False, False]
    assert "another name" in said["traces"][1]["message"]
    assert "valid from" in said["traces"][5]["message"]


def test_the_public_services_own_trace_is_refused_for_its_expired_certificate(node):
    trace = json.loads((shared() / "cdse-trace-create.json").read_text())
    trace = trace[0] if isinstance(trace, list) else trace
    given = {name: trace[name] for name in ("event", "hash_algorithm", "product", "signature")}
    answer = register(node, [given])
    assert answer.status_code == 201 and answer.json()["error"] == 1
    assert "2024-05-15" in answer.json()["traces"][0]["message"]


def test_the_same_again_is_no_second_trace(node, authority, signer):
    given = signer.trace()
    first = registered(node, given)
    assert registered(node, given) == first
    # Who signs the same statement once more says nothing new; somebody else does.
    assert registered(node, signer.trace(given["product"])) == first
    assert registered(node, TraceSigner(authority=authority).trace(given["product"]))["id"] != first["id"]


@pytest.mark.parametrize(
    "change, location",
    [
        (lambda traces: traces.clear(), ["body"]),
        (lambda traces: traces.extend(Nobody().trace() for _ in range(50)), ["body"]),
        (lambda traces: traces[0].pop("signature"), ["body", 0, "signature"]),
        (lambda traces: traces[0]["product"].pop("size"), ["body", 0, "product", "size"]),
        (lambda traces: traces[0]["product"].update(hash="12"), ["body", 0, "product", "hash"]),
        (lambda traces: traces[0].update(hash_algorithm="MD5"), ["body", 0, "hash_algorithm"]),
        (lambda traces: traces.append(Nobody().trace(event="COPY")), ["body", 1, "event"]),
        (lambda traces: traces.append(traces[0]), ["body", 1, "product", "hash"]),
        (lambda traces: traces[0].update(event="OBSOLETE"), ["body", 0, "obsolescence"]),
    ],
)
def test_what_is_no_batch_is_told_as_fastapi_does(node, change, location):
    traces = [Nobody().trace()]
    change(traces)
    answer = register(node, traces)
    assert answer.status_code == 422, answer.text
    first = answer.json()["detail"][0]
    assert first["loc"] == location and first["msg"] and first["type"]


def test_registering_is_a_permission(node, signer):
    user, password = f"ada-{secrets.token_hex(3)}", "correct horse battery staple"
    node.cli_json("account", "create", user, "--password-from-stdin", "--json", input=password + "\n")
    assert requests.put(base(node), json=[signer.trace()]).status_code == 401
    account = {"user": user, "password": password}
    assert register(node, [signer.trace()], **account).status_code == 403


def test_only_whom_a_trusted_authority_knows_makes_a_product_obsolete(node, signer):
    product = new_product()

    def validate():
        short = requests.get(f"{base(node)}/{product['name']}/validate", {"filehash": product["hash"]})
        query = {"product_name": product["name"], "hash": product["contents"][0]["hash"]}
        long = requests.get(f"{base(node)}/validate", query)
        assert short.status_code == 200 and short.json()["success"] == long.json()["success"]
        return short.json()

    assert not validate()["success"]
    registered(node, signer.trace(product))
    assert validate()["success"]
    for other in (Nobody(), TraceSigner()):
        registered(node, other.trace(product, "OBSOLETE", obsolescence="so they say"))
        assert validate()["success"]
    trace = registered(node, signer.trace(product, "OBSOLETE", obsolescence="a new baseline"))
    assert not validate()["success"] and "a new baseline" in validate()["message"]
    listed = requests.get(f"{base(node)}/obsolete", {"name_prefix": product["name"]}).json()
    assert listed == [trace]


def test_only_what_a_trusted_signer_says_makes_a_file_genuine(node, signer, tmp_path, monkeypatch):
    file = tmp_path / f"{secrets.token_hex(6)}.bin"
    file.write_bytes(secrets.token_bytes(100))
    product = {"name": file.name, "size": 100, "hash": blake3.blake3(file.read_bytes()).hexdigest()}
    monkeypatch.setenv("MARTLET_URL", node.web)
    sdk = martlet.connect(credentials=martlet.ApiKey(*node.access_key()))
    for other in (Nobody(), TraceSigner()):
        registered(node, other.trace(product))
        said = node.cli("trace", "verify", file, "--json")
        assert said.returncode == 2 and json.loads(said.stdout)["verdict"] == "unknown"
        assert sdk.verify(file) == (martlet.Verdict.UNKNOWN, None)
    trace = registered(node, signer.trace(product))
    assert node.cli("trace", "verify", file, "--json").returncode == 0
    verdict, found = sdk.verify(file)
    assert verdict is martlet.Verdict.GENUINE and found.id == trace["id"]


def test_a_key_in_other_hands_is_believed_for_what_it_signed_before(node, authority, tmp_path):
    signer = TraceSigner("p-256", authority)
    files = [tmp_path / f"{secrets.token_hex(6)}.bin" for _ in range(3)]
    for file in files:
        file.write_bytes(secrets.token_bytes(40))
    products = [
        {"name": file.name, "size": 40, "hash": blake3.blake3(file.read_bytes()).hexdigest()} for file in files
    ]
    before, after = registered(node, signer.trace(products[0])), registered(node, signer.trace(products[1]))
    obsolete = registered(node, signer.trace(products[0], "OBSOLETE", obsolescence="says the thief"))
    assert node.cli("trace", "verify", files[1]).returncode == 0
    certificate = tmp_path / "signer.pem"
    body = "\n".join(signer.certificate[at : at + 64] for at in range(0, len(signer.certificate), 64))
    certificate.write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    digest = hashlib.sha256(base64.b64decode(signer.certificate)).hexdigest()
    # It is for those to say whom policy allows it, and nobody knows the future.
    url = f"{node.web}/traces/api/v1/revocations"
    assert requests.post(url, json={"certificate_sha256": digest}).status_code in (401, 403)
    future = (now() + datetime.timedelta(days=1)).isoformat()
    assert node.http().post(url, json={"certificate_sha256": digest, "compromised": future}).status_code == 422
    done = node.cli("trace", "revoke", certificate, "--reason", "stolen", "--compromised", after["timestamp"], "--json")
    assert done.returncode == 0, done.stderr
    revocation = json.loads(done.stdout)
    assert (revocation["certificate_sha256"], revocation["compromised"]) == (digest, after["timestamp"])
    assert revocation in requests.get(url).json() and digest in node.cli("trace", "revocations").stdout
    answer = register(node, [signer.trace(products[2])]).json()
    assert answer["error"] == 1 and "revoked: stolen" in answer["traces"][0]["message"]
    stored = {one["id"]: requests.get(f"{base(node)}/{one['id']}").json() for one in (before, after, obsolete)}
    assert stored[before["id"]] == before
    assert stored[after["id"]] == {**after, "signer_revoked_since": after["timestamp"]}
    # What was found when it was registered stays in the log; the log is as good as before.
    assert in_log(node, stored[after["id"]])

    def validates(product):
        return requests.get(f"{base(node)}/{product['name']}/validate", {"filehash": product["hash"]}).json()["success"]

    assert [validates(product) for product in products] == [True, False, False]
    assert [node.cli("trace", "verify", file).returncode for file in files] == [0, 2, 2]
    assert [node.cli("trace", "check", file).returncode for file in files] == [0, 2, 2]
    assert requests.get(f"{base(node)}/obsolete", {"name_prefix": products[0]["name"]}).json() == []
    # The moment can move back, not forward.
    for moment, expected in ((after["timestamp"], True), (before["timestamp"], False), (None, False)):
        again = {"certificate_sha256": digest, **({"compromised": moment} if moment else {})}
        assert node.http().post(url, json=again).status_code == 201
        assert validates(products[0]) == expected


def test_no_trace_that_was_accepted_is_lost_when_the_power_fails(node, signer):
    """Writers hand in batches, the process is killed, and what they were told of must be in a tree that only grew."""
    traces = [[signer.trace(new_product(0)) for _ in range(5)] for _ in range(60)]
    accepted = []

    def write(batches, token):
        for batch in batches:
            try:
                answer = requests.put(base(node), json=batch, headers={"Authorization": f"Bearer {token}"})
            except requests.RequestException:
                return
            accepted.extend(result["id"] for result in answer.json()["traces"])

    vkey = requests.get(f"{node.web}/traces/log/vkey").text.strip()
    states = []
    for round in range(3):
        token, before = node.token(), len(accepted)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            work = traces[round * 20 : round * 20 + 20]
            writers = [pool.submit(write, work[start::4], token) for start in range(4)]
            deadline = time.monotonic() + 60
            while len(accepted) < before + 20 and time.monotonic() < deadline:
                states.append(tlog.checkpoint(requests.get(f"{node.web}/traces/log/checkpoint").text, vkey))
            node.kill()
            for writer in writers:
                writer.result()
        node.start()
    http = node.http(token=False)

    def fetch(path):
        answer = http.get(f"{node.web}/traces/log/{path}")
        assert answer.status_code == 200
        return answer.content

    _, size, root = tlog.checkpoint(fetch("checkpoint").decode(), vkey)
    entries = tlog.entries(fetch, size)
    leaves = [tlog.leaf_hash(entry) for entry in entries]
    assert tlog.root(leaves) == root
    assert accepted and set(accepted) <= {json.loads(entry)["id"] for entry in entries}
    for _, old, old_root in states:
        assert old <= size and tlog.root(leaves[:old]) == old_root
