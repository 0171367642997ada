"""One run of the benchmark: how much of everything, the bodies that are sent, the rows, and how a row is measured."""

import os
import pathlib
import shutil
import sys
import tempfile
import time

import load
import report
from servers import Martlet

MIB = 1 << 20
SMALL_BYTES = 4096
LARGE_BYTES = 64 * MIB
PAGE_KEYS = 1000
MEMORY_MIB_MAX = 300


class Plan:
    """How much of everything: `--quick` is for a look while you work, `--objects` the size that is grown to."""

    def __init__(self, quick, objects=None):
        self.rounds = 1 if quick else 5
        self.seconds = 1 if quick else 2
        self.large_per_client = 1 if quick else 2
        self.list_keys = 20_000 if quick else 100_000
        self.items = 3_000 if quick else 20_000
        self.objects = objects or (100_000 if quick else 1_000_000)


class Bench:
    """What the rows share: the plan, a folder for the servers, the bodies, and the results."""

    def __init__(self, plan, home, binary):
        self.plan, self.home, self.binary = plan, home, binary
        self.rows, self.facts = [], {}
        self.memory = self.row(
            "Peak memory", "MiB", "one node", "of that Martlet node which took most",
            claims=(report.Claim("rss_mib", at_most=MEMORY_MIB_MAX),))
        self.load_max = 0.0
        # A body that cannot be compressed; in memory, so that reading it is no part of what is measured.
        shared = pathlib.Path("/dev/shm")
        self.bodies = pathlib.Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=shared if shared.is_dir() else home))
        self.small, self.large = self.bodies / "small", self.bodies / "large"
        self.small.write_bytes(os.urandom(SMALL_BYTES))
        with open(self.large, "wb") as handle:
            for _ in range(LARGE_BYTES // MIB):
                handle.write(os.urandom(MIB))

    def row(self, *arguments, **options):
        self.rows.append(report.Row(*arguments, **options))
        return self.rows[-1]

    def in_turns(self, servers):
        """Each round visits every server; the order turns, so that none always comes after the same one."""
        for number in range(self.plan.rounds):
            for place in range(len(servers)):
                server = servers[(number + place) % len(servers)]
                self.load_max = max(self.load_max, os.getloadavg()[0])
                yield number, server

    def requests(self, name, requests):
        """A file of requests for wrk."""
        path = self.bodies / name
        with open(path, "w") as lines:
            lines.writelines(request.line() + "\n" for request in requests)
        return path

    def wrk(self, row, server, method, file, clients, body=None, port=None, seconds=None):
        """Lets wrk work off a file of requests, and adds what it and the server's processor time say to a row."""
        before = server.cpu_seconds()
        result = load.wrk(port or server.port, method, file, clients, seconds or self.plan.seconds, body)
        used = server.cpu_seconds() - before
        row.add(server.name, result["requests"] / result["seconds"], 1e6 * used / result["requests"],
                p50_us=result["p50_us"], p99_us=result["p99_us"])
        return used, result

    def note_memory(self, server, name):
        """The highest resident size that a server has had; those of Martlet's nodes are claimed."""
        peak = self.facts[f"peak_rss_mib_{name}"] = server.peak_rss_mib()
        if isinstance(server, Martlet) and peak > (self.memory.median("martlet", "rss_mib") or 0):
            self.memory.runs["martlet"] = [{"rss_mib": peak}]

    def remove(self):
        shutil.rmtree(self.bodies, ignore_errors=True)


STARTED = time.monotonic()


def say(text):
    """How far the run is, for those who wait; standard output is for the results."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)
