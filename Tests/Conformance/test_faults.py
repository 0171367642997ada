"""Faults of the disk and of the clock: nothing answered is lost where the disk keeps its word, and where it does not, it is said.

The power cuts are those of faults.c: what the node had not synced is taken back.
"""

import datetime
import json
import os
import sqlite3
import subprocess
import time

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError
from conftest import empty_bucket, new_bucket
from faults import BLOBS, DATABASE, Faults, compile_library
from nodes import BINARY, clean_environment
from rehearsal import OPTIONS, Rehearsal

LONG = bool(os.environ.get("MARTLET_LONG"))
ROUNDS = 200 if LONG else 3
FIRST = int(os.environ.get("MARTLET_CRASH_SEED", "1"))
# The scrub looks once a second at what did not read well, and asks a disk three times.
NOTICE_SECONDS = 30


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return compile_library(tmp_path_factory.mktemp("faults"))


@pytest.fixture
def faulty(request, nodes, library):
    """A node with its faults; `request.param` is its kind."""
    node = nodes.new(getattr(request, "param", "sqlite-http"), options=["--history-seconds", "1"])
    node.faults = Faults(library, node.home, node.data)
    node.environment = node.faults.environment
    yield node.start()
    node.remove()


def eventually(what, check):
    deadline = time.monotonic() + NOTICE_SECONDS
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not after {NOTICE_SECONDS} s: {what}"
        time.sleep(0.1)
    return answer


def quarantine(node):
    """What is in quarantine, by key."""
    listed = node.cli("quarantine", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    return {found["key"]: found for found in map(json.loads, listed.stdout.splitlines())}


def code(call):
    """The status and S3's code of a call that is refused; 200 for one that is not, nothing for one that breaks off."""
    try:
        answer = call()
        if "Body" in answer:
            answer["Body"].read()
        return 200, None
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    except BotoCoreError:
        return None, None


# Power cuts


@pytest.mark.parametrize("faulty", ["sqlite-http", "postgres-http"], indirect=True)
def test_a_power_cut_takes_nothing_that_was_answered(faulty):
    faulty.stop()
    faulty.faults.forget()
    faulty.options = OPTIONS
    faulty.start()
    faulty.s3().create_bucket(Bucket="rehearsal")
    rehearsal = Rehearsal(faulty)
    undone = 0
    for seed in range(FIRST, FIRST + ROUNDS):
        rehearsal.round(f"{seed} power", "everything", faulty.kill)
        # Every third time nothing that was not synced has reached the disk, otherwise some of it.
        undone += faulty.faults.cut_power(seed=None if seed % 3 == 1 else seed)
        rehearsal_starts(faulty, rehearsal)
    assert undone, "there has to be something that was not synced, or this tests nothing"


def rehearsal_starts(node, rehearsal):
    node.start()
    rehearsal.check()
    node.stop()
    node.faults.forget()
    rehearsal.check_offline()
    node.start()


def test_what_a_lying_disk_has_lost_is_found_and_told(faulty):
    s3 = faulty.s3()
    s3.create_bucket(Bucket="lies")
    s3.put_object(Bucket="lies", Key="before", Body=b"x" * 100_000)
    faulty.stop()
    faulty.faults.forget()
    faulty.start()
    s3 = faulty.s3()
    faulty.faults.set(lie_class=BLOBS)
    lost = [f"lost/{number}" for number in range(5)]
    for key in lost:
        s3.put_object(Bucket="lies", Key=key, Body=os.urandom(100_000))
    s3.put_object(Bucket="lies", Key="small", Body=b"in the database")
    faulty.kill()
    assert faulty.faults.cut_power()
    faulty.faults.set(lie_class=0)

    findings, summary = faulty.verify_offline()
    assert len(findings) == len(lost), findings
    for key, finding in zip(lost, sorted(findings, key=lambda found: found["subject"].split("'")[1])):
        assert f"'{key}'" in finding["subject"] and finding["problem"] == "a stored blob is missing", finding
    assert summary["versions"] == 7

    faulty.start()
    s3 = faulty.s3()
    assert s3.get_object(Bucket="lies", Key="small")["Body"].read() == b"in the database"
    assert s3.get_object(Bucket="lies", Key="before")["Body"].read() == b"x" * 100_000
    assert code(lambda: s3.get_object(Bucket="lies", Key=lost[0])) in [(500, "InternalError"), (None, None)]
    faulty.cli_json("scrub", "--begin", "--json")
    eventually("all that was lost is in quarantine", lambda: sorted(quarantine(faulty)) == lost)
    for key in lost:
        assert code(lambda key=key: s3.get_object(Bucket="lies", Key=key)) == (403, "AccessDenied")
        assert code(lambda key=key: s3.head_object(Bucket="lies", Key=key))[0] == 403
    # What is lost can be stored again.
    s3.put_object(Bucket="lies", Key=lost[0], Body=b"y" * 100_000)
    assert s3.get_object(Bucket="lies", Key=lost[0])["Body"].read() == b"y" * 100_000
    s3.delete_objects(Bucket="lies", Delete={"Objects": [{"Key": key} for key in lost[1:]]})
    assert quarantine(faulty) == {}
    time.sleep(2)
    faulty.stop()
    findings, _ = faulty.verify_offline()
    assert findings == []


# A device that fails


def test_a_read_that_fails_once_is_an_error_and_no_damage(faulty):
    s3 = faulty.s3()
    s3.create_bucket(Bucket="reads")
    body = os.urandom(100_000)
    s3.put_object(Bucket="reads", Key="a", Body=body)
    faulty.faults.set(read_class=BLOBS, read_count=1)
    assert code(lambda: s3.get_object(Bucket="reads", Key="a"))[0] != 200
    assert faulty.faults.get("read_count") == 0
    eventually("it was looked at again", lambda: "reads again" in faulty.tail() or "does again" in faulty.tail())
    assert quarantine(faulty) == {}
    assert s3.get_object(Bucket="reads", Key="a")["Body"].read() == body
    faulty.stop()


def test_what_cannot_be_read_for_good_is_in_quarantine_until_it_can(faulty):
    s3 = faulty.s3()
    s3.create_bucket(Bucket="reads")
    bodies = {key: os.urandom(200_000) for key in ("a", "b")}
    for key, body in bodies.items():
        s3.put_object(Bucket="reads", Key=key, Body=body)
    blobs = [path for path in (faulty.data / "blobs").rglob("*") if path.is_file() and path.name != "lock"]
    assert len(blobs) == 2
    faulty.faults.set(read_class=BLOBS, read_inode=blobs[0].stat().st_ino, read_count=-1)
    broken = [key for key in bodies if code(lambda key=key: s3.get_object(Bucket="reads", Key=key))[0] != 200]
    assert len(broken) == 1
    found = eventually("it is in quarantine", lambda: quarantine(faulty))[broken[0]]
    assert found["cause"] == "damage" and "Input/output error" in found["reason"], found
    assert code(lambda: s3.get_object(Bucket="reads", Key=broken[0])) == (403, "AccessDenied")
    assert code(lambda: s3.copy_object(Bucket="reads", Key="c", CopySource=f"reads/{broken[0]}"))[0] == 403
    faulty.faults.set(read_count=0)
    faulty.cli_json("scrub", "--begin", "--json")
    eventually("it is released", lambda: not quarantine(faulty))
    for key, body in bodies.items():
        assert s3.get_object(Bucket="reads", Key=key)["Body"].read() == body
    faulty.stop()


@pytest.mark.parametrize("size", [100, 100_000, 3 << 20], ids=["inline", "blob", "direct"])
@pytest.mark.parametrize(
    "fault",
    [
        {"write_class": BLOBS, "write_count": 1},
        {"sync_class": BLOBS, "sync_count": 1},
        {"sync_class": BLOBS, "sync_count": -1},
        {"write_class": DATABASE, "write_count": 1},
        {"write_class": DATABASE, "write_count": -1},
        {"sync_class": DATABASE, "sync_count": 1},
        {"sync_class": DATABASE, "sync_count": -1},
    ],
    ids=lambda fault: "-".join(f"{name}={value}" for name, value in fault.items()),
)
def test_nothing_is_answered_that_could_not_be_written(failing, size, fault):
    """A write or a sync that fails: the PUT fails, what was there is there, and a power cut takes nothing answered."""
    s3, faults = failing.s3(), failing.faults
    key = f"{size} {sorted(fault.items())}"
    old, new = os.urandom(size), os.urandom(size)
    s3.put_object(Bucket="writes", Key=key, Body=old)
    faults.set(**fault)
    status, said = code(lambda: s3.put_object(Bucket="writes", Key=key, Body=new))
    faults.set(write_count=0, sync_count=0)
    failing_class = fault.get("write_class") or fault.get("sync_class")
    # A follower may have met a single fault of the database that was meant for the PUT.
    if failing_class == BLOBS and size > 16_384 or failing_class == DATABASE and -1 in fault.values():
        assert status in (500, 503, 507), (status, said)
    assert failing.is_alive(), "the node goes on"
    expected = new if status == 200 else old
    assert s3.get_object(Bucket="writes", Key=key)["Body"].read() == expected
    again = os.urandom(size)
    s3.put_object(Bucket="writes", Key=key, Body=again)
    assert s3.get_object(Bucket="writes", Key=key)["Body"].read() == again
    failing.expected[key] = again


@pytest.fixture(scope="module")
def failing(nodes, library):
    """A node for all failing writes; at the end its power is cut, and everything answered is there."""
    node = nodes.new("sqlite-http", options=["--history-seconds", "1"])
    node.faults = Faults(library, node.home, node.data)
    node.environment = node.faults.environment
    node.expected = {}
    node.start()
    node.s3().create_bucket(Bucket="writes")
    yield node
    node.kill()
    node.faults.cut_power()
    node.start()
    s3 = node.s3()
    for key, body in node.expected.items():
        assert s3.get_object(Bucket="writes", Key=key)["Body"].read() == body, key
    node.stop()
    findings, summary = node.verify_offline()
    assert findings == [] and summary["versions"] >= len(node.expected)
    node.remove()


# Flipped bits


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def test_flipped_bits_are_found_told_and_harm_nothing_else(nodes):
    node = nodes.new("sqlite-http").start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="bits")
        bodies = {
            key: os.urandom(size)
            for key, size in {"inline": 5000, "blob": 100_000, "cut": 70_000, "fine": 300_000, "row": 200}.items()
        }
        for key, body in bodies.items():
            s3.put_object(Bucket="bits", Key=key, Body=body)
        upload = s3.create_multipart_upload(Bucket="bits", Key="parts")["UploadId"]
        parts = []
        for number, body in enumerate([os.urandom(5 << 20), b"end" * 1000], 1):
            answer = s3.upload_part(Bucket="bits", Key="parts", UploadId=upload, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        s3.complete_multipart_upload(Bucket="bits", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
        node.stop()
        assert node.verify_offline()[0] == []

        database = sqlite3.connect(node.data / "metadata.sqlite")

        def blob(key):
            row = "SELECT lower(hex(coalesce(blob, (SELECT blob FROM parts WHERE version = id ORDER BY number DESC))))"
            name = database.execute(f"{row} FROM versions WHERE key = ? AND kind = 0", (key,)).fetchone()[0]
            return node.data / "blobs" / name[:2] / name[2:4] / name

        flip(blob("blob"), 70_000)
        flip(blob("parts"), 5)
        os.truncate(blob("cut"), 66_000)
        number, bytes_ = database.execute(
            "SELECT version, bytes FROM inline_bytes JOIN versions ON number = version WHERE key = 'inline'"
        ).fetchone()
        changed = bytearray(bytes_)
        changed[3000] ^= 1
        database.execute("UPDATE inline_bytes SET bytes = ? WHERE version = ?", (bytes(changed), number))
        database.execute("UPDATE versions SET etag = 'd41d8cd98f00b204e9800998ecf8427e' WHERE key = 'row'")
        database.commit()
        database.close()

        damaged = {"blob", "parts", "cut", "inline", "row"}
        findings, _ = node.verify_offline()
        assert {finding["subject"].split("'")[1] for finding in findings} == damaged, findings
        human = subprocess.run(
            [BINARY, "verify", "--data", str(node.data)],
            capture_output=True,
            text=True,
            env={**clean_environment(), "HOME": str(node.home)},
        )
        assert human.returncode == 2
        assert "5 things are not as they should be" in human.stdout

        node.start()
        s3 = node.s3()
        node.cli_json("scrub", "--begin", "--json")
        eventually("all damage is in quarantine", lambda: set(quarantine(node)) == damaged)
        state = eventually(
            "the pass has ended",
            lambda: (state := node.cli_json("scrub", "--json")) and not state["running"] and state,
        )
        assert (state["versions"], state["damaged"]) == (6, 5)
        for key in damaged:
            assert code(lambda key=key: s3.get_object(Bucket="bits", Key=key)) == (403, "AccessDenied")
            assert node.http().get(f"{node.web}/dav/bits/{key}").status_code == 403
        assert node.http().get(f"{node.web}/dav/bits/fine").content == bodies["fine"]
        assert s3.get_object(Bucket="bits", Key="fine")["Body"].read() == bodies["fine"]

        # The operator: what is whole after all is released, what is not comes back, and the rest is deleted.
        found = quarantine(node)
        assert node.cli("quarantine", "release", found["row"]["number"]).returncode == 0
        assert s3.get_object(Bucket="bits", Key="row")["Body"].read() == bodies["row"]
        assert node.cli("quarantine", "release", found["blob"]["number"]).returncode == 0
        assert code(lambda: s3.get_object(Bucket="bits", Key="blob"))[0] != 200
        eventually("it is back", lambda: "blob" in quarantine(node))
        for key in damaged - {"row"}:
            assert node.cli("quarantine", "delete", found[key]["number"]).returncode == 0
        assert node.cli("quarantine", "delete", found["cut"]["number"]).returncode == 4
        assert quarantine(node) == {}
        assert {entry["Key"] for entry in s3.list_objects_v2(Bucket="bits")["Contents"]} == {"fine", "row"}
        node.stop()
    finally:
        node.remove()


def test_a_damaged_database_is_told(nodes):
    node = nodes.new("sqlite-http").start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="bits")
        for number in range(300):
            s3.put_object(Bucket="bits", Key=f"key/{number:04}", Body=b"%d" % number)
        node.stop()
        path = node.data / "metadata.sqlite"
        database = sqlite3.connect(path)
        page_size = database.execute("PRAGMA page_size").fetchone()[0]
        root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'versions_current'").fetchone()[0]
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        # The count of the cells of an index's page.
        flip(path, (root - 1) * page_size + 4)
        findings, _ = node.verify_offline()
        assert any(finding["check"] == "database" for finding in findings), findings
        # A file that is no database any more.
        flip(path, 3)
        findings, _ = node.verify_offline()
        assert [finding["check"] for finding in findings] == ["database"]
    finally:
        node.remove()


def test_blobs_in_an_s3_store_are_verified_as_well(nodes):
    store = nodes.shared("postgres-http")
    bucket = new_bucket(store.s3(), "blobs")
    access, secret = store.access_key()
    place = f"s3://{access}:{secret}@{store.s3_url.removeprefix('http://')}/{bucket}/x?tls=0"
    node = nodes.new("sqlite-http", options=["--blobs", place]).start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="far")
        bodies = {key: os.urandom(size) for key, size in {"inline": 100, "a": 100_000, "b": 200_000}.items()}
        for key, body in bodies.items():
            s3.put_object(Bucket="far", Key=key, Body=body)
        node.stop()
        assert node.verify_offline()[0] == []
        blobs = {found["Size"]: found["Key"] for found in store.s3().list_objects_v2(Bucket=bucket)["Contents"]}
        assert len(blobs) == 2
        store.s3().put_object(Bucket=bucket, Key=blobs[min(blobs)], Body=os.urandom(min(blobs)))
        findings, summary = node.verify_offline()
        assert [finding["subject"].split("'")[1] for finding in findings] == ["a"], findings
        assert (summary["versions"], summary["orphans"]) == (3, 0)
        node.start()
        node.cli_json("scrub", "--begin", "--json")
        eventually("it is in quarantine", lambda: list(quarantine(node)) == ["a"])
        assert node.s3().get_object(Bucket="far", Key="b")["Body"].read() == bodies["b"]
        node.stop()
    finally:
        node.remove()
        empty_bucket(store.s3(), bucket)
        store.s3().delete_bucket(Bucket=bucket)


def test_a_running_node_cannot_be_verified(any_node):
    done = subprocess.run(
        [BINARY, "verify", "--data", str(any_node.data)],
        capture_output=True,
        text=True,
        env={**clean_environment(), "HOME": str(any_node.home)},
    )
    assert done.returncode == 1 and "in use" in done.stderr


# The clock


def numbers(node):
    """Versions in the order of their making, read beside the node."""
    with sqlite3.connect(node.data / "metadata.sqlite") as database:
        return [row[0] for row in database.execute("SELECT key FROM versions ORDER BY number")]


def test_a_clock_that_is_set_back_shortens_nothing(faulty):
    s3 = faulty.s3()
    s3.create_bucket(Bucket="clock", ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    kept = s3.put_object(
        Bucket="clock", Key="kept", Body=b"1", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    s3 = faulty.s3(signature_version="s3v4")
    session = faulty.http()
    assert session.get(faulty.web + "/admin/v1/accounts").status_code == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "clock", "Key": "kept"}, ExpiresIn=600)
    faulty.faults.set(clock_seconds=-600)
    eventually("it is noticed", lambda: "set back by 600 s" in faulty.tail())
    # Versions go on in the order in which they are made.
    s3.put_object(Bucket="clock", Key="later", Body=b"2")
    assert numbers(faulty) == ["kept", "later"]
    assert s3.get_object(Bucket="clock", Key="later")["Body"].read() == b"2"
    # A signed address of before is good for as long as a client's clock may differ; a token that was made in what is now
    # the future is not, and who logs in anew gets another.
    assert requests.get(url, timeout=30).status_code == 200
    assert session.get(faulty.web + "/admin/v1/accounts").status_code == 401
    faulty._tokens.clear()
    assert faulty.http().get(faulty.web + "/admin/v1/accounts").status_code == 200
    # The real time of the retention passes, and it is retained still.
    time.sleep(max(0, until.timestamp() - time.time()) + 0.5)
    assert code(lambda: s3.delete_object(Bucket="clock", Key="kept", VersionId=kept)) == (403, "AccessDenied")
    # More than a quarter of an hour, and signatures are not believed any more.
    faulty.faults.set(clock_seconds=-3600)
    assert code(lambda: s3.get_object(Bucket="clock", Key="kept")) == (403, "RequestTimeTooSkewed")
    faulty.faults.set(clock_seconds=0)
    assert code(lambda: s3.delete_object(Bucket="clock", Key="kept", VersionId=kept)) == (200, None)
    faulty.stop()


def test_a_node_does_not_start_long_before_its_own_past(faulty):
    faulty.s3().create_bucket(Bucket="clock")
    faulty.stop()
    faulty.faults.forget()
    faulty.faults.set(clock_seconds=-3600)
    faulty.start()
    assert "before the newest event of the journal" in faulty.tail()
    faulty.stop()
    faulty.faults.forget()
    faulty.faults.set(clock_seconds=-3 * 86_400)
    with pytest.raises(RuntimeError, match="--accept-clock"):
        faulty.start()
    faulty.process = None
    faulty.faults.forget()
    faulty.options = [*faulty.options, "--accept-clock"]
    faulty.start()
    faulty.stop()
