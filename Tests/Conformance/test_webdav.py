"""The WebDAV face with raw requests: the same objects as over S3, held by the same rules."""

import re
import secrets
import time
import xml.etree.ElementTree as ElementTree

import botocore.exceptions
import pytest
import requests
from products import wait_for

LOCK = """<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:%s/></D:lockscope><D:locktype><D:write/></D:locktype>
<D:owner><D:href>mailto:ada</D:href></D:owner></D:lockinfo>"""


class Dav:
    """A client on one collection."""

    def __init__(self, node, collection, session):
        self.root = f"{node.web}/dav"
        self.base = f"{self.root}/{collection}"
        self.session = session

    def ask(self, method, path, status=None, headers=None, **options):
        address = path if path.startswith("http") else f"{self.base}/{path}"
        answer = self.session.request(method, address, headers=headers, **options)
        assert status is None or answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def find(self, path, depth=1, body=None, status=207):
        """The answer to a PROPFIND: for each href its properties with their texts."""
        answer = self.ask("PROPFIND", path, status, {"Depth": str(depth)}, data=body)
        if status != 207:
            return answer
        found = {}
        for response in ElementTree.fromstring(answer.content):
            properties = {}
            for propstat in response.iter("{DAV:}propstat"):
                if " 200 " in propstat.findtext("{DAV:}status"):
                    properties |= {element.tag: element for element in propstat.find("{DAV:}prop")}
            found[response.findtext("{DAV:}href").removeprefix("/dav/" + self.base.rsplit("/", 1)[1])] = properties
        return found

    def move(self, source, target, status=201, method="MOVE", **headers):
        return self.ask(method, source, status, {"Destination": f"{self.base}/{target}", **headers})

    def lock(self, path, scope="exclusive", status=200, **headers):
        answer = self.ask("LOCK", path, status, headers, data=LOCK % scope)
        return answer.headers["Lock-Token"].strip("<>") if answer.ok else None


@pytest.fixture
def dav(node, bucket):
    return Dav(node, bucket, node.http())


@pytest.fixture
def basic(node, bucket):
    """The same with a name and a password."""
    session = node.http(token=False)
    session.auth = ("admin", node.password)
    return Dav(node, bucket, session)


def test_both_faces_show_the_same(dav, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/b/über all.txt", Body=b"from s3", ContentType="text/plain")
    answer = dav.ask("GET", "a/b/%C3%BCber%20all.txt", 200)
    assert answer.content == b"from s3" and answer.headers["Content-Type"] == "text/plain"
    assert list(dav.find("a/")) == ["/a/", "/a/b/"]
    assert list(dav.find("a/b", 1)) == ["/a/b/", "/a/b/%C3%BCber%20all.txt"]
    etag = s3.head_object(Bucket=bucket, Key="a/b/über all.txt")["ETag"]
    assert dav.find("a/b/%C3%BCber%20all.txt", 0).popitem()[1]["{DAV:}getetag"].text == etag == answer.headers["ETag"]

    dav.ask("MKCOL", "new", 201)
    assert dav.ask("PUT", "new/pic.png", 201, data=b"x" * 100_000).headers["ETag"]
    dav.ask("PUT", "new/pic.png", 204, data=b"y" * 70_000)
    head = s3.head_object(Bucket=bucket, Key="new/pic.png")
    assert head["ContentLength"] == 70_000 and head["ContentType"] == "image/png"
    assert s3.get_object(Bucket=bucket, Key="new/")["Body"].read() == b""
    s3.delete_object(Bucket=bucket, Key="new/pic.png")
    dav.ask("GET", "new/pic.png", 404)
    dav.ask("DELETE", "a", 204)
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["new/"]


def test_what_has_no_folder_is_not_stored(dav):
    dav.ask("PUT", "none/x", 409, data=b"x")
    dav.ask("MKCOL", "none/x", 409)
    dav.ask("MKCOL", "with-body", 415, data=b"<x/>")
    dav.ask("PUT", "file", 201, data=b"x")
    dav.ask("PUT", "file/x", 409, data=b"x")
    dav.ask("MKCOL", "file", 405)
    dav.ask("MKCOL", "dir", 201)
    dav.ask("PUT", "dir", 405, data=b"x")
    dav.ask("GET", "dir", 405)
    dav.ask("PUT", "file", 400, {"Content-Range": "bytes 0-0/1"}, data=b"x")
    dav.ask("PUT", "%2e%2e/file", 400, data=b"x")
    dav.ask("GET", ".snapshots/@1/file", 404)
    dav.ask("DELETE", "", 409)
    dav.ask("POST", "file", 405)


def test_conditions_ranges_and_bodies_of_unknown_length(dav):
    body = bytes(range(256)) * 1000
    etag = dav.ask("PUT", "f", 201, {"If-None-Match": "*"}, data=iter([body[:1000], body[1000:]])).headers["ETag"]
    dav.ask("PUT", "f", 412, {"If-None-Match": "*"}, data=b"x")
    dav.ask("PUT", "f", 412, {"If-Match": '"other"'}, data=b"x")
    dav.ask("PUT", "none", 412, {"If-Match": "*"}, data=b"x")
    dav.ask("PUT", "f", 412, {"If": '(["other"])'}, data=b"x")
    dav.ask("PUT", "f", 412, {"If": f"<{dav.base}/other> ([{etag}])"}, data=b"x")
    dav.ask("PUT", "f", 400, {"If": "([unquoted])"}, data=b"x")
    dav.ask("PUT", "f", 204, {"If": f"<{dav.base}/f> ([{etag}]) (Not <DAV:no-lock>)"}, data=body)
    part = dav.ask("GET", "f", 206, {"Range": "bytes=100000-100099"})
    assert part.content == body[100000:100100] and part.headers["Content-Range"] == "bytes 100000-100099/256000"
    assert dav.ask("GET", "f", 206, {"Range": "bytes=-5"}).content == body[-5:]
    dav.ask("GET", "f", 416, {"Range": "bytes=256000-"})
    dav.ask("GET", "f", 304, {"If-None-Match": etag})
    head = dav.ask("HEAD", "f", 200)
    assert head.headers["Content-Length"] == "256000" and head.content == b""
    dav.ask("DELETE", "f", 412, {"If-Match": '"other"'})
    dav.ask("DELETE", "f", 204, {"If-Match": etag})


def test_a_locked_file_is_locked_over_s3_too(dav, s3, bucket):
    def refused(call, **options):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(Bucket=bucket, Key="d/f", **options)
        assert caught.value.response["Error"]["Code"] == "ObjectLocked"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 423

    dav.ask("MKCOL", "d", 201)
    dav.ask("PUT", "d/f", 201, data=b"1")
    token = dav.lock("d/f")
    refused(s3.put_object, Body=b"2")
    refused(s3.delete_object)
    refused(s3.copy_object, CopySource=f"{bucket}/d/f", MetadataDirective="REPLACE")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="d/f")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="d/f", UploadId=upload, PartNumber=1, Body=b"3")["ETag"]
    parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
    refused(s3.complete_multipart_upload, UploadId=upload, MultipartUpload=parts)
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "d/f"}, {"Key": "other"}]})
    assert [error["Code"] for error in gone["Errors"]] == ["ObjectLocked"]
    answer = dav.ask("PUT", "d/f", 423, data=b"2")
    assert f"<D:lock-token-submitted><D:href>/dav/{bucket}/d/f</D:href>" in answer.text
    dav.ask("MOVE", "d", 423, {"Destination": f"{dav.base}/e"})
    dav.ask("PUT", "d/f", 204, {"If": f"(<{token}>)"}, data=b"2")
    found = dav.find("d/f", 0)["/d/f"]["{DAV:}lockdiscovery"]
    assert found.findtext(".//{DAV:}locktoken/{DAV:}href") == token
    assert found.findtext(".//{DAV:}owner/{DAV:}href") == "mailto:ada"
    dav.lock("d/f", "shared", 423)
    assert re.search("Second-[0-9]+", dav.ask("LOCK", "d/f", 200, {"If": f"(<{token}>)"}).text)
    dav.ask("UNLOCK", "d/f", 409, {"Lock-Token": "<urn:uuid:other>"})
    dav.ask("UNLOCK", "d/f", 204, {"Lock-Token": f"<{token}>"})
    s3.complete_multipart_upload(Bucket=bucket, Key="d/f", UploadId=upload, MultipartUpload=parts)
    assert dav.ask("GET", "d/f", 200).content == b"3"


def test_a_folder_moves_with_its_etags_properties_and_parts(dav, s3, bucket):
    dav.ask("MKCOL", "src", 201)
    dav.ask("MKCOL", "src/empty", 201)
    dav.ask("PUT", "src/small", 201, data=b"small")
    large = secrets.token_bytes(6 << 20)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="src/deep/parts")["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(
            Bucket=bucket, Key="src/deep/parts", UploadId=upload, PartNumber=number, Body=piece)["ETag"]}
        for number, piece in ((1, large[: 5 << 20]), (2, large[5 << 20 :]))
    ]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="src/deep/parts", UploadId=upload, MultipartUpload={"Parts": parts})
    change = """<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><c xmlns="urn:x">blau &amp; <b/></c></D:prop></D:set>
    </D:propertyupdate>"""
    for path in ("src", "src/deep/", "src/small"):
        dav.ask("PROPPATCH", path, 207, data=change)
    before = {found["Key"]: found["ETag"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]}

    dav.move("src/", "dst/")
    after = {found["Key"]: found["ETag"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert after == {key.replace("src/", "dst/"): etag for key, etag in before.items()}
    assert dav.ask("GET", "dst/deep/parts", 200).content == large
    for path in ("dst/", "dst/deep/", "dst/small"):
        assert dav.find(path, 0)["/" + path]["{urn:x}c"].text == "blau & "
    dav.find("src", status=404)

    dav.move("dst/", "dst/in/", 403)
    dav.move("dst/", "none/x/", 409)
    dav.move("dst", "copy", 201, "COPY")
    dav.move("dst", "copy", 412, "COPY", Overwrite="F")
    dav.move("dst", "copy", 204, "COPY")
    dav.move("dst", "flat", 201, "COPY", Depth="0")
    assert list(dav.find("flat")) == ["/flat/"]
    dav.ask("DELETE", "dst", 204)
    assert dav.ask("GET", "copy/deep/parts", 200).content == large
    assert dav.find("copy/small", 0)["/copy/small"]["{urn:x}c"].text == "blau & "
    answer = dav.ask("MOVE", "copy", None, {"Destination": "http://elsewhere.example/dav/x/y"})
    assert answer.status_code == 502


def test_a_long_listing_comes_in_pages_and_deep(dav, s3, bucket):
    names = [f"d/{number:05}" for number in range(2100)] + ["d/sub/x", "d/sub/y/z"]
    for name in names[:3] + names[-2:]:
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    for number in range(3, 2100):
        s3.copy_object(Bucket=bucket, Key=f"d/{number:05}", CopySource=f"{bucket}/d/00000")
    flat = dav.find("d/", 1)
    assert set(flat) == {"/d/", "/d/sub/"} | {f"/d/{number:05}" for number in range(2100)}
    deep = dav.find("", "infinity")
    assert list(deep) == ["/", "/d/"] + [f"/d/{number:05}" for number in range(2100)] + [
        "/d/sub/", "/d/sub/x", "/d/sub/y/", "/d/sub/y/z"]
    wanted = '<propfind xmlns="DAV:"><prop><getetag/><x xmlns="urn:none"/></prop></propfind>'
    answer = dav.ask("PROPFIND", "d/00000", 207, {"Depth": "0"}, data=wanted)
    assert '<x:x xmlns:x="urn:none"/></D:prop><D:status>HTTP/1.1 404' in answer.text
    dav.ask("PROPFIND", dav.root + "/", 403, {"Depth": "infinity"})


def test_protected_properties_are_refused_and_then_nothing_is_changed(dav):
    dav.ask("PUT", "f", 201, data=b"")
    change = """<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><c xmlns="urn:x">1</c><D:getetag>2</D:getetag>
    </D:prop></D:set></D:propertyupdate>"""
    answer = dav.ask("PROPPATCH", "f", 207, data=change)
    assert "HTTP/1.1 403" in answer.text and "HTTP/1.1 424" in answer.text
    assert "{urn:x}c" not in dav.find("f", 0)["/f"]
    dav.ask("PROPPATCH", "f", 400, data="<no")
    dav.ask("PROPPATCH", "none", 404, data=change.replace("D:getetag", "D:displayname"))


def test_who_may_come_in(node, bucket, basic, dav):
    basic.ask("PUT", "f", 201, data=b"x")
    made = node.cli_json("app-password", "create", "--account", "admin", "--description", "test", "--json")
    session = node.http(token=False)
    session.auth = ("admin", made["password"])
    app = Dav(node, bucket, session)
    assert app.ask("GET", "f", 200).content == b"x"
    assert made["id"] in node.cli("app-password", "list").stdout
    # One that ends does so without anybody's doing.
    soon = time.time() + 4
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon))
    guest = node.cli_json("app-password", "create", "--account", "admin", "--ends", ends, "--json")

    def opens():
        return requests.get(f"{node.web}/dav/", auth=("admin", guest["password"]), verify=node.verify).status_code != 401

    assert opens() or time.time() >= soon - 1
    wait_for("the end of the app password", lambda: not opens(), seconds=30)
    assert time.time() >= soon - 1
    past = node.cli_json("app-password", "create", "--account", "admin", "--ends", "2020-01-01", "--json")
    assert requests.get(f"{node.web}/dav/", auth=("admin", past["password"]), verify=node.verify).status_code == 401
    assert node.cli("app-password", "create", "--account", "admin", "--ends", "soon").returncode != 0
    assert node.cli("app-password", "delete", made["id"]).returncode == 0
    app.ask("GET", "f", 401)
    session.auth = ("admin", "wrong " + node.password)
    answer = app.ask("PROPFIND", "", 401)
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="Martlet"')
    session.auth = None
    for method in ("PUT", "PROPFIND", "LOCK", "DELETE", "MKCOL", "GET"):
        app.ask(method, "f", 401)
    # Microsoft's client asks before it logs in, and above the face.
    for address in (node.web + "/", app.root, app.base + "/"):
        answer = app.ask("OPTIONS", address, 200)
        assert answer.headers["DAV"] == "1, 2, 3" and answer.headers["MS-Author-Via"] == "DAV"


def test_policies_are_for_this_face_too(node, bucket, dav, tmp_path):
    name = "dav-" + secrets.token_hex(4)
    password = "words of a password"
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=password + "\n")
    document = f"""{{"Version": "2012-10-17", "Statement": [
        {{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::{bucket}/mine/*"}},
        {{"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::{bucket}/mine/keep/*"}},
        {{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::{bucket}",
          "Condition": {{"StringLike": {{"s3:prefix": ["mine/*"]}}}}}}]}}"""
    (tmp_path / "policy.json").write_text(document)
    node.cli_json("policy", "put", name, tmp_path / "policy.json", "--json")
    assert node.cli("policy", "attach", name, "--to", f"user:{name}").returncode == 0
    for path in ("mine", "mine/keep", "other"):
        dav.ask("MKCOL", path, 201)
    dav.ask("PUT", "mine/keep/x", 201, data=b"x")
    dav.ask("PUT", "other/y", 201, data=b"y")
    session = node.http(token=False)
    session.auth = (name, password)
    theirs = Dav(node, bucket, session)
    assert list(theirs.find("mine/")) == ["/mine/", "/mine/keep/"]
    for path in ("", "other/", "other/y", "none"):
        theirs.find(path, status=403)
    theirs.ask("PUT", "other/z", 403, data=b"z")
    theirs.ask("PUT", "mine/z", 201, data=b"z")
    # What may not be deleted may not be moved away, though it lies deep in the folder.
    theirs.move("mine/keep", "mine/gone", 403)
    theirs.ask("DELETE", "mine", 403)
    theirs.move("mine/keep", "mine/copy", 201, "COPY")
    theirs.move("other/y", "mine/y", 403, "COPY")
    theirs.move("mine/z", "mine/w", 201)
    assert [href for href in theirs.find(theirs.root + "/") if bucket in href] == []


def test_what_finder_and_explorer_do(dav, s3, bucket):
    dav.ask("PROPFIND", "._new.txt", 404, {"Depth": "0"})
    # The Mini-Redirector: a lock on nothing, an empty PUT, the content, its own properties, the end of the lock.
    dav.ask("PROPFIND", "new.txt", 404, {"Depth": "0"})
    token = dav.lock("new.txt", status=201, Timeout="Second-3600")
    assert s3.head_object(Bucket=bucket, Key="new.txt")["ContentLength"] == 0
    held = {"If": f"(<{token}>)"}
    dav.ask("PUT", "new.txt", 204, held, data=b"")
    dav.ask("PUT", "new.txt", 204, held, data=b"content")
    change = """<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:"
    xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>
    <Z:Win32CreationTime>Sat, 21 Nov 2026 10:00:00 GMT</Z:Win32CreationTime>
    <Z:Win32LastModifiedTime>Sat, 21 Nov 2026 10:00:00 GMT</Z:Win32LastModifiedTime>
    <Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"""
    answer = dav.ask("PROPPATCH", "new.txt", 207, held, data=change)
    assert answer.text.count("200 OK") == 1 and "Win32FileAttributes" in answer.text
    dav.ask("UNLOCK", "new.txt", 204, {"Lock-Token": f"<{token}>"})
    found = dav.find("new.txt", 0)["/new.txt"]
    assert found["{urn:schemas-microsoft-com:}Win32FileAttributes"].text == "00000020"
    assert dav.ask("GET", "new.txt", 200).content == b"content"


def test_what_is_copied_or_moved_in_is_retained_as_the_collection_says(node, dav, s3, bucket):
    locked = "lock-" + secrets.token_hex(6)
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    for name in ("copied", "moved"):
        dav.ask("PUT", name, 201, data=b"x")
        dav.ask("COPY" if name == "copied" else "MOVE", name, 201, {"Destination": f"{dav.root}/{locked}/{name}"})
        retained = s3.get_object_retention(Bucket=locked, Key=name)["Retention"]
        assert retained["Mode"] == "GOVERNANCE"
        version = s3.head_object(Bucket=locked, Key=name)["VersionId"]
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=locked, Key=name, VersionId=version)
    # Out of it goes what is not locked: the lock stays where it was set.
    dav.ask("MOVE", f"{dav.root}/{locked}/moved", 201, {"Destination": f"{dav.base}/back"})
    assert "ObjectLockMode" not in s3.head_object(Bucket=bucket, Key="back")
    assert s3.get_object(Bucket=locked, Key="moved", VersionId=version)["Body"].read() == b"x"
