"""The audit trail: search, export, and the proof that nothing was changed."""

import csv
import io
import json
import secrets
import sqlite3
import time

import pytest
import requests
from nodes import Node


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def node(request, nodes):
    database = nodes.metadata("postgres") if request.param == "postgres" else "sqlite"
    node = Node("audit", metadata=database, options=["--audit-seconds", "1"]).start()
    yield node
    node.stop()
    node.remove()


def search(node, *options):
    done = node.cli("audit", *options, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def ada(node):
    name = f"ada-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input="a long pass phrase 1\n")
    return name


def test_who_what_when_and_whence(node, ada):
    login = requests.post(f"{node.web}/oidc/token", timeout=20, data={
        "grant_type": "password", "username": ada, "password": "wrong pass phrase", "client_id": "martlet"})
    assert login.status_code == 400 or login.status_code == 401
    node.cli("account", "disable", ada)
    records = search(node, "--on", ada)
    kinds = [record["kind"] for record in records]
    assert kinds[0] == "account.changed" and "login.failed" in kinds and kinds[-1] == "account.created"
    assert [record["time"] for record in records] == sorted((r["time"] for r in records), reverse=True)
    assert all(record["detail"]["client"] == "127.0.0.1" for record in records)
    (failed,) = search(node, "--on", ada, "--what", "login.*")
    assert failed["kind"] == "login.failed" and "wrong" not in json.dumps(failed)
    assert search(node, "--on", ada, "--from", "192.0.2.1") == []
    assert len(search(node, "--on", ada, "--from", "127.0.0.1", "--who", "admin")) == 2
    assert search(node, "--text", ada.upper(), "--what", "account.created")[0]["subject"] == ada
    moment = records[0]["time"]
    assert [r["time"] for r in search(node, "--on", ada, "--since", moment)] == [moment]
    assert search(node, "--on", ada, "--until", records[-1]["time"])[0]["kind"] == "account.created"
    assert search(node, "--on", ada, "--until", "2020-01-01") == []
    assert node.cli("audit", "--since", "yesterday").returncode == 1


def test_pages_and_exports_tell_each_record_once(node):
    for number in range(7):
        node.cli_json("account", "create", f"many-{number}", "--json")
    http = node.http()
    found, cursor = [], ""
    while True:
        page = http.get(f"{node.web}/admin/v1/audit", params={"what": "account.created", "limit": 2, "before": cursor}).json()
        assert len(page["records"]) <= 2
        found += page["records"]
        if "next" not in page:
            break
        cursor = page["next"]
    places = [(record["tid"], record["sequence"]) for record in found]
    assert len(places) == len(set(places)) >= 8 and places == sorted(places, reverse=True)
    lines = http.get(f"{node.web}/admin/v1/audit", params={"what": "account.created", "format": "ndjson"}).text.splitlines()
    assert [json.loads(line) for line in lines] == found
    text = node.cli("audit", "--what", "account.created", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(int(row["tid"]), int(row["sequence"])) for row in rows] == places
    assert {row["kind"] for row in rows} == {"account.created"}
    for wrong in ({"before": "x"}, {"format": "xml"}, {"since": "tomorrow"}):
        assert http.get(f"{node.web}/admin/v1/audit", params=wrong).status_code == 400


def test_reads_and_refusals_are_found_together(node, ada):
    bucket = f"audit-{secrets.token_hex(3)}"
    s3 = node.s3()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="seen.txt", Body=b"x")
    s3.get_object(Bucket=bucket, Key="seen.txt")
    key = node.create_key(ada)
    with pytest.raises(Exception, match="AccessDenied"):
        node.s3(key).get_object(Bucket=bucket, Key="seen.txt")
    deadline = time.monotonic() + 10
    while True:
        records = search(node, "--text", f"{bucket}/seen.txt", "--reads")
        kinds = {record["kind"]: record for record in records}
        if "access.allowed" in kinds or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert kinds["policy.denied"]["actor"] == ada and "no statement allows" in kinds["policy.denied"]["detail"]["reason"]
    assert "Everything" in kinds["access.allowed"]["detail"]["reason"]
    assert "object.created" not in kinds and "access.allowed" not in {r["kind"] for r in search(node, "--text", bucket)}
    assert any(r["kind"].startswith("object") for r in search(node, "--text", f"{bucket}/seen.txt", "--data"))
    # Who has no right to search does not.
    assert node.cli("audit", user=ada, password="a long pass phrase 1").returncode == 3


def sealed(node, text):
    """The number of the batch that has a text, once it is sealed."""
    # With a token: the command line logs in each time, which would be part of the next batch.
    http, deadline, after = node.http(), time.monotonic() + 30, 0
    while time.monotonic() < deadline:
        for batch in http.get(f"{node.web}/admin/v1/audit/batches", params={"after": after}, timeout=20).json()["batches"]:
            after = batch["number"]
            lines = http.get(f"{node.web}/admin/v1/audit/batches/{after}", timeout=20).text
            if text in lines:
                assert node.cli("audit", "export", after).stdout == lines
                return after, lines
        time.sleep(0.2)
    raise AssertionError(f"{text} was not sealed")


def test_what_is_sealed_can_be_shown_unaltered(node, ada, tmp_path):
    number, lines = sealed(node, ada)
    file = tmp_path / f"{number}.ndjson"
    file.write_text(lines)
    verify = node.cli("audit", "verify", file)
    assert verify.returncode == 0 and "genuine" in verify.stdout, verify.stdout + verify.stderr
    file.write_text(lines.replace(ada, "bob-123456"))
    altered = node.cli("audit", "verify", file)
    assert altered.returncode == 2 and "genuine" not in altered.stdout.splitlines()[0]
    whole = node.cli("audit", "verify")
    assert whole.returncode == 0 and "0 altered" in whole.stdout, whole.stdout + whole.stderr
    # No batch is made for what making one causes. The command line logs in each time, which is an event.
    http, deadline = node.http(), time.monotonic() + 20

    def count():
        return len(http.get(f"{node.web}/admin/v1/audit/batches", timeout=20).json()["batches"])

    before = -1
    while count() != before:
        assert time.monotonic() < deadline
        before = count()
        time.sleep(2.5)


def test_a_change_in_the_database_is_found(nodes):
    node = Node("tampered", options=["--audit-seconds", "1"]).start()
    try:
        node.cli_json("account", "create", "mallory", "--json")
        sealed(node, "mallory")
        node.stop()
        database = sqlite3.connect(node.data / "metadata.sqlite")
        database.execute("UPDATE events SET subject = 'nobody' WHERE subject = 'mallory'")
        database.commit()
        database.close()
        node.start()
        verify = node.cli("audit", "verify")
        assert verify.returncode == 2 and "1 altered" in verify.stdout, verify.stdout
    finally:
        node.stop()
        node.remove()
