"""boto3's transfer manager, 100 MiB both ways, on every pairing of engine and scheme: its bodies differ over TLS."""

import hashlib
import io

from boto3.s3.transfer import TransferConfig
from conftest import empty_bucket, new_bucket

SIZE_BYTES = 100 << 20
CONFIG = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=6)


def content():
    """Not random, because that costs more than the transfer; not periodic in the size of a part either."""
    block = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(32_771))
    return (block * (SIZE_BYTES // len(block) + 1))[:SIZE_BYTES]


def test_a_hundred_mebibytes_go_both_ways(every_node, tmp_path):
    s3 = every_node.s3(max_pool_connections=10)
    bucket = new_bucket(s3)
    body = content()
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=CONFIG)
    assert s3.head_object(Bucket=bucket, Key="big")["ContentLength"] == SIZE_BYTES
    target = tmp_path / "big"
    s3.download_file(bucket, "big", str(target), Config=CONFIG)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(body).digest()
    # And as one stream, which takes another way through the SDK.
    got = s3.get_object(Bucket=bucket, Key="big")["Body"]
    digest = hashlib.sha256()
    for chunk in got.iter_chunks(1 << 20):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(body).digest()
    empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def test_a_large_object_is_copied_in_parts(node, s3, bucket):
    body = content()[: 20 << 20]
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=CONFIG)
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=CONFIG)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
