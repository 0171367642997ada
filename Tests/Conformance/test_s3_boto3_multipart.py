"""Multipart uploads whole: parts in any order, checksums of both kinds, and every way to get it wrong."""

import base64
import hashlib
import os

import pytest
from errors import refused
from test_s3_boto3_checksums import COMPUTE, checksum

PART_BYTES = 8 << 20
SMALLEST_PART_BYTES = 5 << 20


def start(s3, bucket, key="k", **options):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]


def put(s3, bucket, upload, number, body, key="k", **options):
    answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body, **options)
    return {"PartNumber": number, "ETag": answer["ETag"]}


def complete(s3, bucket, upload, parts, key="k", **options):
    return s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **options
    )


def etag_of(bodies):
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"'


def test_parts_out_of_order_and_one_again_make_one_object(s3, bucket):
    bodies = [os.urandom(PART_BYTES), os.urandom(PART_BYTES), os.urandom(1234)]
    upload = start(s3, bucket, Metadata={"m": "1"}, ContentType="image/tiff")
    parts = {number: put(s3, bucket, upload, number, bodies[number - 1]) for number in (3, 1)}
    put(s3, bucket, upload, 2, os.urandom(PART_BYTES))
    parts[2] = put(s3, bucket, upload, 2, bodies[1])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0, "an upload is not visible before it is complete"
    answer = complete(s3, bucket, upload, [parts[number] for number in (1, 2, 3)])
    assert (answer["Bucket"], answer["Key"], answer["ETag"]) == (bucket, "k", etag_of(bodies))
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(bodies)
    assert (got["ETag"], got["Metadata"], got["ContentType"]) == (etag_of(bodies), {"m": "1"}, "image/tiff")
    across = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={PART_BYTES - 3}-{PART_BYTES + 2}")["Body"].read()
    assert across == bodies[0][-3:] + bodies[1][:3]
    tail = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={2 * PART_BYTES - 1}-")["Body"].read()
    assert tail == bodies[1][-1:] + bodies[2]


def test_numbers_may_have_gaps_and_parts_may_be_left_out(s3, bucket):
    bodies = [os.urandom(SMALLEST_PART_BYTES), b"last"]
    upload = start(s3, bucket)
    first = put(s3, bucket, upload, 7, bodies[0])
    put(s3, bucket, upload, 500, b"left out")
    last = put(s3, bucket, upload, 10_000, bodies[1])
    assert complete(s3, bucket, upload, [first, last])["ETag"] == etag_of(bodies)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(bodies)


def test_parts_are_listed_in_pages(s3, bucket):
    upload = start(s3, bucket)
    bodies = {number: os.urandom(1000 + number) for number in (1, 2, 4, 8, 16)}
    for number, body in bodies.items():
        put(s3, bucket, upload, number, body)
    listed = []
    for page in s3.get_paginator("list_parts").paginate(
        Bucket=bucket, Key="k", UploadId=upload, PaginationConfig={"PageSize": 2}
    ):
        assert len(page["Parts"]) <= 2
        listed += [(part["PartNumber"], part["Size"], part["ETag"]) for part in page["Parts"]]
    assert listed == [(n, len(body), f'"{hashlib.md5(body).hexdigest()}"') for n, body in bodies.items()]


def test_uploads_are_listed_in_pages_and_by_prefix(s3, bucket):
    keys = ["a/1", "a/1", "a/2", "b +%/ü"]
    uploads = sorted((key, start(s3, bucket, key)) for key in keys)
    listed = []
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}):
        assert len(page["Uploads"]) <= 2
        listed += [(upload["Key"], upload["UploadId"]) for upload in page["Uploads"]]
    assert sorted(listed) == uploads
    assert [key for key, _ in listed] == sorted(keys)
    only = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/2")["Uploads"]
    assert [upload["Key"] for upload in only] == ["a/2"]


def test_uploads_are_rolled_up_below_common_prefixes(s3, bucket):
    keys = ["a/1", "a/1", "a/2", "b", "b", "b", "c/x/1", "c/x/2", "d"]
    for key in keys:
        start(s3, bucket, key)

    def listed(**asked):
        found = []
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, **asked)
        for page in pages:
            uploads, prefixes = page.get("Uploads", []), page.get("CommonPrefixes", [])
            assert len(uploads) + len(prefixes) <= asked["PaginationConfig"]["PageSize"]
            found += [upload["Key"] for upload in uploads] + [prefix["Prefix"] for prefix in prefixes]
        return sorted(found)

    for size in (1, 2, 1000):
        config = {"PageSize": size}
        assert listed(Delimiter="/", PaginationConfig=config) == ["a/", "b", "b", "b", "c/", "d"]
        assert listed(Delimiter="/", Prefix="c/", PaginationConfig=config) == ["c/x/"]
        assert listed(PaginationConfig=config) == keys


def test_an_aborted_upload_is_gone(s3, bucket):
    upload = start(s3, bucket)
    part = put(s3, bucket, upload, 1, b"x")
    assert (
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)["ResponseMetadata"]["HTTPStatusCode"] == 204
    )
    with refused("NoSuchUpload", 404):
        put(s3, bucket, upload, 2, b"x")
    with refused("NoSuchUpload", 404):
        complete(s3, bucket, upload, [part])
    with refused("NoSuchUpload", 404):
        s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_upload_belongs_to_its_key(s3, bucket):
    upload = start(s3, bucket, "k")
    with refused("NoSuchUpload", 404):
        put(s3, bucket, upload, 1, b"x", key="other")
    with refused("NoSuchUpload", 404):
        put(s3, bucket, "0" * 32, 1, b"x")


def test_part_copies_take_whole_objects_and_ranges(s3, bucket):
    source = os.urandom(PART_BYTES)
    s3.put_object(Bucket=bucket, Key="a source/ü+%", Body=source)
    upload = start(s3, bucket)
    where = dict(Bucket=bucket, Key="k", UploadId=upload, CopySource={"Bucket": bucket, "Key": "a source/ü+%"})
    whole = s3.upload_part_copy(PartNumber=1, **where)["CopyPartResult"]["ETag"]
    ranged = s3.upload_part_copy(PartNumber=2, CopySourceRange="bytes=70000-70009", **where)["CopyPartResult"]["ETag"]
    assert ranged == f'"{hashlib.md5(source[70000:70010]).hexdigest()}"'
    with refused("InvalidArgument", 400):
        s3.upload_part_copy(PartNumber=3, CopySourceRange=f"bytes={PART_BYTES}-{PART_BYTES + 5}", **where)
    with refused("InvalidArgument", 400):
        s3.upload_part_copy(PartNumber=3, CopySourceRange=f"bytes=0-{PART_BYTES}", **where)
    complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": whole}, {"PartNumber": 2, "ETag": ranged}])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == source + source[70000:70010]


def test_a_small_part_that_is_not_the_last_is_refused(s3, bucket):
    upload = start(s3, bucket)
    parts = [put(s3, bucket, upload, number, b"x" * (SMALLEST_PART_BYTES - 1)) for number in (1, 2)]
    with refused("EntityTooSmall", 400):
        complete(s3, bucket, upload, parts)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    # The upload is still there to be mended.
    parts[0] = put(s3, bucket, upload, 1, b"x" * SMALLEST_PART_BYTES)
    complete(s3, bucket, upload, parts)


def test_parts_in_the_wrong_order_are_refused(s3, bucket):
    upload = start(s3, bucket)
    parts = [put(s3, bucket, upload, number, b"x" * SMALLEST_PART_BYTES) for number in (1, 2)]
    with refused("InvalidPartOrder", 400):
        complete(s3, bucket, upload, parts[::-1])
    with refused("InvalidPartOrder", 400):
        complete(s3, bucket, upload, [parts[0], parts[0]])


def test_parts_that_are_not_there_are_refused(s3, bucket):
    upload = start(s3, bucket)
    part = put(s3, bucket, upload, 1, b"x")
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 2, "ETag": part["ETag"]}])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": '"0123"'}])
    with refused("MalformedXML", 400):
        complete(s3, bucket, upload, [])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("number", [0, 10_001])
def test_a_part_number_is_from_1_to_10000(s3, bucket, number):
    upload = start(s3, bucket)
    with refused("InvalidArgument", 400):
        put(s3, bucket, upload, number, b"x")


def test_completing_has_preconditions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    upload = start(s3, bucket)
    part = put(s3, bucket, upload, 1, b"after")
    with refused("PreconditionFailed", 412):
        complete(s3, bucket, upload, [part], IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


def test_a_wrong_checksum_of_a_part_is_a_bad_digest(s3, bucket):
    upload = start(s3, bucket)
    with refused("BadDigest", 400):
        put(s3, bucket, upload, 1, b"x", ContentMD5=base64.b64encode(hashlib.md5(b"y").digest()).decode())
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)


FULL = [("CRC32", "FULL_OBJECT"), ("CRC32C", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT")]
COMPOSITE = [("CRC32", "COMPOSITE"), ("CRC32C", "COMPOSITE"), ("SHA1", "COMPOSITE"), ("SHA256", "COMPOSITE")]


@pytest.mark.parametrize("algorithm, kind", FULL + COMPOSITE)
def test_the_checksum_of_the_whole_is_of_its_kind(s3, bucket, algorithm, kind):
    bodies = [os.urandom(SMALLEST_PART_BYTES), os.urandom(77)]
    name = "Checksum" + algorithm
    upload = start(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm
        )
        assert answer[name] == checksum(algorithm, body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], name: answer[name]})
    if kind == "FULL_OBJECT":
        expected = checksum(algorithm, b"".join(bodies))
    else:
        of_parts = b"".join(COMPUTE[algorithm](body) for body in bodies)
        expected = f"{checksum(algorithm, of_parts)}-{len(bodies)}"
    answer = complete(s3, bucket, upload, parts)
    assert (answer[name], answer["ChecksumType"]) == (expected, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (expected, kind)


def test_a_wrong_checksum_of_the_whole_is_refused(s3, bucket):
    upload = start(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    answer = s3.upload_part(
        Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"body", ChecksumAlgorithm="CRC32"
    )
    part = {"PartNumber": 1, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]}
    with refused("BadDigest", 400):
        complete(s3, bucket, upload, [part], ChecksumCRC32=checksum("CRC32", b"other"), ChecksumType="FULL_OBJECT")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("algorithm, kind", [("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")])
def test_a_kind_that_an_algorithm_does_not_have_is_refused(s3, bucket, algorithm, kind):
    with refused("InvalidRequest", 400):
        start(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
