"""Requests that no well-meaning client sends: keys, sub-resources, signatures and headers that are none."""

import datetime
import socket
import time

import pytest
from raw_http import Connection
from sigv4 import EMPTY, UNSIGNED, Signer


def ask(node, method, target, body=b"", extra=None, signer=None, sent=None, unsigned=(), payload=None):
    """Signs and sends; `sent` overrides headers after signing, `unsigned` names headers that are not signed."""
    path, _, query = target.partition("?")
    pairs = [tuple(pair.partition("=")[::2]) for pair in query.split("&")] if query else []
    signer = signer or Signer(*node.access_key())
    with Connection(node.s3_url, node.authority) as connection:
        headers = signer.headers(
            method, path, connection.host, pairs, payload or (UNSIGNED if body else EMPTY), extra, unsigned
        )
        if body or method in ("PUT", "POST"):
            headers["content-length"] = len(body)
        connection.head(method, target, headers | (sent or {}))
        try:
            connection.send(body)
        except (ConnectionError, OSError):
            pass  # Refused while it was being sent: what counts is the answer.
        return connection.answer(method)


@pytest.fixture(autouse=True)
def nothing_is_left(node, s3, bucket):
    before = {found["Name"] for found in s3.list_buckets()["Buckets"]}
    s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    yield
    if not node.is_alive():
        return  # Which `nodes_live_on` will tell.
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert {found["Name"] for found in s3.list_buckets()["Buckets"]} == before


# Keys


@pytest.mark.parametrize("key", ["a%00b", "%00", "%ff", "%c3%28", "%ed%a0%80", "%", "%zz"])
def test_a_key_that_is_no_text_is_refused(node, bucket, key):
    answer = ask(node, "PUT", f"/{bucket}/{key}", b"x")
    assert answer.status == 400 and answer.code in ("InvalidURI", "InvalidArgument"), answer


@pytest.mark.parametrize("key", ["x" * 1025, "%C3%A9" * 513, "x" * 2048, "a/" * 1024])
def test_a_key_longer_than_1024_bytes_is_refused(node, bucket, key):
    answer = ask(node, "PUT", f"/{bucket}/{key}", b"x")
    assert (answer.status, answer.code) == (400, "KeyTooLongError")


@pytest.mark.parametrize(
    "key", ["..", "../x", "a/../../x", "a/..", "./x", ".", "%2e%2e/x", "a/%2E%2E/%2e%2e/etc/passwd"]
)
def test_a_key_with_dots_never_leaves_its_bucket(node, s3, bucket, key):
    """Refused, or a key like any other; never another object, another bucket or a file."""
    answer = ask(node, "PUT", f"/{bucket}/{key}", b"dots")
    if answer.status == 200:
        listed = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert listed == sorted(["kept", key.replace("%2e", ".").replace("%2E", ".")])
        assert ask(node, "GET", f"/{bucket}/{key}").body == b"dots"
        assert ask(node, "DELETE", f"/{bucket}/{key}").status == 204
    else:
        assert answer.status == 400 and answer.code in ("InvalidURI", "InvalidArgument"), answer


def test_a_key_of_empty_segments_is_its_own(node, s3, bucket):
    for key in ("//", "a//", "//a", "/"):
        assert ask(node, "PUT", f"/{bucket}/{key}", b"x").status == 200, key
    listed = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(["//", "a//", "//a", "/", "kept"])
    for key in ("//", "a//", "//a", "/"):
        assert ask(node, "DELETE", f"/{bucket}/{key}").status == 204


# Documents


def delete(node, bucket, document):
    return ask(node, "POST", f"/{bucket}?delete=", document)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a0 "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><Delete><Object><Key>&a11;</Key></Object></Delete>"
)
OUTSIDE = (
    b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<Delete><Object><Key>&x;</Key></Object></Delete>"
)


@pytest.mark.parametrize(
    "document",
    [
        BOMB,
        OUTSIDE,
        b"",
        b"<",
        b"<Delete>",
        b"<Delete/>",
        b"<Other/>",
        b"{}",
        b"\xff\xfe\x00",
        b"<a>" * 100_000,
        b"<Delete><Object><Key>kept</Key></Object>",
        b"<Delete><Object></Object></Delete>",
        b"<Delete " + b" ".join(b'a%d="x"' % n for n in range(50_000)) + b"/>",
    ],
    ids=[
        "bomb",
        "outside",
        "empty",
        "<",
        "open",
        "no object",
        "other",
        "json",
        "binary",
        "deep",
        "cut off",
        "no key",
        "attributes",
    ],
)
def test_a_document_that_is_none_is_malformed(node, bucket, document):
    answer = delete(node, bucket, document)
    assert answer.status == 400 and answer.code in ("MalformedXML", "EntityTooLarge", "MissingRequestBodyError"), answer
    assert b"root:" not in answer.body


@pytest.mark.parametrize("size", [9 << 20])
def test_a_document_of_nine_mebibytes_is_refused(node, s3, bucket, size):
    document = b"<Delete><Object><Key>" + b"k" * size + b"</Key></Object></Delete>"
    answer = delete(node, bucket, document)
    assert answer is None or answer.status == 400 and answer.code in ("MalformedXML", "EntityTooLarge"), answer
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    try:
        document = b"<CompleteMultipartUpload>" + b" " * size + b"</CompleteMultipartUpload>"
        answer = ask(node, "POST", f"/{bucket}/k?uploadId={upload}", document)
        assert answer is None or answer.status == 400 and answer.code in ("MalformedXML", "EntityTooLarge"), answer
    finally:
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


@pytest.mark.parametrize(
    "document",
    [
        BOMB.replace(b"Delete", b"CompleteMultipartUpload"),
        b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><PartNumber>99999999999999999999</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
    ],
)
def test_a_list_of_parts_that_is_none_is_malformed(node, s3, bucket, document):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    try:
        answer = ask(node, "POST", f"/{bucket}/k?uploadId={upload}", document)
        assert answer.status == 400 and answer.code in ("MalformedXML", "InvalidPart", "InvalidArgument"), answer
    finally:
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


# Sub-resources: none falls through into the operation of the bare address


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "GET"])
@pytest.mark.parametrize("name", ["torrent", "unknown", "analytics", "inventory", "intelligent-tiering", "select"])
def test_an_unknown_sub_resource_of_an_object_is_not_implemented(node, bucket, method, name):
    answer = ask(node, method, f"/{bucket}/kept?{name}=", b"<x/>" if method in ("PUT", "POST") else b"")
    assert (answer.status, answer.code) == (501, "NotImplemented")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "GET"])
@pytest.mark.parametrize("name", ["unknown", "analytics", "inventory", "metrics"])
def test_an_unknown_sub_resource_of_a_bucket_is_not_implemented(node, bucket, method, name):
    for target in (f"/{bucket}?{name}=", f"/{bucket}/?{name}="):
        answer = ask(node, method, target, b"<x/>" if method in ("PUT", "POST") else b"")
        assert (answer.status, answer.code) == (501, "NotImplemented"), target


@pytest.mark.parametrize(
    "name", ["website", "lifecycle", "cors", "policy", "versioning", "acl", "tagging", "encryption"]
)
def test_a_configuration_is_never_taken_for_a_new_bucket(node, name):
    answer = ask(node, "PUT", f"/conf-no-such-bucket?{name}=", b"<x/>")
    assert (answer.status, answer.code) in [(501, "NotImplemented"), (404, "NoSuchBucket")], answer


@pytest.mark.parametrize(
    "method, name, value",
    [
        # Appending: taken for a plain PUT it would replace the object.
        ("PUT", "x-amz-write-offset-bytes", "5"),
        ("PUT", "x-amz-website-redirect-location", "/other"),
        ("DELETE", "x-amz-if-match-size", "6"),
        ("DELETE", "x-amz-if-match-last-modified-time", "Sat, 21 Nov 2026 00:00:00 GMT"),
    ],
)
def test_a_header_that_is_not_implemented_is_not_ignored(node, bucket, method, name, value):
    answer = ask(node, method, f"/{bucket}/kept", b"more" if method == "PUT" else b"", extra={name: value})
    assert (answer.status, answer.code) == (501, "NotImplemented")


def test_an_unknown_method_is_not_allowed(node, bucket):
    for method in ("PATCH", "FOO", "OPTIONS", "TRACE"):
        answer = ask(node, method, f"/{bucket}/kept")
        assert answer is not None and answer.status in (400, 403, 405, 501), (method, answer)


# Signatures


def test_a_presigned_address_that_expired_is_refused(node, bucket):
    signer = Signer(*node.access_key(), now=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2))
    with Connection(node.s3_url, node.authority) as connection:
        path = f"/{bucket}/kept"
        connection.head("GET", f"{path}?{signer.query('GET', path, connection.host, 3600)}", {"host": connection.host})
        answer = connection.answer()
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_a_header_that_would_change_the_request_has_to_be_signed(node, bucket):
    for name, value in (("x-amz-meta-a", "b"), ("x-amz-copy-source", f"/{bucket}/kept"), ("x-amz-acl", "public-read")):
        answer = ask(node, "PUT", f"/{bucket}/new", b"x", extra={name: value}, unsigned=[name])
        assert (answer.status, answer.code) == (403, "AccessDenied"), (name, answer)


def test_the_host_has_to_be_signed(node, bucket):
    answer = ask(node, "GET", f"/{bucket}/kept", unsigned=["host"])
    assert (answer.status, answer.code) in [(403, "AccessDenied"), (400, "AuthorizationHeaderMalformed")], answer


def test_one_request_has_one_signature(node, bucket):
    signer = Signer(*node.access_key())
    path = f"/{bucket}/kept"
    with Connection(node.s3_url, node.authority) as connection:
        query = signer.query("GET", path, connection.host)
        headers = signer.headers("GET", path, connection.host)
        connection.head("GET", f"{path}?{query}", headers)
        answer = connection.answer()
    assert answer.status == 400 and answer.code == "InvalidArgument", answer


@pytest.mark.parametrize(
    "value",
    [
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=, Signature=",
        "AWS AKID:signature",
        "Basic YTpi",
        "Bearer nonsense",
        "AWS4-HMAC-SHA512 x",
        "AWS4-HMAC-SHA256 " + "x," * 3000,
    ],
)
def test_an_authorization_that_is_none_is_refused(node, bucket, value):
    answer = ask(node, "GET", f"/{bucket}/kept", sent={"authorization": value})
    assert answer.status in (400, 401, 403), answer
    assert b"kept" != answer.body


@pytest.mark.parametrize("date", ["", "20200101", "99999999T999999Z", "20200101T000000Z", "x" * 1000])
def test_a_date_that_is_none_is_refused(node, bucket, date):
    answer = ask(node, "GET", f"/{bucket}/kept", sent={"x-amz-date": date})
    assert answer.status in (400, 403), answer


@pytest.mark.parametrize(
    "query", ["X-Amz-Expires=-1", "X-Amz-Expires=abc", "X-Amz-Expires=99999999999999999999", "X-Amz-Date=x"]
)
def test_a_presigned_address_with_a_value_that_is_none_is_refused(node, bucket, query):
    signer = Signer(*node.access_key())
    path = f"/{bucket}/kept"
    with Connection(node.s3_url, node.authority) as connection:
        name = query.split("=")[0]
        pairs = [
            pair for pair in signer.query("GET", path, connection.host).split("&") if not pair.startswith(name + "=")
        ]
        connection.head("GET", f"{path}?{'&'.join([*pairs, query])}", {"host": connection.host})
        answer = connection.answer()
    assert answer.status in (400, 403), answer


# Connections


def test_a_flood_of_headers_is_refused(node):
    with Connection(node.s3_url, node.authority) as connection:
        try:
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for number in range(200_000):
                connection.send(b"x-flood-%d: %s\r\n" % (number, b"y" * 100))
            connection.send(b"\r\n")
        except OSError:
            pass
        answer = connection.answer()
    assert answer is None or answer.status in (400, 431), answer


def test_a_line_without_end_is_refused(node):
    with Connection(node.s3_url, node.authority) as connection:
        try:
            for _ in range(64):
                connection.send(b"G" * (1 << 20))
        except OSError:
            pass
        answer = connection.answer()
    assert answer is None or answer.status in (400, 414, 431), answer


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\x00: x\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET // HTTP/1.0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(node, text):
    with Connection(node.s3_url, node.authority) as connection:
        connection.socket.settimeout(5)
        connection.send(text)
        try:
            answer = connection.answer()
        except TimeoutError:
            return  # It waits for the rest, which is its right.
    assert answer is None or 400 <= answer.status < 500, answer


def test_many_slow_clients_do_not_keep_others_out(node, s3, bucket):
    slow = []
    for _ in range(200):
        connection = Connection(node.s3_url, node.authority)
        connection.send(b"PUT /" + bucket.encode() + b"/slow HTTP/1.1\r\nHost: x\r\nContent-Le")
        slow.append(connection)
    began = time.monotonic()
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"
    assert time.monotonic() - began < 5
    for connection in slow:
        connection.socket.close()


def test_clients_that_go_away_are_forgotten(node, s3, bucket):
    for number in range(100):
        connection = Connection(node.s3_url, node.authority)
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" if number % 2 else b"GET /")
        if not node.tls:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.socket.close()
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"
