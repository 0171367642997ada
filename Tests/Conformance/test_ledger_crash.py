"""`kill -9` while batches are registered: no accepted trace is missing, and no checkpoint contradicts an earlier one.

MARTLET_CRASH_SEED=N repeats a round; MARTLET_LONG=1 makes 200.
"""

import json
import os
import random
import threading
import time

import pytest
import requests
import tlog
from signers import TraceSigner, new_product

LONG = bool(os.environ.get("MARTLET_LONG"))
ROUNDS = 200 if LONG else 4
FIRST = int(os.environ.get("MARTLET_CRASH_SEED", "1"))
WRITERS = 4


def register_until_killed(node, signer, seed):
    """Registers batches side by side and kills the node at some moment; gives the ids that were answered, and the
    checkpoints that were seen meanwhile."""
    chance = random.Random(seed)
    batches = [[signer.trace(new_product()) for _ in range(chance.choice([1, 3, 20]))] for _ in range(40)]
    kill_after, delay = chance.randint(3, 25), chance.random() * 0.05
    token = node.token()
    accepted, notes, faults = [], [], []
    lock, moment, is_over = threading.Lock(), threading.Event(), threading.Event()

    def write():
        nonlocal kill_after
        while True:
            with lock:
                if not batches:
                    return
                batch = batches.pop()
            try:
                answer = requests.put(
                    f"{node.web}/traces/api/v1/traces", json=batch, timeout=30, verify=node.verify,
                    headers={"Authorization": f"Bearer {token}"})
            except requests.RequestException as error:
                if not is_over.is_set():
                    faults.append(error)
                return
            if answer.status_code != 201 or answer.json()["error"]:
                faults.append(answer.text)
                return
            with lock:
                accepted.extend(result["id"] for result in answer.json()["traces"])
                kill_after -= 1
                if kill_after == 0:
                    moment.set()

    def watch():
        while not is_over.is_set():
            try:
                notes.append(requests.get(f"{node.web}/traces/log/checkpoint", timeout=30, verify=node.verify).text)
            except requests.RequestException:
                return

    threads = [threading.Thread(target=write) for _ in range(WRITERS)] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    assert moment.wait(120), faults[:3]
    time.sleep(delay)
    is_over.set()
    node.kill()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    return accepted, notes


@pytest.mark.parametrize("kind", ["sqlite-http", "postgres-https"])
def test_no_accepted_trace_is_lost_and_no_checkpoint_contradicts_another(nodes, kind):
    node = nodes.new(kind).start()
    try:
        vkey = node.http(token=False).get(f"{node.web}/traces/log/vkey").text.strip()
        signer, accepted, seen = TraceSigner(), set(), {}
        for seed in range(FIRST, FIRST + (ROUNDS + 1) // 2):
            ids, notes = register_until_killed(node, signer, seed)
            assert ids, "the node was killed too early for this to test anything"
            accepted.update(ids)
            for note in notes:
                _, size, root = tlog.checkpoint(note, vkey)
                assert seen.setdefault(size, root) == root, f"seed {seed}: two trees of size {size} were signed"
            node.start()
        http = node.http(token=False)

        def fetch(path):
            answer = http.get(f"{node.web}/traces/log/{path}")
            assert answer.status_code == 200, path
            return answer.content

        _, size, root = tlog.checkpoint(fetch("checkpoint").decode(), vkey)
        entries = tlog.entries(fetch, size)
        leaves = [tlog.leaf_hash(entry) for entry in entries]
        assert tlog.hashes(fetch, size) == leaves and tlog.root(leaves) == root
        logged = [json.loads(entry)["id"] for entry in entries]
        assert len(set(logged)) == len(logged)
        assert accepted <= set(logged), f"{len(accepted - set(logged))} accepted traces are missing"
        for old, root in seen.items():
            assert tlog.root(leaves[:old]) == root, f"the checkpoint of size {old} is not of this tree"
        node.stop()
        findings, _ = node.verify_offline()
        assert not findings, findings[:5]
    finally:
        node.remove()
