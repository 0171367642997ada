"""`kill -9` at any moment: what was answered is there, what was not is whole or absent, and nothing else is left.

MARTLET_CRASH_SEED=N repeats a round; MARTLET_LONG=1 makes 200 of each kind.
"""

import concurrent.futures
import hashlib
import os
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import empty_bucket
from rehearsal import OPTIONS, Rehearsal

LONG = bool(os.environ.get("MARTLET_LONG"))
PUTS = 1000 if LONG else 250
ROUNDS = 200 if LONG else 1
FIRST = int(os.environ.get("MARTLET_CRASH_SEED", "1"))
SIZES = [0, 1, 100, 4096, 4097, 65_536, 65_537, 300_000, 1 << 20]
SWEEP_SECONDS = 60


def content(seed, index):
    """What object `index` of a round holds; it can be told at any time, so nothing has to be remembered."""
    source = random.Random(f"{seed}/{index}")
    return source.randbytes(source.choices(SIZES, weights=[5, 5, 10, 30, 10, 10, 10, 10, 10])[0])


def put_until_killed(node, bucket, seed):
    """Starts all PUTs, kills the node after a random number of answers, and returns the answered ones' ETags."""
    chance = random.Random(f"{seed}")
    connections = chance.randint(16, 32)
    s3 = node.s3(max_pool_connections=connections, connect_timeout=10, read_timeout=30)
    kill_after = chance.randint(20, int(PUTS * 0.8))
    delay = chance.random() * 0.02
    answered, lock, moment = {}, threading.Lock(), threading.Event()

    def put(index):
        if moment.is_set() and not node.is_alive():
            return
        try:
            etag = s3.put_object(Bucket=bucket, Key=f"{index % 10}/{index:04}", Body=content(seed, index))["ETag"]
        except (BotoCoreError, ClientError) as error:
            # Until the moment nothing may fail; after it anything may.
            assert moment.is_set(), error
            return
        with lock:
            answered[index] = etag
            if len(answered) == kill_after:
                moment.set()

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        puts = [pool.submit(put, index) for index in range(PUTS)]
        assert moment.wait(300), [done.exception() for done in puts if done.done() and done.exception()][:3]
        time.sleep(delay)
        node.kill()
    for done in puts:
        done.result()
    return answered


def check(node, bucket, seed, answered):
    s3 = node.s3(max_pool_connections=16)
    listed = {
        found["Key"]: found
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for found in page.get("Contents", [])
    }

    def wrong(index):
        key = f"{index % 10}/{index:04}"
        body, found = content(seed, index), listed.get(key)
        if found is None:
            return f"{key}: answered with 200 and gone" if index in answered else None
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        got = s3.get_object(Bucket=bucket, Key=key)
        if got["Body"].read() != body:
            return f"{key}: other bytes"
        if not (etag == found["ETag"] == got["ETag"] == answered.get(index, etag)) or found["Size"] != len(body):
            return f"{key}: listed as {found['ETag']}, {found['Size']} B; got {got['ETag']}; put {etag}, {len(body)} B"
        return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        problems = [problem for problem in pool.map(wrong, range(PUTS)) if problem]
    assert not problems, f"seed {seed}: {len(problems)} wrong: {problems[:10]}"
    assert set(listed) <= {f"{index % 10}/{index:04}" for index in range(PUTS)}


def blob_bytes(node):
    """Files of the blob folder, without its lock."""
    folder = node.data / "blobs"
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


@pytest.mark.parametrize("kind", ["sqlite-http", "postgres-https"])
def test_nothing_answered_is_lost_and_nothing_is_half_there(nodes, kind):
    node = nodes.new(kind).start()
    try:
        buckets = []
        # Others make 200 rounds; these are of a thousand PUTs.
        for seed in range(FIRST, FIRST + (ROUNDS + 9) // 10):
            bucket = f"crash-{seed}"
            node.s3().create_bucket(Bucket=bucket)
            answered = put_until_killed(node, bucket, seed)
            assert len(answered) < PUTS, "the node was killed too late for this to test anything"
            node.start()
            check(node, bucket, seed, answered)
            buckets.append(bucket)
        # What no object needs is removed: with all objects gone, no blob may stay.
        assert blob_bytes(node), "this test has to have written blobs"
        for bucket in buckets:
            empty_bucket(node.s3(), bucket)
            node.s3().delete_bucket(Bucket=bucket)
        deadline = time.monotonic() + SWEEP_SECONDS
        while (left := blob_bytes(node)) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left, (
            f"{len(left)} blobs, {sum(left.values())} B, are left {SWEEP_SECONDS} s after the last object went"
        )
        node.stop()
    finally:
        node.remove()


def test_an_upload_in_parts_goes_on_after_a_crash(nodes):
    node = nodes.new("sqlite-https").start()
    try:
        s3 = node.s3()
        s3.create_bucket(Bucket="parts")
        upload = s3.create_multipart_upload(Bucket="parts", Key="k")["UploadId"]
        bodies = [os.urandom(5 << 20), os.urandom(5 << 20), b"last"]

        def put(number):
            answer = node.s3().upload_part(
                Bucket="parts", Key="k", UploadId=upload, PartNumber=number, Body=bodies[number - 1]
            )
            return {"PartNumber": number, "ETag": answer["ETag"]}

        parts = [put(1), put(2)]
        node.kill()
        node.start()
        s3 = node.s3()
        listed = s3.list_parts(Bucket="parts", Key="k", UploadId=upload)["Parts"]
        assert [(part["PartNumber"], part["ETag"]) for part in listed] == [
            (part["PartNumber"], part["ETag"]) for part in parts
        ]
        parts.append(put(3))
        s3.complete_multipart_upload(Bucket="parts", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
        node.kill()
        node.start()
        assert node.s3().get_object(Bucket="parts", Key="k")["Body"].read() == b"".join(bodies)
        node.stop()
    finally:
        node.remove()


@pytest.mark.parametrize("kind", ["sqlite-http", "postgres-http"])
def test_every_kind_of_change_is_whole_or_was_never_made(nodes, kind):
    """Killed during PUT, the completion of uploads, deletions, and while garbage is collected and the scrub reads."""
    node = nodes.new(kind, options=OPTIONS).start()
    try:
        node.s3().create_bucket(Bucket="rehearsal")
        rehearsal = Rehearsal(node)
        for seed in range(FIRST, FIRST + ROUNDS):
            for acts in ("put", "multipart", "delete", "collection"):
                rehearsal.round(f"{seed} {acts}", acts, node.kill)
                node.start()
                rehearsal.check()
            # A stop between, so that what is on the disk is checked while nothing changes it.
            node.stop()
            rehearsal.check_offline()
            node.start()
        node.stop()
    finally:
        node.remove()


@pytest.mark.parametrize("kind", ["sqlite-http", "postgres-https"])
def test_a_transaction_is_committed_whole_or_not_at_all(nodes, kind):
    """Killed while keys are written into transactions and committed: each is there whole, or can be committed still."""
    node = nodes.new(kind).start()
    chance = random.Random(int(os.environ.get("MARTLET_CRASH_SEED", "1")))
    try:
        node.s3().create_bucket(Bucket="whole")
        states = {}
        for round_ in range(3):
            http, moment = node.http(), threading.Event()
            ids = [http.post(f"{node.web}/transactions").json()["id"] for _ in range(8)]

            def write(number, http=http, ids=ids, moment=moment, round_=round_):
                s3 = node.s3(connect_timeout=10, read_timeout=30)
                s3.meta.events.register(
                    "before-sign.s3",
                    lambda request, **_: request.headers.add_header("x-martlet-transaction", ids[number]),
                )
                try:
                    for key in range(12):
                        size = SIZES[(key + number) % len(SIZES)]
                        s3.put_object(
                            Bucket="whole", Key=f"{round_}/{number}/{key:02}", Body=bytes([number]) * size)
                    answer = http.post(f"{node.web}/transactions/{ids[number]}/commit")
                    assert answer.status_code == 200, answer.text
                    states[(round_, number)] = "committed"
                except (BotoCoreError, ClientError, OSError) as error:
                    assert moment.is_set(), error

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                writers = [pool.submit(write, number) for number in range(8)]
                time.sleep(0.1 + chance.random() * 0.6)
                moment.set()
                node.kill()
            for done in writers:
                done.result()
            node.start()
            s3, http = node.s3(), node.http()
            for number in range(8):
                there = s3.list_objects_v2(Bucket="whole", Prefix=f"{round_}/{number}/").get("Contents", [])
                shown = http.get(f"{node.web}/transactions/{ids[number]}").json()
                if shown["state"] == "open":
                    assert (round_, number) not in states and not there, shown
                    if shown["writes"]:
                        # What it was told is there goes on.
                        assert http.post(f"{node.web}/transactions/{ids[number]}/commit").status_code == 200
                        there = s3.list_objects_v2(Bucket="whole", Prefix=f"{round_}/{number}/")["Contents"]
                        assert len(there) == shown["writes"]
                else:
                    assert len(there) == 12
                for found in there:
                    body = s3.get_object(Bucket="whole", Key=found["Key"])["Body"].read()
                    assert body == bytes([number]) * found["Size"]
        node.stop()
    finally:
        node.remove()
