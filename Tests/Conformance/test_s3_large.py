"""A 5 GiB object: up in parts from a stream, down again, with its digest compared on the way.

Nothing of it is kept on this side's disk; the node's folder needs 5 GiB for a few minutes.
"""

import hashlib
import shutil

import pytest
from boto3.s3.transfer import TransferConfig

SIZE_BYTES = 5 << 30
BLOCK_BYTES = 1 << 20


class Stream:
    """5 GiB whose every mebibyte differs, made as it is read, with its SHA-256."""

    def __init__(self):
        self.at = 0
        # Another block than the one before at the cost of a copy: a digest of 5 GiB is dear enough.
        self.block = hashlib.shake_128(b"martlet").digest(BLOCK_BYTES)
        self.digest = hashlib.sha256()
        self.rest = b""

    def read(self, size=-1):
        size = SIZE_BYTES if size is None or size < 0 else size
        out = []
        while size > 0:
            if not self.rest:
                if self.at == SIZE_BYTES:
                    break
                self.rest = (self.at // BLOCK_BYTES).to_bytes(8, "big") + self.block[8:]
                self.digest.update(self.rest)
                self.at += BLOCK_BYTES
            taken, self.rest = self.rest[:size], self.rest[size:]
            size -= len(taken)
            out.append(taken)
        return b"".join(out)


def test_five_gibibytes_go_up_and_down(nodes, any_node, tmp_path):
    free = shutil.disk_usage(any_node.home).free
    if free < 2 * SIZE_BYTES:
        pytest.skip(f"{free >> 30} GiB are free where the node keeps its data; this takes 10")
    s3 = any_node.s3(max_pool_connections=8, read_timeout=120)
    s3.create_bucket(Bucket="large")
    try:
        source = Stream()
        s3.upload_fileobj(
            source, "large", "five", Config=TransferConfig(multipart_chunksize=64 << 20, max_concurrency=4)
        )
        assert source.at == SIZE_BYTES
        head = s3.head_object(Bucket="large", Key="five")
        assert head["ContentLength"] == SIZE_BYTES
        assert head["ETag"].endswith(f'-{SIZE_BYTES // (64 << 20)}"')
        digest = hashlib.sha256()
        for chunk in s3.get_object(Bucket="large", Key="five")["Body"].iter_chunks(4 << 20):
            digest.update(chunk)
        assert digest.hexdigest() == source.digest.hexdigest()
        block = 4999 * BLOCK_BYTES
        ranged = s3.get_object(Bucket="large", Key="five", Range=f"bytes={block}-{block + 7}")["Body"].read()
        assert int.from_bytes(ranged, "big") == 4999
    finally:
        for upload in s3.list_multipart_uploads(Bucket="large").get("Uploads", []):
            s3.abort_multipart_upload(Bucket="large", Key="five", UploadId=upload["UploadId"])
        s3.delete_object(Bucket="large", Key="five")
        s3.delete_bucket(Bucket="large")
