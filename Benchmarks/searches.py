"""The rows of the catalogue: searches over Items that the node made from uploaded STAC item files."""

import json
import random
import statistics
import time

import items
import load
from load import Request
from runs import say
from servers import BUCKET, Martlet, Nginx

FILL_CLIENTS = 32
STAC_CLIENTS = 8
SEARCHES = 200
CATALOGUE_SECONDS_MAX = 300


def measure(bench):
    """Fills a node of its own, measures the searches, stops the servers."""
    martlet = Martlet(bench.home / "stac", bench.binary, ["--settle-seconds", "0"])
    nginx = None
    try:
        martlet.make_bucket()
        jobs = [(martlet.request("PUT", f"{name}/{name}.json"), body) for name, body in items.items(bench.plan.items)]
        bench.facts["stac_item_bytes"] = statistics.mean(len(body) for _, body in jobs)
        before, begin = martlet.cpu_seconds(), time.monotonic()
        load.in_parallel(martlet.port, FILL_CLIENTS, jobs, lambda connection, job: connection.ask(*job))
        bench.facts["stac_upload_seconds"] = time.monotonic() - begin
        wait_for_items(bench, martlet)
        bench.facts["stac_catalogued_seconds"] = time.monotonic() - begin
        martlet.settle(60)
        bench.facts["stac_fill_cpu_us_per_item"] = 1e6 * (martlet.cpu_seconds() - before) / len(jobs)
        nginx = Nginx(bench.home / "stac")
        rows(bench, martlet, nginx)
        bench.note_memory(martlet, "martlet_stac")
        say("searches are measured")
    finally:
        for server in (martlet, nginx):
            if server is not None:
                server.stop()


def wait_for_items(bench, martlet):
    deadline, matched = time.monotonic() + CATALOGUE_SECONDS_MAX, 0
    request = Request("GET", f"/stac/search?collections={BUCKET}&limit=1", (martlet.bearer(),))
    while time.monotonic() < deadline:
        connection = load.Connection(martlet.web)
        try:
            page = json.loads(connection.ask(request))
        finally:
            connection.close()
        matched = page["numberMatched"]
        if matched == bench.plan.items:
            return
        time.sleep(0.25)
    raise RuntimeError(f"the catalogue holds {matched} of {bench.plan.items} items after {CATALOGUE_SECONDS_MAX} s")


def rows(bench, martlet, nginx):
    numbers, bearer = random.Random(11), martlet.bearer()
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
            page = connection.ask(Request("GET", search, (bearer,)))
            found = len(json.loads(page)["features"])
            if found != limit and bench.plan.items >= 20_000:
                raise RuntimeError(f"{search} found {found} items rather than {limit}")
            sizes.append(len(page))
            (nginx.data / BUCKET / f"{limit}-{number}").write_bytes(page)
        connection.close()
        row = bench.row(f"STAC search, {name}", "/s", "one page",
                       f"{statistics.mean(sizes) / 1024:.0f} KiB a page; nginx gives the same bytes as files")
        ours = bench.requests(f"stac-{limit}", (Request("GET", search, (bearer,)) for search in searches))
        theirs = bench.requests(f"static-{limit}", (nginx.request("GET", f"{limit}-{n}") for n in range(len(searches))))
        for _, server in bench.in_turns([martlet, nginx]):
            if server is martlet:
                bench.wrk(row, server, "GET", ours, STAC_CLIENTS, port=martlet.web)
            else:
                bench.wrk(row, server, "GET", theirs, STAC_CLIENTS)
