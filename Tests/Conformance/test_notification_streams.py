"""Server-Sent Events: what happens, told while somebody listens."""

import contextlib
import json
import queue
import secrets
import ssl
import threading
import time

import httpx
import httpx_sse
import pytest
import requests
from browsing import log_in, open_page, wait
from notifying import BASE, Subscriber, put_policy, subjects, trace


class Listener(threading.Thread):
    """Listens by httpx-sse, as a program would, and keeps what it hears."""

    def __init__(self, subscriber, path, params=None, last=None):
        super().__init__(daemon=True)
        self.heard = queue.Queue()
        self.last = last
        headers = {"Authorization": subscriber.http.headers["Authorization"]}
        if last:
            headers["Last-Event-ID"] = last
        authority = subscriber.node.authority
        context = ssl.create_default_context(cafile=authority) if authority else True
        self.client = httpx.Client(verify=context, timeout=60, trust_env=False)
        self.request = (subscriber.url(path), params, headers)
        self.failure = None
        self.start()
        kind, self.ready = self.heard.get(timeout=30)
        assert kind == "ready", (kind, self.ready)

    def run(self):
        url, params, headers = self.request
        try:
            with httpx_sse.connect_sse(self.client, "GET", url, params=params, headers=headers) as source:
                assert source.response.status_code == 200, source.response.read()
                for event in source.iter_sse():
                    if event.event == "ready":
                        self.last = event.id or self.last
                    if event.data:
                        self.heard.put((event.event, json.loads(event.data)))
                self.heard.put(("closed", None))
        except (httpx.HTTPError, AssertionError) as failure:
            self.heard.put(("failed", failure))

    def hear(self, count, seconds=30):
        """The next events."""
        deadline = time.monotonic() + seconds
        found = []
        while len(found) < count:
            kind, event = self.heard.get(timeout=max(0.1, deadline - time.monotonic()))
            assert kind == "message", (kind, event, found)
            found.append(event)
            self.last = event["id"]
        return found

    def silence(self, seconds=1.5):
        with contextlib.suppress(queue.Empty):
            raise AssertionError(self.heard.get(timeout=seconds))

    def close(self):
        self.client.close()


@pytest.fixture
def me(node):
    yield from Subscriber.lend(node)


@pytest.fixture
def ada(node):
    yield from Subscriber.lend_person(node)


def test_what_happens_is_told_while_somebody_listens(node, me):
    mark = secrets.token_hex(5)
    trace(node, mark + "-before")
    listener = Listener(me, "/events", {"topic": "traces", "filter": f"startswith(Name,'{mark}')"})
    assert listener.ready == {"topic": "traces", "filter": f"startswith(Name,'{mark}')"}
    for number in range(5):
        trace(node, f"{mark}-{number}")
    trace(node, "other")
    found = listener.hear(5)
    assert subjects(found) == [f"{mark}-{number}" for number in range(5)]
    assert found[0]["specversion"] == "1.0" and found[0]["data"]["name"] == mark + "-0"
    listener.silence()
    listener.close()
    # Who comes back says what they have seen, and hears what came after that.
    trace(node, mark + "-5")
    again = Listener(me, "/events", {"topic": "traces", "filter": f"startswith(Name,'{mark}')"}, last=found[2]["id"])
    assert subjects(again.hear(3)) == [f"{mark}-3", f"{mark}-4", f"{mark}-5"]
    again.close()


def test_who_heard_nothing_yet_loses_nothing_either(node, me):
    mark = secrets.token_hex(5)
    params = {"topic": "traces", "filter": f"Name eq '{mark}'"}
    listener = Listener(me, "/events", params)
    place = listener.last
    listener.close()
    trace(node, mark)
    again = Listener(me, "/events", params, last=place)
    assert subjects(again.hear(1)) == [mark]
    again.close()


def test_a_subscription_is_read_as_a_stream_and_what_was_seen_is_acknowledged(node, me):
    mark = secrets.token_hex(5)
    id = me.subscribe("traces", f"startswith(Name,'{mark}')")["id"]
    for number in range(70):
        trace(node, f"{mark}-{number}")
    me.wait(id, 70)
    listener = Listener(me, f"/subscriptions/{id}/events")
    found = listener.hear(70)
    assert subjects(found) == [f"{mark}-{number}" for number in range(70)]
    trace(node, mark + "-70")
    found += listener.hear(1)
    listener.close()
    # The connection broke: nothing was acknowledged yet.
    assert me.show(id)["waiting"] == 71
    again = Listener(me, f"/subscriptions/{id}/events", last=found[49]["id"])
    assert subjects(again.hear(21)) == [f"{mark}-{number}" for number in range(50, 71)]
    assert me.show(id)["waiting"] == 21
    again.close()
    # A page that begins anew has no such header.
    last = Listener(me, f"/subscriptions/{id}/events", {"lastEventId": found[69]["id"]})
    assert subjects(last.hear(1)) == [mark + "-70"]
    me.call("DELETE", f"/subscriptions/{id}", 204)
    assert last.heard.get(timeout=10) == ("end", {"reason": "the subscription has ended"})
    last.close()


def test_a_node_that_starts_again_goes_on_where_it_was(nodes):
    for kind in ("sqlite-https", "postgres-http"):
        node = nodes.new(kind).start()
        try:
            me = Subscriber(node, node.http())
            id = me.subscribe("traces", "startswith(Name,'S')")["id"]
            listeners = [
                Listener(me, f"/subscriptions/{id}/events"),
                Listener(me, "/events", {"topic": "traces", "filter": "startswith(Name,'S')"}),
            ]
            heard = [[], []]
            for round in range(3):
                for number in range(10):
                    trace(node, f"S{round}-{number}")
                for listener, found in zip(listeners, heard):
                    found += listener.hear(10 if round < 2 else 9)
                if round == 1:
                    # Streams end when the node does, and say so; it does not wait for who listens.
                    begun = time.monotonic()
                    node.stop()
                    assert time.monotonic() - begun < 15
                    for listener in listeners:
                        assert listener.heard.get(timeout=10)[0] == "end"
                else:
                    node.kill()
                node.start()
                listeners = [
                    Listener(me, f"/subscriptions/{id}/events", last=listeners[0].last),
                    Listener(me, "/events", {"topic": "traces", "filter": "startswith(Name,'S')"}, last=listeners[1].last),
                ]
            for listener, found in zip(listeners, heard):
                found += listener.hear(1)
                assert subjects(found) == [f"S{round}-{number}" for round in range(3) for number in range(10)]
                listener.silence(0.5)
                listener.close()
        finally:
            node.remove()


def test_nothing_is_told_that_may_not_be_read_any_more(node, ada, bucket, s3):
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}
    put_policy(node, ada.name, read)
    listener = Listener(ada, "/events", {"topic": "objects", "filter": f"collection={bucket}"})
    s3.put_object(Bucket=bucket, Key="closed/1", Body=b"x")
    s3.put_object(Bucket=bucket, Key="open/2", Body=b"x")
    assert subjects(listener.hear(1)) == [f"{bucket}/open/2"]
    put_policy(node, ada.name, {**read, "Resource": "arn:aws:s3:::nothing/*"})
    s3.put_object(Bucket=bucket, Key="open/3", Body=b"x")
    listener.silence()
    # The stream ends with the account.
    node.cli_json("account", "disable", ada.name, "--json")
    kind, event = listener.heard.get(timeout=20)
    assert kind == "end" and "does not count" in event["reason"]
    assert listener.heard.get(timeout=10)[0] == "closed"
    listener.close()
    node.cli_json("account", "enable", ada.name, "--json")


def test_streams_are_counted_and_what_cannot_be_heard_is_told(node, me, ada):
    for path, params, status in (
        ("/events", {}, 400), ("/events", {"topic": "weather"}, 400), ("/events", {"topic": "traces", "filter": "Name"}, 400),
        ("/events", {"topic": "traces", "lastEventId": "yesterday"}, 400), ("/subscriptions/none/events", {}, 404),
    ):
        answer = me.http.get(me.url(path), params=params)
        assert answer.status_code == status and answer.json()["detail"], (path, params)
    assert requests.get(me.url("/events?topic=traces"), verify=node.verify).status_code == 401
    open = [ada.http.get(ada.url("/events?topic=traces"), stream=True) for _ in range(20)]
    assert [answer.status_code for answer in open] == [200] * 20
    assert open[0].headers["Content-Type"] == "text/event-stream" and open[0].headers["Cache-Control"] == "no-store"
    assert ada.http.get(ada.url("/events?topic=traces")).status_code == 409
    open.pop().close()
    deadline = time.monotonic() + 30
    # That one has gone is seen when something is written to it.
    while (answer := ada.http.get(ada.url("/events?topic=traces"), stream=True)).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    for one in [*open, answer]:
        one.close()


def test_a_silent_stream_has_a_heartbeat(node, me):
    with me.http.get(me.url("/events"), params={"topic": "traces", "filter": "Name eq 'none'"}, stream=True, timeout=40) as answer:
        lines = answer.iter_lines()
        begun = time.monotonic()
        beat = next(line for line in lines if line.startswith(b":"))
        assert 10 < time.monotonic() - begun < 30 and len(beat) > 2


def test_the_command_line_listens(node, me):
    mark = secrets.token_hex(5)
    found = []
    thread = threading.Thread(
        target=lambda: found.append(
            node.cli("notify", "listen", "traces", "--filter", f"startswith(Name,'{mark}')", "--count", "2")))
    thread.start()
    # It prints what happens from when it has begun.
    for number in range(60):
        trace(node, f"{mark}-{number}")
        thread.join(0.5)
        if not thread.is_alive():
            break
    assert found[0].returncode == 0, found[0].stderr
    first, second = [int(json.loads(line)["subject"].split("-")[1]) for line in found[0].stdout.splitlines()]
    assert second == first + 1


def test_a_browser_listens_with_its_session(node, browser):
    mark = secrets.token_hex(5)
    log_in(browser, node)
    open_page(browser, node, "/healthz")
    browser.execute_script(
        """
        window.heard = []
        window.source = new EventSource(arguments[0])
        source.onmessage = event => heard.push([event.lastEventId, JSON.parse(event.data).subject])
        source.addEventListener('ready', () => window.isReady = true)
        """,
        f"{BASE}/events?topic=traces&filter=startswith(Name,'{mark}')",
    )
    wait(browser).until(lambda b: b.execute_script("return window.isReady"))
    for number in range(3):
        trace(node, f"{mark}-{number}")
    wait(browser).until(lambda b: b.execute_script("return heard.length") == 3)
    heard = browser.execute_script("return heard")
    assert [subject for _, subject in heard] == [f"{mark}-{number}" for number in range(3)]
    assert all(id for id, _ in heard)
    browser.execute_script("source.close()")
