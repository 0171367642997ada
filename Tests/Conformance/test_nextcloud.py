"""Nextcloud's own client keeps two folders in sync through a node; what it relies on, asked directly."""

import filecmp
import hashlib
import os
import secrets
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import lend_bucket
from nodes import clean_environment

OC = "{http://owncloud.org/ns}"


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def cloud(request, nodes):
    return nodes.shared(request.param)


@pytest.fixture
def collection(cloud):
    s3 = cloud.s3()
    yield from lend_bucket(s3, "cloud")


class Folder:
    """A folder that nextcloudcmd keeps in sync with a collection."""

    def __init__(self, cloud, collection, home, name):
        self.cloud, self.collection, self.home = cloud, collection, home
        self.path = home / name
        self.path.mkdir()

    def sync(self):
        """Syncs once and returns what the client says of it."""
        done = subprocess.run(
            ["nextcloudcmd", "--non-interactive", "-u", "admin", "-p", self.cloud.password, "--path",
             "/" + self.collection, str(self.path), self.cloud.web],
            capture_output=True, text=True, timeout=180,
            env={**clean_environment(), "HOME": str(self.home), "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stderr + done.stdout

    def downloads(self, said):
        return said.count('by OCC::PropagateDownloadFile') // 2

    def files(self):
        """The files and their folders, without the client's own."""
        found = {}
        for folder, folders, names in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith("."):
                    file = os.path.join(folder, name)
                    found[os.path.relpath(file, self.path)] = file
        return found


def assert_same(one, other):
    ours, theirs = one.files(), other.files()
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        assert filecmp.cmp(ours[name], theirs[name], shallow=False), name


def test_two_folders_stay_in_sync(cloud, collection, tmp_path):
    one, two = (Folder(cloud, collection, tmp_path, name) for name in ("one", "two"))
    # Some stay as they are: the client asks before it takes a change of everything.
    for number in range(8):
        (one.path / f"kept-{number}.txt").write_text(f"file {number}")
    (one.path / "deep" / "er").mkdir(parents=True)
    (one.path / "deep" / "er" / "ä & b.txt").write_text("deep")
    os.utime(one.path / "kept-0.txt", (1_600_000_000, 1_600_000_000))
    (one.path / "large.bin").write_bytes(secrets.token_bytes(30_000_000))
    one.sync()
    two.sync()
    assert_same(one, two)
    assert os.stat(two.path / "kept-0.txt").st_mtime == 1_600_000_000

    # Edits, deletions and moves: what was moved is not loaded again.
    (one.path / "kept-1.txt").write_text("edited, and longer: within a second only the size tells")
    (one.path / "kept-2.txt").unlink()
    (one.path / "large.bin").rename(one.path / "deep" / "moved.bin")
    (one.path / "deep" / "er").rename(one.path / "renamed")
    one.sync()
    assert two.downloads(two.sync()) == 1
    assert_same(one, two)

    # What came over S3 is found deep in a folder.
    s3 = cloud.s3()
    s3.put_object(Bucket=collection, Key="renamed/from s3.txt", Body=b"s3")
    s3.put_object(Bucket=collection, Key="made/by/s3.txt", Body=b"s3 too")
    s3.delete_object(Bucket=collection, Key="deep/moved.bin")
    one.sync()
    two.sync()
    assert_same(one, two)
    assert (one.path / "made" / "by" / "s3.txt").read_bytes() == b"s3 too"
    assert not (two.path / "deep" / "moved.bin").exists()

    # Both edit one file: the first one wins, the other is kept beside it.
    (one.path / "kept-3.txt").write_text("mine")
    (two.path / "kept-3.txt").write_text("and theirs")
    one.sync()
    two.sync()
    assert (two.path / "kept-3.txt").read_text() == "mine"
    kept = [name for name in two.files() if "conflicted copy" in name]
    assert len(kept) == 1 and (two.path / kept[0]).read_text() == "and theirs"


@pytest.fixture
def ask(cloud):
    session = cloud.http(token=False)
    session.auth = ("admin", cloud.password)

    def ask(method, path, status, headers=None, **options):
        answer = session.request(method, cloud.web + path, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    return ask


def test_who_the_server_is(cloud, ask):
    status = cloud.http(token=False).get(cloud.web + "/status.php").json()
    assert status["installed"] and not status["maintenance"] and status["version"].startswith("28.")
    ask("GET", "/ocs/v2.php/cloud/nothing?format=json", 404)
    user = ask("GET", "/ocs/v1.php/cloud/user?format=json", 200).json()["ocs"]
    assert user["meta"]["statuscode"] == 200 and user["data"]["id"] == "admin"
    capabilities = ask("GET", "/ocs/v1.php/cloud/capabilities?format=json", 200).json()["ocs"]["data"]["capabilities"]
    assert capabilities["dav"]["chunking"] == "1.0" and "SHA1" in capabilities["checksums"]["supportedTypes"]
    assert cloud.http(token=False).get(cloud.web + "/ocs/v1.php/cloud/user").status_code == 401
    ask("PROPFIND", "/remote.php/dav/files/somebody/", 403)
    ask("MKCOL", "/remote.php/dav/uploads/somebody/1", 403)


def properties(ask, path, depth="0"):
    body = """<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop><d:getetag/><oc:id/><oc:fileid/>
    <oc:permissions/><oc:checksums/><oc:size/><oc:share-types/></d:prop></d:propfind>"""
    answer = ask("PROPFIND", "/remote.php/dav/files/admin" + path, 207, {"Depth": depth}, data=body)
    assert answer.headers["Content-Type"].startswith("application/xml")
    response = ElementTree.fromstring(answer.content).find("{DAV:}response")
    return {element.tag: "".join(element.itertext()) for element in response.find(".//{DAV:}prop")}


def test_ids_stay_and_tags_of_folders_change(cloud, collection, ask):
    files = f"/remote.php/dav/files/admin/{collection}"
    ask("MKCOL", files + "/a", 201)
    ask("MKCOL", files + "/a/b", 201)
    ask("MKCOL", files + "/other", 201)
    folders = ["/", f"/{collection}/", f"/{collection}/a/", f"/{collection}/a/b/"]

    def tags():
        return [properties(ask, folder)["{DAV:}getetag"] for folder in folders]

    first, other = tags(), properties(ask, f"/{collection}/other/")["{DAV:}getetag"]
    digest = hashlib.sha1(b"content").hexdigest()
    put = ask("PUT", files + "/a/b/f", 201, {"OC-Checksum": f"SHA1:{digest}", "X-OC-Mtime": "1600000000"}, data=b"content")
    assert put.headers["X-OC-MTime"] == "accepted" and put.headers["OC-ETag"] == put.headers["ETag"]
    second = tags()
    assert all(old != new for old, new in zip(first, second))
    assert properties(ask, f"/{collection}/other/")["{DAV:}getetag"] == other
    before = properties(ask, f"/{collection}/a/b/f")
    assert before[OC + "permissions"] == "GDNVW" and before[OC + "checksums"] == f"SHA1:{digest}"
    assert before[OC + "id"] == put.headers["OC-FileId"] and before[OC + "size"] == "7"
    assert properties(ask, f"/{collection}/a/")[OC + "permissions"] == "GDNVCK"
    assert properties(ask, f"/{collection}/")[OC + "permissions"] == "GCK"
    ask("PUT", files + "/a/b/f", 400, {"OC-Checksum": f"SHA1:{digest}"}, data=b"other content")

    target = {"Destination": cloud.web + files + "/other/g"}
    ask("MOVE", files + "/a/b/f", 201, target)
    after = properties(ask, f"/{collection}/other/g")
    assert after == before
    third = tags()
    assert all(old != new for old, new in zip(second, third))
    assert properties(ask, f"/{collection}/other/")["{DAV:}getetag"] != other
    cloud.s3().delete_object(Bucket=collection, Key="other/g")
    assert tags()[0] != third[0] and tags()[2] == third[2]


def test_a_file_comes_in_chunks(cloud, collection, ask):
    chunks = [secrets.token_bytes(100_000), secrets.token_bytes(50_000), b"the end"]
    whole = b"".join(chunks)
    upload = f"/remote.php/dav/uploads/admin/{secrets.randbelow(10**9)}"
    target = {"Destination": f"/remote.php/dav/files/admin/{collection}/big.bin", "OC-Total-Length": str(len(whole))}
    ask("PUT", upload + "/0", 404, data=b"x")
    ask("MKCOL", upload, 201, {"OC-Total-Length": str(len(whole))})
    # In any order; the second version of the protocol counts from 1, the first one says where a chunk begins.
    for name in (2, 0, 1):
        ask("PUT", f"{upload}/{name * 5:016}", 201, data=chunks[name])
    ask("PUT", upload + "/name", 400, data=b"x")
    listed = ElementTree.fromstring(ask("PROPFIND", upload + "/", 207, {"Depth": "1"}).content)
    sizes = [element.text for element in listed.iter("{DAV:}getcontentlength")]
    assert sizes == [str(len(chunk)) for chunk in chunks]
    ask("MOVE", upload + "/.file", 400, {**target, "OC-Total-Length": "1"})
    ask("MOVE", upload + "/.file", 400, {**target, "OC-Checksum": "SHA1:" + hashlib.sha1(b"").hexdigest()})
    ask("MOVE", upload + "/.file", 409, {**target, "Destination": target["Destination"].replace("big", "none/big")})
    done = ask("MOVE", upload + "/.file", 201, {
        **target, "OC-Checksum": "SHA1:" + hashlib.sha1(whole).hexdigest(), "X-OC-Mtime": "1600000000"})
    answer = ask("GET", f"/remote.php/dav/files/admin/{collection}/big.bin", 200)
    assert answer.content == whole and answer.headers["ETag"] == done.headers["ETag"]
    assert answer.headers["OC-Checksum"] == "SHA1:" + hashlib.sha1(whole).hexdigest()
    assert answer.headers["Last-Modified"] == "Sun, 13 Sep 2020 12:26:40 GMT"
    s3 = cloud.s3()
    assert s3.get_object(Bucket=collection, Key="big.bin", Range="bytes=99990-150010")["Body"].read() == whole[99990:150011]
    ask("PROPFIND", upload, 404)
    ask("MKCOL", upload, 201)
    ask("DELETE", upload, 204)
    assert not [found for found in s3.list_buckets()["Buckets"] if found["Name"].startswith(".")]
    assert ask("PROPFIND", "/dav/", 207, {"Depth": "1"}).text.count("/dav/.") == 0
