"""An X.509 authority for tests, made with PyCA cryptography: what certificates of others look like to a node."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from nodes import Node


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def name(common):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


class TestAuthority:
    """One key whose certificate signs others."""

    __test__ = False

    def __init__(self, common="Test authority", issuer=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = name(common)
        builder = self._builder(self.subject, self.key.public_key(), issuer or self, days=30)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    @staticmethod
    def _builder(subject, key, issuer, days=1, since=None):
        since = since or now() - datetime.timedelta(hours=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(since + datetime.timedelta(days=days))
        )

    def issue(self, folder, common, purpose=ExtendedKeyUsageOID.CLIENT_AUTH, since=None, further=()):
        """A client's certificate with its chain, and its key, as the two files that clients take."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name(common), key.public_key(), self, since=since)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return write(folder, common, [builder.sign(self.key, hashes.SHA256()), *further], key)


def self_signed(folder, common):
    """A certificate that nobody but its holder has signed."""
    key = ec.generate_private_key(ec.SECP256R1())

    class Self:
        subject = name(common)

    builder = TestAuthority._builder(Self.subject, key.public_key(), Self)
    return write(folder, common, [builder.sign(key, hashes.SHA256())], key)


def request(folder, common, names=(), uris=(), emails=()):
    """A key and a certificate signing request: the paths of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    alternatives += [x509.UniformResourceIdentifier(uri) for uri in uris] + [x509.RFC822Name(mail) for mail in emails]
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common))
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    csr, key_file = folder / f"{common}.csr", folder / f"{common}.key"
    csr.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    key_file.write_text(key_pem(key))
    return csr, key_file


def write(folder, common, chain, key):
    certificate, key_file = folder / f"{common}.pem", folder / f"{common}.key"
    certificate.write_text("".join(pem(one) for one in chain))
    key_file.write_text(key_pem(key))
    return str(certificate), str(key_file)


def lend_node(name, authority, folders):
    """A node that knows its clients by this authority's certificates."""
    file = folders.mktemp("authority") / "authority.pem"
    file.write_text(pem(authority.certificate))
    node = Node(name, tls=True, options=["--client-certificates", str(file)]).start()
    yield node
    node.stop()
    node.remove()
