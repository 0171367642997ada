"""HTTP as bytes on a socket, for requests that no client library would send."""

import socket
import ssl
import urllib.parse

TIMEOUT_SECONDS = 30


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self):
        """S3's error code, or None."""
        text = self.body.decode(errors="replace")
        return text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else None

    def __repr__(self):
        return f"{self.status} {self.code or ''} {self.body[:200]!r}"


class Connection:
    def __init__(self, url, authority=None):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), TIMEOUT_SECONDS)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=authority)
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def head(self, method, target, headers):
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def half_close(self):
        """Says that nothing more comes, without going away. TLS has no such thing between Python and NIO: it closes."""
        self.socket.shutdown(socket.SHUT_WR)

    def _fill(self):
        data = self.socket.recv(65536)
        self._buffer += data
        return bool(data)

    def answer(self, method="GET"):
        """The next answer, interim ones (100) included; None where the connection ended without one."""
        try:
            while b"\r\n\r\n" not in self._buffer:
                if not self._fill():
                    return None
            head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            first, *lines = head.decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
            length = int(headers.get("content-length", 0))
            if method == "HEAD" or status in (100, 204, 304):
                length = 0
            if headers.get("transfer-encoding") == "chunked":
                body = self._chunked()
            else:
                while len(self._buffer) < length and self._fill():
                    pass
                body, self._buffer = self._buffer[:length], self._buffer[length:]
            return Answer(status, headers, body)
        except (ConnectionError, ssl.SSLError):
            return None

    def _chunked(self):
        body = b""
        while True:
            while b"\r\n" not in self._buffer and self._fill():
                pass
            size, self._buffer = self._buffer.split(b"\r\n", 1)
            size = int(size, 16)
            while len(self._buffer) < size + 2 and self._fill():
                pass
            body, self._buffer = body + self._buffer[:size], self._buffer[size + 2 :]
            if size == 0:
                return body
