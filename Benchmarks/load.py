"""The clients: wrk for many small requests, plain sockets for large bodies, for listings and for filling."""

import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ANSWER_SECONDS_MAX = 120
HEAD_BYTES_MAX = 65536


class Presigner:
    """Signs request targets (SigV4 in the query, body unsigned). botocore takes 30 times as long for the same."""

    def __init__(self, host, key_id, secret, region="us-east-1"):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.host = host
        self.time = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{region}/s3/aws4_request"
        self.key_id = key_id
        key = ("AWS4" + secret).encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self.key = key

    def __call__(self, method, path, query=()):
        pairs = sorted({
            **dict(query), "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key_id}/{self.scope}",
            "X-Amz-Date": self.time, "X-Amz-Expires": "7200", "X-Amz-SignedHeaders": "host"}.items())
        text = "&".join(f"{urllib.parse.quote(name, '')}={urllib.parse.quote(value, '')}" for name, value in pairs)
        canonical = f"{method}\n{path}\n{text}\nhost:{self.host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self.time}\n{self.scope}\n{digest}"
        return f"{path}?{text}&X-Amz-Signature={hmac.new(self.key, to_sign.encode(), 'sha256').hexdigest()}"


def wrk(port, method, targets, clients, seconds, body=None, headers=()):
    """Runs wrk for `seconds` over the targets in a file; raises where any request failed."""
    threads = min(2, clients)
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "requests.lua")]
    for header in headers:
        command += ["-H", header]
    command += [f"http://127.0.0.1:{port}", "--", method, str(targets)] + ([str(body)] if body else [])
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk gave no result (status {done.returncode}): {done.stderr[-500:]}")
    result = json.loads(line[7:])
    if result["failed"] or not result["requests"]:
        raise RuntimeError(f"{result['failed']} of {result['requests']} requests failed ({method} on port {port})")
    return result


class Connection:
    """One keep-alive connection that speaks just enough HTTP/1.1."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel keeps the time limit: with Python's own the socket would not block, as sendfile needs it to.
        self.socket.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", ANSWER_SECONDS_MAX, 0))
        self.rest = b""

    def close(self):
        self.socket.close()

    def _head(self, method, target, headers, length):
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        return "\r\n".join(lines + ["", ""]).encode()

    def _answer(self):
        """The status and the headers of the answer, names in lower case; its body waits in the socket."""
        text = self.rest
        while b"\r\n\r\n" not in text:
            more = self.socket.recv(HEAD_BYTES_MAX)
            if not more or len(text) > HEAD_BYTES_MAX:
                raise RuntimeError(f"port {self.port} ended its answer early")
            text += more
        head, _, self.rest = text.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return int(lines[0].split()[1]), headers

    def _line(self):
        while b"\r\n" not in self.rest:
            self._more()
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line

    def _exactly(self, count):
        parts = [self.rest[:count]]
        self.rest = self.rest[count:]
        missing = count - len(parts[0])
        while missing:
            parts.append(self.socket.recv(min(missing, 1 << 20)))
            if not parts[-1]:
                raise RuntimeError(f"port {self.port} ended its answer early")
            missing -= len(parts[-1])
        return b"".join(parts)

    def _more(self):
        more = self.socket.recv(HEAD_BYTES_MAX)
        if not more:
            raise RuntimeError(f"port {self.port} ended its answer early")
        self.rest += more

    def _body(self, headers):
        if headers.get("transfer-encoding") != "chunked":
            return self._exactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int(self._line().split(b";")[0], 16):
            parts.append(self._exactly(size))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def ask(self, method, target, body=None, headers=()):
        """The body of the answer; anything but 2xx raises."""
        self.socket.sendall(self._head(method, target, headers, None if body is None else len(body)) + (body or b""))
        status, answered = self._answer()
        content = self._body(answered)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} on port {self.port} was answered {status}: {content[:300]!r}")
        return content

    def send_file(self, target, handle, size):
        """PUTs a file by sendfile, which costs this client next to nothing."""
        self.socket.sendall(self._head("PUT", target, (), size))
        sent = 0
        while sent < size:
            sent += os.sendfile(self.socket.fileno(), handle.fileno(), sent, size - sent)
        status, answered = self._answer()
        content = self._body(answered)
        if not 200 <= status < 300:
            raise RuntimeError(f"PUT on port {self.port} was answered {status}: {content[:300]!r}")

    def count_bytes(self, target):
        """GETs a body and lets the kernel drop it (MSG_TRUNC); returns its length."""
        self.socket.sendall(self._head("GET", target, (), None))
        status, answered = self._answer()
        size = int(answered.get("content-length", "-1"))
        if status != 200 or size < 0:
            raise RuntimeError(f"GET on port {self.port} was answered {status}, Content-Length {size}")
        missing, scratch = size - len(self.rest), bytearray(1 << 20)
        self.rest = b""
        while missing:
            got = self.socket.recv_into(scratch, min(missing, len(scratch)), socket.MSG_TRUNC)
            if got == 0:
                raise RuntimeError(f"port {self.port} ended its answer early")
            missing -= got
        return size


def in_parallel(port, clients, jobs, work):
    """Gives each of `clients` connections its share of the jobs; returns the seconds it took all of them."""

    def share(number):
        connection = Connection(port)
        try:
            for job in jobs[number::clients]:
                work(connection, job)
        finally:
            connection.close()

    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(share, range(clients)))
    return time.monotonic() - begin
