"""Notifications over STOMP 1.2, by stomp.py and by frames of our own."""

import contextlib
import json
import queue
import secrets
import socket
import ssl
import time

import pytest
import requests
import stomp
from nodes import free_port
from notifying import Subscriber, put_policy, subjects, trace
from products import wait_for


@pytest.fixture(scope="module", params=["sqlite-https", "postgres-http"])
def node(request, nodes):
    node = nodes.new(request.param)
    node.ports["stomp"] = free_port()
    node.start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def me(node):
    yield from Subscriber.lend(node)


@pytest.fixture
def ada(node):
    subscriber = Subscriber.person(node)
    terms = {"account": subscriber.name, "description": "broker"}
    made = node.http().post(f"{node.web}/admin/v1/app-passwords", json=terms)
    assert made.ok, made.text
    subscriber.app_password = made.json()["password"]
    yield subscriber
    subscriber.leave()
    node.cli("account", "delete", subscriber.name)


class Client(stomp.ConnectionListener):
    """A client by stomp.py that keeps what it is told."""

    def __init__(self, node, user, password, heartbeats=(0, 0)):
        self.frames = queue.Queue()
        hosts = [("127.0.0.1", node.ports["stomp"])]
        self.connection = stomp.Connection12(hosts, heartbeats=heartbeats, reconnect_attempts_max=1)
        if node.tls:
            self.connection.set_ssl(hosts, ca_certs=node.authority)
        self.connection.set_listener("", self)
        self.connection.connect(user, password, wait=True)

    def on_message(self, frame):
        self.frames.put(("MESSAGE", frame))

    def on_error(self, frame):
        self.frames.put(("ERROR", frame))

    def on_receipt(self, frame):
        self.frames.put(("RECEIPT", frame))

    def on_disconnected(self):
        self.frames.put(("closed", None))

    def next(self, kind="MESSAGE", seconds=30):
        got, frame = self.frames.get(timeout=seconds)
        assert got == kind, (got, frame and frame.headers, frame and frame.body)
        return frame

    def hear(self, count):
        return [self.next() for _ in range(count)]

    def silence(self, seconds=1.5):
        with contextlib.suppress(queue.Empty):
            raise AssertionError(self.frames.get(timeout=seconds))

    def leave(self):
        with contextlib.suppress(stomp.exception.StompException):
            self.connection.disconnect()


@pytest.fixture
def client(node):
    clients = []

    def connect(user="admin", password=None, **options):
        clients.append(Client(node, user, password or node.password, **options))
        return clients[-1]

    yield connect
    for one in clients:
        one.leave()


def told(frames):
    return subjects(json.loads(frame.body) for frame in frames)


def test_a_topic_is_told_by_a_selector(node, me, ada, client):
    mark = secrets.token_hex(5)
    one = client(ada.name, ada.app_password)
    one.connection.subscribe("/topic/traces", id="s", headers={"selector": f"startswith(Name,'{mark}')", "receipt": "r1"})
    assert one.next("RECEIPT").headers["receipt-id"] == "r1"
    for number in range(3):
        trace(node, f"{mark}-{number}")
    trace(node, "other")
    frames = one.hear(3)
    assert told(frames) == [f"{mark}-{number}" for number in range(3)]
    headers = frames[0].headers
    assert (headers["subscription"], headers["destination"]) == ("s", "/topic/traces")
    assert headers["content-type"] == "application/cloudevents+json" and "ack" not in headers
    assert int(headers["content-length"]) == len(frames[0].body.encode())
    one.connection.unsubscribe("s", headers={"receipt": "r2"})
    assert one.next("RECEIPT").headers["receipt-id"] == "r2"
    trace(node, mark + "-9")
    one.silence()
    # Who comes back says what they have seen.
    two = client("", me.node.token())
    two.connection.subscribe(
        "/topic/traces", id="t",
        headers={"selector": f"startswith(Name,'{mark}')", "last-event-id": frames[1].headers["message-id"]})
    assert told(two.hear(2)) == [f"{mark}-2", f"{mark}-9"]


def test_what_is_not_acknowledged_comes_again(node, me, client):
    mark = secrets.token_hex(5)
    id = me.subscribe("traces", f"startswith(Name,'{mark}')")["id"]
    names = [f"{mark}-{number}" for number in range(6)]
    for name in names:
        trace(node, name)
    me.wait(id, 6)
    one = client()
    one.connection.subscribe(f"/subscriptions/{id}", id="1", ack="client-individual")
    frames = one.hear(6)
    assert told(frames) == names
    one.connection.ack(frames[3].headers["ack"])
    wait_for("the acknowledgement", lambda: me.show(id)["waiting"] == 5)
    one.leave()
    two = client()
    two.connection.subscribe(f"/subscriptions/{id}", id="1", ack="client")
    frames = two.hear(5)
    assert told(frames) == names[:3] + names[4:]
    # One is for all before it as well.
    two.connection.ack(frames[2].headers["ack"])
    wait_for("the acknowledgements", lambda: me.show(id)["waiting"] == 2)
    # What its reader turns down is a dead letter, until it is retried.
    two.connection.nack(frames[3].headers["ack"])
    assert [one["event"]["subject"] for one in wait_for("the letter", lambda: me.dead(id))] == [names[4]]
    assert me.call("POST", f"/subscriptions/{id}/dead-letters/retry") == {"retried": 1}
    again = two.hear(1)
    assert told(again) == [names[4]]
    two.connection.ack(again[0].headers["ack"])
    wait_for("that nothing waits", lambda: me.show(id)["waiting"] == 0)
    # What is sent counts as seen where nothing else was asked for.
    three = client()
    three.connection.subscribe(f"/subscriptions/{id}", id="1", ack="auto")
    trace(node, mark + "-6")
    assert told(three.hear(1)) == [mark + "-6"]
    wait_for("that nothing waits", lambda: me.show(id)["waiting"] == 0)


def test_who_acknowledges_nothing_is_sent_no_more_than_a_hundred(node, me, client):
    mark = secrets.token_hex(5)
    id = me.subscribe("traces", f"startswith(Name,'{mark}')")["id"]
    for number in range(105):
        trace(node, f"{mark}-{number}")
    me.wait(id, 100)
    one = client()
    one.connection.subscribe(f"/subscriptions/{id}", id="1", ack="client")
    frames = one.hear(100)
    one.silence()
    one.connection.ack(frames[99].headers["ack"])
    assert told(one.hear(5)) == [f"{mark}-{number}" for number in range(100, 105)]


def test_nothing_is_lost_when_the_node_is_killed(node, me, client):
    mark = secrets.token_hex(5)
    id = me.subscribe("traces", f"startswith(Name,'{mark}')")["id"]
    names = [f"{mark}-{number}" for number in range(20)]
    seen = []
    for part in range(2):
        for name in names[part * 10 :][:10]:
            trace(node, name)
        one = client()
        one.connection.subscribe(f"/subscriptions/{id}", id="1", ack="client-individual")
        for frame in one.hear(10):
            seen += told([frame])
            # A few are acknowledged.
            if len(seen) % 3 == 0:
                one.connection.ack(frame.headers["ack"])
        node.kill()
        node.start()
        me.http = node.http()
    one = client()
    one.connection.subscribe(f"/subscriptions/{id}", id="1", ack="auto")
    # The duty of a node that was killed is free again after a while.
    while set(seen) != set(names):
        seen += told([one.next(seconds=60)])


def test_nothing_is_told_that_may_not_be_read_any_more(node, ada, client):
    s3 = node.s3()
    bucket = "stomp-" + secrets.token_hex(5)
    s3.create_bucket(Bucket=bucket)
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    put_policy(node, ada.name, read)
    one = client(ada.name, ada.app_password)
    one.connection.subscribe("/topic/objects", id="1", headers={"selector": f"collection={bucket}", "receipt": "r"})
    one.next("RECEIPT")
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert told(one.hear(1)) == [bucket + "/a"]
    put_policy(node, ada.name, {**read, "Resource": "arn:aws:s3:::nothing"})
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    one.silence()
    node.cli_json("account", "disable", ada.name, "--json")
    # stomp.py sees no end of a connection with TLS; that it ends is seen in test_a_token_ends_with_its_account.
    assert "is disabled" in one.next("ERROR").headers["message"]
    node.cli_json("account", "enable", ada.name, "--json")


def test_heart_beats_go_both_ways(node, client):
    one = client(heartbeats=(10_000, 10_000))
    time.sleep(25)
    # stomp.py ends a connection on which it hears nothing; this one it does not.
    assert one.connection.is_connected() and one.frames.empty()


# Frames of our own


class Wire:
    """A socket that takes what no client would send."""

    def __init__(self, node):
        plain = socket.create_connection(("127.0.0.1", node.ports["stomp"]), timeout=30)
        context = ssl.create_default_context(cafile=node.authority) if node.tls else None
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
        self.unread = b""

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)
        return self

    def frame(self):
        while b"\0" not in self.unread:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.unread += more
        frame, self.unread = self.unread.split(b"\0", 1)
        return frame.lstrip(b"\r\n").decode()

    def connect(self, node, user="admin", password=None, **headers):
        more = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self.send(f"CONNECT\naccept-version:1.2\nhost:x\nlogin:{user}\npasscode:{password or node.password}\n{more}\n\0")
        return self.frame()


@pytest.mark.parametrize(
    "frame, said",
    [
        ("SUBSCRIBE\nid:1\ndestination:/topic/traces\n\n\0", "begins with CONNECT"), ("hello\n\n\0", "upper-case"),
        ("CONNECT\naccept-version:1.0,1.1\n\n\0", "1.2"), ("CONNECT\naccept-version:1.2\n\n\0", "passcode"),
        ("CONNECT\naccept-version:1.2\nlogin:admin\npasscode:wrong\n\n\0", "wrong"),
        ("CONNECT\naccept-version:1.2\npasscode:a.b.c\n\n\0", ""),
        ("CONNECT\naccept-version:1.2\nlogin:a\npasscode:b\nheart-beat:x\n\n\0", "heart-beat"),
        ("CONNECT\n" + "a:b\n" * 70 + "\n\0", "64 headers"), ("CONNECT\na:" + "b" * 20_000, "16384 bytes"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "command"),
    ],
)
def test_who_does_not_get_in_is_told_why(node, frame, said):
    wire = Wire(node).send(frame)
    answer = wire.frame()
    assert answer.startswith("ERROR\n") and said in answer, answer
    assert wire.frame() is None


@pytest.mark.parametrize(
    "frame, said",
    [
        ("SEND\ndestination:/topic/traces\n\nhello\0", "nothing is sent here"), ("BEGIN\ntransaction:1\n\n\0", "transactions"),
        ("SUBSCRIBE\nid:1\n\n\0", "destination"), ("SUBSCRIBE\ndestination:/topic/traces\n\n\0", "'id'"),
        ("SUBSCRIBE\nid:1\ndestination:/queue/x\n\n\0", "/topic/NAME"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/weather\n\n\0", "traces"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/traces\nselector:Name\n\n\0", "filter"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/traces\nack:maybe\n\n\0", "client-individual"),
        ("SUBSCRIBE\nid:1\ndestination:/subscriptions/none\n\n\0", "there is no subscription"),
        ("UNSUBSCRIBE\nid:7\n\n\0", "no subscription '7'"), ("ACK\nid:7\n\n\0", "'7'"), ("NACK\n\n\0", "'id'"),
        ("CONNECT\naccept-version:1.2\n\n\0", "already"), ("DANCE\n\n\0", "DANCE"),
    ],
)
def test_what_is_wrong_is_said_with_the_receipt_it_was_for(node, frame, said):
    wire = Wire(node)
    assert wire.connect(node).startswith("CONNECTED\nversion:1.2\n")
    head, rest = frame.split("\n", 1)
    wire.send(f"{head}\nreceipt:r\n{rest}")
    answer = wire.frame()
    assert answer.startswith("ERROR\n") and said.replace(":", "\\c") in answer.replace("\n\n", "\n"), answer
    assert "receipt-id:r" in answer
    assert wire.frame() is None


def test_a_connection_ends_as_was_agreed(node):
    wire = Wire(node)
    assert "heart-beat:10000,10000" in wire.connect(node)
    wire.send("DISCONNECT\nreceipt:bye\n\n\0")
    assert wire.frame() == "RECEIPT\nreceipt-id:bye\n\n" and wire.frame() is None
    # Who promises to say something, and does not, is not waited for.
    silent = Wire(node)
    silent.connect(node, **{"heart-beat": "1000,0"})
    begun = time.monotonic()
    assert "heart-beat" in silent.frame() and silent.frame() is None
    assert 15 < time.monotonic() - begun < 30


def test_a_token_ends_with_its_account(node, ada):
    answer = requests.post(
        f"{node.web}/oidc/token", verify=node.verify,
        data={"grant_type": "password", "username": ada.name, "password": ada.password})
    wire = Wire(node)
    assert wire.connect(node, "", answer.json()["access_token"]).startswith("CONNECTED")
    wire.send("SUBSCRIBE\nid:1\ndestination:/topic/traces\nreceipt:r\n\n\0")
    assert wire.frame().startswith("RECEIPT")
    node.cli_json("account", "disable", ada.name, "--json")
    assert wire.frame().startswith("ERROR") and wire.frame() is None
    node.cli_json("account", "enable", ada.name, "--json")


def test_a_node_that_ends_says_so(nodes):
    node = nodes.new("sqlite-http")
    node.ports["stomp"] = free_port()
    node.start()
    try:
        wire = Wire(node)
        wire.connect(node)
        begun = time.monotonic()
        node.stop()
        assert "being stopped" in wire.frame() and time.monotonic() - begun < 10
    finally:
        node.remove()
