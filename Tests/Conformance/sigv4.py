"""AWS Signature Version 4 by hand, so that a request can be wrong in exactly one way.

Written from the specification; it shares no code with botocore, nor with the node.
"""

import base64
import datetime
import hashlib
import hmac
import urllib.parse
import zlib

EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def quote(text, keep=""):
    return urllib.parse.quote(text, safe=keep + "~")


class Signer:
    def __init__(self, access_key, secret, region="us-east-1", now=None):
        self.access_key = access_key
        self.now = now or datetime.datetime.now(datetime.timezone.utc)
        self.time = self.now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{region}/s3/aws4_request"
        key = ("AWS4" + secret).encode()
        for part in self.scope.split("/"):
            key = self._hmac(key, part)
        self._key = key
        self.last = None

    @staticmethod
    def _hmac(key, text):
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    def _sign(self, *lines):
        return hmac.new(self._key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    def _canonical(self, method, path, query, headers, signed, payload):
        path = urllib.parse.quote(urllib.parse.unquote_to_bytes(path), safe="/~")
        pairs = sorted((quote(name), quote(value)) for name, value in query)
        lines = [method, path, "&".join(f"{name}={value}" for name, value in pairs)]
        lines += [f"{name}:{' '.join(headers[name].split())}" for name in signed]
        lines += ["", ";".join(signed), payload]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def headers(self, method, path, host, query=(), payload=EMPTY, extra=None, unsigned=()):
        """Headers of a signed request; `extra` is signed too, except what `unsigned` names."""
        headers = {"host": host, "x-amz-date": self.time, "x-amz-content-sha256": payload}
        headers |= {name.lower(): value for name, value in (extra or {}).items()}
        signed = sorted(name for name in headers if name not in unsigned)
        canonical = self._canonical(method, path, query, headers, signed, payload)
        self.last = self._sign("AWS4-HMAC-SHA256", self.time, self.scope, canonical)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope}, SignedHeaders={';'.join(signed)}, "
            f"Signature={self.last}"
        )
        return headers

    def query(self, method, path, host, seconds=60, extra=()):
        """The query of a presigned address."""
        query = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{self.access_key}/{self.scope}"),
            ("X-Amz-Date", self.time),
            ("X-Amz-Expires", str(seconds)),
            ("X-Amz-SignedHeaders", "host"),
            *extra,
        ]
        canonical = self._canonical(method, path, query, {"host": host}, ["host"], UNSIGNED)
        signature = self._sign("AWS4-HMAC-SHA256", self.time, self.scope, canonical)
        return "&".join(f"{quote(name)}={quote(value)}" for name, value in [*query, ("X-Amz-Signature", signature)])

    def chunk(self, data):
        """One signed chunk of `aws-chunked`, framed; the signature chains to the one before."""
        self.last = self._sign(
            "AWS4-HMAC-SHA256-PAYLOAD", self.time, self.scope, self.last, EMPTY, hashlib.sha256(data).hexdigest()
        )
        return b"%x;chunk-signature=%s\r\n" % (len(data), self.last.encode()) + data + b"\r\n"

    def trailer(self, name, value):
        """The signed trailer after the last chunk, whose own empty line is left out for it."""
        digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
        self.last = self._sign("AWS4-HMAC-SHA256-TRAILER", self.time, self.scope, self.last, digest)
        return f"{name}:{value}\r\nx-amz-trailer-signature:{self.last}\r\n\r\n".encode()


def unsigned_chunk(data):
    return b"%x\r\n" % len(data) + data + b"\r\n"


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
