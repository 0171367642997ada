"""Bodies that are not what their request says. Each is refused with its code, and nothing is left behind."""

import hashlib

import pytest
from raw_http import Connection
from sigv4 import EMPTY, STREAMING, STREAMING_TRAILER, UNSIGNED, UNSIGNED_TRAILER, Signer, crc32, unsigned_chunk

BODY = bytes(range(256)) * 1024
CHUNK = 65536


class Put:
    """A PUT of `k` in a bucket, from its signed headers to its answer."""

    def __init__(self, node, bucket, payload, extra=None, key="k", query=()):
        self.node = node
        self.signer = Signer(*node.access_key())
        self.connection = Connection(node.s3_url, node.authority)
        self.path = f"/{bucket}/{key}"
        self.headers = self.signer.headers(
            "PUT", self.path, self.connection.host, payload=payload, extra=extra, query=query
        )

    def send(self, body, **more):
        self.connection.head("PUT", self.path, self.headers | more)
        self.connection.send(body)
        return self

    def answer(self):
        with self.connection:
            return self.connection.answer()


@pytest.fixture(autouse=True)
def nothing_is_left(request, node, s3, bucket):
    """After each of these the node still answers, and what was refused is not there."""
    yield
    if not node.is_alive():
        return  # Which `nodes_live_on` will tell.
    kept = getattr(request.node, "kept", [])
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])] == kept
    s3.put_object(Bucket=bucket, Key="after", Body=b"after")
    assert s3.get_object(Bucket=bucket, Key="after")["Body"].read() == b"after"


def sha256(body):
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("payload", [sha256(BODY), UNSIGNED], ids=["signed", "unsigned"])
def test_a_whole_body_is_taken(request, node, s3, bucket, payload):
    request.node.kept = ["k"]
    answer = Put(node, bucket, payload).send(BODY, **{"content-length": len(BODY)}).answer()
    assert answer.status == 200, answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


@pytest.mark.parametrize("sent", [0, 1, CHUNK, len(BODY) - 1])
def test_a_body_that_ends_early_stores_nothing(node, bucket, sent):
    put = Put(node, bucket, sha256(BODY)).send(BODY[:sent], **{"content-length": len(BODY)})
    if not node.tls:
        put.connection.half_close()
        answer = put.answer()
        assert answer is None or (answer.status, answer.code) in [(400, "IncompleteBody"), (400, None)], answer
    else:
        put.connection.socket.close()


def test_what_follows_a_body_is_not_part_of_it(request, node, s3, bucket):
    request.node.kept = ["k"]
    answer = Put(node, bucket, sha256(BODY)).send(BODY + b"GARBAGE", **{"content-length": len(BODY)}).answer()
    assert answer is None or answer.status in (200, 400), answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_a_body_with_another_hash_is_refused(node, bucket):
    answer = Put(node, bucket, sha256(b"other")).send(BODY, **{"content-length": len(BODY)}).answer()
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("value", ["", "abc", "g" * 64, "STREAMING-UNKNOWN"])
def test_a_payload_hash_that_is_none_is_refused(node, bucket, value):
    answer = Put(node, bucket, value).send(b"", **{"content-length": 0}).answer()
    assert answer.status in (400, 403, 501), answer
    assert answer.code in ("InvalidRequest", "InvalidArgument", "XAmzContentSHA256Mismatch", "NotImplemented"), answer


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "0x10", "99999999999999999999"])
def test_a_length_that_is_none_is_refused(node, bucket, length):
    answer = Put(node, bucket, UNSIGNED).send(b"x", **{"content-length": length}).answer()
    assert answer is None or answer.status == 400, answer


def test_two_lengths_that_differ_are_refused(node, bucket):
    put = Put(node, bucket, UNSIGNED)
    lines = [f"PUT {put.path} HTTP/1.1", *(f"{name}: {value}" for name, value in put.headers.items())]
    lines += ["Content-Length: 1", "Content-Length: 2"]
    put.connection.send("\r\n".join(lines).encode() + b"\r\n\r\nxy")
    answer = put.answer()
    assert answer is None or answer.status == 400, answer


def test_an_object_larger_than_five_gibibytes_is_refused_before_it_is_sent(node, bucket):
    put = Put(node, bucket, UNSIGNED)
    put.connection.head("PUT", put.path, put.headers | {"content-length": (5 << 30) + 1, "expect": "100-continue"})
    answer = put.answer()
    assert (answer.status, answer.code) == (400, "EntityTooLarge")


# aws-chunked


def streamed(node, bucket, payload, extra=None, decoded=len(BODY)):
    extra = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(decoded), **(extra or {})}
    return Put(node, bucket, payload, extra)


def signed_chunks(signer, body=BODY, last=True):
    chunks = [signer.chunk(body[at : at + CHUNK]) for at in range(0, len(body), CHUNK)]
    return b"".join(chunks) + (signer.chunk(b"") if last else b"")


def send_chunked(put, data):
    return put.send(data, **{"content-length": len(data)})


def test_signed_chunks_are_taken(request, node, s3, bucket):
    request.node.kept = ["k"]
    put = streamed(node, bucket, STREAMING)
    answer = send_chunked(put, signed_chunks(put.signer)).answer()
    assert answer.status == 200, answer
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == BODY
    assert "ContentEncoding" not in got


@pytest.mark.parametrize("at", [0, 1, 3, 4], ids=["first", "second", "last with data", "final"])
def test_a_chunk_with_a_wrong_signature_is_refused(node, bucket, at):
    put = streamed(node, bucket, STREAMING)
    pieces = [BODY[start : start + CHUNK] for start in range(0, len(BODY), CHUNK)] + [b""]
    chunks = [put.signer.chunk(piece) for piece in pieces]
    mark = chunks[at].index(b"chunk-signature=") + len(b"chunk-signature=")
    chunks[at] = chunks[at][:mark] + b"0" * 64 + chunks[at][mark + 64 :]
    answer = send_chunked(put, b"".join(chunks)).answer()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_a_chunk_with_other_data_is_refused(node, bucket):
    put = streamed(node, bucket, STREAMING)
    data = bytearray(signed_chunks(put.signer))
    data[len(data) // 2] ^= 1
    answer = send_chunked(put, bytes(data)).answer()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_chunks_in_another_order_are_refused(node, bucket):
    put = streamed(node, bucket, STREAMING)
    first, second = put.signer.chunk(BODY[:CHUNK]), put.signer.chunk(BODY[CHUNK : 2 * CHUNK])
    rest = signed_chunks(put.signer, BODY[2 * CHUNK :])
    answer = send_chunked(put, second + first + rest).answer()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_chunks_without_the_last_one_are_incomplete(node, bucket):
    put = streamed(node, bucket, STREAMING)
    answer = send_chunked(put, signed_chunks(put.signer, last=False)).answer()
    assert (answer.status, answer.code) == (400, "IncompleteBody")


@pytest.mark.parametrize("decoded", [len(BODY) - 1, len(BODY) + 1])
def test_chunks_of_another_length_than_declared_are_refused(node, bucket, decoded):
    put = streamed(node, bucket, STREAMING, decoded=decoded)
    answer = send_chunked(put, signed_chunks(put.signer)).answer()
    assert (answer.status, answer.code) in [
        (400, "IncompleteBody"),
        (400, "InvalidRequest"),
        (400, "EntityTooLarge"),
    ], answer


@pytest.mark.parametrize(
    "data",
    [
        b"zz\r\n",
        b"10000000000000000;chunk-signature=" + b"0" * 64 + b"\r\n",
        b"-1\r\n",
        b"5;" + b"x" * 100_000,
        b"\r\n\r\n",
        b"0" * 10_000 + b"5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_framing_that_is_none_is_refused(node, bucket, data):
    put = streamed(node, bucket, STREAMING, decoded=5)
    answer = send_chunked(put, data).answer()
    assert answer is not None and answer.status in (400, 403), answer


TRAILER = {"x-amz-trailer": "x-amz-checksum-crc32"}


def test_a_signed_trailer_is_taken(request, node, s3, bucket):
    request.node.kept = ["k"]
    put = streamed(node, bucket, STREAMING_TRAILER, TRAILER)
    data = signed_chunks(put.signer)[:-2] + put.signer.trailer("x-amz-checksum-crc32", crc32(BODY))
    answer = send_chunked(put, data).answer()
    assert answer.status == 200, answer
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc32(BODY)


def test_a_signed_trailer_with_a_wrong_signature_is_refused(node, bucket):
    put = streamed(node, bucket, STREAMING_TRAILER, TRAILER)
    chunks = signed_chunks(put.signer)[:-2]
    trailer = put.signer.trailer("x-amz-checksum-crc32", crc32(BODY))
    trailer = trailer.replace(put.signer.last.encode(), b"0" * 64)
    answer = send_chunked(put, chunks + trailer).answer()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def unsigned_body(trailer):
    chunks = [unsigned_chunk(BODY[at : at + CHUNK]) for at in range(0, len(BODY), CHUNK)]
    return b"".join(chunks) + b"0\r\n" + trailer + b"\r\n"


def test_an_unsigned_trailer_is_taken(request, node, s3, bucket):
    request.node.kept = ["k"]
    put = streamed(node, bucket, UNSIGNED_TRAILER, TRAILER)
    answer = send_chunked(put, unsigned_body(b"x-amz-checksum-crc32:%s\r\n" % crc32(BODY).encode())).answer()
    assert answer.status == 200, answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


@pytest.mark.parametrize(
    "trailer, code",
    [
        (b"x-amz-checksum-crc32:%s\r\n" % crc32(b"other").encode(), "BadDigest"),
        (b"x-amz-checksum-crc32:!!\r\n", "BadDigest"),
        (b"x-amz-checksum-crc32c:AAAAAA==\r\n", "InvalidRequest"),
        (b"", "InvalidRequest"),
    ],
    ids=["of something else", "no base64", "of another algorithm", "left out"],
)
def test_a_trailer_that_is_not_what_was_announced_is_refused(node, bucket, trailer, code):
    put = streamed(node, bucket, UNSIGNED_TRAILER, TRAILER)
    answer = send_chunked(put, unsigned_body(trailer)).answer()
    allowed = {code, "MalformedTrailerError"} if code == "InvalidRequest" else {code}
    assert answer.status == 400 and answer.code in allowed, answer


def test_a_flood_of_trailers_is_refused(node, bucket):
    put = streamed(node, bucket, UNSIGNED_TRAILER, TRAILER)
    flood = b"".join(b"x-amz-meta-%d:x\r\n" % number for number in range(20_000))
    answer = send_chunked(put, unsigned_body(flood)).answer()
    assert answer is None or answer.status == 400, answer


# Connections that are used again


def test_a_client_that_waits_for_100_and_is_refused_can_go_on(node, s3, bucket):
    """A client that was refused instead of told to continue may keep its body to itself (RFC 9110 §10.1.1).

    So either the connection ends with the refusal, or the node takes what comes next for a new request.
    """
    put = Put(node, "absent-bucket", sha256(BODY))
    with put.connection as connection:
        connection.head("PUT", put.path, put.headers | {"content-length": len(BODY), "expect": "100-continue"})
        refusal = connection.answer()
        assert (refusal.status, refusal.code) == (404, "NoSuchBucket")
        if refusal.headers.get("connection", "").lower() == "close":
            return
        path = f"/{bucket}"
        connection.head("GET", path, Signer(*node.access_key()).headers("GET", path, connection.host))
        following = connection.answer()
        assert following is not None and following.status == 200, following


def test_a_refused_body_that_comes_anyway_is_not_taken_for_a_request(node, bucket):
    put = Put(node, "absent-bucket", sha256(BODY))
    with put.connection as connection:
        connection.head("PUT", put.path, put.headers | {"content-length": len(BODY)})
        connection.send(BODY)
        refusal = connection.answer()
        assert (refusal.status, refusal.code) == (404, "NoSuchBucket")
        if refusal.headers.get("connection", "").lower() == "close":
            return
        path = f"/{bucket}"
        connection.head("GET", path, Signer(*node.access_key()).headers("GET", path, connection.host))
        following = connection.answer()
        assert following is not None and following.status == 200, following


def test_two_requests_sent_at_once_are_answered_in_order(request, node, s3, bucket):
    request.node.kept = ["k"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    path = f"/{bucket}/k"
    with Connection(node.s3_url, node.authority) as connection:
        for method in ("GET", "HEAD"):
            connection.head(
                method, path, Signer(*node.access_key()).headers(method, path, connection.host, payload=EMPTY)
            )
        first, second = connection.answer(), connection.answer("HEAD")
    assert (first.status, first.body) == (200, b"body")
    assert (second.status, second.headers["content-length"]) == (200, "4")
