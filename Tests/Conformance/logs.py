"""What stands between a log and those who check it: logs that lie, and others' witnesses and verifiers."""

import contextlib
import http.server
import pathlib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from nodes import clean_environment, free_port
from signers import TraceSigner, new_product

TOOLS = pathlib.Path(sys.executable).parent


class LyingLog(http.server.ThreadingHTTPServer):
    """Passes on what a log answers, but for the paths in `lies`: a function of the true bytes, or None for 404."""

    daemon_threads = True

    def __init__(self, node):
        super().__init__(("127.0.0.1", 0), _Passage)
        self.node, self.lies = node, {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            with urllib.request.urlopen(self.server.node.web + self.path, timeout=30) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        if self.path in self.server.lies:
            body = self.server.lies[self.path](body)
            status, body = (404, b"") if body is None else (200, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def lying(node):
    log = LyingLog(node)
    threading.Thread(target=log.serve_forever, daemon=True).start()
    try:
        yield log
    finally:
        log.shutdown()
        log.server_close()


def register(node, count, signer=None):
    """Registers so many traces, and gives their ids."""
    signer = signer or TraceSigner()
    ids = []
    for start in range(0, count, 50):
        batch = [signer.trace(new_product()) for _ in range(min(50, count - start))]
        answer = node.http().put(f"{node.web}/traces/api/v1/traces", json=batch)
        assert answer.status_code == 201 and answer.json()["error"] == 0, answer.text
        ids += [result["id"] for result in answer.json()["traces"]]
    return ids


def size_of(node):
    return int(node.http(token=False).get(f"{node.web}/traces/log/checkpoint").text.splitlines()[1])


def wait_for_size(node, size, seconds=30):
    deadline = time.monotonic() + seconds
    while (found := size_of(node)) < size:
        assert time.monotonic() < deadline, f"the log gives out size {found}, not {size}:\n{node.tail()}"
        time.sleep(0.05)


@contextlib.contextmanager
def aics_witness(folder, origin, vkey):
    """PyPI `aics-witness` on loopback, which knows one log: its address and its key."""
    port, config = free_port(), folder / "witness.json"

    def run(*arguments):
        done = subprocess.run(
            [TOOLS / "aics-witness", *arguments, "--config", config], capture_output=True, text=True, timeout=60,
            env=clean_environment(), cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = run("init", "--name", "aics.example/w1", "--listen", f"127.0.0.1:{port}")
    run("add-log", "--origin", origin, "--vkey", vkey)
    key = next(word for word in said.split() if word.startswith("aics.example/w1+"))
    with open(folder / "witness.log", "wb") as log:
        process = subprocess.Popen(
            [TOOLS / "aics-witness", "serve", "--config", config], stdout=log, stderr=log, env=clean_environment(),
            cwd=folder)
    try:
        yield f"http://127.0.0.1:{port}", key
    finally:
        process.terminate()
        process.wait(20)
