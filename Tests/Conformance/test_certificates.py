"""Client certificates: who has one is logged in on every face, as long as it counts."""

import base64
import datetime
import http.client
import json
import secrets
import socket
import ssl
import subprocess

import ldap
import pytest
import requests
from authorities import TestAuthority, lend_node, now, pem, self_signed
from cryptography.x509.oid import ExtendedKeyUsageOID
from nodes import Node

BASE = "dc=martlet"


@pytest.fixture(scope="module")
def authority():
    return TestAuthority()


@pytest.fixture(scope="module")
def node(nodes, authority, tmp_path_factory):
    yield from lend_node("certificates", authority, tmp_path_factory)


class Person:
    """An account that a certificate is linked with, and may read one bucket."""

    def __init__(self, node, authority, folder):
        self.node, self.name = node, f"ada-{secrets.token_hex(3)}"
        node.cli_json("account", "create", self.name, "--json")
        self.files = authority.issue(folder, self.name)
        self.link = node.cli("ca", "link", self.name, self.files[0]).stdout.strip()
        assert self.link

    def session(self, files=None):
        session = requests.Session()
        session.trust_env = False
        session.verify, session.cert = self.node.verify, files or self.files
        return session

    def who(self, files=None, **options):
        """Asks for what the person may not see: 403 tells whom the node takes the client for, 401 that it is nobody."""
        return self.session(files).get(f"{self.node.web}/admin/v1/accounts", timeout=20, **options)

    def is_known(self, answer):
        return answer.status_code == 403 and answer.json()["detail"].startswith(self.name + " may not")


@pytest.fixture
def person(node, authority, tmp_path):
    return Person(node, authority, tmp_path)


@pytest.fixture
def readable(node, person):
    """A bucket that the person may read and write."""
    name = f"certificates-{secrets.token_hex(4)}"
    s3 = node.s3()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a.txt", Body=b"hello")
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::martlet:user/%s"},'
        '"Action":"s3:*","Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s/*"],'
        '"Condition":{"StringEquals":{"martlet:AuthenticationMethod":"certificate"}}}]}'
    )
    s3.put_bucket_policy(Bucket=name, Policy=policy % (person.name, name, name))
    return name


def test_s3_and_webdav(node, person, readable):
    session = person.session()
    for url in (f"{node.s3_url}/{readable}/a.txt", f"{node.web}/dav/{readable}/a.txt"):
        answer = session.get(url, timeout=20)
        assert (answer.status_code, answer.content) == (200, b"hello"), url
        # Nobody in particular, on the same node.
        assert requests.get(url, verify=node.verify, timeout=20).status_code in (401, 403)
    assert session.put(f"{node.s3_url}/{readable}/b.txt", data=b"mine", timeout=20).status_code == 200
    assert session.put(f"{node.web}/dav/{readable}/c.txt", data=b"mine", timeout=20).status_code == 201
    assert node.s3().get_object(Bucket=readable, Key="b.txt")["Body"].read() == b"mine"


def test_stac_console_and_administration(node, person):
    session = person.session()
    assert session.get(f"{node.web}/stac/collections", timeout=20).status_code == 200
    page = session.get(f"{node.web}/", headers={"Accept": "text/html"}, timeout=20, allow_redirects=False)
    assert page.status_code == 200 and person.name in page.text
    assert person.is_known(person.who())


def test_curl(node, person, readable):
    certificate, key = person.files
    command = ["curl", "-sS", "--fail", "--cacert", node.authority, "--cert", certificate, "--key", key]
    done = subprocess.run([*command, f"{node.s3_url}/{readable}/a.txt"], capture_output=True, timeout=30)
    assert done.stdout == b"hello", done.stderr


def connect(node, url, files):
    connection = ldap.initialize(url)
    for option, value in (
        (ldap.OPT_NETWORK_TIMEOUT, 20),
        (ldap.OPT_X_TLS_CACERTFILE, node.ldap_authority),
        (ldap.OPT_X_TLS_CERTFILE, files[0]),
        (ldap.OPT_X_TLS_KEYFILE, files[1]),
        (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
        (ldap.OPT_X_TLS_NEWCTX, 0),
    ):
        connection.set_option(option, value)
    return connection


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_ldap_external(node, person, scheme):
    connection = connect(node, node.ldap[scheme == "ldaps"], person.files)
    if scheme == "ldap":
        connection.start_tls_s()
    ((_, root),) = connection.search_s("", ldap.SCOPE_BASE, attrlist=["supportedSASLMechanisms"])
    assert root["supportedSASLMechanisms"] == [b"EXTERNAL"]
    connection.sasl_external_bind_s()
    assert connection.whoami_s() == f"dn:uid={person.name},ou=people,{BASE}"
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        connect(node, node.ldap[1], person.files).sasl_external_bind_s(authz_id="u:admin")
    # Suspended, the connection that is open says nothing any more.
    assert node.cli("account", "disable", person.name).returncode == 0
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        connection.whoami_s()


def test_suspension_and_the_end_of_a_link_are_felt_at_once(node, person):
    session = person.session()
    url = f"{node.web}/admin/v1/accounts"
    assert person.is_known(session.get(url, timeout=20))
    node.cli("account", "disable", person.name)
    # The same connection.
    assert session.get(url, timeout=20).status_code == 401
    node.cli("account", "enable", person.name)
    assert person.is_known(session.get(url, timeout=20))
    (link,) = [link for link in listed(node) if link["account"] == person.name]
    assert link["id"] == person.link and person.name in link["subject"] and "Test authority" in link["issuer"]
    assert node.cli("ca", "unlink", person.link).returncode == 0
    refused = session.get(url, timeout=20)
    assert refused.status_code == 401 and "linked with no account" in refused.text


def listed(node):
    return [json.loads(line) for line in node.cli("ca", "links", "--json").stdout.splitlines()]


def test_a_renewal_needs_no_link(node, person, authority, tmp_path):
    renewed = tmp_path / "renewed"
    renewed.mkdir()
    assert person.is_known(person.who(authority.issue(renewed, person.name)))


def test_an_intermediate_is_sent_by_the_client(node, person, authority, tmp_path):
    between = TestAuthority("Intermediate", issuer=authority)
    files = between.issue(tmp_path, "far", further=[between.certificate])
    assert node.cli("ca", "link", person.name, files[0]).returncode == 0
    assert person.is_known(person.who(files))
    # Without it there is no way to the authority.
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    assert person.who(between.issue(lonely, "far")).status_code == 401


def test_what_does_not_count(node, person, authority, tmp_path):
    yesterday = now() - datetime.timedelta(days=3)
    expired = authority.issue(tmp_path, "old", since=yesterday)
    server = authority.issue(tmp_path, "server", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    stranger = TestAuthority().issue(tmp_path, person.name)
    for files, reason in (
        (expired, "valid from"),
        (server, "not for clients"),
        (authority.issue(tmp_path, "nobody"), "linked with no account"),
        # The name of an authority that counts, and the key of another.
        (stranger, "anonymous may not"),
    ):
        answer = person.who(files)
        assert answer.status_code == 401 and reason in answer.text, (answer.status_code, answer.text)
        assert node.cli("ca", "link", "admin", files[0]).returncode == (0 if reason.startswith("linked") else 1)
    # What no authority signed says nothing of who somebody is, and is no reason to refuse what needs no login.
    own = self_signed(tmp_path, "self")
    assert person.who(own).status_code == 401
    assert person.session(own).get(f"{node.web}/healthz", timeout=20).status_code == 200
    # A browser that shows an expired certificate gets the login page.
    page = person.session(expired).get(f"{node.web}/login", headers={"Accept": "text/html"}, timeout=20)
    assert page.status_code == 200 and "password" in page.text


def test_another_site_uses_no_certificate(node, person, readable):
    url = f"{node.s3_url}/{readable}/csrf.txt"
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert person.session().put(url, data=b"x", headers=headers, timeout=20).status_code == 403


@pytest.fixture
def behind(nodes, authority, tmp_path):
    """A node without TLS that believes a proxy at an address of this machine."""
    file = tmp_path / "authority.pem"
    file.write_text(pem(authority.certificate))
    node = Node("behind", options=["--client-certificates", str(file), "--certificate-proxies", "127.0.0.7/32"]).start()
    yield node
    node.stop()
    node.remove()


def test_a_proxy_tells_of_a_certificate(behind, authority, tmp_path):
    node, name = behind, f"ada-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--json")
    between = TestAuthority("Intermediate", issuer=authority)
    files = between.issue(tmp_path, name, further=[between.certificate])
    assert node.cli("ca", "link", name, files[0]).returncode == 0
    leaf, issuer = [
        ":" + base64.b64encode(ssl.PEM_cert_to_DER_cert(one.strip() + "\n" + ssl.PEM_FOOTER)).decode() + ":"
        for one in open(files[0]).read().split(ssl.PEM_FOOTER)[:2]
    ]

    def ask(source, headers):
        connection = http.client.HTTPConnection("127.0.0.1", node.ports["web"], timeout=20, source_address=(source, 0))
        try:
            connection.request("GET", "/admin/v1/accounts", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    both = {"Client-Cert": leaf, "Client-Cert-Chain": issuer}
    status, text = ask("127.0.0.7", both)
    assert status == 403 and f"{name} may not" in text, text
    # Of nobody else, and not what is none.
    assert ask("127.0.0.8", both)[0] == 401
    for wrong in ("", ":", "::", ":!:", leaf[1:], "x" * 5000):
        assert ask("127.0.0.7", {"Client-Cert": wrong})[0] == 400, wrong
    assert ask("127.0.0.7", {"Client-Cert": ":AAAA:"})[0] == 401
    assert node.cli("account", "disable", name).returncode == 0
    assert ask("127.0.0.7", both)[0] == 401


def test_a_resumed_connection_is_the_same_person(node, person):
    """TLS tickets, as browsers use them: the certificate is part of the session."""
    context = ssl.create_default_context(cafile=node.authority)
    context.load_cert_chain(*person.files)
    port, session, resumed = node.ports["web"], None, False
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as secure:
                resumed = resumed or secure.session_reused
                secure.sendall(b"GET /admin/v1/accounts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b""
                while chunk := secure.recv(65536):
                    answer += chunk
                assert answer.startswith(b"HTTP/1.1 403") and person.name.encode() in answer, answer
                session = secure.session
    assert resumed

