"""The additional checksums of S3: verified, stored, returned; a wrong one leaves nothing behind."""

import base64
import hashlib
import os
import zlib

import pytest
from awscrt import checksums
from errors import refused


def big_endian(value, bytes_count):
    return value.to_bytes(bytes_count, "big")


COMPUTE = {
    "CRC32": lambda body: big_endian(zlib.crc32(body), 4),
    "CRC32C": lambda body: big_endian(checksums.crc32c(body), 4),
    "CRC64NVME": lambda body: big_endian(checksums.crc64nvme(body), 8),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}


def checksum(algorithm, body):
    return base64.b64encode(COMPUTE[algorithm](body)).decode()


def test_the_crcs_here_give_the_published_check_values():
    check = b"123456789"
    assert COMPUTE["CRC32"](check).hex() == "cbf43926"
    assert COMPUTE["CRC32C"](check).hex() == "e3069283"
    assert COMPUTE["CRC64NVME"](check).hex() == "ae8b14860a799888"


@pytest.mark.parametrize("algorithm", COMPUTE)
@pytest.mark.parametrize("size", [0, 11, 200_000])
def test_a_checksum_that_the_sdk_computes_is_kept(s3, bucket, algorithm, size):
    body = os.urandom(size)
    name = "Checksum" + algorithm
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    assert put[name] == checksum(algorithm, body)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (checksum(algorithm, body), "FULL_OBJECT")
    # The SDK itself compares what it reads with the checksum that comes with it.
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[name]) == (body, checksum(algorithm, body))


@pytest.mark.parametrize("algorithm", COMPUTE)
def test_a_checksum_given_ahead_is_kept(s3, bucket, algorithm):
    given = {"Checksum" + algorithm: checksum(algorithm, b"body")}
    assert (
        s3.put_object(Bucket=bucket, Key="k", Body=b"body", **given)["Checksum" + algorithm]
        == given["Checksum" + algorithm]
    )


@pytest.mark.parametrize("algorithm", COMPUTE)
def test_a_wrong_checksum_is_a_bad_digest_and_nothing_changes(s3, bucket, algorithm):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"after", **{"Checksum" + algorithm: checksum(algorithm, b"other")})
    with refused("BadDigest", 400):
        s3.put_object(
            Bucket=bucket, Key="new", Body=b"after", **{"Checksum" + algorithm: checksum(algorithm, b"other")}
        )
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("value", ["AAAA", "not base64!", ""])
def test_a_checksum_that_is_none_is_an_invalid_request(s3, bucket, value):
    with refused("InvalidRequest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"after", ChecksumCRC32=value)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_range_of_an_object_with_a_checksum_is_not_compared_with_it(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", ChecksumAlgorithm="CRC32")
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"234"


def test_the_checksum_is_left_out_unless_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA256")
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="k")


def md5(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def test_a_right_content_md5_is_taken(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", ContentMD5=md5(b"body"))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"


def test_a_wrong_content_md5_is_a_bad_digest(s3, bucket):
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"body", ContentMD5=md5(b"other"))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("value", ["AAAA", "not base64!"])
def test_a_content_md5_that_is_none_is_an_invalid_digest(s3, bucket, value):
    with refused("InvalidDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"body", ContentMD5=value)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_copy_keeps_the_checksum_or_computes_the_one_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", ChecksumAlgorithm="SHA256")
    s3.copy_object(Bucket=bucket, Key="same", CopySource={"Bucket": bucket, "Key": "k"})
    head = s3.head_object(Bucket=bucket, Key="same", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == checksum("SHA256", b"body")
    s3.copy_object(Bucket=bucket, Key="other", CopySource={"Bucket": bucket, "Key": "k"}, ChecksumAlgorithm="CRC32C")
    head = s3.head_object(Bucket=bucket, Key="other", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32C"] == checksum("CRC32C", b"body")
