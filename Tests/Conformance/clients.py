"""What the suites of unmodified clients share: where a client finds the node, and what ended up in the bucket."""

import pathlib
import subprocess
import sys

from nodes import clean_environment

BIN = pathlib.Path(sys.executable).parent


def surroundings(node):
    """The environment of docs/clients.md: most clients need no more to find a node and to trust it."""
    access, secret = node.access_key()
    environment = {
        "AWS_ENDPOINT_URL": node.s3_url,
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if node.tls:
        environment["AWS_CA_BUNDLE"] = environment["SSL_CERT_FILE"] = node.authority
    return environment


def run(command, environment, **options):
    done = subprocess.run(
        [str(part) for part in command], env=environment, capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tool_environment(node, home):
    """For a command line tool: nothing of the tester's own configuration, and a home of its own."""
    return {**clean_environment(), **surroundings(node), "HOME": str(home)}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def keys(node, bucket, prefix=""):
    pages = node.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def stored(node, bucket, prefix=""):
    s3 = node.s3()
    return {
        key[len(prefix) :]: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys(node, bucket, prefix)
    }
