"""Real products for the catalogue's tests: where they are, and how they get into a node."""

import concurrent.futures
import gzip
import json
import os
import pathlib
import time

import pytest
from nodes import REPOSITORY

SETTLE_SECONDS = 60


def shared():
    """The folder of data that lies beside the repository; not all machines have it."""
    folder = pathlib.Path(os.environ.get("MARTLET_SHARED") or REPOSITORY.parent / "shared")
    if not (folder / "data" / "products").is_dir():
        pytest.skip(f"there is no data/products in {folder}: name the folder in MARTLET_SHARED")
    return folder / "data"


LEVEL_2A = "S2A_MSIL2A_20230821T221941_N0509_R029_T01KAB_20230822T021825"
LEVEL_1C = "S2A_MSIL1C_20210908T042701_N0301_R133_T46RER_20210908T070248"
LANDSAT = "LC08_L2SP_008059_20191201_20200825_02_T1"


def upload(s3, bucket, folder, prefix, leave_out=()):
    """Uploads a folder's files under a prefix; returns them by their paths in the folder."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {name: path for name, path in files.items() if name not in leave_out}
    for name, path in files.items():
        s3.upload_file(str(path), bucket, f"{prefix}/{name}")
    return files


def real_items(name, count):
    """Items as public catalogues serve them."""
    with gzip.open(shared() / name, "rt") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(count))]


def put_items(s3, bucket, items):
    """Puts each item as the item file of a product of its own."""

    def put(item):
        s3.put_object(
            Bucket=bucket,
            Key=f"{item['id']}/{item['id']}.json",
            Body=json.dumps(item).encode(),
            ContentType="application/geo+json",
        )

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, items))


def wait_for(what, find, seconds=SETTLE_SECONDS):
    """Asks until there is an answer; workers follow the journal in their own time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.25)
    raise AssertionError(f"{what} did not come within {seconds} s")


def wait_for_item(http, node, collection, item):
    def find():
        answer = http.get(f"{node.web}/stac/collections/{collection}/items/{item}")
        assert answer.status_code in (200, 404), f"{answer.status_code} {answer.text}"
        return answer.json() if answer.status_code == 200 else None

    return wait_for(f"the item {item} of {collection}", find)
