"""The rows of the catalogue against stac-fastapi-pgstac on PostgreSQL with PostGIS: the same items in both, the same
questions, in turns."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import items
import load
import procfs
from load import Request
from report import Claim
from runs import say
from servers import Martlet, Server, clean_environment, end, free_port

COLLECTION = "sentinel-2-l2a"
POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
CLIENTS = 8
QUESTIONS = 100
TRANSACTIONS = 400
READY_SECONDS = 60
COLLECTION_DOCUMENT = {
    "type": "Collection", "stac_version": "1.0.0", "id": COLLECTION, "description": "Items of a benchmark.",
    "license": "other", "links": [],
    "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}}


class PgSTAC(Server):
    """stac-fastapi-pgstac with a worker for each processor, on a PostgreSQL of its own with its defaults."""

    name = "pgstac"
    database = None

    def __init__(self, home):
        super().__init__(home)
        self.bin = pathlib.Path(sys.executable).parent
        if not (self.bin / "pypgstac").exists():
            raise RuntimeError("stac-fastapi-pgstac is not installed; Benchmarks/requirements.txt names the packages")
        # PostgreSQL refuses to run as root, and its user has to reach the folder.
        self.as_postgres = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="martlet-pgstac-"))
        if self.as_postgres:
            shutil.chown(self.folder, "postgres", "postgres")
        # Over TCP, since asyncpg takes no folder for a host here.
        port = str(free_port())
        self.connection = {
            "PGHOST": "127.0.0.1", "PGUSER": "postgres", "PGDATABASE": "postgis", "PGPORT": port,
            "PGPASSWORD": "unused", "POSTGRES_USER": "postgres", "POSTGRES_PASS": "unused", "PGSSLMODE": "disable"}
        self._postgres("initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                       "--locale", "C.UTF-8")
        with open(self.home / "postgres.log", "wb") as log:
            self.database = subprocess.Popen(
                [*self.as_postgres, str(POSTGRES_BIN / "postgres"), "-D", str(self.folder / "data"), "-k",
                 str(self.folder), "-p", port, "-c", "listen_addresses=127.0.0.1"], stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + READY_SECONDS
        while self._sql("SELECT 1", "postgres", check=False).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not answer: " + (self.home / "postgres.log").read_text()[-500:])
            time.sleep(0.1)
        self._sql("CREATE DATABASE postgis", "postgres")
        self._sql("CREATE EXTENSION postgis", "postgis")
        self._run("pypgstac", "migrate")

    def _postgres(self, program, *arguments, check=True):
        return subprocess.run(
            [*self.as_postgres, str(POSTGRES_BIN / program), *map(str, arguments)], check=check, capture_output=True,
            cwd="/")

    def _sql(self, statement, database, check=True):
        return self._postgres(
            "psql", "-h", "127.0.0.1", "-p", self.connection["PGPORT"], "-U", "postgres", "-d", database, "-c", statement,
            check=check)

    def _run(self, *command):
        done = subprocess.run(
            [str(self.bin / command[0]), *map(str, command[1:])], capture_output=True, text=True,
            env={**clean_environment(), **self.connection, "HOME": str(self.home)}, cwd=self.home)
        if done.returncode:
            raise RuntimeError(f"{command[0]} {command[1]} failed: {done.stderr[-800:]}")

    def load(self, collection, lines):
        self._run("pypgstac", "load", "collections", collection, "--method", "upsert")
        # Cloud cover is a number with an index of its own, in both catalogues.
        queryables = self.home / "queryables.json"
        queryables.write_text(json.dumps({"properties": {"eo:cloud_cover": {"type": "number"}}}))
        self._run("pypgstac", "load_queryables", queryables, "--index_fields", '["eo:cloud_cover"]')
        begin, before = time.monotonic(), procfs.cpu_seconds(self.database.pid)
        self._run("pypgstac", "load", "items", lines, "--method", "insert")
        return time.monotonic() - begin, procfs.cpu_seconds(self.database.pid) - before

    def start(self):
        # Statistics are there in an archive that has been in use for a while.
        self._sql("ANALYZE", "postgis")
        self._start(
            [str(self.bin / "uvicorn"), "stac_fastapi.pgstac.app:create_app", "--factory", "--port", str(self.port),
             "--workers", str(os.cpu_count()), "--log-level", "warning"],
            {**self.connection, "ENABLE_TRANSACTIONS_EXTENSIONS": "TRUE"})
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                load.Connection(self.port).ask(Request("GET", "/collections"))
                return
            except (OSError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def cpu_seconds(self):
        return sum(procfs.cpu_seconds(process.pid) for process in (self.process, self.database))

    def stop(self):
        super().stop()
        if self.database is not None:
            self._postgres("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop", check=False)
            end(self.database)
            shutil.rmtree(self.folder, ignore_errors=True)
        self.database = None


def measure(bench):
    """Loads the same items into both, measures, stops the servers."""
    documents = list(items.items(bench.plan.items))
    lines = bench.home / "items.ndjson"
    with open(lines, "wb") as file:
        file.writelines(body + b"\n" for _, body in documents)
    collection = bench.home / "collection.json"
    collection.write_text(json.dumps(COLLECTION_DOCUMENT))
    martlet = Martlet(bench.home / "catalogue", bench.binary)
    pgstac = None
    try:
        pgstac = PgSTAC(bench.home / "catalogue")
        ingest(bench, martlet, pgstac, collection, lines, len(documents))
        pgstac.start()
        say("both catalogues are full")
        transactions(bench, martlet, pgstac, documents)
        questions(bench, martlet, pgstac, [name for name, _ in documents])
        bench.note_memory(martlet, "martlet_catalogue")
        bench.note_memory(pgstac, "pgstac_catalogue")
        say("the catalogue is measured")
    finally:
        for server in (martlet, pgstac):
            if server is not None:
                server.stop()


def ingest(bench, martlet, pgstac, collection, lines, count):
    row = bench.row("STAC load", "/s", "one item", "`martlet items load` and `pypgstac load items`, the same file")
    connection = load.Connection(martlet.web)
    connection.ask(
        Request("POST", "/stac/collections", (martlet.bearer(), "Content-Type: application/json")),
        collection.read_bytes())
    connection.close()
    martlet._cli("collection", "index", COLLECTION, "eo:cloud_cover")
    before, begin = martlet.cpu_seconds(), time.monotonic()
    martlet._cli("items", "load", str(lines), "--collection", COLLECTION, "--json")
    seconds = time.monotonic() - begin
    row.add("martlet", count / seconds, 1e6 * (martlet.cpu_seconds() - before) / count)
    seconds, used = pgstac.load(collection, lines)
    row.add("pgstac", count / seconds, 1e6 * used / count)
    say(f"{count} items are loaded")


def transactions(bench, martlet, pgstac, documents):
    """Both get the same new Items over their APIs (STAC's transaction extension), one a request."""
    row = bench.row(
        "STAC ingest", "/s", "one item", "POST of one Item, 8 clients",
        claims=(Claim("rate", "pgstac", at_least=10),))
    headers = (martlet.bearer(), "Content-Type: application/json")
    path = f"/collections/{COLLECTION}/items"
    for number in range(bench.plan.rounds):
        new = [body.replace(name.encode(), f"{name}_{number}".encode()) for name, body in documents[:TRANSACTIONS]]
        for server, port, target in (martlet, martlet.web, "/stac" + path), (pgstac, pgstac.port, path):
            request = Request("POST", target, headers)
            before = server.cpu_seconds()
            seconds = load.in_parallel(port, CLIENTS, new, lambda connection, body: connection.ask(request, body))
            row.add(server.name, len(new) / seconds, 1e6 * (server.cpu_seconds() - before) / len(new))
    say(f"{bench.plan.rounds * TRANSACTIONS} items were added one by one")


def questions(bench, martlet, pgstac, names):
    numbers = random.Random(11)

    def box():
        west, south = numbers.uniform(-170, 140), numbers.uniform(-60, 40)
        return f"{west:.3f},{south:.3f},{west + 30:.3f},{south + 20:.3f}"

    def years():
        year = numbers.randrange(2020, 2024)
        return f"{year}-01-01T00:00:00Z/{year + 1}-12-31T23:59:59Z"

    clouds = [numbers.randrange(10, 60) for _ in range(QUESTIONS)]
    rows = [
        ("10 by bbox and time", 10, 20,
         [f"/search?collections={COLLECTION}&bbox={box()}&datetime={years()}&limit=10" for _ in range(QUESTIONS)]),
        ("10 by CQL2, sorted", 10, 20,
         [f"/search?collections={COLLECTION}&bbox={box()}&filter-lang=cql2-text&filter=eo:cloud_cover%20%3C%20{cloud}"
          "&sortby=eo:cloud_cover&limit=10" for cloud in clouds]),
        ("one by id", 1, 20,
         [f"/collections/{COLLECTION}/items/{name}" for name in numbers.sample(names, QUESTIONS)]),
        ("250 whole items", 250, 30, [f"/search?collections={COLLECTION}&limit=250"]),
    ]
    bearer = martlet.bearer()
    for number, (name, limit, faster, asked) in enumerate(rows):
        check(name, asked, martlet, pgstac, bearer)
        row = bench.row(f"STAC, {name}", "/s", "one page", claims=(Claim("rate", "pgstac", at_least=faster),))
        ours = bench.requests(f"catalogue-{number}", (Request("GET", f"/stac{path}", (bearer,)) for path in asked))
        theirs = bench.requests(f"pgstac-{number}", (Request("GET", path) for path in asked))
        # A sorted page takes the peer a second where the machine is busy, and one of 250 some more.
        seconds = 15 if limit == 250 else max(bench.plan.seconds, 4)
        for _, server in bench.in_turns([martlet, pgstac]):
            if server is martlet:
                bench.wrk(row, server, "GET", ours, CLIENTS, port=martlet.web, seconds=seconds)
            else:
                bench.wrk(row, server, "GET", theirs, CLIENTS, seconds=seconds)
        bench.facts[f"stac_{limit}_cpu_us_per_item"] = row.median("martlet", "cpu_us") / limit
    page = bench.rows[-1]
    row = bench.row("STAC, CPU of a returned item", "/s", "one item of 250", claims=(Claim("cpu_us", at_most=150),))
    for run in page.runs["martlet"]:
        row.add("martlet", run["rate"] * 250, run["cpu_us"] / 250)


def check(name, asked, martlet, pgstac, bearer):
    """Both find the same items; which come first among equals is not said."""
    ours, theirs = load.Connection(martlet.web), load.Connection(pgstac.port)
    try:
        for path in asked[:20]:
            pages = [json.loads(ours.ask(Request("GET", f"/stac{path}", (bearer,)))),
                     json.loads(theirs.ask(Request("GET", path)))]
            found = [[item["properties"]["eo:cloud_cover" if "sortby" in path else "datetime"]
                      for item in page.get("features", [page])] for page in pages]
            if sorted(map(str, found[0])) != sorted(map(str, found[1])):
                raise RuntimeError(f"{name}: {path} finds {found[0][:3]}… here and {found[1][:3]}… there")
    finally:
        ours.close()
        theirs.close()
