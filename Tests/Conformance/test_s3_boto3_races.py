"""Preconditions under contention: of many writers that assume the same state, one wins."""

import concurrent.futures

from botocore.exceptions import ClientError

WRITERS = 16


def _race(node, write):
    s3 = node.s3(max_pool_connections=WRITERS)

    def attempt(number):
        try:
            return number, write(s3, number)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as error:
            return number, error.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(attempt, range(WRITERS)))


def test_one_of_many_creators_wins(node, s3, bucket):
    for round_number in range(5):
        key = f"k{round_number}"
        results = _race(
            node, lambda s3, n: s3.put_object(Bucket=bucket, Key=key, Body=str(n).encode(), IfNoneMatch="*")
        )
        winners = [number for number, result in results if result == 200]
        assert len(winners) == 1, results
        # S3 lets a server answer the losers of a race with 409 as well.
        assert {result for _, result in results} <= {200, "PreconditionFailed", "ConditionalRequestConflict"}, results
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == str(winners[0]).encode()


def test_one_of_many_replacers_of_the_same_version_wins(node, s3, bucket):
    for round_number in range(5):
        etag = s3.put_object(Bucket=bucket, Key="k", Body=f"round {round_number}".encode())["ETag"]
        results = _race(node, lambda s3, n: s3.put_object(Bucket=bucket, Key="k", Body=b"by %d" % n, IfMatch=etag))
        winners = [number for number, result in results if result == 200]
        assert len(winners) == 1, results
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by %d" % winners[0]


def test_unconditional_writers_all_succeed_and_the_object_is_one_of_theirs(node, s3, bucket):
    bodies = [bytes([number]) * 100_000 for number in range(WRITERS)]
    results = _race(node, lambda s3, n: s3.put_object(Bucket=bucket, Key="k", Body=bodies[n]))
    assert [result for _, result in results] == [200] * WRITERS
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() in bodies


def test_one_of_many_deleters_and_replacers_of_the_same_version_wins(node, s3, bucket):
    for round_number in range(5):
        etag = s3.put_object(Bucket=bucket, Key="k", Body=f"round {round_number}".encode())["ETag"]
        results = _race(
            node,
            lambda s3, n: s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
            if n % 2
            else s3.put_object(Bucket=bucket, Key="k", Body=b"by %d" % n, IfMatch=etag),
        )
        winners = [number for number, result in results if result in (200, 204)]
        assert len(winners) == 1, results
        if winners[0] % 2:
            assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
        else:
            assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by %d" % winners[0]


def test_one_of_many_copies_onto_the_same_version_wins(node, s3, bucket):
    for number in range(WRITERS):
        s3.put_object(Bucket=bucket, Key=f"source/{number}", Body=b"by %d" % number)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"]
    results = _race(
        node,
        lambda s3, n: s3.copy_object(
            Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": f"source/{n}"}, IfMatch=etag
        ),
    )
    winners = [number for number, result in results if result == 200]
    assert len(winners) == 1, results
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by %d" % winners[0]
