"""Measures a Martlet node against `rclone serve s3` and nginx, in turns, on one machine.

For every row: the rate that clients see, and the CPU time of the server's processes for each operation. README.md says
what the rows mean. Ends with status 1 if a row breaks the claim, 2 if it could not be measured.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import items
import load
import procfs
import report
from servers import BUCKET, Martlet, Nginx, Rclone

MIB = 1 << 20
SMALL_BYTES = 4096
LARGE_BYTES = 64 * MIB
LARGE_CLIENTS = 4
FILL_CLIENTS = 32
PAGE_KEYS = 1000
# More targets than a run can use up, so that each PUT makes a new object: four times what any server here has reached.
PUTS_PER_SECOND_MAX = {1: 6000, 16: 16000}
GET_KEYS = 2000
SEARCHES = 200
STAC_CLIENTS = 8
CATALOGUE_SECONDS_MAX = 180


class Plan:
    """How much of everything: `--quick` is for a look while you work."""

    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.seconds = 1 if quick else 2
        self.large_per_client = 1 if quick else 2
        self.list_keys = 20_000 if quick else 100_000
        self.items = 3_000 if quick else 20_000


class Bench:
    def __init__(self, plan, home, binary):
        self.plan, self.home, self.binary = plan, home, binary
        self.rows, self.facts = [], {}
        self.load_max = 0.0
        # A body that cannot be compressed; in memory, so that reading it is no part of what is measured.
        shared = pathlib.Path("/dev/shm")
        self.bodies = pathlib.Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=shared if shared.is_dir() else home))
        self.small, self.large = self.bodies / "small", self.bodies / "large"
        self.small.write_bytes(os.urandom(SMALL_BYTES))
        with open(self.large, "wb") as handle:
            for _ in range(LARGE_BYTES // MIB):
                handle.write(os.urandom(MIB))

    def row(self, *arguments):
        self.rows.append(report.Row(*arguments))
        return self.rows[-1]

    def in_turns(self, servers):
        """Each round visits every server; the order turns, so that none always comes after the same one."""
        for number in range(self.plan.rounds):
            for place in range(len(servers)):
                server = servers[(number + place) % len(servers)]
                self.load_max = max(self.load_max, os.getloadavg()[0])
                yield number, server

    def targets(self, name, lines):
        path = self.bodies / name
        path.write_text("\n".join(lines) + "\n")
        return path

    # Small objects

    def small_objects(self, servers):
        martlet = servers[0]
        before, counted, puts = martlet.cpu_seconds(), 0.0, 0
        for clients in (1, 16):
            row = self.row(f"PUT 4 KiB, {clients} client{'s' if clients > 1 else ''}", "/s", "one object")
            for number, server in self.in_turns(servers):
                count = PUTS_PER_SECOND_MAX[clients] * self.plan.seconds
                file = self.targets("put", (
                    server.target("PUT", f"put-{clients}-{number}/{key:06}") for key in range(count)))
                used, result = self.wrk(row, server, "PUT", file, clients, self.small)
                if server is martlet:
                    counted += used
                    puts += result["requests"]
                server.settle()
        # What the journal's workers do once a folder has been quiet for the settling time (5 s) belongs to the PUTs too.
        time.sleep(6)
        martlet.settle()
        self.facts["martlet_later_cpu_us_per_put"] = 1e6 * max(0.0, martlet.cpu_seconds() - before - counted) / max(1, puts)

        for server in servers:
            jobs = [server.target("PUT", f"get/{key:06}") for key in range(GET_KEYS)]
            body = self.small.read_bytes()
            load.in_parallel(server.port, 16, jobs, lambda connection, job: connection.ask("PUT", job, body))
        for clients in (1, 16):
            row = self.row(f"GET 4 KiB, {clients} client{'s' if clients > 1 else ''}", "/s", "one object")
            for _, server in self.in_turns(servers):
                file = self.targets("get", (server.target("GET", f"get/{key:06}") for key in range(GET_KEYS)))
                _, result = self.wrk(row, server, "GET", file, clients)
                if result["bytes"] < result["requests"] * SMALL_BYTES:
                    raise RuntimeError(f"{server.name} answered GETs without their bytes")

    def wrk(self, row, server, method, file, clients, body=None, port=None, headers=(), name=None):
        before = server.cpu_seconds()
        result = load.wrk(port or server.port, method, file, clients, self.plan.seconds, body, headers)
        used = server.cpu_seconds() - before
        row.add(name or server.name, result["requests"] / result["seconds"], 1e6 * used / result["requests"],
                p50_us=result["p50_us"], p99_us=result["p99_us"])
        return used, result

    # Large objects

    def large_objects(self, servers):
        count = LARGE_CLIENTS * self.plan.large_per_client
        put, get = (self.row(f"{method} 64 MiB, {LARGE_CLIENTS} clients", "MiB/s", "one object") for method in ("PUT", "GET"))
        with open(self.large, "rb") as handle:

            def send(connection, target):
                connection.send_file(target, handle, LARGE_BYTES)

            for number, server in self.in_turns(servers):
                # The first round writes new objects, the later ones over them: the disk need not hold them all.
                self.transfer(put, server, [server.target("PUT", f"large/{key}") for key in range(count)], send)
                server.settle()

        def receive(connection, target):
            if connection.count_bytes(target) != LARGE_BYTES:
                raise RuntimeError(f"port {connection.port} gave another size than 64 MiB")

        for _, server in self.in_turns(servers):
            self.transfer(get, server, [server.target("GET", f"large/{key}") for key in range(count)], receive)

    def transfer(self, row, server, jobs, work):
        before = server.cpu_seconds()
        seconds = load.in_parallel(server.port, LARGE_CLIENTS, jobs, work)
        used = server.cpu_seconds() - before
        row.add(server.name, len(jobs) * LARGE_BYTES / MIB / seconds, 1e6 * used / len(jobs))

    # Listing

    def listing(self, servers):
        martlet, rclone = servers
        keys = [f"list/{key // 1000:03}/{key % 1000:06}" for key in range(self.plan.list_keys)]
        begin = time.monotonic()
        load.in_parallel(martlet.port, FILL_CLIENTS, [martlet.target("PUT", key) for key in keys],
                         lambda connection, job: connection.ask("PUT", job, b"0123456789abcdef"))
        self.facts["list_fill_seconds"] = time.monotonic() - begin
        # rclone shows the files of its folder, so they are written there rather than sent through it.
        for folder in sorted({key.rpartition("/")[0] for key in keys}):
            (rclone.data / BUCKET / folder).mkdir(parents=True)
        for key in keys:
            (rclone.data / BUCKET / key).write_bytes(b"0123456789abcdef")
        time.sleep(6)
        martlet.settle(60)
        pages = -(-self.plan.list_keys // PAGE_KEYS)
        row = self.row(f"LIST {self.plan.list_keys:,} keys", "keys/s", "one key", f"{pages} pages of {PAGE_KEYS}, one client")
        for _, server in self.in_turns(servers):
            before = server.cpu_seconds()
            times = self.list_all(server, len(keys))
            used = server.cpu_seconds() - before
            row.add(server.name, len(keys) / sum(times), 1e6 * used / len(keys),
                    first_page_ms=1e3 * times[0], last_page_ms=1e3 * times[-1], page_ms=1e3 * statistics.median(times))

    @staticmethod
    def list_all(server, expected):
        """Reads all pages; returns the seconds each took."""
        connection, token, found, times = load.Connection(server.port), None, 0, []
        try:
            while True:
                query = [("list-type", "2"), ("prefix", "list/"), ("max-keys", str(PAGE_KEYS))]
                if token:
                    query.append(("continuation-token", token))
                target = server.target("GET", "", query)
                begin = time.monotonic()
                page = connection.ask("GET", target)
                times.append(time.monotonic() - begin)
                found += page.count(b"<Key>")
                more = re.search(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>", page)
                if more is None:
                    break
                token = more.group(1).decode()
        finally:
            connection.close()
        if found != expected:
            raise RuntimeError(f"{server.name} listed {found} of {expected} keys")
        return times

    # STAC

    def stac(self):
        martlet = Martlet(self.home / "stac", self.binary, ["--settle-seconds", "0"])
        nginx = None
        try:
            headers = [f"Authorization: Bearer {martlet.token()}"]
            martlet_connection = load.Connection(martlet.port)
            martlet_connection.ask("PUT", martlet.target("PUT", ""), b"")
            martlet_connection.close()
            jobs = [(martlet.target("PUT", f"{name}/{name}.json"), body) for name, body in items.items(self.plan.items)]
            self.facts["stac_item_bytes"] = statistics.mean(len(body) for _, body in jobs)
            before, begin = martlet.cpu_seconds(), time.monotonic()
            load.in_parallel(martlet.port, FILL_CLIENTS, jobs, lambda connection, job: connection.ask("PUT", *job))
            self.facts["stac_upload_seconds"] = time.monotonic() - begin
            self.wait_for_items(martlet, headers)
            self.facts["stac_catalogued_seconds"] = time.monotonic() - begin
            martlet.settle(60)
            self.facts["stac_fill_cpu_us_per_item"] = 1e6 * (martlet.cpu_seconds() - before) / len(jobs)
            nginx = Nginx(self.home / "stac")
            self.searches(martlet, nginx, headers)
            self.facts["peak_rss_mib_martlet_stac"] = martlet.peak_rss_mib()
        finally:
            for server in (martlet, nginx):
                if server is not None:
                    server.stop()

    def wait_for_items(self, martlet, headers):
        deadline, matched = time.monotonic() + CATALOGUE_SECONDS_MAX, 0
        while time.monotonic() < deadline:
            connection = load.Connection(martlet.web)
            try:
                page = json.loads(connection.ask("GET", f"/stac/search?collections={BUCKET}&limit=1", headers=headers))
            finally:
                connection.close()
            matched = page["numberMatched"]
            if matched == self.plan.items:
                return
            time.sleep(0.25)
        raise RuntimeError(f"the catalogue holds {matched} of {self.plan.items} items after {CATALOGUE_SECONDS_MAX} s")

    def searches(self, martlet, nginx, headers):
        numbers = random.Random(11)
        small = []
        for _ in range(SEARCHES):
            # Some 2,000 to 3,000 km on a side and two of five years: several dozen items match.
            west, south, year = numbers.uniform(-170, 140), numbers.uniform(-60, 40), numbers.randrange(2020, 2024)
            small.append(
                f"/stac/search?collections={BUCKET}&bbox={west:.3f},{south:.3f},{west + 30:.3f},{south + 20:.3f}"
                f"&datetime={year}-01-01T00:00:00Z/{year + 1}-12-31T23:59:59Z&limit=10")
        full = [f"/stac/search?collections={BUCKET}&limit=250"]
        for name, searches, limit in (("10 by bbox+datetime", small, 10), ("250 items", full, 250)):
            connection, sizes = load.Connection(martlet.web), []
            for number, search in enumerate(searches):
                page = connection.ask("GET", search, headers=headers)
                found = len(json.loads(page)["features"])
                if found != limit and self.plan.items >= 20_000:
                    raise RuntimeError(f"{search} found {found} items rather than {limit}")
                sizes.append(len(page))
                (nginx.data / BUCKET / f"{limit}-{number}").write_bytes(page)
            connection.close()
            row = self.row(f"STAC search, {name}", "/s", "one page",
                           f"{statistics.mean(sizes) / 1024:.0f} KiB a page; nginx gives the same bytes as files")
            ours = self.targets(f"stac-{limit}", searches)
            theirs = self.targets(f"static-{limit}", (nginx.target("GET", f"{limit}-{n}") for n in range(len(searches))))
            for _, server in self.in_turns([martlet, nginx]):
                if server is martlet:
                    self.wrk(row, server, "GET", ours, STAC_CLIENTS, port=martlet.web, headers=headers)
                else:
                    self.wrk(row, server, "GET", theirs, STAC_CLIENTS)

    def run(self):
        servers = []
        try:
            for make in (lambda: Martlet(self.home, self.binary), lambda: Rclone(self.home), lambda: Nginx(self.home)):
                servers.append(make())
            connection = load.Connection(servers[0].port)
            connection.ask("PUT", servers[0].target("PUT", ""), b"")
            connection.close()
            self.small_objects(servers)
            say("small objects are measured")
            self.large_objects(servers)
            say("large objects are measured")
            self.listing(servers[:2])
            say("listings are measured")
            for server in servers:
                self.facts[f"peak_rss_mib_{server.name}"] = server.peak_rss_mib()
        finally:
            for server in servers:
                server.stop()
        self.stac()
        say("searches are measured")

    def remove(self):
        shutil.rmtree(self.bodies, ignore_errors=True)


def say(text):
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)


STARTED = time.monotonic()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", required=True, help="the release binary")
    parser.add_argument("--quick", action="store_true", help="one short round, fewer keys and items")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--work", metavar="DIR", help="where the servers keep their data (default: the system's)")
    arguments = parser.parse_args()

    loads = [os.getloadavg()[0]]
    home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=arguments.work))
    bench, failure = Bench(Plan(arguments.quick), home, arguments.martlet), None
    try:
        bench.run()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        failure = str(error)
    finally:
        bench.remove()
        shutil.rmtree(home, ignore_errors=True)
    loads += [bench.load_max, os.getloadavg()[0]]

    verdicts = [row.verdict() for row in bench.rows]
    print(f"{datetime.date.today()}  {procfs.machine()}  load before/most/after {loads[0]:.1f}/{loads[1]:.1f}/{loads[2]:.1f}")
    print(report.table(bench.rows) if bench.rows else "nothing was measured")
    for row in bench.rows:
        for figure in ("first_page_ms", "last_page_ms"):
            if row.median("martlet", figure) is not None:
                print(f"{row.name}, {figure}: " + ", ".join(f"{server} {row.median(server, figure):.1f}" for server in row.runs))
    print(", ".join(f"{name} {value:,.1f}" for name, value in bench.facts.items()))
    for row in bench.rows:
        if row.verdict():
            print(f"{row.verdict()}  {row.name}: rate {row.ratio('rclone', 'rate'):.2f}×, CPU {row.ratio('rclone', 'cpu_us'):.2f}×")
    if failure:
        print(f"stopped: {failure}")
    else:
        print(("FAIL" if "FAIL" in verdicts else "PASS") + f"  {report.CLAIM}")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": procfs.machine(), "load": loads, "quick": arguments.quick, "failure": failure, "claim": report.CLAIM,
            "rows": [row.as_json() for row in bench.rows], "facts": bench.facts}, indent=1) + "\n")
    return 2 if failure else int("FAIL" in verdicts)


if __name__ == "__main__":
    sys.exit(main())
