"""What docs/clients.md tells newcomers to type works as it stands there, over TLS, where more can go wrong."""

import os
import re
import subprocess
import sys

import pytest
from clients import BIN, tool_environment
from nodes import REPOSITORY
from test_s3_tables import HTTPFS

TEXT = (REPOSITORY / "docs" / "clients.md").read_text()
# What only says where the node is, is what every snippet finds already said.
SNIPPETS = [
    (heading, language, code)
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    for heading in [section.splitlines()[0]]
    for language, code in re.findall(r"^```(sh|python)\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
]


@pytest.fixture(scope="module")
def eo_data(nodes):
    s3 = nodes.shared("sqlite-https").s3()
    s3.create_bucket(Bucket="eo-data")
    yield
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="eo-data"):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket="eo-data", Key=found["Key"])
    s3.delete_bucket(Bucket="eo-data")


@pytest.mark.usefixtures("eo_data")
@pytest.mark.parametrize(
    "language, code", [snippet[1:] for snippet in SNIPPETS], ids=[f"{n}-{s[0]}" for n, s in enumerate(SNIPPETS)]
)
def test_a_snippet_works(nodes, tmp_path, language, code):
    node = nodes.shared("sqlite-https")
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "B02.tif").write_bytes(os.urandom(1000))
    environment = {**tool_environment(node, tmp_path), "HTTPFS": str(HTTPFS), "PATH": f"{BIN}:{os.environ['PATH']}"}
    for name in ("TENSORSTORE_CA_BUNDLE", "GDAL_CURL_CA_BUNDLE"):
        environment[name] = node.authority
    command = ["bash", "-euc", code] if language == "sh" else [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def test_every_client_has_a_snippet():
    told = " ".join(code for _, _, code in SNIPPETS)
    command_line = ["aws s3", "s5cmd", "rclone", "s3cmd"]
    libraries = ["boto3", "s3fs", "minio", "zarr", "obstore", "xarray", "icechunk", "tensorstore", "tiledb", "rasterio"]
    for client in [*command_line, *libraries, "duckdb", "pyarrow"]:
        assert client in told, client
