"""Letters: what happens, written to the account's own address, and the link that ends it."""

import secrets
import time

import pytest
import requests
from mail import Sink
from notifying import Subscriber, trace
from products import wait_for


@pytest.fixture(scope="module")
def sink():
    yield from Sink.lend()


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def node(request, nodes, sink):
    yield from sink.lend_node(nodes, request.param)


@pytest.fixture
def ada(node):
    subscriber = Subscriber.person(node, email=f"ada-{secrets.token_hex(4)}@example.org")
    subscriber.email = node.http().get(f"{node.web}/admin/v1/accounts/{subscriber.name}").json()["email"]
    yield subscriber
    subscriber.leave()


def letters(sink, ada):
    return [one for one in sink.letters if ada.email in one["To"]]


def test_what_happens_is_written_until_its_reader_has_enough(node, sink, ada):
    mark = secrets.token_hex(5)
    made = ada.subscribe("traces", f"startswith(Name,'{mark}')", delivery={"type": "mail"})
    assert made["delivery"] == {"type": "mail", "digestSeconds": 0} and "signingKey" not in made
    trace(node, mark + "-1")
    letter = sink.to(ada.email)
    text = letter.get_content()
    assert letter["Subject"] == "News of traces: 1 event" and mark + "-1" in text and "martlet.trace.registered" in text
    # What comes soon after is gathered.
    trace(node, mark + "-2")
    trace(node, mark + "-3")
    time.sleep(3)
    assert len(letters(sink, ada)) == 1 and ada.show(made["id"])["waiting"] == 2
    stop = next(line for line in text.splitlines() if "/stop?token=" in line)
    # Mail programs offer the same beside the sender (RFC 8058).
    assert letter["List-Unsubscribe"] == f"<{stop}>" and letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # A program that looks at links ends nothing; a wrong token does not either.
    page = requests.get(stop)
    assert page.status_code == 200 and "<form method=\"post\">" in page.text
    assert "<script" not in page.text and "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert requests.post(stop[:-2] + "00").status_code == 404
    assert ada.show(made["id"])["status"] == "running"
    assert requests.post(stop, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert ada.show(made["id"])["status"] == "cancelled" and ada.show(made["id"])["waiting"] == 0


def test_a_digest_gathers(node, sink, ada):
    mark = secrets.token_hex(5)
    delivery = {"type": "mail", "digestSeconds": 4}
    ada.subscribe("traces", f"startswith(Name,'{mark}')", delivery=delivery)
    begun = time.monotonic()
    for number in range(3):
        trace(node, f"{mark}-{number}")
    letter = sink.to(ada.email)
    assert time.monotonic() - begun > 3.5
    assert letter["Subject"] == "News of traces: 3 events"
    assert all(f"{mark}-{number}" in letter.get_content() for number in range(3))
    wait_for("that nothing waits", lambda: ada.show(ada.made[-1])["waiting"] == 0)


def test_who_has_no_address_gets_no_letters(node, sink):
    eve = Subscriber.person(node)
    eve.call("POST", "/subscriptions", 400, json={"topic": "traces", "delivery": {"type": "mail"}})
    ada = {"type": "mail", "digestSeconds": -1}
    answer = node.http().post(f"{node.web}/notifications/v1/subscriptions", json={"topic": "traces", "delivery": ada})
    assert answer.status_code == 400


def test_the_page_is_readable(node, ada, browser, tmp_path):
    from browsing import SCHEMES, WIDTHS, look

    made = ada.subscribe("traces", delivery={"type": "mail"})
    for width in WIDTHS:
        for scheme in SCHEMES:
            look(browser, width, scheme)
            browser.get(f"{node.web}/notifications/v1/subscriptions/{made['id']}/stop?token=x")
            assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            color = browser.execute_script("return getComputedStyle(document.querySelector('h1')).color")
            assert color == ("rgb(0, 0, 0)" if scheme == "light" else "rgb(255, 255, 255)")
            browser.save_screenshot(f"/tmp/stop-{width}-{scheme}.png")
