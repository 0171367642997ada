"""Certificates by ACME: certbot gets and renews one for a loopback name; then what only bad clients send."""

import base64
import http.server
import json
import secrets
import subprocess
import sys
import threading

import josepy
import pytest
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from nodes import Node, free_port


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def node(port):
    options = ["--acme-networks", "127.0.0.0/8", "--acme-http-port", str(port)]
    node = Node("acme", tls=True, options=options).start()
    node.cli_json("account", "create", "www", "--kind", "service", "--json")
    yield node
    node.stop()
    node.remove()


def binding(node, *hosts, account="www", **options):
    arguments = [part for host in hosts for part in ("--host", host)]
    return node.cli_json("ca", "acme", account, *arguments, "--json", **options)


def certbot(node, folder, *arguments):
    command = ["certbot", *arguments, "--non-interactive", "--config-dir", folder / "config", "--work-dir",
               folder / "work", "--logs-dir", folder / "logs"]
    done = subprocess.run([sys.executable, "-c", "import sys; from certbot.main import main; sys.exit(main())",
                           *map(str, command[1:])], capture_output=True, text=True, timeout=100,
                          env={"PATH": "/usr/bin:/bin", "REQUESTS_CA_BUNDLE": node.authority, "HOME": str(folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_certbot(node, port, tmp_path):
    given = binding(node, "localhost")
    assert given["directory"] == f"{node.web}/acme/directory"
    certbot(node, tmp_path, "certonly", "--standalone", "--http-01-port", port, "--http-01-address", "127.0.0.1",
            "--server", given["directory"], "--eab-kid", given["id"], "--eab-hmac-key", given["key"],
            "--agree-tos", "--email", "ada@example.org", "--no-eff-email", "-d", "localhost")
    live = tmp_path / "config" / "live" / "localhost"
    first = x509.load_pem_x509_certificate((live / "cert.pem").read_bytes())
    assert first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName) == ["localhost"]
    root = tmp_path / "root.pem"
    root.write_text(node.cli("ca", "root").stdout)
    said = subprocess.run(["openssl", "verify", "-CAfile", root, "-untrusted", live / "chain.pem", "-verify_hostname",
                           "localhost", live / "cert.pem"], capture_output=True, text=True, timeout=20)
    assert said.returncode == 0, said.stderr
    certbot(node, tmp_path, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    second = x509.load_pem_x509_certificate((live / "cert.pem").read_bytes())
    assert second.serial_number != first.serial_number
    # It is a certificate of the account, and logs in as such.
    refused = requests.get(f"{node.web}/admin/v1/accounts", verify=node.verify, timeout=20,
                           cert=(str(live / "fullchain.pem"), str(live / "privkey.pem")))
    assert refused.status_code == 403 and refused.json()["detail"].startswith("www may not")
    certbot(node, tmp_path, "revoke", "--cert-name", "localhost", "--reason", "keycompromise", "--no-delete-after-revoke")
    serials = {one["serial"]: one for one in map(json.loads, node.cli("ca", "list", "--all", "--json").stdout.splitlines())}
    assert serials[f"{second.serial_number:032x}"]["reason"] == "key-compromise"
    assert "revoked" not in serials[f"{first.serial_number:032x}"]


class Responder:
    """What a host shows at port 80, for challenges that are answered by hand."""

    def __init__(self, port):
        outer = self
        self.answers, self.asked = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers["Host"]))
                status, headers, body = outer.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def responder(port):
    responder = Responder(port)
    yield responder
    responder.close()


class Client:
    """The ACME project's own library, with the account's key at hand to send what it would not."""

    def __init__(self, node, key=None):
        self.node = node
        self.key = key or josepy.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        alg = josepy.RS256 if isinstance(self.key, josepy.JWKRSA) else josepy.ES256
        self.net = client.ClientNetwork(self.key, alg=alg, user_agent="test", verify_ssl=node.verify)
        self.net.session.trust_env = False
        self.directory = client.ClientV2.get_directory(f"{node.web}/acme/directory", self.net)
        self.acme = client.ClientV2(self.directory, net=self.net)

    def register(self, given):
        bound = messages.ExternalAccountBinding.from_data(
            account_public_key=self.key.public_key(), kid=given["id"], hmac_key=given["key"], directory=self.directory)
        self.acme.new_account(messages.NewRegistration.from_data(
            email="ada@example.org", terms_of_service_agreed=True, external_account_binding=bound))
        return self

    def order(self, *hosts):
        key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        pem = csr.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return self.acme.new_order(pem), key

    def challenge(self, order):
        (body,) = [one for one in order.authorizations[0].body.challenges if isinstance(one.chall, challenges.HTTP01)]
        return body, body.response_and_validation(self.key)

    def answer(self, order, responder):
        body, (response, validation) = self.challenge(order)
        responder.answers[body.chall.path] = (200, {}, validation.encode())
        return self.acme.answer_challenge(body, response)

    def post(self, url, payload, /, nonce=None, kid=True, **protected):
        """A message that is signed right, and else as it is told."""
        raw = requests.Session()
        raw.trust_env = False
        raw.verify = self.node.verify
        nonce = nonce or raw.head(f"{self.node.web}/acme/new-nonce", timeout=20).headers["Replay-Nonce"]
        head = {"alg": "ES256", "url": url, "nonce": nonce}
        head.update({"kid": self.net.account.uri} if kid is True else {"kid": kid} if kid else {"jwk": self.key.public_key().to_partial_json() | {"kty": "EC"}})
        head.update(protected)
        head = {name: value for name, value in head.items() if value is not None}

        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        parts = encode(json.dumps(head).encode()), "" if payload is None else encode(json.dumps(payload).encode())
        der = josepy.ES256.sign(self.key.key, ".".join(parts).encode())
        return raw.post(url, json={"protected": parts[0], "payload": parts[1], "signature": encode(der)},
                        headers={"Content-Type": "application/jose+json"}, timeout=20)


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_the_library(node, responder, kind):
    key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048)) if kind == "RSA" else None
    one = Client(node, key).register(binding(node, "localhost"))
    order, private = one.order("localhost")
    one.answer(order, responder)
    done = one.acme.poll_and_finalize(order)
    certificate = x509.load_pem_x509_certificate(done.fullchain_pem.encode())
    assert certificate.public_key() == private.public_key()
    assert len(responder.asked) == 1 and responder.asked[0][1].startswith("localhost")
    # When to renew it (RFC 9773).
    identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    number = certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 8) // 8, "big")
    name = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (identifier, number))
    window = requests.get(f"{one.directory['renewalInfo']}/{name}", verify=node.verify, timeout=20)
    assert window.headers["Retry-After"] and window.json()["suggestedWindow"]["start"].startswith("20")
    for wrong in ("nothing", "AA.AA", "AA." + "A" * 400, "."):
        assert requests.get(f"{one.directory['renewalInfo']}/{wrong}", verify=node.verify, timeout=20).status_code in (400, 404)
    # Whoever has a certificate's key may end it.
    holder = client.ClientNetwork(josepy.JWKEC(key=private), alg=josepy.ES256, user_agent="test", verify_ssl=node.verify)
    ending = client.ClientV2(one.directory, net=holder)
    ending.revoke(certificate, 1)
    with pytest.raises(messages.Error, match="alreadyRevoked"):
        one.acme.revoke(certificate, 1)


def test_who_may_register(node):
    given = binding(node, "localhost")
    with pytest.raises(messages.Error, match="externalAccountRequired"):
        Client(node).acme.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    with pytest.raises(messages.Error, match="unauthorized"):
        Client(node).register({**given, "key": base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()})
    one = Client(node).register(given)
    # Once, and no second key; who is known is told so.
    with pytest.raises(messages.Error, match="unauthorized"):
        Client(node).register(given)
    with pytest.raises(errors.ConflictError):
        Client(node, one.key).register(given)
    # With the account ends what was bound to it.
    node.cli_json("account", "create", "leaver", "--kind", "computer", "--json")
    two = Client(node).register(binding(node, "localhost", account="leaver"))
    node.cli("account", "disable", "leaver")
    with pytest.raises(messages.Error, match="unauthorized"):
        two.order("localhost")


def test_hosts_that_are_not_allowed(node, responder):
    one = Client(node).register(binding(node, "localhost", "*.localhost", "metadata.example.invalid", "192.0.2.1"))
    for host in ("example.org", "a.b.localhost", "*.localhost", "xn--", "local host"):
        with pytest.raises(messages.Error, match="rejectedIdentifier"):
            one.acme.net.post(one.directory["newOrder"], messages.NewOrder(
                identifiers=[messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=host)]), new_nonce_url=one.directory["newNonce"])
    # Allowed, and not where this node connects to.
    url = one.directory["newOrder"]
    for kind, value in (("ip", "192.0.2.1"), ("dns", "metadata.example.invalid")):
        order = one.post(url, {"identifiers": [{"type": kind, "value": value}]})
        assert order.status_code == 201, order.text
        step = one.post(order.json()["authorizations"][0], None).json()
        asked = one.post(step["challenges"][0]["url"], {}).json()
        assert asked["status"] == "invalid" and asked["error"]["type"].endswith(":connection"), asked
        assert one.post(order.headers["Location"], None).json()["status"] == "invalid"
    assert not responder.asked


def test_wrong_answers_to_a_challenge(node, responder):
    one = Client(node).register(binding(node, "localhost"))
    for answer in ((200, {}, b"something else"), (302, {"Location": "http://127.0.0.1:1/"}, b""), (404, {}, b""),
                   (200, {}, b"x" * 100_000)):
        order, _ = one.order("localhost")
        body, (response, _) = one.challenge(order)
        responder.answers[body.chall.path] = answer
        assert one.acme.answer_challenge(body, response).body.status == messages.STATUS_INVALID
        with pytest.raises(messages.Error, match="orderNotReady"):
            one.acme.begin_finalization(order)


def test_messages_that_do_not_count(node, responder):
    one = Client(node).register(binding(node, "localhost"))
    url = one.directory["newOrder"]
    payload = {"identifiers": [{"type": "dns", "value": "localhost"}]}
    nonce = requests.head(f"{node.web}/acme/new-nonce", verify=node.verify, timeout=20).headers["Replay-Nonce"]
    assert one.post(url, payload, nonce=nonce).status_code == 201
    stolen = one.post(url, payload, nonce=nonce)
    assert stolen.json()["type"].endswith(":badNonce") and stolen.headers["Replay-Nonce"]
    other = Client(node).register(binding(node, "localhost"))
    order = one.post(url, payload)
    for expected, answer in (
        ("malformed", one.post(url, payload, kid=None)),
        ("unauthorized", one.post(url, payload, url=url + "/other")),
        ("badSignatureAlgorithm", one.post(url, payload, alg="none")),
        ("badSignatureAlgorithm", one.post(url, payload, alg="HS256")),
        ("unauthorized", one.post(url, payload, alg="RS256")),
        ("malformed", one.post(url, payload, crit=["exp"])),
        ("malformed", one.post(url, payload, jwk=one.key.public_key().to_json())),
        ("unauthorized", other.post(url, payload, **{"kid": one.net.account.uri})),
        ("accountDoesNotExist", one.post(url, payload, **{"kid": f"{node.web}/acme/account/../admin"})),
        ("malformed", one.post(url, payload, **{"kid": "https://evil.example/acme/account/1"})),
        ("malformed", other.post(order.headers["Location"], None)),
        ("malformed", other.post(order.json()["authorizations"][0], None)),
        ("malformed", one.post(url, {"identifiers": []})),
        ("malformed", one.post(url, {"identifiers": [{"type": "dns", "value": f"h{n}"} for n in range(101)]})),
    ):
        assert answer.json()["type"].endswith(":" + expected), (expected, answer.text)
    for body in (b"", b"{}", b"[" * 5000, b'{"protected":"","payload":"","signature":""}', secrets.token_bytes(500)):
        answer = requests.post(url, data=body, headers={"Content-Type": "application/jose+json"}, verify=node.verify, timeout=20)
        assert answer.status_code == 400 and answer.json()["type"].endswith(":malformed")
    long = requests.post(url, data=b"x" * 200_000, headers={"Content-Type": "application/jose+json"}, verify=node.verify, timeout=20)
    assert long.status_code == 413
    assert requests.post(url, data=b"{}", verify=node.verify, timeout=20).status_code == 415


def test_the_key_of_an_account_changes(node, responder):
    one = Client(node).register(binding(node, "localhost"))
    address = one.net.account.uri
    key = josepy.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    inner = Client(node, key)
    url = one.directory["keyChange"]

    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = encode(json.dumps({"alg": "ES256", "jwk": key.public_key().to_json(), "url": url}).encode())
    body = encode(json.dumps({"account": address, "oldKey": one.key.public_key().to_json()}).encode())
    signature = encode(josepy.ES256.sign(key.key, f"{head}.{body}".encode()))
    change = {"protected": head, "payload": body, "signature": signature}
    assert one.post(url, {**change, "signature": encode(b"x" * 64)}).status_code == 403
    assert one.post(url, change).status_code == 200
    # The old key opens nothing, and the new one the same account.
    assert one.post(one.directory["newOrder"], {"identifiers": [{"type": "dns", "value": "localhost"}]}).status_code == 403
    inner.net.account = one.net.account
    order, _ = inner.order("localhost")
    assert inner.answer(order, responder).body.status == messages.STATUS_VALID
    # Deactivated, it orders nothing any more.
    assert inner.post(address, {"status": "deactivated"}).json()["status"] == "deactivated"
    with pytest.raises(messages.Error, match="unauthorized"):
        inner.order("localhost")
