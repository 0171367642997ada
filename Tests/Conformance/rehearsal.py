"""Writers that are interrupted at any moment, and what has to hold afterwards."""

import concurrent.futures
import hashlib
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

WRITERS = 6
KEYS_OF_A_WRITER = 6
SIZES = [0, 1, 100, 4096, 16_384, 16_385, 65_537, 300_000, 1 << 20]
# What the writers do, by what is to be interrupted.
ACTS = {
    "put": {"put": 10, "delete": 1},
    "multipart": {"upload": 10, "put": 1},
    "delete": {"put": 8, "delete": 4, "batch": 4},
    "collection": {"put": 10, "batch": 2},
    "everything": {"put": 6, "upload": 2, "delete": 1, "batch": 1},
}
# Deleted bytes go at once, and the scrub reads as fast as it can: so both are under way when the node is killed.
OPTIONS = ["--history-seconds", "0", "--scrub-rate", "1000000000"]


class Rehearsal:
    """Rounds of writing to one bucket of a node of its own. Each key has one writer, so what it holds is known: what was
    answered last, or what was under way when the node went."""

    def __init__(self, node, bucket="rehearsal"):
        self.node = node
        self.bucket = bucket
        # Of each key: the body that was answered last, as what it is made of; None for no object.
        self.known = {}

    @staticmethod
    def body(made_of):
        seed, key, serial, size = made_of
        return random.Random(f"{seed}/{key}/{serial}").randbytes(size)

    def round(self, seed, acts, interrupt):
        """Writes until a random number of answers has come, then calls `interrupt`, which ends the node."""
        chance = random.Random(f"{seed}")
        self.seed, self.serial = seed, 0
        self.pending, self.uploads = {}, {}
        self.lock, self.moment, self.over = threading.Lock(), threading.Event(), threading.Event()
        self.answers, self.kill_after = 0, chance.randint(10, 60)
        delay = chance.random() * 0.03
        s3 = self.node.s3(max_pool_connections=WRITERS, connect_timeout=10, read_timeout=30)
        if acts == "collection":
            self.node.cli_json("scrub", "--begin", "--json")
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            writers = [pool.submit(self._write, s3, number, ACTS[acts]) for number in range(WRITERS)]
            assert self.moment.wait(120), [done.exception() for done in writers if done.done()]
            time.sleep(delay)
            self.over.set()
            interrupt()
        for done in writers:
            done.result()

    def _write(self, s3, number, weights):
        chance = random.Random(f"{self.seed} {number}")
        while True:
            act = chance.choices(list(weights), weights=list(weights.values()))[0]
            try:
                getattr(self, "_" + act)(s3, chance, [f"{number}/{key}" for key in range(KEYS_OF_A_WRITER)])
            except (BotoCoreError, ClientError) as error:
                assert self.over.is_set(), error
                return
            with self.lock:
                self.answers += 1
                if self.answers == self.kill_after:
                    self.moment.set()

    def _new(self, chance, key):
        with self.lock:
            self.serial += 1
            return (self.seed, key, self.serial, chance.choice(SIZES))

    def _change(self, changes, call):
        """Marks what is under way, calls, and marks it as done."""
        with self.lock:
            group = dict(changes)
            self.pending.update(dict.fromkeys(changes, group))
        call()
        with self.lock:
            for key, value in changes.items():
                self.known[key] = value
                del self.pending[key]

    def _put(self, s3, chance, keys):
        key = chance.choice(keys)
        made_of = self._new(chance, key)
        body = self.body(made_of)
        self._change({key: made_of}, lambda: s3.put_object(Bucket=self.bucket, Key=key, Body=body))

    def _delete(self, s3, chance, keys):
        key = chance.choice(keys)
        self._change({key: None}, lambda: s3.delete_object(Bucket=self.bucket, Key=key))

    def _batch(self, s3, chance, keys):
        chosen = chance.sample(keys, 3)
        self._change(
            dict.fromkeys(chosen),
            lambda: s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in chosen]}),
        )

    def _upload(self, s3, chance, keys):
        key = chance.choice(keys)
        made_of = self._new(chance, key)
        if chance.random() < 0.1:
            made_of = (*made_of[:3], (5 << 20) + 1000)
        body = self.body(made_of)
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        with self.lock:
            self.uploads[upload] = (key, 0)
        parts = []
        for number, start in enumerate(range(0, max(len(body), 1), 5 << 20), 1):
            answer = s3.upload_part(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=body[start : start + (5 << 20)],
            )
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            with self.lock:
                self.uploads[upload] = (key, number)

        def complete():
            s3.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
            with self.lock:
                del self.uploads[upload]

        self._change({key: made_of}, complete)

    def check(self):
        """Reads everything back: what was answered is there, what was not is there whole or not at all."""
        s3 = self.node.s3(max_pool_connections=WRITERS)
        listed = {
            found["Key"]: found
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            for found in page.get("Contents", [])
        }
        assert set(listed) <= set(self.known) | set(self.pending)
        new = set()
        for key in sorted(set(self.known) | set(self.pending)):
            expected = self.known.get(key)
            found = self._read(s3, key, listed)
            if key in self.pending and found == self._digest(self.pending[key][key]) != self._digest(expected):
                new.add(key)
                expected = self.pending[key][key]
            assert found == self._digest(expected), f"seed {self.seed}: {key} is not what was answered, {expected}"
            self.known[key] = expected
        for key, group in self.pending.items():
            changed = {other for other in group if self._digest(group[other]) != self._digest(self.known[other])}
            assert not changed or not (new & set(group)), f"seed {self.seed}: {group} happened in part"
        self._check_uploads(s3)

    @staticmethod
    def _digest(made_of):
        return None if made_of is None else hashlib.md5(Rehearsal.body(made_of)).hexdigest()

    def _read(self, s3, key, listed):
        if key not in listed:
            return None
        body = s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        assert len(body) == listed[key]["Size"]
        return hashlib.md5(body).hexdigest()

    def _check_uploads(self, s3):
        there = {}
        for found in s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            parts = s3.list_parts(Bucket=self.bucket, Key=found["Key"], UploadId=found["UploadId"]).get("Parts", [])
            there[found["UploadId"]] = (found["Key"], len(parts))
            s3.abort_multipart_upload(Bucket=self.bucket, Key=found["Key"], UploadId=found["UploadId"])
        for upload, (key, parts) in self.uploads.items():
            completes = any(group[key] == self.known[key] for group in [self.pending.get(key, {})] if key in group)
            if upload in there:
                assert there[upload][1] in (parts, parts + 1), f"seed {self.seed}: {key} has lost parts"
            else:
                assert completes, f"seed {self.seed}: the upload of {key} is gone, and its object is not there"

    def check_offline(self):
        """The node is stopped: nothing is wrong with what it has stored, and nothing is left that nobody needs."""
        findings, summary = self.node.verify_offline()
        assert not findings, f"seed {self.seed}: {findings[:5]}"
        if summary["orphans"]:
            # On a busy machine the sweep at the start may not have come to its end before the node was stopped.
            self.node.start()
            time.sleep(5)
            self.node.stop()
            findings, summary = self.node.verify_offline()
            assert not findings, f"seed {self.seed}: {findings[:5]}"
        assert summary["orphans"] == 0, f"seed {self.seed}: {summary}"
