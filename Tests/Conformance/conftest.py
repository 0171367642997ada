"""Fixtures: nodes that live as long as the session, buckets that live as long as a test."""

import pathlib
import secrets
import shutil

import pytest
from browsing import chromium
from clients import surroundings
from nodes import BINARY, Node, Nodes

# Both engines and both schemes with two nodes; the other two pairings run where a test asks for `every_node`.
KINDS = ["sqlite-https", "postgres-http"]
EVERY_KIND = [*KINDS, "sqlite-http", "postgres-https"]


def pytest_sessionstart(session):
    if not session.config.option.collectonly and not shutil.which(BINARY):
        pytest.exit(f"there is no program at {BINARY}: build it, or name it in MARTLET_BIN", returncode=3)


@pytest.fixture(scope="session")
def nodes():
    nodes = Nodes()
    yield nodes
    nodes.close()


@pytest.fixture(scope="session", params=KINDS)
def node(request, nodes):
    return nodes.shared(request.param)


@pytest.fixture(scope="module")
def http(node):
    """Requests in the administrator's name."""
    return node.http()


@pytest.fixture(scope="session", params=EVERY_KIND)
def every_node(request, nodes):
    return nodes.shared(request.param)


@pytest.fixture(scope="session")
def any_node(nodes):
    """One node, where neither the engine nor the scheme matters."""
    return nodes.shared(KINDS[0])


@pytest.fixture(autouse=True)
def nodes_live_on(nodes):
    """A node that a test ended is that test's failure; the next test finds a running one."""
    yield
    ended = nodes.revive()
    assert not ended, "\n".join(ended)


@pytest.fixture(scope="module")
def browser():
    driver = chromium()
    yield driver
    driver.quit()


@pytest.fixture
def s3(node):
    return node.s3()


@pytest.fixture
def bucket(s3):
    yield from lend_bucket(s3)


@pytest.fixture(params=["http", "https"])
def client_node(request, nodes):
    """Both schemes, for clients that are not ours; each node keeps its own engine."""
    return nodes.shared({"http": "postgres-http", "https": "sqlite-https"}[request.param])


@pytest.fixture
def place(client_node):
    """A bucket, removed with what clients left in it."""
    s3 = client_node.s3()
    yield from lend_bucket(s3, "client")


@pytest.fixture(scope="module")
def trusting(nodes):
    """Several libraries read whom they trust once in a process, so that it is said before the first request of any."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SSL_CERT_FILE", "TENSORSTORE_CA_BUNDLE"):
            patch.setenv(name, nodes.shared("sqlite-https").authority)
        yield


@pytest.fixture
def surrounded(client_node, trusting, monkeypatch):
    """This process in the environment of docs/clients.md, for clients that are libraries."""
    for name, value in surroundings(client_node).items():
        monkeypatch.setenv(name, value)
    return client_node


def new_bucket(s3, prefix="test"):
    name = f"{prefix}-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


def lend_bucket(s3, prefix="test"):
    """A bucket for a fixture, removed with all that is in it when the test has ended."""
    bucket = new_bucket(s3, prefix)
    yield bucket
    empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def empty_bucket(s3, bucket):
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        if found:
            keys = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in found]
            gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            assert not gone.get("Errors"), gone["Errors"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the end of the node's log beside a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Node) and value.tail():
                report.sections.append((f"log of {value.name}", value.tail()))


@pytest.fixture(scope="session")
def screenshots():
    folder = pathlib.Path(__file__).resolve().parent.parent.parent / "out" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
