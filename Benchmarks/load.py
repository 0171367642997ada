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
import typing
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ANSWER_SECONDS_MAX = 120
HEAD_BYTES_MAX = 65536


class Request(typing.NamedTuple):
    """What is asked, without its body; `headers` are whole lines."""

    method: str
    target: str
    headers: tuple = ()

    def line(self):
        """As requests.lua reads it."""
        return "\t".join((self.target, *self.headers))


class Signer:
    """Signs requests as S3's clients do: SigV4 in the headers, the body unsigned. botocore takes 30 times as long."""

    # Servers refuse what was signed more than 15 minutes ago.
    seconds_max = 300
    signed = "host;x-amz-content-sha256;x-amz-date"

    def __init__(self, host, key_id, secret, region="us-east-1"):
        self.host, self.key_id, self.secret, self.region = host, key_id, secret, region
        self.until = 0.0

    def _begin(self):
        self.until = time.monotonic() + self.seconds_max
        self.time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{self.region}/s3/aws4_request"
        self.key = ("AWS4" + self.secret).encode()
        for part in self.scope.split("/"):
            self.key = hmac.digest(self.key, part.encode(), "sha256")

    def __call__(self, method, path, query=()):
        if time.monotonic() >= self.until:
            self._begin()
        text = "&".join(
            f"{urllib.parse.quote(name, '')}={urllib.parse.quote(value, '')}" for name, value in sorted(query))
        canonical = (
            f"{method}\n{path}\n{text}\nhost:{self.host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
            f"x-amz-date:{self.time}\n\n{self.signed}\nUNSIGNED-PAYLOAD")
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self.time}\n{self.scope}\n{digest}"
        signature = hmac.digest(self.key, to_sign.encode(), "sha256").hex()
        return Request(method, f"{path}?{text}" if text else path, (
            f"Authorization: AWS4-HMAC-SHA256 Credential={self.key_id}/{self.scope}, SignedHeaders={self.signed}, "
            f"Signature={signature}",
            f"x-amz-date: {self.time}", "x-amz-content-sha256: UNSIGNED-PAYLOAD"))


def wrk(port, method, file, clients, seconds, body=None):
    """Runs wrk for `seconds` over the requests in a file; raises where any of them failed."""
    arguments = [method, file] + ([body] if body else [])
    return run_wrk("requests.lua", port, min(2, clients), clients, seconds, arguments)


def run_wrk(script, port, threads, clients, seconds, arguments):
    """Runs wrk with one of our scripts; raises where a request failed."""
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", str(HERE / script)]
    command += [f"http://127.0.0.1:{port}", "--", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk gave no result (status {done.returncode}): {done.stderr[-500:]}")
    result = json.loads(line[7:])
    if result["failed"] or not result["requests"]:
        raise RuntimeError(f"{result['failed']} of {result['requests']} requests failed ({script} on port {port})")
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

    def _head(self, request, length=None):
        lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *request.headers]
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

    def _body(self, request, status, headers):
        """The body of the answer; anything but 2xx raises."""
        if request.method == "HEAD" or status == 204:
            content = b""
        elif headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self._line().split(b";")[0], 16):
                parts.append(self._exactly(size))
                self._line()
            while self._line():
                pass
            content = b"".join(parts)
        else:
            content = self._exactly(int(headers.get("content-length", "0")))
        if not 200 <= status < 300:
            raise RuntimeError(f"{request.method} on port {self.port} was answered {status}: {content[:300]!r}")
        return content

    def ask(self, request, body=None):
        """The body of the answer; anything but 2xx raises."""
        self.socket.sendall(self._head(request, None if body is None else len(body)) + (body or b""))
        return self._body(request, *self._answer())

    def send_file(self, request, handle, size):
        """Sends a file by sendfile, which costs this client next to nothing."""
        self.socket.sendall(self._head(request, size))
        sent = 0
        while sent < size:
            sent += os.sendfile(self.socket.fileno(), handle.fileno(), sent, size - sent)
        self._body(request, *self._answer())

    def count_bytes(self, request):
        """Lets the kernel drop the body of the answer (MSG_TRUNC); returns its length."""
        self.socket.sendall(self._head(request))
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
