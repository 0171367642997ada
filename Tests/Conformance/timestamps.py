"""A time-stamping authority (RFC 3161) on loopback: `openssl ts` behind HTTP."""

import contextlib
import datetime
import http.server
import subprocess
import threading

from authorities import TestAuthority, name, now
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ordering = no
ess_cert_id_alg = sha256
"""


class TimestampAuthority(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder, usage=ExtendedKeyUsageOID.TIME_STAMPING):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.lie = folder, None
        self.authority = TestAuthority("Authority of times")
        key = rsa.generate_private_key(65537, 2048)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name("Times"))
            .issuer_name(self.authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - datetime.timedelta(hours=1))
            .not_valid_after(now() + datetime.timedelta(days=1))
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
            .sign(self.authority.key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / "ca.pem").write_bytes(self.authority.certificate.public_bytes(pem))
        (folder / "tsa.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "tsa.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.conf").write_text(CONFIGURATION.format(folder=folder))
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        assert self.headers["Content-Type"] == "application/timestamp-query"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        folder = self.server.folder
        with self.server.lock:
            (folder / "query").write_bytes(body)
            done = subprocess.run(
                ["openssl", "ts", "-reply", "-config", folder / "tsa.conf", "-section", "here", "-queryfile",
                 folder / "query", "-out", folder / "reply"], capture_output=True, text=True)
            reply = (folder / "reply").read_bytes() if done.returncode == 0 else done.stderr.encode()
        if self.server.lie:
            reply = self.server.lie(reply)
        self.send_response(200 if done.returncode == 0 else 500)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def timestamp_authority(folder, **options):
    server = TimestampAuthority(folder, **options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
