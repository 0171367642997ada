"""Clients that are slow, idle, too many or too eager: cut off or put off, and everybody else is served."""

import os
import pathlib
import resource
import select
import socket
import ssl
import time
import urllib.parse

import pytest
import requests
from raw_http import Connection
from sigv4 import UNSIGNED, Signer

IDLE_COUNT = 10_000 if os.environ.get("MARTLET_LONG") else 1_500
# What an idle connection may cost, in bytes of the node's memory.
IDLE_BYTES_MAX = {"http": 24 << 10, "https": 96 << 10}


@pytest.fixture(scope="module", params=["http", "https"] if os.environ.get("MARTLET_LONG") else ["https"])
def impatient(request, nodes):
    """A node with limits that a test can wait for."""
    options = ["--header-seconds", "1", "--idle-seconds", "2", "--slow-seconds", "1", "--slow-rate", "10000"]
    node = nodes.new(f"sqlite-{request.param}", options=options).start()
    s3 = node.s3()
    s3.create_bucket(Bucket="slow")
    s3.put_object(Bucket="slow", Key="large", Body=bytes(64 << 20))
    yield node
    node.stop()
    node.remove()


def until_closed(connection, seconds):
    """What comes until the node ends the connection, which it has to within so many seconds."""
    connection.socket.settimeout(seconds)
    received = b""
    try:
        while data := connection.socket.recv(65536):
            received += data
    except (ConnectionError, ssl.SSLError):
        pass
    return received


def test_a_head_that_trickles(impatient):
    begun = time.monotonic()
    with Connection(impatient.s3_url, impatient.authority) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answered = b""
        while time.monotonic() < begun + 10:
            if select.select([connection.socket], [], [], 0.2)[0]:
                answered = until_closed(connection, 5)
                break
            try:
                connection.send(b"X-Slow: 1\r\n")
            except ConnectionError:
                break
        assert 0.5 <= time.monotonic() - begun < 5
        assert answered == b"" or answered.startswith(b"HTTP/1.1 408 ")


def test_a_connection_without_a_request_or_after_one(impatient):
    for target in [None, "/healthz"]:
        with Connection(impatient.web, impatient.authority) as connection:
            begun = time.monotonic()
            if target:
                connection.head("GET", target, {"Host": "x"})
                assert connection.answer().status == 200
            assert until_closed(connection, 10) == b"", "an idle connection is closed without a word"
            assert 0.5 <= time.monotonic() - begun < 6


@pytest.mark.parametrize("sends", [0, 500], ids=["nothing", "a little"])
def test_a_body_that_trickles(impatient, sends):
    begun = time.monotonic()
    with Connection(impatient.s3_url, impatient.authority) as connection:
        headers = Signer(*impatient.access_key()).headers("PUT", "/slow/k", connection.host, payload=UNSIGNED)
        connection.head("PUT", "/slow/k", {**headers, "content-length": "1000000"})
        while not select.select([connection.socket], [], [], 0.2)[0]:
            assert time.monotonic() < begun + 10
            connection.send(b"x" * sends)
        answer = connection.answer()
        assert answer is None or (answer.status, answer.code) == (400, "RequestTimeout")
        until_closed(connection, 10)
    assert 1 <= time.monotonic() - begun < 8
    assert "Contents" not in impatient.s3().list_objects_v2(Bucket="slow", Prefix="k")


def test_an_answer_that_nobody_reads(impatient):
    with Connection(impatient.s3_url, impatient.authority) as connection:
        headers = Signer(*impatient.access_key()).headers("GET", "/slow/large", connection.host, payload=UNSIGNED)
        connection.head("GET", "/slow/large", headers)
        # Until the buffers between us are full, and then for longer than the node waits.
        time.sleep(3)
        received = until_closed(connection, 10)
        assert 0 < len(received) < 64 << 20, "the node gave up, and what was on its way came"
    # Who reads, however late within the limit and in pieces, gets everything.
    body = impatient.s3().get_object(Bucket="slow", Key="large")["Body"]
    size = 0
    for number, piece in enumerate(body.iter_chunks(1 << 20)):
        size += len(piece)
        if number < 10:
            time.sleep(0.15)
    assert size == 64 << 20


def test_a_request_that_takes_the_node_long_is_not_cut_off(impatient):
    """The node itself may take its time: only what the client owes is counted."""
    s3 = impatient.s3()
    upload = s3.create_multipart_upload(Bucket="slow", Key="m")["UploadId"]
    with Connection(impatient.s3_url, impatient.authority) as connection:
        signer = Signer(*impatient.access_key())
        for number in range(1, 3):
            query = [("partNumber", str(number)), ("uploadId", upload)]
            headers = signer.headers("PUT", "/slow/m", connection.host, query, payload=UNSIGNED)
            target = f"/slow/m?partNumber={number}&uploadId={upload}"
            connection.head("PUT", target, {**headers, "content-length": str(5 << 20)})
            # In bursts, with pauses that are shorter than the limit.
            for _ in range(5):
                connection.send(bytes(1 << 20))
                time.sleep(0.3)
            assert connection.answer().status == 200
    s3.abort_multipart_upload(Bucket="slow", Key="m", UploadId=upload)


# Many


def memory(node):
    """Bytes of the node's memory that are in use."""
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) << 10


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_idle_connections_cost_little_memory(nodes, scheme):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE_COUNT + 1000:
        pytest.skip(f"{IDLE_COUNT} connections need as many files, and the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = IDLE_COUNT if scheme == "http" else IDLE_COUNT // 10
    node = nodes.new(f"sqlite-{scheme}", options=["--idle-seconds", "600"]).start()
    idle = []
    try:
        parts = urllib.parse.urlsplit(node.web)
        context = ssl.create_default_context(cafile=node.authority) if node.tls else None

        def connect():
            made = socket.create_connection((parts.hostname, parts.port), 30)
            idle.append(context.wrap_socket(made, server_hostname=parts.hostname) if context else made)
            ask(idle[-1])

        def ask(made):
            made.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += made.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200 ")

        for _ in range(50):
            connect()
        before = memory(node)
        for _ in range(count - 50):
            connect()
        each = (memory(node) - before) / (count - 50)
        print(f"{count} idle connections over {scheme}: {each / 1024:.1f} KiB each")
        assert each < IDLE_BYTES_MAX[scheme]
        # Everybody else is served, and so are they.
        assert node.http().get(f"{node.web}/readyz", timeout=30).status_code == 200
        for made in (idle[0], idle[len(idle) // 2], idle[-1]):
            ask(made)
    finally:
        for made in idle:
            made.close()
        node.remove()


def test_at_the_limit_new_connections_are_refused_and_idle_ones_make_room(nodes):
    node = nodes.new("sqlite-http", options=["--connections-max", "40", "--header-seconds", "1"]).start()
    held = []
    try:

        def is_served():
            with Connection(node.web) as connection:
                connection.head("GET", "/healthz", {"Host": "x"})
                answer = connection.answer()
                assert answer is None or answer.status in (200, 503), answer
                return answer is not None and answer.status == 200

        for _ in range(40):
            connection = Connection(node.web)
            connection.head("GET", "/healthz", {"Host": "x"})
            assert connection.answer().status == 200
            held.append(connection)
        assert not is_served()
        # Those that were served go on.
        held[0].head("GET", "/healthz", {"Host": "x"})
        assert held[0].answer().status == 200
        # The default is to wait for 75 s; where it is crowded, for 5.
        deadline = time.monotonic() + 20
        while not is_served():
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        for connection in held:
            connection.socket.close()
        node.remove()


# Too eager


@pytest.fixture(scope="module")
def strict(nodes):
    node = nodes.new("sqlite-http", options=["--rate-per-principal", "5"]).start()
    yield node
    node.stop()
    node.remove()


def test_a_principal_that_asks_too_often_is_put_off(strict):
    s3 = strict.s3(signature_version="s3v4")
    s3.create_bucket(Bucket="eager")
    session = requests.Session()
    headers = None
    answers = []
    for _ in range(120):
        url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "eager"})
        answers.append(session.get(url, timeout=30))
        if answers[-1].status_code == 503:
            headers = answers[-1].headers
            break
    assert 40 <= len(answers) <= 100, "ten seconds' worth may come at once"
    assert "<Code>SlowDown</Code>" in answers[-1].text and int(headers["Retry-After"]) >= 1
    # The other faces say it in their way.
    for _ in range(120):
        answer = strict.http().get(f"{strict.web}/stac/collections", timeout=30)
        if answer.status_code != 200:
            break
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json" or "code" in answer.json()
    # Somebody else is not put off, and an SDK that retries gets through.
    assert requests.get(f"{strict.web}/stac/collections", timeout=30).status_code == 401
    strict.s3(retries=8).list_buckets()
