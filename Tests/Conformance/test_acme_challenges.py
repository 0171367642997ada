"""ACME's other challenges: dns-01 by a small name server, also for wildcards and by certbot; tls-alpn-01 by a TLS server."""

import base64
import datetime
import hashlib
import socket
import socketserver
import ssl
import struct
import sys
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nodes import Node, free_port
from test_acme import Client, binding, certbot

ALPN = "acme-tls/1"
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


class NameServer:
    """Answers over TCP from `records`: names with their texts, or with the name that stands for them."""

    def __init__(self):
        outer = self
        self.texts, self.aliases, self.asked, self.raw = {}, {}, [], None

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                head = self.rfile.read(2)
                if len(head) == 2:
                    answer = outer.answer(self.rfile.read(struct.unpack("!H", head)[0]))
                    # In two parts, as a network may bring it.
                    whole = struct.pack("!H", len(answer)) + answer
                    self.wfile.write(whole[:1])
                    self.wfile.flush()
                    self.wfile.write(whole[1:])

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, wire):
        if self.raw is not None:
            return self.raw(wire)
        question = dns.message.from_wire(wire)
        name = question.question[0].name.to_text().rstrip(".")
        self.asked.append(name)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        texts = self.texts() if callable(self.texts) else self.texts
        if alias := self.aliases.get(name):
            answer.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", alias + "."))
        elif name in texts:
            quoted = ['"' + text + '"' for text in texts[name]]
            answer.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "TXT", *quoted))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def resolver():
    server = NameServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def ports():
    return free_port(), free_port()


@pytest.fixture(scope="module")
def node(resolver, ports):
    options = ["--acme-networks", "127.0.0.0/8", "--acme-http-port", str(ports[0]), "--acme-tls-port", str(ports[1]),
               "--acme-resolver", f"127.0.0.1:{resolver.port}"]
    node = Node("acme-challenges", tls=True, options=options).start()
    node.cli_json("account", "create", "www", "--kind", "service", "--json")
    yield node
    node.stop()
    node.remove()


@pytest.fixture(autouse=True)
def empty(resolver):
    resolver.texts, resolver.aliases, resolver.raw = {}, {}, None
    resolver.asked.clear()


def digest(one, token):
    thumbprint = base64.urlsafe_b64encode(one.key.thumbprint()).rstrip(b"=").decode()
    return hashlib.sha256(f"{token}.{thumbprint}".encode()).digest()


def text(one, token):
    return base64.urlsafe_b64encode(digest(one, token)).rstrip(b"=").decode()


def ask(one, *identifiers):
    """An order, and what it asks for, by host."""
    order = one.post(one.directory["newOrder"], {"identifiers": [
        {"type": kind, "value": value} for kind, value in identifiers]})
    assert order.status_code == 201, order.text
    steps = [one.post(url, None).json() for url in order.json()["authorizations"]]
    return order, steps


def chosen(step, kind):
    (found,) = [one for one in step["challenges"] if one["type"] == kind]
    return found


def kinds(step):
    return [one["type"] for one in step["challenges"]]


def test_wildcards_by_dns(node, resolver):
    one = Client(node).register(binding(node, "*.lab.example.org", "lab.example.org"))
    order, steps = ask(one, ("dns", "*.lab.example.org"), ("dns", "lab.example.org"))
    wild, plain = sorted(steps, key=lambda step: "wildcard" not in step)
    assert wild["identifier"]["value"] == "lab.example.org" and wild["wildcard"] is True and kinds(wild) == ["dns-01"]
    assert "wildcard" not in plain and kinds(plain) == ["http-01", "tls-alpn-01", "dns-01"]
    # Both texts stand at one name, which another zone answers for.
    resolver.aliases["_acme-challenge.lab.example.org"] = "lab.challenges.example.net"
    resolver.texts["lab.challenges.example.net"] = ["something else"] + [
        text(one, chosen(step, "dns-01")["token"]) for step in (wild, plain)]
    for step in (wild, plain):
        done = one.post(chosen(step, "dns-01")["url"], {}).json()
        assert done["status"] == "valid" and done["validated"], done
    assert set(resolver.asked) == {"_acme-challenge.lab.example.org", "lab.challenges.example.net"}
    # What was tried is what is left.
    after = one.post(order.json()["authorizations"][0], None).json()
    assert after["status"] == "valid" and kinds(after) == ["dns-01"]
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("*.lab.example.org"), x509.DNSName("lab.example.org")]), critical=False)
    der = csr.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    done = one.post(order.json()["finalize"], {"csr": base64.urlsafe_b64encode(der).rstrip(b"=").decode()})
    assert done.json()["status"] == "valid", done.text
    pem = one.post(done.json()["certificate"], None).content
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"*.lab.example.org", "lab.example.org"}


def test_certbot_by_dns(node, resolver, tmp_path):
    """certbot writes its records by a hook, as it does for any name server that it has no plug-in for."""
    records = tmp_path / "records"
    records.mkdir()
    hook = tmp_path / "hook.py"
    hook.write_text("import os, pathlib, secrets\n"
                    f"path = pathlib.Path({str(records)!r}) / secrets.token_hex(8)\n"
                    "path.write_text(os.environ['CERTBOT_DOMAIN'] + ' ' + os.environ['CERTBOT_VALIDATION'])\n")

    def texts():
        found = {}
        for file in records.iterdir():
            domain, value = file.read_text().split()
            found.setdefault("_acme-challenge." + domain, []).append(value)
        return found

    resolver.texts = texts
    given = binding(node, "*.cert.example.org", "cert.example.org")
    certbot(node, tmp_path, "certonly", "--manual", "--preferred-challenges", "dns", "--manual-auth-hook",
            f"{sys.executable} {hook}", "--server", given["directory"], "--eab-kid", given["id"], "--eab-hmac-key",
            given["key"], "--agree-tos", "--email", "ada@example.org", "--no-eff-email", "--cert-name", "cert",
            "-d", "cert.example.org", "-d", "*.cert.example.org")
    certificate = x509.load_pem_x509_certificate((tmp_path / "config" / "live" / "cert" / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"cert.example.org", "*.cert.example.org"}


def test_answers_of_a_resolver_that_do_not_count(node, resolver):
    one = Client(node).register(binding(node, "*.bad.example.org"))

    def refused(expected):
        order, (step,) = ask(one, ("dns", "x.bad.example.org"))
        done = one.post(chosen(step, "dns-01")["url"], {}).json()
        assert done["status"] == "invalid" and done["error"]["type"].endswith(":" + expected), done
        assert one.post(order.headers["Location"], None).json()["status"] == "invalid"

    refused("unauthorized")  # no such name
    name = "_acme-challenge.x.bad.example.org"
    resolver.texts[name] = ["", "x" * 200]
    refused("unauthorized")
    resolver.texts = {}
    resolver.aliases = {name: "b.example.org", "b.example.org": name}
    refused("dns")
    for raw in (lambda wire: b"", lambda wire: wire, lambda wire: b"\0\0" + wire[2:], lambda wire: wire[:2] + b"\x81\x82" + wire[4:],
                lambda wire: wire[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + wire[12:] + b"\xc0\xff" + b"\xff" * 30,
                lambda wire: wire[:2] + b"\x81\x80\0\1\xff\xff\0\0\0\0" + wire[12:],
                lambda wire: wire[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + wire[12:] + b"\xc0\x0c\0\x10\0\1\0\0\0\0\0\5\x09aaaa"):
        resolver.raw = raw
        refused("dns")
    assert node.is_alive()


class Server:
    """A TLS server that shows what it is given to whoever asks for ACME's protocol."""

    def __init__(self, port, folder, protocols=(ALPN,)):
        self.file, self.names = folder / "shown.pem", []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if protocols:
            self.context.set_alpn_protocols(list(protocols))
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def show(self, name, proof, critical=True, oid=IDENTIFIER):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme")])
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in name]), critical=False)
        if proof is not None:
            made = made.add_extension(x509.UnrecognizedExtension(oid, proof), critical=critical)
        made = made.sign(key, hashes.SHA256())
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.context.load_cert_chain(self.file)

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                connection.settimeout(10)
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def test_tls_alpn(node, ports, tmp_path):
    one = Client(node).register(binding(node, "localhost"))
    server = Server(ports[1], tmp_path)
    try:
        def attempt(**shown):
            _, (step,) = ask(one, ("dns", "localhost"))
            challenge = chosen(step, "tls-alpn-01")
            right = {"name": ["localhost"], "proof": b"\x04\x20" + digest(one, challenge["token"])}
            server.show(**{**right, **shown})
            return one.post(challenge["url"], {}).json()

        done = attempt()
        assert done["status"] == "valid", done
        assert server.names == ["localhost"]
        for shown in ({"name": ["other.example.org"]}, {"name": ["localhost", "other.example.org"]}, {"critical": False},
                      {"proof": None}, {"proof": b"\x04\x20" + b"x" * 32}, {"proof": b"\x04\x1f" + b"x" * 31},
                      {"oid": x509.ObjectIdentifier("1.3.6.1.5.5.7.1.30")}):
            done = attempt(**shown)
            assert done["status"] == "invalid", shown
            assert done["error"]["type"].split(":")[-1] in ("unauthorized", "incorrectResponse"), done
    finally:
        server.close()
    # Who speaks another protocol has shown nothing, and who does not answer neither.
    server = Server(ports[1], tmp_path, protocols=["http/1.1"])
    try:
        _, (step,) = ask(one, ("dns", "localhost"))
        challenge = chosen(step, "tls-alpn-01")
        server.show(["localhost"], b"\x04\x20" + digest(one, challenge["token"]))
        done = one.post(challenge["url"], {}).json()
        assert done["status"] == "invalid" and done["error"]["type"].split(":")[-1] in ("incorrectResponse", "connection"), done
    finally:
        server.close()
    _, (step,) = ask(one, ("dns", "localhost"))
    done = one.post(chosen(step, "tls-alpn-01")["url"], {}).json()
    assert done["status"] == "invalid" and done["error"]["type"].endswith(":connection")


def test_challenges_that_are_not_there(node):
    one = Client(node).register(binding(node, "*.lab.example.org", "127.0.0.1"))
    _, (wild,) = ask(one, ("dns", "*.lab.example.org"))
    address = chosen(wild, "dns-01")["url"]
    for other in ("http-01", "tls-alpn-01", "none", ""):
        refused = one.post(address.rsplit("/", 1)[0] + "/" + other, {})
        assert refused.status_code in (400, 404), refused.text
    assert one.post(address.rsplit("/challenge/", 1)[0] + "/authorization/" + address.split("/")[-2], None).json()["status"] == "pending"
    _, (step,) = ask(one, ("ip", "127.0.0.1"))
    assert kinds(step) == ["http-01", "tls-alpn-01"]
    with pytest.raises(messages.Error, match="rejectedIdentifier"):
        one.acme.net.post(one.directory["newOrder"], messages.NewOrder(
            identifiers=[messages.Identifier(typ=messages.IDENTIFIER_FQDN, value="*.example.org")]),
            new_nonce_url=one.directory["newNonce"])
