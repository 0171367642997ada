"""The rows of the OpenID provider: tokens for clients, refreshes, introspections, jobs of an array."""

import base64
import json
import statistics
import threading
import time
import urllib.parse
import urllib.request

import load
from report import Claim
from runs import say
from servers import Martlet

CLIENTS = 64
CHAINS = 32
# A grant is for so many at most; an array of 10,000 that starts at once is a part of it.
JOBS = 100_000
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "Content-Type: application/x-www-form-urlencoded"


def measure(bench):
    """A node of its own: a client with a secret, and as many devices that are logged in as refresh side by side."""
    node = Martlet(bench.home / "identity", bench.binary)
    try:
        client = json.loads(node._cli(
            "client", "add", "harvester", "--grant", "client_credentials", "--scope", "storage.read:/eo", "--json"))
        pair = f"{client['client_id']}:{client['client_secret']}".encode()
        basic = "Authorization: Basic " + base64.b64encode(pair).decode()
        connection = load.Connection(node.web)
        wish = b"grant_type=client_credentials&scope=storage.read:/eo"
        token = post(connection, "/oidc/token", wish, basic)["access_token"]
        rows = {
            name: bench.row(name, unit, operation, note, claims=(Claim("rate", at_least=limit),))
            for name, unit, operation, note, limit in (
                ("Client credentials", "tokens/s", "a token", f"ES256, {CLIENTS} clients", 2000),
                ("Refresh, durable", "refreshes/s", "a refresh", f"rotated, {CHAINS} chains, with an ID token", 1000),
                ("Introspection", "answers/s", "an answer", f"{CLIENTS} clients, one token", 8000))}
        rows["Job claims"] = bench.row(
            "Job claims", "claims/s", "a claim", f"one array, {CLIENTS} jobs at a time; p99 of an introspection beside it")
        chains = bench.bodies / "refresh-tokens"
        chains.write_text("".join(token + "\n" for token in devices(node, connection)))
        asked, wished = bench.bodies / "introspect", bench.bodies / "client-credentials"
        asked.write_bytes(b"token=" + token.encode())
        wished.write_bytes(wish)
        for _, server in bench.in_turns([node]):
            for row, target, body in (
                ("Client credentials", "/oidc/token", wished), ("Introspection", "/oidc/introspect", asked)):
                requests = bench.requests("oidc", [load.Request("POST", target, (basic, FORM))])
                bench.wrk(rows[row], server, "POST", requests, CLIENTS, body, port=node.web)
            refresh(bench, rows["Refresh, durable"], server, chains)
            claims(bench, rows["Job claims"], server, connection, load.Request("POST", "/oidc/introspect", (basic, FORM)),
                   asked.read_bytes())
            # The next round goes on with tokens of its own: nobody wrote down where each chain has come to.
            chains.write_text("".join(token + "\n" for token in devices(node, connection)))
        connection.close()
        bench.note_memory(node, "martlet_identity")
        say("the identity provider is measured")
    finally:
        node.stop()


def refresh(bench, row, server, chains):
    before = server.cpu_seconds()
    result = load.run_wrk("refresh.lua", server.web, CHAINS, CHAINS, bench.plan.seconds, [chains])
    used = server.cpu_seconds() - before
    row.add(server.name, result["requests"] / result["seconds"], 1e6 * used / result["requests"],
            p50_us=result["p50_us"], p99_us=result["p99_us"])


def claims(bench, row, server, connection, other, body):
    """All jobs of an array claim their tokens, while somebody else asks about a token again and again."""
    login = urllib.parse.urlencode({"grant_type": "password", "username": "admin", "password": server.password})
    token = post(connection, "/oidc/token", login.encode())["access_token"]
    wish = urllib.parse.urlencode({"scope": "storage.read:/eo", "count": JOBS})
    claim = bench.bodies / "claim"
    claim.write_text(post(connection, "/oidc/jobs", wish.encode(), f"Authorization: Bearer {token}")["claim"] + "\n")
    times, is_over = [], threading.Event()

    def ask():
        beside = load.Connection(server.web)
        while not is_over.is_set():
            begun = time.perf_counter()
            beside.ask(other, body)
            times.append(1e6 * (time.perf_counter() - begun))
            time.sleep(0.002)
        beside.close()

    asking = threading.Thread(target=ask)
    asking.start()
    before = server.cpu_seconds()
    try:
        result = load.run_wrk("claims.lua", server.web, CLIENTS, CLIENTS, bench.plan.seconds, [claim, CLIENTS])
    finally:
        is_over.set()
        asking.join()
    used = server.cpu_seconds() - before
    row.add(server.name, result["requests"] / result["seconds"], 1e6 * used / result["requests"],
            p50_us=result["p50_us"], p99_us=result["p99_us"], beside_p99_us=statistics.quantiles(times, n=100)[98])


def post(connection, target, body, *headers):
    answer = connection.ask(load.Request("POST", target, (FORM, *headers)), body)
    return json.loads(answer) if answer else None


def devices(node, connection):
    """Refresh tokens of devices that the administrator has let in with a browser."""
    web = f"http://127.0.0.1:{node.web}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    browser.addheaders = [("Origin", web)]
    login = urllib.parse.urlencode({"name": "admin", "password": node.password, "next": "/device"})
    browser.open(f"{web}/login", login.encode()).close()
    for _ in range(CHAINS):
        begun = post(connection, "/oidc/device", b"client_id=gdal&scope=openid%20offline_access")
        allowed = urllib.parse.urlencode({"user_code": begun["user_code"], "answer": "allow"})
        browser.open(f"{web}/device", allowed.encode()).close()
        wish = urllib.parse.urlencode(
            {"client_id": "gdal", "grant_type": DEVICE, "device_code": begun["device_code"]})
        yield post(connection, "/oidc/token", wish.encode())["refresh_token"]
