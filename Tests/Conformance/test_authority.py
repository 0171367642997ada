"""The node's X.509 authority: certificates for a token, renewal, revocation, with OpenSSL as the judge."""

import base64
import hashlib
import json
import secrets
import shutil
import socket
import subprocess
import time

import pytest
import requests
from authorities import request as signing_request
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from nodes import BINARY, Node


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def node(request, nodes):
    """Revocations are asked for over http, as of any authority: the node without TLS is one. Logins need the other."""
    if request.param == "postgres":
        yield nodes.shared("postgres-http")
        return
    node = Node("authority", tls=True, options=["--trust-domain", "example.org"]).start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def account(node):
    def make(kind):
        name = f"{kind}-{secrets.token_hex(3)}"
        node.cli_json("account", "create", name, "--kind", kind, "--email", f"{name}@example.org", "--json")
        return name

    return make


def openssl(*arguments, expect=0):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30)
    assert done.returncode == expect, (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


class Authority:
    def __init__(self, node, folder):
        self.node, self.folder = node, folder
        self.root, self.chain = folder / "root.pem", folder / "chain.pem"
        self.root.write_text(node.cli("ca", "root").stdout)
        self.chain.write_text(node.cli("ca", "root", "--chain").stdout)

    def token(self, account, *options):
        done = self.node.cli("ca", "token", account, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def post(self, csr, token=None, cert=None):
        headers = {"Authorization": "Token " + token} if token else {}
        with requests.Session() as session:
            session.trust_env, session.verify, session.cert = False, self.node.verify, cert
            return session.post(f"{self.node.web}/ca/certificates", data=csr, headers=headers, timeout=20)

    def request(self, name, token, *options):
        """`martlet ca request`: the certificate that it wrote, and the paths of certificate and key."""
        path = self.folder / name
        done = self.node.cli("ca", "request", path, "--token", token, *options)
        assert done.returncode == 0, done.stderr
        files = f"{path}.pem", f"{path}.key"
        return x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes()), files

    def get(self, url):
        answer = requests.get(url, verify=self.node.verify, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.content

    def crl(self, certificate):
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        path = self.folder / "list.crl"
        path.write_bytes(self.get(points[0].full_name[0].value))
        return path

    def ocsp(self, certificate, *options):
        """What `openssl ocsp` says of a certificate, over POST."""
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        places = {entry.access_method._name: entry.access_location.value for entry in access}
        issuer = self.folder / "issuer.crt"
        issuer.write_bytes(self.get(places["caIssuers"]))
        pem = self.folder / "asked.pem"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return openssl("ocsp", "-issuer", issuer, "-cert", pem, "-url", places["OCSP"], "-CAfile", self.root,
                       "-verify_other", issuer, "-trust_other", *options)


@pytest.fixture
def authority(node, tmp_path):
    return Authority(node, tmp_path)


def serial(certificate):
    return f"{certificate.serial_number:032x}"


def san(certificate):
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_computer(node, authority, account):
    name = account("computer")
    token = authority.token(name, "--host", "reader.example.org", "--host", "192.0.2.7", "--host", "*.lab.example.org")
    certificate, files = authority.request("reader", token)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name
    assert san(certificate).get_values_for_type(x509.DNSName) == ["reader.example.org"]
    assert [str(ip) for ip in san(certificate).get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]
    (spiffe,) = san(certificate).get_values_for_type(x509.UniformResourceIdentifier)
    assert spiffe.startswith("spiffe://") and spiffe.endswith(f"/computer/{name}")
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    days = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / 86400
    assert 7 <= days < 7.1
    said = openssl("verify", "-CAfile", authority.root, "-untrusted", authority.chain, "-x509_strict", "-purpose",
                   "sslserver", "-verify_hostname", "reader.example.org", files[0])
    assert "OK" in said
    # One token, one certificate; nothing is left of the key but where it was made.
    assert authority.post(open(files[0]).read(), token).status_code == 400
    csr, _ = signing_request(authority.folder, "again")
    assert authority.post(csr.read_bytes(), token).status_code == 401
    key = open(files[1], "rb").read()
    assert not node.files_with([key.splitlines()[1]])


@pytest.mark.parametrize("kind", ["person", "service", "software"])
def test_kinds(authority, account, kind):
    name = account(kind)
    certificate, files = authority.request(kind, authority.token(name, "--hours", "2"))
    usage = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usage
    assert (ExtendedKeyUsageOID.CODE_SIGNING in usage) == (kind == "software")
    assert (san(certificate).get_values_for_type(x509.RFC822Name) == [f"{name}@example.org"]) == (kind == "person")
    hours = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / 3600
    assert 2.9 <= hours <= 3.1  # one of them before it was issued
    openssl("verify", "-CAfile", authority.root, "-untrusted", authority.chain, "-purpose", "sslclient", files[0])


def test_what_a_request_may_not_ask_for(node, authority, account, tmp_path):
    name = account("service")
    for host, allowed in (("a.lab.example.org", 1), ("a.b.lab.example.org", 0), ("lab.example.org", 0),
                          ("evil.example.org", 0), ("10.0.0.1", 0)):
        token = authority.token(name, "--host", "*.lab.example.org")
        csr, _ = signing_request(tmp_path, "host" + secrets.token_hex(2), names=[host])
        answer = authority.post(csr.read_bytes(), token)
        assert answer.status_code == (201 if allowed else 403), (host, answer.text)
    token = authority.token(name)
    for options in ({"uris": ["spiffe://example.org/service/admin"]}, {"emails": ["admin@example.org"]}):
        csr, _ = signing_request(tmp_path, "other" + secrets.token_hex(2), **options)
        refused = authority.post(csr.read_bytes(), token)
        assert refused.status_code == 403 and name in refused.json()["detail"]
    # The token was not used up by that.
    csr, _ = signing_request(tmp_path, "plain")
    assert authority.post(csr.read_bytes(), token).status_code == 201
    for wrong in (b"", b"hello", b"\x30\x03\x02\x01\x00", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"):
        assert authority.post(wrong, token).status_code == 400
    assert authority.post(b"x" * 100_000, token).status_code == 413
    assert authority.post(csr.read_bytes(), "mce_nothing").status_code == 401
    assert authority.post(csr.read_bytes()).status_code == 401
    # A weak key, and a request that is signed by another key than its own.
    weak = tmp_path / "weak.csr"
    openssl("req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", tmp_path / "weak.key", "-subj", "/CN=weak",
            "-out", weak)
    assert "2048" in authority.post(weak.read_bytes(), authority.token(name)).json()["detail"]
    der = bytearray(x509.load_pem_x509_csr(csr.read_bytes()).public_bytes(
        serialization.Encoding.DER))
    der[-3] ^= 1
    assert authority.post(bytes(der), authority.token(name)).status_code == 400
    # People have no hosts, and who is not told has no right to give tokens.
    assert node.cli("ca", "token", account("person"), "--host", "a.example.org").returncode == 1


def test_rsa(authority, account, tmp_path):
    csr, key = tmp_path / "rsa.csr", tmp_path / "rsa.key"
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=any", "-out", csr)
    answer = authority.post(csr.read_bytes(), authority.token(account("service")))
    assert answer.status_code == 201
    (tmp_path / "rsa.pem").write_text(answer.text)
    openssl("verify", "-CAfile", authority.root, "-untrusted", authority.chain, tmp_path / "rsa.pem")


def test_revocation(node, authority, account):
    name = account("software")
    certificate, files = authority.request("tool", authority.token(name))
    other, _ = authority.request("other", authority.token(name))
    check = ("-CAfile", authority.root, "-untrusted", authority.chain, "-crl_check", "-CRLfile")
    openssl("verify", *check, authority.crl(certificate), files[0])
    if not node.tls:
        said = authority.ocsp(certificate)
        assert "Response verify OK" in said and ": good" in said, said
    listed = [json.loads(line) for line in node.cli("ca", "list", "--account", name, "--json").stdout.splitlines()]
    assert sorted(one["serial"] for one in listed) == sorted([serial(certificate), serial(other)])
    assert node.cli("ca", "revoke", serial(certificate), "--reason", "key-compromise").returncode == 0
    assert node.cli("ca", "revoke", serial(certificate)).returncode == 1
    assert "revoked" in openssl("verify", *check, authority.crl(certificate), files[0], expect=2)
    text = openssl("crl", "-in", authority.crl(certificate), "-inform", "DER", "-noout", "-text", "-CAfile",
                   authority.chain)
    assert "Key Compromise" in text and "verify OK" in text and "CRL Number" in text
    assert serial(certificate).upper() in text and serial(other).upper() not in text
    if not node.tls:
        assert ": revoked" in authority.ocsp(certificate) and "keyCompromise" in authority.ocsp(certificate, "-no_nonce")
        assert ": good" in authority.ocsp(other, "-no_nonce")
    # The account's end is that of its certificates.
    assert node.cli("account", "delete", name).returncode == 0
    if not node.tls:
        assert ": revoked" in authority.ocsp(other)
    deadline = time.monotonic() + 5
    node.cli("ca", "revoke", serial(other))
    while serial(other).upper() not in openssl("crl", "-in", authority.crl(other), "-inform", "DER", "-noout", "-text"):
        assert time.monotonic() < deadline
    shown = [json.loads(line) for line in node.cli("ca", "list", "--account", name, "--all", "--json").stdout.splitlines()]
    assert {one["reason"] for one in shown} <= {"key-compromise", "cessation-of-operation", "unspecified"}


def test_ocsp_by_get_and_of_strangers(node, authority, account, tmp_path):
    certificate, _ = authority.request("tool", authority.token(account("service")))
    issuer = x509.load_pem_x509_certificates(authority.chain.read_bytes())[0]

    def ask(which, under, method="GET"):
        question = ocsp.OCSPRequestBuilder().add_certificate(which, under, hashes.SHA1()).build()
        der = question.public_bytes(serialization.Encoding.DER)
        url = f"{node.web}/ca/ocsp"
        if method == "GET":
            url += "/" + requests.utils.quote(base64.b64encode(der).decode(), safe="")
            return requests.get(url, verify=node.verify, timeout=20)
        return requests.post(url, data=der, verify=node.verify, timeout=20)

    for method in ("GET", "POST"):
        answer = ask(certificate, issuer, method)
        assert answer.headers["Content-Type"] == "application/ocsp-response"
        assert "max-age" in answer.headers["Cache-Control"]
        parsed = ocsp.load_der_ocsp_response(answer.content)
        assert parsed.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL
        assert parsed.certificate_status == ocsp.OCSPCertStatus.GOOD
        issuer.public_key().verify(
            parsed.signature, parsed.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    # Of another issuer's, nobody here may speak; of one that was never issued, nothing is known.
    refused = ocsp.load_der_ocsp_response(ask(issuer, issuer).content)
    assert refused.response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED
    form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    names = hashlib.sha256(issuer.subject.public_bytes()), hashlib.sha256(issuer.public_key().public_bytes(*form))
    question = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        names[0].digest(), names[1].digest(), 4711, hashes.SHA256())
    unknown = requests.post(f"{node.web}/ca/ocsp", data=question.build().public_bytes(serialization.Encoding.DER),
                            verify=node.verify, timeout=20)
    assert ocsp.load_der_ocsp_response(unknown.content).certificate_status == ocsp.OCSPCertStatus.UNKNOWN
    for junk in (b"", b"\x30\x00", b"hello", secrets.token_bytes(200)):
        answer = requests.post(f"{node.web}/ca/ocsp", data=junk, verify=node.verify, timeout=20)
        status = ocsp.load_der_ocsp_response(answer.content).response_status
        assert status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    for path in ("crl/0.crl", "crl/x", "issuers/99.crt", "nothing"):
        assert requests.get(f"{node.web}/ca/{path}", verify=node.verify, timeout=20).status_code == 404


def test_login_and_renewal(node, authority, account, tmp_path):
    if not node.tls:
        pytest.skip("client certificates come with TLS")
    name = account("service")
    old, files = authority.request("agent", authority.token(name, "--host", "agent.example.org"))

    def who(files):
        answer = requests.get(f"{node.web}/admin/v1/accounts", cert=files, verify=node.verify, timeout=20)
        return answer.status_code, answer.json()["detail"]

    assert who(files)[0] == 403 and who(files)[1].startswith(name)
    kept = tmp_path / "old.pem", tmp_path / "old.key"
    for path, copy in zip(files, kept):
        copy.write_bytes(open(path, "rb").read())
    kept = tuple(map(str, kept))
    assert node.cli("ca", "renew", tmp_path / "agent").returncode == 1  # it is not time
    done = node.cli("ca", "renew", tmp_path / "agent", "--force")
    assert done.returncode == 0, done.stderr
    new = x509.load_pem_x509_certificate(open(files[0], "rb").read())
    assert new.serial_number != old.serial_number and san(new) == san(old)
    assert new.public_key() != old.public_key()
    assert who(files)[1].startswith(name) and who(kept)[1].startswith(name)
    # Revoked, the old one neither logs in nor renews.
    assert node.cli("ca", "revoke", serial(old), "--reason", "superseded").returncode == 0
    assert who(kept) == (401, f"the certificate of CN={name} was revoked")
    csr, _ = signing_request(tmp_path, "thief")
    assert authority.post(csr.read_bytes(), cert=kept).status_code == 401
    assert who(files)[0] == 403
    node.cli("account", "disable", name)
    assert who(files)[0] == 401 and authority.post(csr.read_bytes(), cert=files).status_code == 401


def test_a_root_that_is_kept_elsewhere(nodes, tmp_path):
    """The whole ceremony, on a node of its own, with constraints on names."""
    with_root = Node("ceremony", tls=True).start()
    try:
        offline = {"PATH": "/usr/bin:/bin"}

        def alone(*arguments):
            done = subprocess.run([BINARY, *map(str, arguments)], env=offline, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout

        folder = tmp_path / "root"
        alone("ca", "init", folder, "--name", "Example root")
        assert (folder / "root.key").stat().st_mode & 0o777 == 0o600
        csr, chain = tmp_path / "issuer.csr", tmp_path / "issuer.pem"
        csr.write_text(with_root.cli("ca", "issuer", "request").stdout)
        openssl("req", "-in", csr, "-verify", "-noout")
        chain.write_text(alone("ca", "sign", folder, csr, "--permit", "example.org", "--permit", with_root_domain(with_root)))
        # Without the root, and of another request, it is not taken.
        short = tmp_path / "short.pem"
        short.write_text(chain.read_text().split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n")
        assert with_root.cli("ca", "issuer", "import", short).returncode == 1
        assert with_root.cli("ca", "issuer", "import", chain).returncode == 0
        assert with_root.cli("ca", "issuer", "import", chain).returncode == 1
        authority = Authority(with_root, tmp_path)
        assert authority.root.read_text().strip() == (folder / "root.pem").read_text().strip()
        with_root.cli_json("account", "create", "reader", "--kind", "computer", "--json")
        certificate, files = authority.request("reader", authority.token("reader", "--host", "reader.example.org"))
        openssl("verify", "-CAfile", folder / "root.pem", "-untrusted", authority.chain, "-x509_strict", files[0])
        refused = with_root.cli("ca", "request", tmp_path / "no", "--token", authority.token("reader", "--host", "a.example.com"))
        assert refused.returncode == 3 and "example.org" in refused.stderr
        answer = requests.get(f"{with_root.web}/admin/v1/accounts", cert=files, verify=with_root.verify, timeout=20)
        assert answer.status_code == 403 and answer.json()["detail"].startswith("reader")
        # After a start the node shows a certificate that leads to that root, as far as its constraints go.
        with_root.restart()
        answer = requests.get(f"{with_root.web}/admin/v1/accounts", cert=files, verify=with_root.verify, timeout=20)
        assert answer.status_code == 403
        assert not with_root.files_with([(folder / "root.key").read_bytes().splitlines()[1]])
    finally:
        with_root.stop()
        with_root.remove()


def test_a_revocation_on_one_node_counts_on_all(nodes, tmp_path):
    """Two nodes on one database: list, OCSP's source and logins of one know within a moment what the other was told."""
    first = nodes.new("postgres-https").start()
    second = Node("second", metadata=first.metadata, tls=True)
    try:
        second.data.mkdir(parents=True, mode=0o700)
        shutil.copy(first.data / "master.key", second.data / "master.key")
        second.password = first.password
        second.start()
        authority = Authority(first, tmp_path)
        first.cli_json("account", "create", "roamer", "--kind", "computer", "--json")
        certificate, files = authority.request("roamer", authority.token("roamer"))
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        url = second.web + points[0].full_name[0].value.removeprefix(first.web)

        def listed():
            found = requests.get(url, verify=second.verify, timeout=20)
            assert found.status_code == 200, found.text
            return x509.load_der_x509_crl(found.content).get_revoked_certificate_by_serial_number(certificate.serial_number)

        def status():
            return requests.get(f"{second.web}/admin/v1/accounts", cert=files, verify=second.verify, timeout=20).status_code

        assert listed() is None and status() == 403
        assert first.cli("ca", "revoke", serial(certificate), "--reason", "key-compromise").returncode == 0
        deadline = time.monotonic() + 3
        while listed() is None or status() != 401:
            assert time.monotonic() < deadline
    finally:
        for node in (second, first):
            node.stop()
            node.remove()


def with_root_domain(node):
    return socket.gethostname().lower()
