"""The rows of the ledger: digests, batches of signed traces, proofs, look-ups by hash, and a log of many leaves."""

import base64
import concurrent.futures
import datetime
import hashlib
import http.client
import json
import os
import re
import resource
import secrets
import sqlite3
import struct
import subprocess
import sys
import time

import load
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from report import Claim
from runs import MIB, say
from servers import Martlet

CLIENTS = 16
BATCH = 50
JSON = "Content-Type: application/json"


def measure(bench):
    digests(bench)
    registrations(bench)
    large_log(bench)
    lookups(bench)


def digests(bench):
    """`martlet trace hash` of a file in memory, beside the same by PyPI's blake3, both on one core."""
    size = (64 if bench.plan.rounds == 1 else 512) * MIB
    file = bench.bodies / "large-file"
    with open(file, "wb") as handle:
        for _ in range(size // MIB):
            handle.write(os.urandom(MIB))
    peer = ("import blake3, sys\nhasher = blake3.blake3()\nwith open(sys.argv[1], 'rb') as file:\n"
            "    while part := file.read(1 << 20):\n        hasher.update(part)\nprint(hasher.hexdigest())")
    programs = {"martlet": [bench.binary, "trace", "hash", file], "blake3": [sys.executable, "-c", peer, file]}
    row = bench.row("BLAKE3", "MiB/s", "a MiB", f"a file of {size // MIB} MiB, one core, with the program's start",
                    claims=(Claim("rate", "blake3", at_least=0.4),))
    for _ in range(bench.plan.rounds):
        found = set()
        for name, program in programs.items():
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            done = subprocess.run(["taskset", "-c", "0", *program], capture_output=True, text=True, check=True)
            seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            row.add(name, size / MIB / seconds, 1e6 * used / (size / MIB))
            found.add(done.stdout.split()[0])
        if len(found) != 1:
            raise RuntimeError(f"the digests are not the same: {found}")
    file.unlink()
    say("digests are measured")


class Signer:
    """A P-256 key whose certificate vouches for itself: its signatures are verified like all others."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.taken = datetime.datetime(2026, 1, 1)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Benchmark")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1)).sign(self.key, hashes.SHA256()))
        self.certificate = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def trace(self, contents):
        # Products come about in the order of the times in their names, of several satellites and tiles.
        self.taken += datetime.timedelta(seconds=secrets.randbelow(10))
        time, tile = f"{self.taken:%Y%m%dT%H%M%S}", "".join(secrets.choice("CDEFGHJKLMNPQRSTUVWX") for _ in range(3))
        name = f"S2{secrets.choice('ABC')}_MSIL1C_{time}_N0511_R{secrets.randbelow(143):03}_T33{tile}_{time}.SAFE"
        files = [{"hash": secrets.token_hex(32), "path": f"{name}/GRANULE/L1C_T33UVP/IMG_DATA/{n:02}{'x' * 80}.jp2"}
                 for n in range(contents)]
        product = {"hash": secrets.token_hex(32), "name": name + ".zip", "size": secrets.randbelow(1 << 40)}
        if files:
            product = {"contents": files, **product}
        message = json.dumps({**product, "event": "CREATE"}, separators=(",", ":"))
        signature = self.key.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
        return {"event": "CREATE", "hash_algorithm": "BLAKE3", "product": product, "signature": {
            "algorithm": "ECDSA-SHA256", "certificate": self.certificate, "message": message,
            "signature": base64.b64encode(signature).decode()}}


def batches(signer, count, contents):
    return [json.dumps([signer.trace(contents) for _ in range(BATCH)], separators=(",", ":")).encode()
            for _ in range(count)]


def registrations(bench):
    node = Martlet(bench.home / "ledger", bench.binary)
    try:
        signer = Signer()
        rows = []
        for name, contents, count, limit in (("1 kB", 0, 400, 8000), ("24 kB, 46 contents", 46, 60, 1000)):
            count = count // 10 if bench.plan.rounds == 1 else count
            size = len(json.dumps(signer.trace(contents), separators=(",", ":")))
            claims = [Claim("rate", at_least=limit)]
            if contents == 0:
                claims.append(Claim("rate", "openssl", at_least=0.4))
            rows.append((contents, count, bench.row(
                f"Traces, {name}", "traces/s", "a trace", f"batches of {BATCH}, ECDSA, {size} B, {CLIENTS} clients",
                claims=tuple(claims))))
        proof = bench.row("Proof of a new trace", "ms", "an answer", "after the registration was answered",
                          claims=(Claim("late_ms", at_most=2000),))
        authorization = node.bearer()
        for _, server in bench.in_turns([node]):
            for contents, count, row in rows:
                if contents == 0:
                    row.add("openssl", openssl_verify(bench.plan.seconds), 0)
                work = batches(signer, count, contents)
                before, began = server.cpu_seconds(), time.monotonic()
                ids = send(server.web, authorization, work)
                seconds, used = time.monotonic() - began, server.cpu_seconds() - before
                row.add(server.name, len(ids) / seconds, 1e6 * used / len(ids))
            proof.add(server.name, None, None, late_ms=1000 * proved_after(server.web, authorization, signer))
        bench.note_memory(node, "martlet_ledger")
        say("registrations are measured")
    finally:
        node.stop()


def send(port, authorization, work):
    """Registers all batches over a few connections, and gives the ids; raises where any trace was refused."""
    def worker(part):
        connection, ids = http.client.HTTPConnection("127.0.0.1", port, timeout=120), []
        for body in part:
            connection.request("PUT", "/traces/api/v1/traces", body, headers(authorization))
            answer = connection.getresponse()
            said = json.loads(answer.read())
            if answer.status != 201 or said["error"]:
                raise RuntimeError(f"a batch was refused: {answer.status} {str(said)[:300]}")
            ids += [result["id"] for result in said["traces"]]
        connection.close()
        return ids

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        return [id for ids in pool.map(worker, [work[number::CLIENTS] for number in range(CLIENTS)]) for id in ids]


def headers(*lines):
    return dict(line.split(": ", 1) for line in (*lines, JSON))


def openssl_verify(seconds):
    """Verifications of ECDSA P-256 a second of all cores that do nothing else."""
    done = subprocess.run(
        ["openssl", "speed", "-seconds", str(seconds), "-multi", str(os.cpu_count()), "ecdsap256"],
        capture_output=True, text=True, timeout=120)
    found = re.search(r"\(nistp256\)\s+\S+\s+\S+\s+[\d.]+\s+([\d.]+)", done.stdout)
    if not found:
        raise RuntimeError(f"openssl speed says nothing that is understood: {done.stdout[-300:]}")
    return float(found.group(1))


def proved_after(port, authorization, signer):
    """Seconds from the answer of a registration to that of its proof."""
    [id] = send(port, authorization, [json.dumps([signer.trace(0)]).encode()])
    began = time.monotonic()
    while get(port, f"/traces/api/v1/traces/{id}/proof")[0] != 200:
        time.sleep(0.01)
    return time.monotonic() - began


def start(node):
    """Starts a node again: its port answers a moment before the node does."""
    node.start()
    deadline = time.monotonic() + 60
    while get(node.web, "/traces/log/checkpoint")[0] != 200:
        if time.monotonic() > deadline:
            raise RuntimeError("the node did not start again")
        time.sleep(0.05)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


# A log whose leaves are all the same: each level has one hash, and the whole is a tree that holds up.


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def simulate_log(database, size, leaf):
    """Puts `size` equal leaves into a log that has one."""
    levels = [leaf]
    while 1 << len(levels) <= size:
        levels.append(node_hash(levels[-1], levels[-1]))
    database.execute("DELETE FROM log_tiles")
    for level in range(0, len(levels), 8):
        count = size >> level
        full = levels[level] * 256
        database.executemany(
            "INSERT INTO log_tiles (level, number, hashes) VALUES (?, ?, ?)",
            ((level // 8, number, full) for number in range(count // 256)))
        if count % 256:
            database.execute(
                "INSERT INTO log_tiles (level, number, hashes) VALUES (?, ?, ?)",
                (level // 8, count // 256, levels[level] * (count % 256)))
    edge = b"".join(levels[bit] for bit in reversed(range(size.bit_length())) if size >> bit & 1)
    database.execute("UPDATE log_head SET size = ?, edge = ?", (size, edge))
    database.execute("DELETE FROM log_checkpoints")


def root_by_path(hash, index, size, path):
    last = size - 1
    for sibling in path:
        if index & 1 or index == last:
            hash = node_hash(sibling, hash)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hash = node_hash(hash, sibling)
        index, last = index >> 1, last >> 1
    return hash


def large_log(bench):
    size = 1_000_000 if bench.plan.rounds == 1 else 100_000_000
    row = bench.row(
        f"Proof, {size:,} leaves", "proofs/s", "a proof", "one client; simulated leaves",
        claims=(Claim("p50_us", at_most=5000), Claim("log_bytes", at_most=300)))
    node = Martlet(bench.home / "large-log", bench.binary)
    try:
        authorization, signer = node.bearer(), Signer()
        [middle] = send(node.web, authorization, [json.dumps([signer.trace(0)]).encode()])
        entry = get(node.web, f"/traces/api/v1/traces/{middle}/entry")[1]
        node.stop()
        database = sqlite3.connect(node.data / "metadata.sqlite")
        with database:
            database.execute("UPDATE trace_hashes SET leaf = ? WHERE leaf IN (SELECT leaf FROM traces WHERE id = ?)", (
                size // 2, bytes.fromhex(middle.replace("-", ""))))
            database.execute("UPDATE traces SET leaf = ? WHERE id = ?", (
                size // 2, bytes.fromhex(middle.replace("-", ""))))
            simulate_log(database, size, hashlib.sha256(b"\x00" + entry).digest())
        [stored] = database.execute("SELECT sum(length(hashes)) FROM log_tiles").fetchone()
        database.close()
        say(f"a log of {size:,} leaves is simulated")
        start(node)
        [last] = send(node.web, authorization, [json.dumps([signer.trace(0)]).encode()])
        database = sqlite3.connect(f"file:{node.data}/metadata.sqlite?mode=ro", uri=True)
        # The dearest case: a checkpoint of its own for each trace.
        [note] = database.execute("SELECT max(length(checkpoint)) FROM log_checkpoints").fetchone()
        database.close()
        for id in (middle, last):
            check_proof(node.web, id)
        for _, server in bench.in_turns([node]):
            requests = bench.requests("proofs", [
                load.Request("GET", f"/traces/api/v1/traces/{id}/proof") for id in (middle, last)])
            bench.wrk(row, server, "GET", requests, 1, port=node.web)
            row.runs[server.name][-1]["log_bytes"] = stored / size + note + 8
    finally:
        node.stop()


def check_proof(port, id):
    head, note = get(port, f"/traces/api/v1/traces/{id}/proof")[1].decode().split("\n\n", 1)
    _, index, *path = head.splitlines()
    leaf = hashlib.sha256(b"\x00" + get(port, f"/traces/api/v1/traces/{id}/entry")[1]).digest()
    size, root = note.splitlines()[1:3]
    path = [base64.b64decode(line) for line in path]
    if root_by_path(leaf, int(index.split()[1]), int(size), path) != base64.b64decode(root):
        raise RuntimeError(f"the proof of {id} in a log of {size} does not hold")


def lookups(bench):
    """Look-ups by hash among simulated traces: rows as the node writes them, with short messages."""
    count = 100_000 if bench.plan.rounds == 1 else 10_000_000
    row = bench.row(
        f"Look-up by hash, {count:,} traces", "answers/s", "an answer", "16 clients; simulated traces",
        claims=(Claim("rate", at_least=5000),))
    node = Martlet(bench.home / "lookups", bench.binary)
    try:
        send(node.web, node.bearer(), [json.dumps([Signer().trace(0)]).encode()])
        node.stop()
        database = sqlite3.connect(node.data / "metadata.sqlite")
        columns = [name for _, name, *_ in database.execute("PRAGMA table_info(traces)")]
        model = dict(zip(columns, database.execute("SELECT * FROM traces").fetchone()))

        def simulated():
            for leaf in range(1, count):
                digest = hashlib.sha256(struct.pack("<q", leaf)).digest()
                # Ids rise with the time, and so do names.
                yield tuple({**model, "leaf": leaf, "id": struct.pack(">Q", leaf) + digest[:8], "hash": digest,
                             "name": f"simulated-{leaf:09}"}[name] for name in columns)

        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.executemany(
                f"INSERT INTO traces ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", simulated())
            database.execute(
                "INSERT INTO trace_hashes (hash, leaf) SELECT hash, leaf FROM traces WHERE leaf > 0 "
                "UNION ALL SELECT CAST(hash || id AS BLOB), leaf FROM traces WHERE leaf > 0 ORDER BY 1")
        database.close()
        say(f"{count:,} traces are simulated")
        start(node)
        some = [hashlib.sha256(struct.pack("<q", 1 + secrets.randbelow(count - 1))).hexdigest() for _ in range(20_000)]
        status, body = get(node.web, f"/traces/api/v1/traces/hash/{some[0]}")
        if status != 200 or len(json.loads(body)) != 1:
            raise RuntimeError(f"a simulated trace is not found: {status} {body[:200]}")
        for _, server in bench.in_turns([node]):
            requests = bench.requests("hashes", [
                load.Request("GET", f"/traces/api/v1/traces/hash/{hash}") for hash in some])
            bench.wrk(row, server, "GET", requests, 16, port=node.web)
        bench.note_memory(node, "martlet_lookups")
    finally:
        node.stop()
