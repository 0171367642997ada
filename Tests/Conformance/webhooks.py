"""A receiver of webhooks on loopback."""

import contextlib
import http.server
import json
import threading
import time


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what is posted to it: (path, headers, message)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.posts = []
        self.status = 200
        self.changed = threading.Condition()

    def address(self, path="/"):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def records(self, path="/"):
        """The records that came to one path, in order."""
        return [record for at, _, message in self.posts if at == path for record in message.get("Records", [])]

    def wait(self, condition, seconds=20):
        """Waits until the condition holds and returns what it gave."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not (found := condition()):
                assert self.changed.wait(deadline - time.monotonic()), f"only this came: {self.posts}"
        return found


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.changed:
            status = self.server.status
            self.server.posts.append((self.path, dict(self.headers), message))
            self.server.changed.notify_all()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def receiver():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
