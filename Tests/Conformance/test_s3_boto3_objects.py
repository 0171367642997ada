"""Objects: what goes in comes out, with its headers, its ranges and its preconditions."""

import datetime
import hashlib
import os

import pytest
from errors import refused


def md5(body):
    return hashlib.md5(body).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 65537, 1 << 20, (8 << 20) + 1])
def test_what_was_put_is_got(s3, bucket, size):
    body = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ContentType="image/jp2")
    assert put["ETag"] == f'"{md5(body)}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert (got["ETag"], got["ContentLength"], got["ContentType"]) == (put["ETag"], size, "image/jp2")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ETag"], head["ContentLength"], head["ContentType"]) == (put["ETag"], size, "image/jp2")
    age = datetime.datetime.now(datetime.timezone.utc) - head["LastModified"]
    assert abs(age) < datetime.timedelta(minutes=2)


def test_a_second_put_replaces_the_first_whole(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"a" * 100_000, Metadata={"old": "1"}, CacheControl="no-cache")
    s3.put_object(Bucket=bucket, Key="k", Body=b"b", Metadata={"new": "1"})
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"]) == (b"b", {"new": "1"})
    assert "CacheControl" not in got


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="k")


KEYS = [
    "a b",
    "a+b",
    "a%20b",
    "100%",
    "a//b",
    "/a",
    "a/",
    "ümläut/日本語",
    "🛰.tif",
    "a&b=c?d#e",
    "quote\"'<>&",
    "a;b,c:d@e!f$g*h(i)",
    "~tilde-_.",
    "x" * 1024,
    "é" * 512,
    "\u0301combining",
    "e\u0301",
    "\u00e9",
    "tab\tnewline\n",
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:20]))
def test_a_key_of_any_characters_is_its_own_object(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


# Headers and metadata


def test_metadata_comes_back_as_it_was_given(s3, bucket):
    given = {
        "plain": "value",
        "Mixed-Case": "Kept Value",
        "empty": "",
        "inner": "a  b",
        "marks": "=,;\"'()[]{}<>@:/?#%+&*!^|~`",
        "digits": "0123",
        "dash-ed": "-",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata=given)
    expected = {name.lower(): value for name, value in given.items()}
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == expected
    assert s3.get_object(Bucket=bucket, Key="k")["Metadata"] == expected


def test_two_kibibytes_of_metadata_are_the_most(s3, bucket):
    fits = {"a": "x" * 2047}
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata=fits)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == fits
    with refused("MetadataTooLarge", 400):
        s3.put_object(Bucket=bucket, Key="k2", Body=b"", Metadata={"a": "x" * 2048})
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_system_headers_come_back(s3, bucket):
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    given = dict(
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="a.tif"',
        ContentEncoding="gzip",
        ContentLanguage="de",
        ContentType="image/tiff; application=geotiff",
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=expires, **given)
    head = s3.head_object(Bucket=bucket, Key="k")
    # `aws-chunked`, by which a body travels over TLS, is no part of the object's own encoding.
    assert {name: head.get(name) for name in given} == given
    assert head["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"


def test_a_get_can_choose_the_headers_of_its_answer(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    got = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentType="application/x-test",
        ResponseContentDisposition="inline",
        ResponseCacheControl="no-store",
    )
    assert (got["ContentType"], got["ContentDisposition"], got["CacheControl"]) == (
        "application/x-test",
        "inline",
        "no-store",
    )
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


# Copies


def test_a_copy_keeps_content_and_metadata(s3, bucket):
    body = os.urandom(300_000)
    put = s3.put_object(Bucket=bucket, Key="a b/ü+%", Body=body, Metadata={"m": "1"}, ContentType="image/tiff")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü+%"})
    assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
    s3.delete_object(Bucket=bucket, Key="a b/ü+%")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (body, {"m": "1"}, "image/tiff")


def test_a_copy_can_replace_metadata_also_onto_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", Metadata={"old": "1"}, ContentType="text/plain")
    s3.copy_object(
        Bucket=bucket,
        Key="k",
        CopySource={"Bucket": bucket, "Key": "k"},
        MetadataDirective="REPLACE",
        Metadata={"new": "2"},
        ContentType="text/csv",
    )
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"body", {"new": "2"}, "text/csv")


def test_a_copy_onto_itself_that_changes_nothing_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"})


def test_a_copy_has_preconditions_on_its_source(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"body")["ETag"]
    source = {"Bucket": bucket, "Key": "k"}
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch='"0123"')
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfNoneMatch=etag)
    s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"body"


def test_a_copy_of_nothing_is_no_such_key(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "absent"})


# Ranges

BODY = bytes(range(256)) * 1024


@pytest.fixture
def ranged(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    return bucket


@pytest.mark.parametrize(
    "asked, first, last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-4", 0, 4),
        ("bytes=65535-65536", 65535, 65536),
        ("bytes=1000-", 1000, len(BODY) - 1),
        ("bytes=-5", len(BODY) - 5, len(BODY) - 1),
        (f"bytes=-{len(BODY) * 2}", 0, len(BODY) - 1),
        (f"bytes=10-{len(BODY) * 2}", 10, len(BODY) - 1),
        (f"bytes={len(BODY) - 1}-", len(BODY) - 1, len(BODY) - 1),
    ],
)
def test_a_range_is_exactly_its_bytes(s3, ranged, asked, first, last):
    got = s3.get_object(Bucket=ranged, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{last}/{len(BODY)}"
    assert got["ContentLength"] == last - first + 1
    assert got["Body"].read() == BODY[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={len(BODY)}-", f"bytes={len(BODY) + 10}-{len(BODY) + 20}", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(s3, ranged, asked):
    with refused("InvalidRange", 416):
        s3.get_object(Bucket=ranged, Key="k", Range=asked)


def test_any_range_of_an_empty_object_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with refused("InvalidRange", 416):
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-")


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes="])
def test_a_range_that_is_none_is_ignored(s3, ranged, asked):
    got = s3.get_object(Bucket=ranged, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert got["Body"].read() == BODY


# Preconditions


def test_preconditions_of_a_get(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    for fits in (
        dict(IfMatch=etag),
        dict(IfMatch=etag.strip('"')),
        dict(IfMatch="*"),
        dict(IfNoneMatch='"other"'),
        dict(IfModifiedSince=now - hour),
        dict(IfUnmodifiedSince=now + hour),
    ):
        assert s3.get_object(Bucket=bucket, Key="k", **fits)["Body"].read() == b"x", fits
    changed_at = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    for unchanged in (
        dict(IfNoneMatch=etag),
        dict(IfNoneMatch=etag.strip('"')),
        dict(IfNoneMatch="*"),
        dict(IfModifiedSince=changed_at),
    ):
        with refused("304", 304):
            s3.get_object(Bucket=bucket, Key="k", **unchanged)
    for changed in (dict(IfMatch='"other"'), dict(IfUnmodifiedSince=now - hour)):
        with refused("PreconditionFailed", 412):
            s3.get_object(Bucket=bucket, Key="k", **changed)


def test_an_object_is_created_only_once_with_if_none_match(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"first", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"second", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"third", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"third"


@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "bare"])
def test_an_object_is_replaced_only_where_the_etag_matches(s3, bucket, quoted):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"]
    etag = etag if quoted else etag.strip('"')
    s3.put_object(Bucket=bucket, Key="k", Body=b"second", IfMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"third", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"


def test_if_match_on_an_object_that_is_not_there_is_no_such_key(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfMatch=f'"{md5(b"")}"')
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


# Conditional deletions


def test_an_object_is_deleted_only_where_the_etag_matches(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"second")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=second)
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("NoSuchKey", 404):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")


def test_of_many_objects_those_are_deleted_whose_etag_matches(s3, bucket):
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"] for key in "abcd"}
    asked = [
        {"Key": "a", "ETag": etags["a"]},
        {"Key": "b", "ETag": etags["a"]},
        {"Key": "c", "ETag": etags["c"].strip('"')},
        {"Key": "absent", "ETag": "*"},
        {"Key": "d"},
    ]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": asked})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["a", "c", "d"]
    assert {entry["Key"]: entry["Code"] for entry in answer["Errors"]} == {
        "b": "PreconditionFailed",
        "absent": "NoSuchKey",
    }
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["b"]
    # Conditions of directory buckets, which would lose an object if they were passed over.
    with refused("NotImplemented", 501):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b", "Size": 7}]})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_copy_has_preconditions_on_what_it_replaces(s3, bucket):
    source = {"Bucket": bucket, "Key": "k"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    copied = s3.copy_object(Bucket=bucket, Key="c", CopySource=source, IfNoneMatch="*")["CopyObjectResult"]["ETag"]
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, IfNoneMatch="*")
    other = s3.put_object(Bucket=bucket, Key="c", Body=b"other")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, IfMatch=copied)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"other"
    s3.copy_object(Bucket=bucket, Key="c", CopySource=source, IfMatch=other)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"body"


@pytest.mark.parametrize("directive", ["MetadataDirective", "TaggingDirective"])
def test_a_directive_of_a_copy_that_is_none_is_refused(s3, bucket, directive):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    with refused("InvalidArgument", 400):
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}, **{directive: "KEEP"})
