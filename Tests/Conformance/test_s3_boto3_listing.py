"""Listings: every key once, in the order of its UTF-8 bytes, however the pages fall."""

import concurrent.futures

import pytest
from botocore import handlers
from conftest import empty_bucket, new_bucket
from errors import refused

# 2,500 keys in folders, with everything in them that listings get wrong.
STRANGE = [
    "a b/one",
    "a+b/one",
    "a%20b/one",
    "a%2Fb",
    "a//b",
    "a//c/d",
    "//lead",
    "ä/ö",
    "日本/語",
    "🛰/sat",
    "z&<>\"'/x",
    "~",
    "-",
    "_",
    "UPPER",
    "lower",
    "dot.",
    "tab\there",
    "new\nline",
    "\u00e9",
    "e\u0301",
    "\uffee",
    "\U00010000",
]
KEYS = sorted(
    STRANGE + [f"d{number % 50:02}/f{number:05}" for number in range(2500 - len(STRANGE))], key=lambda key: key.encode()
)


@pytest.fixture(scope="module")
def listed(node):
    s3 = node.s3(max_pool_connections=24)
    bucket = new_bucket(s3, "list")
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode()), KEYS))
    yield bucket
    empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def pages(s3, call, bucket, **parameters):
    size = parameters.pop("PageSize", 1000)
    return list(s3.get_paginator(call).paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **parameters))


def expected(prefix="", delimiter=None):
    keys, prefixes = [], []
    for key in KEYS:
        if key.startswith(prefix):
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                common = prefix + rest[: rest.index(delimiter) + len(delimiter)]
                if common not in prefixes:
                    prefixes.append(common)
            else:
                keys.append(key)
    return keys, prefixes


def found(answers):
    keys = [entry["Key"] for page in answers for entry in page.get("Contents", [])]
    prefixes = [entry["Prefix"] for page in answers for entry in page.get("CommonPrefixes", [])]
    return keys, prefixes


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1000, 999, 137])
def test_all_keys_are_listed_once_in_order(s3, listed, call, size):
    answers = pages(s3, call, listed, PageSize=size)
    assert found(answers) == (KEYS, [])
    assert len(answers) == -(-len(KEYS) // size)
    assert [page["IsTruncated"] for page in answers] == [True] * (len(answers) - 1) + [False]


CASES = [
    ("", "/"),
    ("d", "/"),
    ("d0", "/"),
    ("d00/", "/"),
    ("a", "/"),
    ("a//", "/"),
    ("/", "/"),
    ("a b/", None),
    ("a+", "/"),
    ("a%", None),
    ("日", "/"),
    ("absent", "/"),
    ("", "//"),
    ("d", "f"),
    ("", "0"),
    ("d01/f", None),
]


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1000, 7])
@pytest.mark.parametrize("prefix, delimiter", CASES)
def test_prefix_and_delimiter_fold_keys(s3, listed, call, size, prefix, delimiter):
    keys, prefixes = expected(prefix, delimiter)
    if len(keys) + len(prefixes) > 600 and size < 100:
        pytest.skip("a thousand pages say no more than ninety")
    given = {"Prefix": prefix} | ({"Delimiter": delimiter} if delimiter else {})
    assert found(pages(s3, call, listed, PageSize=size, **given)) == (keys, prefixes)


def test_a_page_counts_keys_and_prefixes_alike(s3, listed):
    page = s3.list_objects_v2(Bucket=listed, Delimiter="/", MaxKeys=5)
    assert page["KeyCount"] == len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) == 5
    assert (page["MaxKeys"], page["IsTruncated"]) == (5, True)


def test_a_page_of_none_is_empty(s3, listed):
    page = s3.list_objects_v2(Bucket=listed, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], page.get("Contents")) == (0, False, None)


def test_more_than_a_thousand_are_not_given_at_once(s3, listed):
    page = s3.list_objects_v2(Bucket=listed, MaxKeys=5000)
    assert page["KeyCount"] == 1000 and page["IsTruncated"]


@pytest.mark.parametrize("after", ["d01/f00051", "d", "a b/one", "日本/語", "\U00010000"])
def test_a_list_begins_after_a_key(s3, listed, after):
    wanted = [key for key in KEYS if key.encode() > after.encode()]
    assert found(pages(s3, "list_objects_v2", listed, StartAfter=after))[0] == wanted
    assert found(pages(s3, "list_objects", listed, Marker=after))[0] == wanted


def test_v1_gives_a_next_marker_with_a_delimiter(s3, listed):
    page = s3.list_objects(Bucket=listed, Delimiter="/", Prefix="d", MaxKeys=3)
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["d00/", "d01/", "d02/"]
    assert page["NextMarker"] == "d02/"
    following = s3.list_objects(Bucket=listed, Delimiter="/", Prefix="d", MaxKeys=3, Marker=page["NextMarker"])
    assert [entry["Prefix"] for entry in following["CommonPrefixes"]] == ["d03/", "d04/", "d05/"]


def test_an_entry_tells_size_etag_and_time(s3, listed):
    entry = s3.list_objects_v2(Bucket=listed, Prefix="d00/f00000", FetchOwner=True)["Contents"][0]
    head = s3.head_object(Bucket=listed, Key=entry["Key"])
    assert (entry["Size"], entry["ETag"], entry["StorageClass"]) == (head["ContentLength"], head["ETag"], "STANDARD")
    assert abs((entry["LastModified"] - head["LastModified"]).total_seconds()) < 1
    assert entry["Owner"]["ID"]


def test_a_token_that_is_none_is_an_invalid_argument(s3, listed):
    with refused("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=listed, ContinuationToken="!!")


def test_without_url_encoding_keys_come_as_they_are(node, listed):
    s3 = node.s3()
    s3.meta.events.unregister("before-parameter-build.s3.ListObjectsV2", handlers.set_list_objects_encoding_type_url)
    page = s3.list_objects_v2(Bucket=listed, Prefix="a%")
    assert "EncodingType" not in page
    assert [entry["Key"] for entry in page["Contents"]] == ["a%20b/one", "a%2Fb"]


# Deleting many


def test_a_thousand_are_deleted_in_silence(node, bucket):
    s3 = node.s3(max_pool_connections=16)
    keys = [f"k {number:04}+%" for number in range(1000)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
    assert "Deleted" not in answer and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_each_deleted_key_is_named_and_absent_ones_too(s3, bucket):
    s3.put_object(Bucket=bucket, Key="<a> & b", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "<a> & b"}, {"Key": "absent"}]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == ["<a> & b", "absent"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_thousand_and_one_are_refused_whole(s3, bucket):
    s3.put_object(Bucket=bucket, Key="0", Body=b"x")
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(number)} for number in range(1001)]})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
