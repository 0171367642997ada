"""Signers of traces, made with PyCA cryptography from the service's contract: what other sites hand in to a node."""

import base64
import datetime
import json
import secrets

from authorities import name, now
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

KINDS = ["rsa-2048", "p-256", "p-384", "ed25519"]


def new_key(kind):
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.split("-")[1]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"p-256": ec.SECP256R1(), "p-384": ec.SECP384R1()}[kind])


class TraceSigner:
    """A key with a certificate: by an authority, or by itself."""

    def __init__(self, kind="p-256", authority=None, since=None, days=1):
        self.key = new_key(kind)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(f"Signer {kind}"))
            .issuer_name(authority.subject if authority else name(f"Signer {kind}"))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since or now() - datetime.timedelta(hours=1))
            .not_valid_after((since or now()) + datetime.timedelta(days=days))
        )
        issuer = authority.key if authority else self.key
        digest = None if isinstance(issuer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        certificate = builder.sign(issuer, digest)
        self.certificate = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def sign(self, message):
        if isinstance(self.key, rsa.RSAPrivateKey):
            algorithm, signature = "RSA-SHA256", self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(self.key, ed25519.Ed25519PrivateKey):
            algorithm, signature = "Ed25519", self.key.sign(message)
        else:
            algorithm, signature = "ECDSA-SHA256", self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        return {
            "algorithm": algorithm,
            "certificate": self.certificate,
            "message": message.decode(),
            "signature": base64.b64encode(signature).decode(),
        }

    def trace(self, product=None, event="CREATE", algorithm="BLAKE3", **further):
        product = product or new_product()
        return {
            "event": event,
            "hash_algorithm": algorithm,
            "product": product,
            "signature": self.sign(message(product, event)),
            **further,
        }


class Nobody:
    """Hands in what is not signed."""

    def trace(self, product=None, event="CREATE", algorithm="BLAKE3", **further):
        empty = dict.fromkeys(("algorithm", "certificate", "message", "signature"), "")
        product = product or new_product()
        return {"event": event, "hash_algorithm": algorithm, "product": product, "signature": empty, **further}


def message(product, event):
    """Compact JSON in the order of names, with the event last and what Go's encoder escapes."""
    text = json.dumps({**dict(sorted(product.items())), "event": event}, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def new_product(contents=2):
    """A product that nobody has traced before."""
    name = f"S2A_MSIL1C_{secrets.token_hex(6)}.SAFE"
    return {
        "name": f"{name}.zip",
        "size": secrets.randbelow(1 << 40),
        "hash": secrets.token_hex(32),
        "contents": [
            {"hash": secrets.token_hex(32), "path": f"{name}/a & b/<{number}>.jp2"} for number in range(contents)
        ],
    }
