"""Does the cost of an operation depend on how many objects there are? The same operations on a node with 10,000 objects
and on one with as many as `--objects` says, in turns.

So many PUTs would take hours. A node makes a thousand real objects; then it is stopped, and SQL multiplies their rows
under other keys. Such a row is a whole one: its key opens and its bytes are there, as after a copy.
"""

import contextlib
import math
import mmap
import random
import re
import shutil
import sqlite3
import statistics
import time

import folders
import load
import objects
from report import Claim
from runs import PAGE_KEYS, say
from servers import BUCKET, Martlet

SMALLEST = 10_000
MIDDLE = 1_000_000
# Half of the real objects are kept in the row, half as a blob, which every row made from them shares.
REAL = 1000
SMALL_BODY, BLOB_BODY = b"0123456789abcdef", bytes(20_000)
FOLDER_KEYS = 1000
CLIENTS = 16
# In one round.
WRITTEN = 2000
ASKED = 5000
PAGES = 100
BUCKETS = 50
EARLY_PAGES = 10
# 660 bytes with the indexes, the bytes and the event, and room for what is written while it is measured.
ROW_BYTES = 900
ORDINAL_BITS = 20
COST_MAX = 1.3
FLAT_MAX = 1.5


class Grown(Martlet):
    """A node with `count` objects. It neither makes products nor forgets history while it is measured."""

    def __init__(self, home, binary, count):
        self.name, self.count = f"{count:,}", count
        super().__init__(home, binary, ["--settle-seconds", "86400", "--history-seconds", "86400"])

    def grow(self):
        self.make_bucket()
        jobs = [(self.request("PUT", f"real/{number:03}"), BLOB_BODY if number % 2 else SMALL_BODY)
                for number in range(REAL)]
        load.in_parallel(self.port, CLIENTS, jobs, lambda connection, job: connection.ask(*job))
        self.settle(60)
        self.stop()
        multiply(self.data / "metadata.sqlite", self.count)
        self.held = held_in_memory(self.data / "metadata.sqlite")
        self.start()
        self.settle(60)

    def key(self, number):
        """One of the simulated keys, in their order."""
        return f"{number // FOLDER_KEYS:05}/{number % FOLDER_KEYS:03}"


def multiply(file, count):
    """Adds `count` rows to all that a PUT writes to, as if folder after folder had been uploaded, in no order."""
    # Steps around the circle of all folders: each is met once, and neighbours in time are far from each other.
    around = count // FOLDER_KEYS
    step = next(step for step in range(int(around * 0.618), 2 * around) if math.gcd(step, around) == 1)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        # Nothing is lost with this file. The cache holds the indexes, which are written to all over.
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY", f"cache_size = -{4 << 20}"):
            database.execute(f"PRAGMA {setting}")
        (stored,) = database.execute("SELECT value FROM database_state WHERE name = 'tid'").fetchone()
        values = {"count": count, "around": around, "step": step, "folder": FOLDER_KEYS, "tid": stored + 1,
                  "bucket": BUCKET, "real": REAL, "bits": ORDINAL_BITS}
        number = "(:tid + n) << :bits"
        key = "printf('%05d/%03d', n / :folder * :step % :around, n % :folder)"
        database.execute("BEGIN")
        database.execute("CREATE TEMP TABLE real (place INTEGER PRIMARY KEY, number INTEGER, tid INTEGER)")
        database.execute(
            "INSERT INTO real SELECT row_number() OVER (ORDER BY number) - 1, number, number >> ? FROM versions "
            "WHERE key LIKE 'real/%'", (ORDINAL_BITS,))
        for table, source, changed in (
                ("versions", "number", {"number": number, "object": number, "key": key}),
                ("inline_bytes", "version", {"version": number}),
                ("events", "tid", {"tid": ":tid + n", "subject": f":bucket || '/' || {key}"})):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            made = ", ".join(changed.get(column, f"old.{column}") for column in columns)
            of = "tid" if table == "events" else "number"
            database.execute(
                f"""
                WITH RECURSIVE made (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM made WHERE n + 1 < :count)
                INSERT INTO {table} ({', '.join(columns)})
                SELECT {made} FROM made CROSS JOIN real ON real.place = n % :real
                CROSS JOIN {table} AS old ON old.{source} = real.{of}
                """,
                values)
        # The node's followers have seen them all.
        database.execute("UPDATE followers SET tid = :tid + :count, sequence = 0 WHERE tid > 0", values)
        database.execute("UPDATE database_state SET value = :tid + :count WHERE name = 'tid'", values)
        database.execute("COMMIT")


def held_in_memory(file):
    """A mapping that keeps a file in the page cache: the rows compare work, not how often the disk is needed. Some
    kernels drop what has not been read for half a minute, however much memory is free."""
    flags, locked = mmap.MAP_SHARED | mmap.MAP_POPULATE, 0x2000
    with open(file, "rb") as handle:
        try:
            return mmap.mmap(handle.fileno(), 0, flags | locked, mmap.PROT_READ)
        except OSError:
            # Only so much may be locked, unless by root: read, but not held.
            return mmap.mmap(handle.fileno(), 0, flags, mmap.PROT_READ)


def measure(bench):
    with grown_nodes(bench, "growth", ROW_BYTES, Grown) as nodes:
        small_objects(bench, nodes)
        listings(bench, nodes)
        buckets(bench, nodes)
        first_pages(bench, nodes[-1])


@contextlib.contextmanager
def grown_nodes(bench, part, row_bytes, make):
    """Nodes of each size, made by `make(home, binary, count)` and grown; they are stopped and their data removed."""
    largest = bench.plan.objects
    counts = sorted({SMALLEST, min(MIDDLE, largest), largest})
    home = bench.home / part
    home.mkdir()
    free, needed = shutil.disk_usage(home).free, sum(counts) * row_bytes
    if free < needed:
        raise RuntimeError(f"{sum(counts):,} rows take {needed >> 30} GiB, the disk has {free >> 30}: --objects")
    nodes = []
    try:
        for count in counts:
            begin = time.monotonic()
            nodes.append(make(home, bench.binary, count))
            nodes[-1].grow()
            say(f"{part}: {nodes[-1].name} are there after {time.monotonic() - begin:.0f} s")
        yield nodes
        for node in nodes:
            bench.note_memory(node, f"martlet_{part}_{node.count}")
        say(f"{part} is measured")
    finally:
        for node in nodes:
            node.stop()
        # Room for what comes next.
        shutil.rmtree(home, ignore_errors=True)


def grown_row(bench, nodes, name, note):
    """A row that costs on the largest node about what it costs on the smallest."""
    return bench.row(
        name, "/s", "one request", note, subject=nodes[-1].name,
        claims=(Claim("cpu_us", nodes[0].name, at_most=COST_MAX),))


@contextlib.contextmanager
def timed(row, node, count):
    """What a node does inside, as `count` operations of a row."""
    before, begin = node.cpu_seconds(), time.monotonic()
    yield
    seconds, used = time.monotonic() - begin, node.cpu_seconds() - before
    row.add(node.name, count / seconds, 1e6 * used / count)


def small_objects(bench, nodes):
    put, get, head, delete = (
        grown_row(bench, nodes, f"growth: {name}", f"keys anywhere, {CLIENTS} clients")
        for name in ("PUT 4 KiB", "GET 4 KiB", "HEAD", "DELETE"))
    body, numbers = bench.small.read_bytes(), random.Random(5)
    for number, node in bench.in_turns(nodes):
        # Between the keys that are there, all over them.
        keys = [f"{node.key(numbers.randrange(node.count))}-{number}-{place}" for place in range(WRITTEN)]

        def ask(row, method, keys, body=None):
            jobs = [node.request(method, key) for key in keys]
            before = node.cpu_seconds()
            seconds = load.in_parallel(node.port, CLIENTS, jobs, lambda connection, job: connection.ask(job, body))
            used = node.cpu_seconds() - before
            row.add(node.name, len(jobs) / seconds, 1e6 * used / len(jobs))

        ask(put, "PUT", keys, body)
        node.settle()
        ask(head, "HEAD", [node.key(numbers.randrange(node.count)) for _ in range(ASKED)])
        bench.wrk(get, node, "GET", bench.requests("grown", (node.request("GET", key) for key in keys)), CLIENTS)
        # After this there are as many as before.
        ask(delete, "DELETE", keys)
        node.settle()


def listings(bench, nodes):
    page, folder = (
        grown_row(bench, nodes, f"growth: {name}", f"{PAGE_KEYS} keys anywhere, one client")
        for name in ("LIST page", "PROPFIND"))
    numbers = random.Random(6)
    for _, node in bench.in_turns(nodes):
        places = [numbers.randrange(node.count // FOLDER_KEYS) for _ in range(PAGES)]

        def ask(row, port, jobs, found, body=None):
            connection = load.Connection(port)
            with timed(row, node, len(jobs)):
                for job in jobs:
                    if len(re.findall(found, connection.ask(job, body))) != PAGE_KEYS:
                        raise RuntimeError(f"{job.method} {job.target} did not find {PAGE_KEYS} objects")
            connection.close()

        ask(page, node.port, [
            node.request("GET", "", (("list-type", "2"), ("start-after", f"{place:05}"), ("max-keys", str(PAGE_KEYS))))
            for place in places], b"<Key>")
        port, first = folders.propfind(node, "")
        ask(folder, port, [first._replace(target=f"/dav/{BUCKET}/{place:05}/") for place in places],
            b"</[^>]*getcontentlength>", folders.WANTED)


def buckets(bench, nodes):
    """One bucket knows nothing of the objects of another."""
    row = grown_row(bench, nodes, "growth: bucket", "made and deleted, one client")
    for _, node in bench.in_turns(nodes):
        connection = load.Connection(node.port)
        with timed(row, node, BUCKETS):
            for number in range(BUCKETS):
                for method in ("PUT", "DELETE"):
                    connection.ask(node.sign(method, f"/grown-{number}"))
        connection.close()


def first_pages(bench, node):
    """A million keys in pages, or what there is."""
    pages = min(node.count, MIDDLE) // PAGE_KEYS
    row = bench.row(
        f"LIST {pages * PAGE_KEYS:,} keys", "keys/s", "one key", f"{pages} pages of {PAGE_KEYS}, one client",
        claims=(Claim("cpu_us", at_most=15), Claim("late_to_early", at_most=FLAT_MAX)))
    for _ in bench.in_turns([node]):
        before = node.cpu_seconds()
        times = objects.list_pages(node, "", pages)
        used = node.cpu_seconds() - before
        early, late = statistics.median(times[:EARLY_PAGES]), statistics.median(times[-EARLY_PAGES:])
        row.add("martlet", pages * PAGE_KEYS / sum(times), 1e6 * used / (pages * PAGE_KEYS),
                first_page_ms=1e3 * early, last_page_ms=1e3 * late, late_to_early=late / early)
