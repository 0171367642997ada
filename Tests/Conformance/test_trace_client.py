"""`martlet trace`: what it hashes, signs and hands in, checked by hashlib, zipfile, tarfile, openssl and PyCA."""

import base64
import hashlib
import http.server
import io
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import tarfile
import threading
import zipfile

import blake3
import jsonschema
import pytest
import requests
import signers
from authorities import TestAuthority, now, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from nodes import BINARY, Node, clean_environment
from products import shared
from signers import TraceSigner

ALGORITHMS = {"BLAKE3": blake3.blake3, "SHA3": hashlib.sha3_256, "SHA256": hashlib.sha256}
PASSPHRASE = "a passphrase with spaces"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def trace(*arguments, environment=None, **options):
    """The command without a node."""
    return subprocess.run(
        [BINARY, "trace", *map(str, arguments)],
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        timeout=120,
        **options,
    )


def done(*arguments, **options):
    result = trace(*arguments, **options)
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.decode().split("\n") if line]


def refused(*arguments, **options):
    result = trace(*arguments, **options)
    assert result.returncode in (1, 2, 64), (result.returncode, result.stdout)
    assert not result.stdout
    return result.stderr.decode()


@pytest.fixture(scope="module")
def authority():
    return TestAuthority("Authority of the client's signers")


@pytest.fixture
def signer(authority, tmp_path):
    """A signer with its files."""
    return Files(TraceSigner("p-256", authority), tmp_path)


class Files:
    """A signer's key and certificate as the command takes them."""

    def __init__(self, signer, folder):
        self.signer = signer
        self.key = folder / "signer.key"
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key.write_bytes(signer.key.private_bytes(*form))
        self.cert = folder / "signer.pem"
        certificate = x509.load_der_x509_certificate(base64.b64decode(signer.certificate))
        self.cert.write_text(pem(certificate))
        self.options = ["--key", self.key, "--cert", self.cert]


# Hashes


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_files_and_folders_have_the_hashes_of_the_usual_tools(tmp_path, algorithm):
    new = ALGORITHMS[algorithm]
    folder = tmp_path / "product"
    sizes = {"empty": 0, "small": 1, "sub/chunk": 1024, "sub/large": (3 << 20) + 17, "weird\\name": 5}
    for name, size in sizes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(secrets.token_bytes(size))
    paths = [folder / name for name in sizes]
    lines = trace("hash", "--algorithm", algorithm, *paths).stdout.decode().splitlines()
    assert lines == [f"{new(path.read_bytes()).hexdigest()}  {path}" for path in paths]
    (found,) = done("hash", "--algorithm", algorithm, "--json", folder)
    assert found["size"] == sum(sizes.values())
    assert {content["path"]: content["hash"] for content in found["contents"]} == {
        name: new((folder / name).read_bytes()).hexdigest() for name in sizes
    }
    told = b""
    for name in sorted(sizes, key=str.encode):
        line = f"{new((folder / name).read_bytes()).hexdigest()}  {name}"
        told += ("\\" + line.replace("\\", "\\\\") if "\\" in line else line).encode() + b"\n"
    assert found["hash"] == new(told).hexdigest()


def members():
    return {
        "P.SAFE/manifest.safe": b"<xml/>",
        "P.SAFE/GRANULE/IMG/B02.jp2": secrets.token_bytes(3 << 20),
        "P.SAFE/" + "long/" * 40 + "ö ü.txt": b"text " * 300_000,
        "P.SAFE/empty": b"",
    }


def zip_of(files, path, method=zipfile.ZIP_DEFLATED, large=False):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("P.SAFE/folder/")
        for name, body in files.items():
            with archive.open(name, "w", force_zip64=large) as member:
                member.write(body)


def tar_of(files, path, form):
    with tarfile.open(path, "w", format=form) as archive:
        folder = tarfile.TarInfo("P.SAFE/folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))


@pytest.mark.parametrize(
    "write",
    [
        lambda files, path: zip_of(files, path),
        lambda files, path: zip_of(files, path, zipfile.ZIP_STORED),
        lambda files, path: zip_of(files, path, large=True),
        lambda files, path: tar_of(files, path, tarfile.PAX_FORMAT),
        lambda files, path: tar_of(files, path, tarfile.GNU_FORMAT),
    ],
    ids=["deflated", "stored", "zip64", "pax", "gnu"],
)
def test_members_of_archives_are_contents(tmp_path, write):
    files, path = members(), tmp_path / "P.SAFE.archive"
    write(files, path)
    (found,) = done("hash", "--json", "--include", "*", path)
    assert found["hash"] == blake3.blake3(path.read_bytes()).hexdigest()
    expected = {name: blake3.blake3(body).hexdigest() for name, body in files.items()}
    assert {content["path"]: content["hash"] for content in found["contents"]} == expected
    (some,) = done("hash", "--json", "--include", "*.jp2", "--include", "*{manifest,nothing}.safe", path)
    assert {content["path"] for content in some["contents"]} == {
        "P.SAFE/manifest.safe", "P.SAFE/GRANULE/IMG/B02.jp2"
    }
    assert "contents" not in done("hash", "--json", path)[0]


def test_a_zip_of_more_members_than_the_first_format_had_room_for(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(66_000):
            archive.writestr(f"{number}", b"")
    (found,) = done("hash", "--json", "--include", "*", path)
    assert len(found["contents"]) == 66_000


def test_traps_in_archives_are_refused(tmp_path):
    path = tmp_path / "trap.zip"
    for name in ("../outside", "/absolute", "a/../../b"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"x")
        assert "which no file should have" in refused("hash", "--include", "*", path)
        with tarfile.open(path, "w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        assert "which no file should have" in refused("hash", "--include", "*", path)
    # A thousand names for the same bytes: forty kilobytes that would take forty gigabytes.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(40 << 20))
        for number in range(999):
            info = zipfile.ZipInfo.__new__(zipfile.ZipInfo)
            for slot in zipfile.ZipInfo.__slots__:
                if hasattr(archive.filelist[0], slot):
                    setattr(info, slot, getattr(archive.filelist[0], slot))
            info.filename = info.orig_filename = f"bomb{number:04}"
            archive.filelist.append(info)
        archive._didModify = True
    assert "overlap" in refused("hash", "--include", "*", path)
    zip_of({"a": bytes(100_000)}, path)
    body = bytearray(path.read_bytes())
    body[110] ^= 0xFF  # In the compressed bytes.
    path.write_bytes(body)
    assert "damaged" in refused("hash", "--include", "*", path)
    path.write_bytes(body[:-30])
    assert "cut off" in refused("hash", "--include", "*", path)
    path.write_bytes(b"no archive")
    assert "neither" in refused("hash", "--include", "*", path)


def manifest(files):
    """A SAFE manifest of files, with the checksums that the mission writes."""
    objects = "".join(
        f"""<dataObject ID="o{number}"><byteStream size="{len(body)}"><fileLocation locatorType="URL" href="./{name}"/>
        <checksum checksumName="SHA3-256">{hashlib.sha3_256(body).hexdigest().upper()}</checksum></byteStream></dataObject>"""
        for number, (name, body) in enumerate(files.items())
    )
    return f"""<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1"><metadataSection/>
    <dataObjectSection>{objects}</dataObjectSection></xfdu:XFDU>""".encode()


@pytest.mark.parametrize("name", ["manifest.safe", "xfdumanifest.xml"])
def test_the_files_of_a_manifest_are_contents_and_verified(tmp_path, name):
    files = {"a/b.nc": secrets.token_bytes(9000), "c.nc": b"c"}
    whole = {name: manifest(files), **files}
    folder, archive = tmp_path / "P.SEN3", tmp_path / "P.zip"
    (folder / "a").mkdir(parents=True)
    for path, body in {**whole, "not-in-it.txt": b"x"}.items():
        (folder / path).write_bytes(body)
    zip_of({f"P.SEN3/{path}": body for path, body in {**whole, "preview/manifest.safe": b""}.items()}, archive)
    for path, prefix in ((folder, ""), (archive, "P.SEN3/")):
        (found,) = done("hash", "--json", "--manifest", path)
        assert {content["path"]: content["hash"] for content in found["contents"]} == {
            prefix + path: blake3.blake3(body).hexdigest() for path, body in whole.items()
        }
    (folder / "c.nc").write_bytes(b"d")
    assert "SHA3-256" in refused("hash", "--manifest", folder)
    (folder / "c.nc").unlink()
    assert "missing" in refused("hash", "--manifest", folder)


# Signing


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def verified(submission):
    """Verifies a signature by PyCA, and that the message is what the service's own tool would have signed."""
    signature = submission["signature"]
    key = x509.load_der_x509_certificate(base64.b64decode(signature["certificate"])).public_key()
    signed, message = base64.b64decode(signature["signature"]), signature["message"].encode()
    if isinstance(key, rsa.RSAPublicKey):
        assert signature["algorithm"] == "RSA-SHA256"
        key.verify(signed, message, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        assert signature["algorithm"] == "ECDSA-SHA256"
        key.verify(signed, message, ec.ECDSA(hashes.SHA256()))
    else:
        assert signature["algorithm"] == "Ed25519"
        key.verify(signed, message)
    assert message == signers.message(ordered(submission["product"]), submission["event"])
    return True


def ordered(product):
    product = dict(product)
    for member in ("contents", "inputs"):
        if member in product:
            product[member] = [dict(sorted(item.items())) for item in product[member]]
    return product


FORMS = ["pkcs8", "encrypted", "pkcs1", "sec1", "p12", "one-file", "ed25519"]


@pytest.mark.parametrize("form", FORMS)
def test_keys_as_openssl_writes_them(tmp_path, form):
    (tmp_path / "product.bin").write_bytes(b"content")
    key, cert, out = tmp_path / "key", tmp_path / "cert", tmp_path / "out"
    kind = {"pkcs1": ["RSA", "rsa_keygen_bits:2048"], "ed25519": ["ED25519"]}.get(form, ["EC", "ec_paramgen_curve:P-384"])
    options = ["-pkeyopt", kind[1]] if len(kind) > 1 else []
    openssl("genpkey", "-algorithm", kind[0], *options, "-out", key)
    openssl("req", "-x509", "-key", key, "-subj", "/CN=Signer", "-days", "2", "-out", cert)
    given = ["--key", out, "--cert", cert]
    protected = form in ("encrypted", "p12")
    match form:
        case "pkcs8" | "ed25519":
            shutil.copy(key, out)
        case "encrypted":
            openssl("pkcs8", "-topk8", "-in", key, "-out", out, "-passout", "pass:" + PASSPHRASE)
        case "pkcs1":
            openssl("rsa", "-in", key, "-traditional", "-out", out)
        case "sec1":
            openssl("ec", "-in", key, "-out", out)
            out.write_text("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n" + out.read_text())
        case "p12":
            openssl("pkcs12", "-export", "-inkey", key, "-in", cert, "-out", out, "-passout", "pass:" + PASSPHRASE)
            given = ["--key", out]
        case "one-file":
            out.write_text(cert.read_text() + key.read_text())
            given = ["--key", out]
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    further = ["--passphrase-file", file] if protected else []
    (made,) = done("create", tmp_path / "product.bin", *given, *further)
    assert verified(made)
    assert made["product"] == {
        "name": "product.bin", "size": 7, "hash": blake3.blake3(b"content").hexdigest()
    }
    if protected:
        (again,) = done("create", tmp_path / "product.bin", *given, environment={"MARTLET_KEY_PASSPHRASE": PASSPHRASE})
        assert verified(again)
        said = refused(
            "create", tmp_path / "product.bin", *given, environment={"MARTLET_KEY_PASSPHRASE": "wrong"},
            stdin=subprocess.DEVNULL,
        )
        assert "passphrase is missing or wrong" in said and "wrong" in said
        assert "missing or wrong" in refused("create", tmp_path / "product.bin", *given, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("kind", ["EC:prime256v1", "rsa:2048"])
def test_a_key_in_a_token_signs(tmp_path, kind):
    if not pathlib.Path(SOFTHSM).exists() or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed: scripts/needs.sh test")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf")}
    pin, key, cert = tmp_path / "pin", tmp_path / "key", tmp_path / "cert"
    pin.write_text("736251\n")
    pin.chmod(0o600)
    algorithm, size = kind.split(":")
    option = f"ec_paramgen_curve:{size}" if algorithm == "EC" else f"rsa_keygen_bits:{size}"
    openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", key)
    openssl("req", "-x509", "-key", key, "-subj", "/CN=Token", "-days", "2", "-out", cert)
    for command in (
        ["--init-token", "--free", "--label", "signing", "--so-pin", "5678"],
        ["--import", str(key), "--token", "signing", "--label", "signer", "--id", "01"],
    ):
        subprocess.run(
            ["softhsm2-util", *command, "--pin", "736251"], env={**os.environ, **environment}, check=True, capture_output=True
        )
    (tmp_path / "product.bin").write_bytes(b"content")
    uri = f"pkcs11:token=signing;object=signer?module-path={SOFTHSM}&pin-source=file:{pin}"
    # Several signatures: numbers of ECDSA begin with zeros now and then.
    for _ in range(5):
        (made,) = done("create", tmp_path / "product.bin", "--key", uri, "--cert", cert, environment=environment)
        assert verified(made)
    assert "certificate" in refused("create", tmp_path / "product.bin", "--key", uri, environment=environment)
    other = uri.replace("object=signer", "object=nobody")
    assert "no such private key" in refused(
        "create", tmp_path / "product.bin", "--key", other, "--cert", cert, environment=environment
    )


def test_what_is_signed_is_what_the_services_own_tool_signs(tmp_path, signer):
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in ["a&b<1>.txt", "\u2028\u2029", 'quote"\\back', "tab\tand\nline\x01\x7f", "ü€😀", "p+q'/".rstrip("/")]:
        (folder / name).write_bytes(b"x")
    (made,) = done(
        "create", folder, "--name", 'x "<&>" \u2028.zip', "--input", f"L1C:{'a' * 64},a:b:", "--input", "AUX:",
        *signer.options,
    )
    assert verified(made)
    message = made["signature"]["message"]
    for text in (r"a\u0026b\u003c1\u003e.txt", r"\u2028\u2029", r"quote\"\\back", r"tab\tand\nline\u0001", "ü€😀"):
        assert text in message, text
    assert list(json.loads(message)) == ["contents", "hash", "inputs", "name", "size", "event"]
    assert made["product"]["inputs"] == [
        {"name": "L1C", "hash": "a" * 64}, {"name": "a:b", "hash": ""}, {"name": "AUX", "hash": ""}
    ]


def test_many_files_keep_their_order(tmp_path, signer):
    paths = [tmp_path / f"{number:03}.bin" for number in range(120)]
    for path in paths:
        path.write_bytes(secrets.token_bytes(1000))
    made = done("create", *paths, *signer.options, "--algorithm", "SHA256", "--event", "copy")
    assert [trace["product"]["name"] for trace in made] == [path.name for path in paths]
    assert {(trace["event"], trace["hash_algorithm"]) for trace in made} == {("COPY", "SHA256")}
    assert all(verified(trace) for trace in made)


def test_what_nobody_would_believe_is_not_signed(tmp_path, authority, signer):
    file = tmp_path / "product.bin"
    file.write_bytes(b"content")
    other = tmp_path / "other"
    other.mkdir()
    stranger = Files(TraceSigner("p-256"), other)
    assert "signature" in refused("create", file, "--key", signer.key, "--cert", stranger.cert)
    old = Files(TraceSigner("rsa-2048", authority, since=now().replace(year=2020)), other)
    assert "valid from" in refused("create", file, *old.options)
    weak = Files(TraceSigner("rsa-1024", authority), other)
    assert "signer" in refused("create", file, *weak.options)
    assert "--unsigned" in refused("create", file)
    assert "OBSOLETE" in refused("create", file, "--unsigned", "--event", "OBSOLETE")
    assert "NAME:HASH" in refused("create", file, "--unsigned", "--input", "name")
    assert done("create", file, "--unsigned")[0]["signature"] == dict.fromkeys(
        ("signature", "algorithm", "certificate", "message"), ""
    )


# With a node


@pytest.fixture(scope="module")
def node(nodes, authority, tmp_path_factory):
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_text(pem(authority.certificate))
    node = Node("trace-client", options=["--trace-authorities", str(file)]).start()
    yield node
    node.stop()
    node.remove()


def results(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_registered_checks_until_it_is_obsolete(node, signer, tmp_path):
    paths = [tmp_path / f"{secrets.token_hex(6)}.zip" for _ in range(120)]
    for path in paths:
        zip_of({"P.SAFE/a": secrets.token_bytes(100)}, path)
    assert node.cli("trace", "check", paths[0]).returncode == 2
    given = node.cli("trace", "register", *paths, "--include", "*", *signer.options, "--json")
    assert given.returncode == 0, given.stderr
    said = results(given)
    assert [one["name"] for one in said] == [path.name for path in paths] and all(one["success"] for one in said)
    checked = node.cli("trace", "check", *paths, "--json")
    assert checked.returncode == 0 and all(one["ok"] for one in results(checked)), checked.stdout
    assert node.cli("trace", "verify", paths[0]).returncode == 0
    stored = requests.get(f"{node.web}/traces/api/v1/traces/{said[0]['id']}").json()
    assert verified(stored) and stored["signature_status"] == "trusted" and len(stored["product"]["contents"]) == 1
    hash = stored["product"]["hash"]
    assert node.cli("trace", "check", "anything", "--checksum", hash).returncode == 0
    # Nobody is believed who only says that he is somebody.
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for options in (["--unsigned"], Files(TraceSigner(), stranger).options):
        assert node.cli("trace", "register", paths[0], "--obsolete", "so they say", *options).returncode == 0
        assert node.cli("trace", "check", paths[0]).returncode == 0
    obsolete = node.cli("trace", "register", paths[0], "--obsolete", "a new baseline", *signer.options)
    assert obsolete.returncode == 0, obsolete.stderr
    checked = node.cli("trace", "check", paths[0], paths[1])
    assert checked.returncode == 2 and "a new baseline" in checked.stdout
    assert f"{paths[1]}: ok" in checked.stdout and f"{paths[0]}: not ok" in checked.stdout


def test_traces_that_were_made_offline_are_published(node, signer, tmp_path):
    files = [tmp_path / f"{secrets.token_hex(6)}.bin" for _ in range(3)]
    for file in files:
        file.write_bytes(secrets.token_bytes(50))
    made = trace("create", *files, *signer.options).stdout
    (tmp_path / "lines.jsonl").write_bytes(made)
    array = [json.loads(line) for line in made.splitlines()]
    (tmp_path / "array.json").write_text(json.dumps(array, indent=1))
    published = node.cli("trace", "publish", tmp_path / "lines.jsonl", "--json")
    assert published.returncode == 0, published.stderr
    # The same again is no second trace, in whichever form.
    again = node.cli("trace", "publish", "-", "--json", input=(tmp_path / "array.json").read_text())
    assert [one["id"] for one in results(again)] == [one["id"] for one in results(published)]
    array[1]["product"]["name"] = "another"
    (tmp_path / "altered.json").write_text(json.dumps(array[1]))
    altered = node.cli("trace", "publish", tmp_path / "altered.json", "--json")
    assert altered.returncode == 1 and "another name" in results(altered)[0]["message"]
    (tmp_path / "altered.json").write_text("{}")
    assert "event" in node.cli("trace", "publish", tmp_path / "altered.json").stderr


def test_provenance_is_drawn(node, signer, tmp_path):
    mark = secrets.token_hex(4)

    def product(name, *inputs, further=()):
        path = tmp_path / f"{name}-{mark}"
        path.write_bytes(secrets.token_bytes(30))
        options = [part for one in inputs for part in ("--input", one)]
        given = node.cli("trace", "register", path, *options, *further, *signer.options)
        assert given.returncode == 0, given.stderr
        return f"{path.name}:{blake3.blake3(path.read_bytes()).hexdigest()}"

    level0 = product("L0", f"L2-{mark}:")  # A cycle, which a signer may claim.
    level1 = product("L1", level0, f"AUX-{mark}:{'0' * 64}")
    product("L2", level1, level0)
    drawn = node.cli("trace", "graph", f"L2-{mark}")
    assert drawn.returncode == 0, drawn.stderr
    names = [line.lstrip("│├└─ ").split("  ")[0] for line in drawn.stdout.splitlines()]
    assert names[0] == f"L2-{mark}" and {f"L1-{mark}", f"L0-{mark}", f"AUX-{mark}"} <= set(names)
    assert "no trace" in next(line for line in drawn.stdout.splitlines() if "AUX" in line)
    graph = json.loads(node.cli("trace", "graph", f"L2-{mark}", "--json").stdout)
    index = {entry["name"]: entry["node"] for entry in graph["nodes"] if "trace" in entry}
    edges = {(edge["input"], edge["output"]) for edge in graph["edges"]}
    assert (index[f"L1-{mark}"], 0) in edges and not graph["cut"]
    dot = node.cli("trace", "graph", level1.split(":")[1], "--dot").stdout
    assert dot.startswith("digraph") and f"L0-{mark}" in dot
    assert node.cli("trace", "graph", "nothing-of-this-name").returncode == 4


# Another service


class Service(http.server.BaseHTTPRequestHandler):
    """What of the public service the commands need: it gives the traces that it has, and notes what is handed in."""

    traces, given = [], []

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        hash = self.path.removeprefix("/api/v1/traces/hash/")
        found = [trace for trace in self.traces if trace["product"]["hash"] == hash]
        self.answer(200 if found else 404, found or {"detail": "not found"})

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.given.append((self.path, self.headers["Authorization"], body))
        self.answer(201, {"success": len(body), "error": 0, "traces": [{"success": True, "message": "queued"} for _ in body]})

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Service.traces, Service.given = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/"
    server.shutdown()


def test_the_public_services_own_trace_is_read_and_its_expired_certificate_told(service):
    file = shared() / "cdse-trace-create.json"
    public = json.loads(file.read_text())
    public = public[0] if isinstance(public, list) else public
    (printed,) = done("print", file, "--json")
    assert printed["product"] == {name: value for name, value in public["product"].items() if value is not None}
    assert not printed["valid"] and "2024-05-15" in printed["faults"][0] and len(printed["faults"]) == 1
    text = trace("print", file).stdout.decode()
    assert "CN=trace.dataspace.copernicus.eu" in text and "contents:   46" in text
    Service.traces = [public]
    checked = trace("check", "x", "--checksum", public["product"]["hash"], "--url", service)
    assert checked.returncode == 2 and b"2024-05-15" in checked.stdout


def test_another_service_is_believed_for_whom_one_trusts_oneself(service, authority, signer, tmp_path):
    file, other = tmp_path / "product.bin", tmp_path / "other.pem"
    file.write_bytes(b"content")
    (tmp_path / "trust.pem").write_text(pem(authority.certificate))
    other.write_text(pem(TestAuthority("Another").certificate))
    (made,) = done("create", file, *signer.options)
    stamp = now().isoformat().replace("+00:00", "Z")
    Service.traces = [
        {**made, "id": "7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7", "timestamp": stamp, "origin": "them", "obsolescence": None}
    ]
    check = ["check", file, "--url", service]
    assert trace(*check, "--trust", tmp_path / "trust.pem").returncode == 0
    assert trace(*check, "--trust", other).returncode == 2
    untrusted = trace(*check)
    assert untrusted.returncode == 2 and b"--trust" in untrusted.stdout
    file.write_bytes(b"altered")
    assert trace(*check, "--trust", tmp_path / "trust.pem").returncode == 2


def test_another_service_gets_what_its_schema_says(service, signer, tmp_path):
    files = [tmp_path / f"{number}.bin" for number in range(51)]
    for file in files:
        file.write_bytes(secrets.token_bytes(20))
    assert "BEARER_TOKEN" in trace("register", *files, *signer.options, "--url", service).stderr.decode()
    environment = {"BEARER_TOKEN": "of-them"}
    given = trace("register", *files, *signer.options, "--url", service, environment=environment)
    assert given.returncode == 0, given.stderr
    assert trace("register", files[0], "--obsolete", "why", "--unsigned", "--url", service, environment=environment).returncode == 0
    schema = json.loads((shared() / "cdas-traceability-1.1.0.openapi.json").read_text())
    validator = jsonschema.Draft7Validator({**schema, "$ref": "#/components/schemas/RegisterTrace"})
    assert [len(body) for _, _, body in Service.given] == [50, 1, 1]
    for path, authorization, body in Service.given:
        assert (path, authorization) == ("/api/v1/traces", "Bearer of-them")
        for one in body:
            validator.validate(one)
    assert Service.given[-1][2][0]["obsolescence"] == "why"
