"""The page that verifies files in the browser, as a person uses it in Chromium: served by a node, and from a disk."""

import json
import os
import pathlib
import secrets

import blake3
import pytest
import requests
from authorities import TestAuthority, pem
from browsing import SCHEMES, WIDTHS, chromium, errors, look, wait
from nodes import Node
from selenium.webdriver.common.by import By
from signers import KINDS, Nobody, TraceSigner

PICTURES = os.environ.get("MARTLET_PICTURES")


@pytest.fixture(scope="module")
def authority():
    return TestAuthority("Authority of the page's signers")


@pytest.fixture(scope="module")
def node(nodes, authority, tmp_path_factory):
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_text(pem(authority.certificate))
    node = Node("verify-page", options=["--trace-authorities", str(file)]).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture(scope="module")
def browser():
    browser = chromium()
    yield browser
    browser.quit()


def base(node):
    return f"{node.web}/traces/api/v1/traces"


def register(node, trace):
    answer = node.http().put(base(node), json=[trace])
    assert answer.json()["success"] == 1, answer.text
    return requests.get(f"{base(node)}/{answer.json()['traces'][0]['id']}").json()


def new_file(folder, size=3000):
    path = folder / f"{secrets.token_hex(6)}.bin"
    path.write_bytes(secrets.token_bytes(size))
    return path


def product(path, algorithm=blake3.blake3):
    return {"name": path.name, "size": path.stat().st_size, "hash": algorithm(path.read_bytes()).hexdigest()}


def verdicts(browser, *paths):
    """Gives files to the page, and takes what it says of each."""
    browser.find_element(By.ID, "files").send_keys("\n".join(map(str, paths)))
    files = [path for path in paths if not str(path).endswith((".json", ".tlog-proof"))]

    def all_of_them(browser):
        boxes = browser.find_elements(By.CSS_SELECTOR, ".verdict")
        return boxes if len(boxes) >= max(1, len(files)) else None

    boxes = wait(browser).until(all_of_them)
    said = [(box.find_element(By.CLASS_NAME, "word").text, box.text) for box in boxes]
    browser.execute_script("document.getElementById('files').value = ''; document.getElementById('results').replaceChildren()")
    return said


def open_served(browser, node):
    browser.get(f"{node.web}/traces/verify")
    wait(browser).until(lambda b: b.find_element(By.ID, "key").get_property("value"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_released_is_genuine_whoever_signed_it(node, browser, authority, tmp_path, kind):
    file = new_file(tmp_path)
    register(node, TraceSigner(kind, authority).trace(product(file)))
    open_served(browser, node)
    ((word, text),) = verdicts(browser, file)
    assert word == "Genuine", text
    assert f"Signer {kind} has signed it" in text and "by its signed checkpoint" in text
    assert not errors(browser)


@pytest.mark.parametrize("name, algorithm", [("SHA256", "sha256"), ("SHA3", "sha3_256")])
def test_other_digests_are_looked_for_too(node, browser, authority, tmp_path, name, algorithm):
    import hashlib

    file = new_file(tmp_path, 200_001)
    register(node, TraceSigner("p-256", authority).trace(product(file, getattr(hashlib, algorithm)), algorithm=name))
    open_served(browser, node)
    assert verdicts(browser, file)[0][0] == "Genuine"


def test_altered_unknown_and_unbelievable_files_are_told_apart(node, browser, authority, tmp_path):
    signer = TraceSigner("p-256", authority)
    file, strange, nobody, never = (new_file(tmp_path) for _ in range(4))
    register(node, signer.trace(product(file)))
    register(node, TraceSigner().trace(product(strange)))
    register(node, Nobody().trace(product(nobody)))
    open_served(browser, node)
    assert verdicts(browser, file)[0][0] == "Genuine"
    ((word, text),) = verdicts(browser, strange)
    assert word == "Unknown" and "nobody whom the service trusts" in text
    ((word, text),) = verdicts(browser, nobody)
    assert word == "Unknown" and "nobody has signed" in text
    assert verdicts(browser, never)[0][0] == "Unknown"
    body = bytearray(file.read_bytes())
    body[7] ^= 1
    file.write_bytes(body)
    ((word, text),) = verdicts(browser, file)
    assert word == "Altered" and "digest is another one" in text
    # Who trusts another log's key believes nothing of this one.
    file.write_bytes(bytes(b ^ (1 if i == 7 else 0) for i, b in enumerate(body)))
    key = browser.find_element(By.ID, "key")
    browser.execute_script("arguments[0].value = arguments[1]", key, "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    ((word, text),) = verdicts(browser, file)
    assert word == "Unknown" and "not one of the log example.com/foo" in text
    register(node, signer.trace(product(file), "OBSOLETE", obsolescence="a new baseline"))
    open_served(browser, node)
    ((word, text),) = verdicts(browser, file)
    assert word == "Genuine" and "a new baseline" in text


def test_from_a_disk_it_asks_nobody(node, browser, authority, tmp_path):
    page = tmp_path / "verify.html"
    answer = requests.get(f"{node.web}/traces/verify")
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    page.write_bytes(answer.content)
    files = [new_file(tmp_path) for _ in range(3)]
    evidence = []
    for number, file in enumerate(files):
        trace = register(node, TraceSigner("p-384", authority).trace(product(file)))
        paths = tmp_path / f"{number}.json", tmp_path / f"{number}.tlog-proof"
        paths[0].write_text(json.dumps(trace))
        paths[1].write_bytes(requests.get(f"{base(node)}/{trace['id']}/proof").content)
        evidence.append(paths)
    vkey = requests.get(f"{node.web}/traces/log/vkey").text.strip()
    browser.get(page.as_uri())
    browser.get_log("performance")
    browser.find_element(By.ID, "key").send_keys(vkey)
    said = verdicts(browser, files[0], files[1], *evidence[0], *evidence[1])
    assert [word for word, _ in said] == ["Genuine", "Genuine"], said
    # The proof of another trace, or a trace that was altered, proves nothing.
    assert verdicts(browser, files[0], evidence[0][0], evidence[2][1])[0][0] == "Unknown"
    trace = json.loads(evidence[0][0].read_text())
    for member, value in (("timestamp", "2026-01-01T00:00:00Z"), ("event", "COPY")):
        (tmp_path / "altered.json").write_text(json.dumps({**trace, member: value}))
        assert verdicts(browser, files[0], tmp_path / "altered.json", evidence[0][1])[0][0] == "Unknown", member
    assert verdicts(browser, files[2], *evidence[0])[0][0] == "Unknown"
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert not [url for url in sent if not url.startswith(("file:", "data:", "blob:"))], sent


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_every_screen(node, browser, authority, tmp_path, width, scheme):
    look(browser, width, scheme)
    file = new_file(tmp_path)
    register(node, TraceSigner("p-256", authority).trace(product(file)))
    open_served(browser, node)
    browser.find_element(By.ID, "files").send_keys(f"{file}\n{new_file(tmp_path)}")
    wait(browser).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, ".verdict")) == 2)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    if PICTURES:
        browser.save_screenshot(str(pathlib.Path(PICTURES) / f"verify-{width}-{scheme}.png"))
    assert not errors(browser)
