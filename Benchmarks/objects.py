"""The rows of S3: small objects, large objects, listings."""

import re
import statistics
import time

import load
from ceph import RGW
from report import LIKE_RCLONE, Claim
from runs import LARGE_BYTES, MIB, PAGE_KEYS, SMALL_BYTES, say
from servers import Martlet, Nginx, Rclone

LARGE_CLIENTS = 4
# As many as keep both cores of the machine busy, whatever a server waits for; and one, to show latency.
MANY_CLIENTS = 64
FILL_CLIENTS = 32
# More targets than a run can use up, so that each PUT makes a new object.
PUTS_PER_SECOND_MAX = {1: 12000, MANY_CLIENTS: 16000}
GET_KEYS = 2000
LISTED_BODY = b"0123456789abcdef"
LATE_WORK_SECONDS = 6

# What is claimed of each row; with one client, whose rows show latency, nothing.
CLAIMS = {
    "PUT 4 KiB": (*LIKE_RCLONE, Claim("rate", "rgw", at_least=10), Claim("cpu_us", at_most=300)),
    "GET 4 KiB": (*LIKE_RCLONE, Claim("cpu_us", at_most=120)),
    "PUT 64 MiB": (*LIKE_RCLONE, Claim("rate", "rgw", at_least=1)),
    "GET 64 MiB": (*LIKE_RCLONE, Claim("rate", "nginx", at_least=0.5)),
    "LIST": (*LIKE_RCLONE, Claim("cpu_us", at_most=15))}


def list_keys(count):
    """Keys in folders of a page's size."""
    return [f"list/{key // PAGE_KEYS:03}/{key % PAGE_KEYS:06}" for key in range(count)]


def measure(bench):
    """Starts the servers, measures all rows, stops the servers."""
    servers = []
    try:
        # One after the other, so that those which did start are stopped where the next does not.
        servers.append(Martlet(bench.home, bench.binary))
        servers.append(Rclone(bench.home, list_keys(bench.plan.list_keys), LISTED_BODY))
        servers.append(Nginx(bench.home))
        servers.append(RGW(bench.home))
        for server in (servers[0], servers[3]):
            server.make_bucket()
        say("the servers are up")
        small_objects(bench, servers)
        say("small objects are measured")
        large_objects(bench, servers)
        say("large objects are measured")
        listing(bench, servers[:2])
        say("listings are measured")
        for server in servers:
            bench.note_memory(server, server.name)
    except RuntimeError as error:
        logs = "".join(f"\n{server.name}'s log: {server.log_tail()}" for server in servers)
        raise RuntimeError(f"{error}{logs}") from error
    finally:
        for server in servers:
            server.stop()


def small_objects(bench, servers):
    martlet = servers[0]
    before, counted, puts = martlet.cpu_seconds(), 0.0, 0
    for clients in (1, MANY_CLIENTS):
        row = small_row(bench, "PUT 4 KiB", clients)
        for number, server in bench.in_turns(servers):
            count = PUTS_PER_SECOND_MAX[clients] * bench.plan.seconds
            file = bench.requests("put", (
                server.request("PUT", f"put-{clients}-{number}/{key:06}") for key in range(count)))
            make_folder(server, f"put-{clients}-{number}")
            used, result = bench.wrk(row, server, "PUT", file, clients, bench.small)
            if server is martlet:
                counted += used
                puts += result["requests"]
            server.settle()
    # What the journal's workers do once a folder has been quiet for the settling time (5 s) belongs to the PUTs too.
    time.sleep(LATE_WORK_SECONDS)
    martlet.settle()
    later = martlet.cpu_seconds() - before - counted
    bench.facts["martlet_later_cpu_us_per_put"] = 1e6 * max(0.0, later) / puts

    for server in servers:
        jobs = [server.request("PUT", f"get/{key:06}") for key in range(GET_KEYS)]
        body = bench.small.read_bytes()
        make_folder(server, "get")
        load.in_parallel(server.port, FILL_CLIENTS, jobs, lambda connection, job: connection.ask(job, body))
    for clients in (1, MANY_CLIENTS):
        row = small_row(bench, "GET 4 KiB", clients)
        for _, server in bench.in_turns(servers):
            file = bench.requests("get", (server.request("GET", f"get/{key:06}") for key in range(GET_KEYS)))
            _, result = bench.wrk(row, server, "GET", file, clients)
            if result["bytes"] < result["requests"] * SMALL_BYTES:
                raise RuntimeError(f"{server.name} answered GETs without their bytes")


def small_row(bench, name, clients):
    if clients == 1:
        return bench.row(f"{name}, 1 client", "/s", "one object")
    return bench.row(f"{name}, {clients} clients", "/s", "one object", claims=CLAIMS[name])


def make_folder(server, name):
    """rclone refuses some of the first PUTs into a folder that it has to make: two at once disturb each other."""
    connection = load.Connection(server.port)
    connection.ask(server.request("PUT", f"{name}/first"), b"")
    connection.close()


def large_objects(bench, servers):
    count = LARGE_CLIENTS * bench.plan.large_per_client
    put, get = (
        bench.row(f"{name}, {LARGE_CLIENTS} clients", "MiB/s", "one object", claims=CLAIMS[name])
        for name in ("PUT 64 MiB", "GET 64 MiB"))
    for server in servers:
        make_folder(server, "large")
    with open(bench.large, "rb") as handle:

        def send(connection, request):
            connection.send_file(request, handle, LARGE_BYTES)

        for number, server in bench.in_turns(servers):
            # The first round writes new objects, the later ones over them: the disk need not hold them all.
            transfer(bench, put, server, [server.request("PUT", f"large/{key}") for key in range(count)], send)
            server.settle()

    def receive(connection, request):
        if connection.count_bytes(request) != LARGE_BYTES:
            raise RuntimeError(f"port {connection.port} gave another size than 64 MiB")

    for _, server in bench.in_turns(servers):
        transfer(bench, get, server, [server.request("GET", f"large/{key}") for key in range(count)], receive)


def transfer(bench, row, server, jobs, work):
    before = server.cpu_seconds()
    seconds = load.in_parallel(server.port, LARGE_CLIENTS, jobs, work)
    used = server.cpu_seconds() - before
    row.add(server.name, len(jobs) * LARGE_BYTES / MIB / seconds, 1e6 * used / len(jobs))


def listing(bench, servers):
    martlet, keys = servers[0], list_keys(bench.plan.list_keys)
    begin = time.monotonic()
    load.in_parallel(martlet.port, FILL_CLIENTS, [martlet.request("PUT", key) for key in keys],
                     lambda connection, job: connection.ask(job, LISTED_BODY))
    bench.facts["list_fill_seconds"] = time.monotonic() - begin
    time.sleep(LATE_WORK_SECONDS)
    martlet.settle(60)
    pages = -(-len(keys) // PAGE_KEYS)
    row = bench.row(
        f"LIST {len(keys):,} keys", "keys/s", "one key", f"{pages} pages of {PAGE_KEYS}, one client",
        claims=CLAIMS["LIST"])
    for _, server in bench.in_turns(servers):
        before = server.cpu_seconds()
        times = list_pages(server, "list/", pages)
        used = server.cpu_seconds() - before
        row.add(server.name, len(keys) / sum(times), 1e6 * used / len(keys),
                first_page_ms=1e3 * times[0], last_page_ms=1e3 * times[-1], page_ms=1e3 * statistics.median(times))


def list_pages(server, prefix, count):
    """Reads so many full pages, one after the other; returns the seconds each took."""
    connection, token, times = load.Connection(server.port), None, []
    try:
        for number in range(count):
            query = [("list-type", "2"), ("prefix", prefix), ("max-keys", str(PAGE_KEYS))]
            if token:
                query.append(("continuation-token", token))
            request = server.request("GET", "", query)
            begin = time.monotonic()
            page = connection.ask(request)
            times.append(time.monotonic() - begin)
            if (found := page.count(b"<Key>")) != PAGE_KEYS:
                raise RuntimeError(f"{server.name} listed {found} keys on page {number + 1}")
            more = re.search(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>", page)
            if more is None and number + 1 < count:
                raise RuntimeError(f"{server.name} listed {number + 1} of {count} pages")
            token = more and more.group(1).decode()
    finally:
        connection.close()
    return times
