"""The command line: every command with `--json`, its exit codes, and copies that go on where they were cut off."""

import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys

import pytest
import requests
from conftest import empty_bucket
from nodes import BINARY, clean_environment
from products import LEVEL_2A, shared, wait_for

FAILED, NOT_RIGHT, NOT_ALLOWED, NOT_FOUND, USAGE = 1, 2, 3, 4, 64


@pytest.fixture
def place(node):
    """A collection that a command may make; removed with what is in it."""
    name = "cli-" + secrets.token_hex(5)
    yield name
    s3 = node.s3()
    if name in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
        empty_bucket(s3, name)
        s3.delete_bucket(Bucket=name)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "product"
    for name, size in {
        "a.txt": 5,
        "empty": 0,
        "deep/b c+%.bin": 100_000,
        "deep/er/ü.bin": 300_000,
        "large.bin": (20 << 20) + 3,
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return root


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def ok(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


# cp and ls


def test_a_folder_goes_up_and_comes_down(node, place, folder, tmp_path):
    told = lines(ok(node.cli("cp", "-r", folder, f"s3://{place}/", "--json")))
    assert {line["to"] for line in told} == {f"s3://{place}/product/{name}" for name in contents(folder)}
    assert sum(line["size"] for line in told) == sum(map(len, contents(folder).values()))
    listed = lines(ok(node.cli("ls", "-r", "--json", f"s3://{place}")))
    assert {line["key"]: line["size"] for line in listed} == {
        f"product/{name}": len(body) for name, body in contents(folder).items()
    }
    ok(node.cli("cp", "-r", f"s3://{place}/product", tmp_path / "back"))
    assert contents(tmp_path / "back") == contents(folder)


def test_one_file_goes_up_and_comes_down(node, place, folder, tmp_path):
    ok(node.cli("cp", folder / "a.txt", f"s3://{place}/x/y.txt"))
    ok(node.cli("cp", folder / "a.txt", f"s3://{place}/z/"))
    listed = lines(ok(node.cli("ls", "-r", "--json", f"s3://{place}")))
    assert [line["key"] for line in listed] == ["x/y.txt", "z/a.txt"]
    ok(node.cli("cp", f"s3://{place}/x/y.txt", tmp_path / "got.txt"))
    assert (tmp_path / "got.txt").read_bytes() == (folder / "a.txt").read_bytes()
    ok(node.cli("cp", f"s3://{place}/z/a.txt", f"{tmp_path}/"))
    assert (tmp_path / "a.txt").read_bytes() == (folder / "a.txt").read_bytes()


def test_a_copy_that_is_repeated_sends_only_what_changed(node, place, folder):
    ok(node.cli("cp", "-r", folder, f"s3://{place}/p"))
    (folder / "a.txt").write_bytes(b"other")
    told = {
        line["to"].rsplit("/", 1)[1]: line["outcome"]
        for line in lines(ok(node.cli("cp", "-r", folder, f"s3://{place}/p", "--json")))
    }
    assert len(set(told.values())) == 2 and sum(outcome == told["a.txt"] for outcome in told.values()) == 1, told
    assert node.s3().get_object(Bucket=place, Key="p/a.txt")["Body"].read() == b"other"


def cut_off(node, arguments, after):
    """Starts a copy and kills it as soon as `after()` says that some of it is there."""
    process = subprocess.Popen(
        [BINARY, *map(str, arguments)], env=node.client_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        wait_for("some of the copy", after, seconds=60)
        assert process.poll() is None, "the copy was over before it could be cut off"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()


def test_an_upload_that_was_cut_off_goes_on(node, place, tmp_path):
    source = tmp_path / "big.bin"
    with open(source, "wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 20))
    s3 = node.s3()
    s3.create_bucket(Bucket=place)

    def parts():
        uploads = s3.list_multipart_uploads(Bucket=place).get("Uploads", [])
        return sum(
            len(s3.list_parts(Bucket=place, Key="big.bin", UploadId=upload["UploadId"]).get("Parts", []))
            for upload in uploads
        )

    cut_off(node, ["cp", source, f"s3://{place}/big.bin"], lambda: parts() >= 3)
    kept = {upload["UploadId"] for upload in s3.list_multipart_uploads(Bucket=place)["Uploads"]}
    before = {
        part["PartNumber"]: part["LastModified"]
        for upload in kept
        for part in s3.list_parts(Bucket=place, Key="big.bin", UploadId=upload)["Parts"]
    }
    assert before
    ok(node.cli("cp", source, f"s3://{place}/big.bin", timeout=300))
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=place), "the upload that was begun was taken up, and ended"
    assert _same(s3.get_object(Bucket=place, Key="big.bin")["Body"], source)


def test_a_download_that_was_cut_off_goes_on(node, place, tmp_path):
    source, target = tmp_path / "big.bin", tmp_path / "out" / "big.bin"
    with open(source, "wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 20))
    target.parent.mkdir()
    ok(node.cli("cp", source, f"s3://{place}/big.bin", timeout=300))

    def written():
        return sum(path.stat().st_blocks * 512 for path in target.parent.iterdir()) > 16 << 20

    cut_off(node, ["cp", f"s3://{place}/big.bin", target], written)
    assert not target.exists() or target.stat().st_size < source.stat().st_size or not _same(open(target, "rb"), source)
    ok(node.cli("cp", f"s3://{place}/big.bin", target, timeout=300))
    assert _same(open(target, "rb"), source)
    assert [path.name for path in target.parent.iterdir()] == ["big.bin"], "nothing else is left"


def _same(stream, path):
    with open(path, "rb") as other, stream as one:
        while True:
            left, right = one.read(4 << 20), other.read(4 << 20)
            if left != right:
                return False
            if not left:
                return True


def test_listing_by_levels(node, place, folder):
    ok(node.cli("cp", "-r", folder, f"s3://{place}/p"))
    assert {"collection": place} == {
        "collection": next(
            line["collection"] for line in lines(ok(node.cli("ls", "--json"))) if line["collection"] == place
        )
    }
    level = lines(ok(node.cli("ls", "--json", f"s3://{place}/p/")))
    assert {line.get("prefix") or line["key"] for line in level} == {"p/a.txt", "p/empty", "p/large.bin", "p/deep/"}
    text = ok(node.cli("ls", f"s3://{place}/p/"))
    assert "p/large.bin" in text and "21.0 MB" in text


# The other commands


def test_search_sign_and_trace_of_a_product(node, place, tmp_path):
    source = shared() / "products" / f"{LEVEL_2A}.SAFE"
    ok(node.cli("cp", "-r", source, f"s3://{place}/"))
    found = wait_for("the item", lambda: lines(ok(node.cli("search", "--collection", place, "--json"))))
    assert [item["id"] for item in found] == [LEVEL_2A]
    assert lines(
        ok(node.cli("search", "--collection", place, "--bbox", "179,-18,180,-16", "--datetime", "2023-08-21", "--json"))
    )
    assert not ok(node.cli("search", "--collection", place, "--bbox", "0,0,1,1", "--json"))
    assert not ok(node.cli("search", "--collection", place, "--datetime", "2020-01-01/2020-12-31", "--json"))
    shape = tmp_path / "shape.json"
    shape.write_text('{"type":"Point","coordinates":[179.6,-16.8]}')
    assert lines(ok(node.cli("search", "--collection", place, "--intersects", shape, "--id", LEVEL_2A, "--json")))
    assert LEVEL_2A in ok(node.cli("search", "--collection", place))

    href = f"s3://{place}/{LEVEL_2A}.SAFE/manifest.safe"
    signed = json.loads(ok(node.cli("sign", href, "--json")))["hrefs"][href]
    assert ok(node.cli("sign", href)).startswith(node.s3_url)
    assert requests.get(signed, verify=node.verify).content == (source / "manifest.safe").read_bytes()

    wait_for("the trace", lambda: node.cli("trace", "verify", source / "manifest.safe").returncode == 0)
    said = json.loads(ok(node.cli("trace", "verify", source / "manifest.safe", "--json")).splitlines()[0])
    assert said["verdict"] == "genuine"


def test_accounts_keys_and_policies(node, tmp_path):
    name = "cli-" + secrets.token_hex(4)
    made = node.cli_json("account", "create", name, "--kind", "service", "--display-name", "A service", "--json")
    assert (made["name"], made["kind"], made["displayName"], made["disabled"]) == (name, "service", "A service", False)
    assert name in [line["name"] for line in lines(ok(node.cli("account", "list", "--json")))]
    shown = node.cli_json("account", "show", name, "--json")
    assert made.items() <= shown.items() and shown["groups"] == []
    key = node.cli_json("key", "create", "--account", name, "--description", "test", "--json")
    listed = lines(ok(node.cli("key", "list", "--account", name, "--json")))
    assert [(one["accessKeyId"], one["description"]) for one in listed] == [(key["accessKeyId"], "test")]
    assert "secretAccessKey" not in listed[0]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    (tmp_path / "p.json").write_text(json.dumps(document))
    node.cli_json("policy", "put", name, tmp_path / "p.json", "--json")
    node.cli_json("policy", "attach", name, "--to", f"user:{name}", "--json")
    shown = node.cli_json("policy", "show", name, "--json")
    assert (shown["document"], shown["attachments"]) == (document, [f"user:{name}"])
    assert name in [line["name"] for line in lines(ok(node.cli("policy", "list", "--json")))]
    node.cli_json("policy", "detach", name, "--from", f"user:{name}", "--json")
    assert node.cli_json("policy", "show", name, "--json")["attachments"] == []
    node.cli_json("policy", "delete", name, "--json")
    node.cli_json("key", "delete", key["accessKeyId"], "--json")
    node.cli_json("account", "delete", name, "--json")
    for command in (["account", "show", name], ["policy", "show", name], ["key", "delete", key["accessKeyId"]]):
        assert node.cli(*command).returncode == NOT_FOUND, command


def test_login_is_remembered(node):
    environment = {"MARTLET_USER": "", "MARTLET_PASSWORD": ""}

    def without_password(*arguments):
        whole = node.client_environment() | environment
        for name in environment:
            del whole[name]
        return subprocess.run([BINARY, *arguments], env=whole, capture_output=True, text=True, timeout=60)

    stored = (
        [path for path in (node.home / "config").rglob("*") if path.is_file()]
        if (node.home / "config").exists()
        else []
    )
    for path in stored:
        path.unlink()
    assert without_password("ls").returncode == NOT_ALLOWED
    said = node.cli_json("login", "--json")
    assert said["user"] == "admin" and said["url"] == node.web
    assert without_password("ls", "--json").returncode == 0
    stored = [path for path in (node.home / "config").rglob("*") if path.is_file()]
    assert stored and all(path.stat().st_mode & 0o077 == 0 for path in stored), "what is stored opens the node: 0600"
    assert not any(node.password in path.read_text() for path in stored)


def test_doctor_finds_nothing_wrong(node):
    done = node.cli("doctor", "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert lines(done.stdout)


@pytest.mark.parametrize(
    "command, status",
    [
        (["ls", "s3://no-such-collection-here"], NOT_FOUND),
        (["cp", "s3://no-such-collection-here/k", "/tmp/x"], NOT_FOUND),
        (["cp", "/no/such/file", "s3://a-collection/k"], NOT_FOUND),
        (["account", "show", "nobody-here"], NOT_FOUND),
        (["policy", "show", "nothing-here"], NOT_FOUND),
        (["trace", "verify", "/no/such/file"], NOT_FOUND),
        (["cp", "/etc", "s3://a-collection/"], FAILED),
        (["cp", "/etc/hostname", "/tmp/there"], FAILED),
        (["search", "--bbox", "1,2,3"], FAILED),
        (["search", "--datetime", "yesterday"], FAILED),
        (["sign", "https://elsewhere.example/x"], FAILED),
        (["serve"], FAILED),
        (["serve", "--data", "/tmp/x", "--web", "nonsense"], FAILED),
        (["no-such-command"], USAGE),
        (["ls", "--no-such-flag"], USAGE),
        (["key", "create"], USAGE),
        (["cp", "one"], USAGE),
    ],
)
def test_exit_codes_tell_what_happened(any_node, command, status):
    done = any_node.cli(*command)
    assert done.returncode == status, f"{done.returncode}: {done.stderr}"
    assert done.stderr.strip(), "what went wrong stands on standard error"
    assert not done.stdout.strip()


def test_a_wrong_password_is_not_allowed(any_node):
    done = any_node.cli("ls", password="a wrong password")
    assert done.returncode == NOT_ALLOWED and "a wrong password" not in done.stderr


def test_a_node_that_is_not_there_is_told(any_node):
    done = any_node.cli("ls", environment={"MARTLET_URL": "http://127.0.0.1:9"})
    assert done.returncode == FAILED and "127.0.0.1" in done.stderr


def test_a_certificate_that_is_not_trusted_is_told(nodes):
    node = nodes.shared("sqlite-https")
    done = node.cli("ls", environment={"MARTLET_CA": "/etc/ssl/certs/ca-certificates.crt"})
    assert done.returncode == FAILED and "MARTLET_CA" in done.stderr


def test_help_and_version_are_on_standard_output(any_node):
    for command in (["--help"], ["cp", "--help"], ["--version"]):
        done = any_node.cli(*command)
        assert done.returncode == 0 and done.stdout.strip() and not done.stderr
    for command in (
        "serve",
        "demo",
        "login",
        "ls",
        "cp",
        "search",
        "sign",
        "trace",
        "account",
        "key",
        "policy",
        "doctor",
    ):
        assert command in any_node.cli("--help").stdout


# serve


def serve(tmp_path, *arguments, **environment):
    return subprocess.Popen(
        [BINARY, "serve", "--json", *map(str, arguments)],
        env=clean_environment() | environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ready(process):
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"serve had not ended 30 s after signal {number}") from None
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_and_finds_everything_again(tmp_path, number):
    process = serve(
        tmp_path,
        "--data",
        tmp_path / "d",
        "--web",
        "127.0.0.1:0",
        "--s3",
        "127.0.0.1:0",
        MARTLET_ADMIN_PASSWORD="x" * 20,
    )
    first = ready(process)
    assert first["web"].startswith("http://127.0.0.1:") and "adminPassword" not in first
    assert (
        requests.get(first["web"] + "/healthz").status_code == requests.get(first["web"] + "/readyz").status_code == 200
    )
    assert end(process, number) == 0
    process = serve(tmp_path, "--data", tmp_path / "d", "--web", "127.0.0.1:0", "--s3", "127.0.0.1:0")
    again = ready(process)
    login = requests.post(
        again["web"] + "/oidc/token", data={"grant_type": "password", "username": "admin", "password": "x" * 20}
    )
    assert login.status_code == 200, login.text
    assert end(process) == 0


def test_settings_come_from_flags_then_environment_then_file(tmp_path):
    configuration = tmp_path / "martlet.conf"
    configuration.write_text(
        f"# a node\ndata = {tmp_path}/from-file\nweb = 127.0.0.1:0\ns3 = 127.0.0.1:0\nweb-url = http://from.file\n"
    )
    process = serve(tmp_path, "--config", configuration)
    assert ready(process)["web"] == "http://from.file"
    end(process)
    process = serve(tmp_path, "--config", configuration, MARTLET_WEB_URL="http://from.environment")
    assert ready(process)["web"] == "http://from.environment"
    end(process)
    process = serve(
        tmp_path, "--config", configuration, "--web-url", "http://from.flag", MARTLET_WEB_URL="http://from.environment"
    )
    assert ready(process)["web"] == "http://from.flag"
    end(process)
    assert (tmp_path / "from-file").is_dir()


def test_a_signal_right_after_the_ready_line_ends_it_too(tmp_path):
    for attempt in range(10):
        process = serve(tmp_path, "--data", tmp_path / "d", "--web", "127.0.0.1:0", "--s3", "127.0.0.1:0")
        ready(process)
        assert end(process) == 0, attempt


@pytest.mark.parametrize(
    "line", ["nonsense", "no-such-setting = 1", "tls = maybe", "settle-seconds = soon", "metadata = mysql://x"]
)
def test_a_configuration_that_cannot_be_meant_is_told(tmp_path, line):
    configuration = tmp_path / "martlet.conf"
    configuration.write_text(f"data = {tmp_path}/d\nweb = 127.0.0.1:0\ns3 = 127.0.0.1:0\n{line}\n")
    process = serve(tmp_path, "--config", configuration)
    _, said = process.communicate(timeout=30)
    assert process.returncode in (FAILED, USAGE) and said.strip()


def test_two_nodes_do_not_share_a_folder(tmp_path):
    arguments = ["--data", tmp_path / "d", "--web", "127.0.0.1:0", "--s3", "127.0.0.1:0"]
    first = serve(tmp_path, *arguments)
    ready(first)
    second = serve(tmp_path, *arguments)
    _, said = second.communicate(timeout=30)
    assert second.returncode == FAILED and "use" in said
    assert end(first) == 0


def test_a_port_that_is_taken_is_told(any_node, tmp_path):
    taken = any_node.web.split("//")[1]
    process = serve(tmp_path, "--data", tmp_path / "d", "--web", taken, "--s3", "127.0.0.1:0")
    _, said = process.communicate(timeout=30)
    assert process.returncode == FAILED and taken.split(":")[1] in said


def test_the_folder_is_for_its_owner_only(any_node):
    assert any_node.data.stat().st_mode & 0o077 == 0
    readable = [path.name for path in any_node.data.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert set(readable) <= {"authority.pem"}, "only what is public is for others"


@pytest.mark.parametrize("source", ["fetched", "given"])
def test_the_demo_ends_with_0_when_all_of_it_held(tmp_path, source):
    """Without any option it fetches its products itself, and its S3 client where there is none."""
    options = [] if source == "fetched" else ["--products", str(shared() / "products")]
    path = os.environ["PATH"] if source == "fetched" else f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    passwords = set()
    for _ in range(2):  # A second start finds everything again.
        done = subprocess.run(
            [BINARY, "demo", "--json", "--exit", "--web", "127.0.0.1:0", "--s3", "127.0.0.1:0", *options],
            env=clean_environment() | {"HOME": str(tmp_path), "PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        said = {}
        for line in lines(done.stdout):
            said |= line
        assert said["ok"] and said["trace"]["verdict"] == "genuine", said
        assert said["items"] == {"fetched": 2, "given": 4}[source], said
        assert {"console", "stac", "signedURL"} <= set(said), said
        assert 1 <= said["trace"]["logSize"] <= said["items"], "a second start makes no second trace"
        passwords.add(said["adminPassword"])
    assert len(passwords) == 2
