"""An authenticator in software, of python-fido2's parts: what it writes was not written by us."""

import base64
import hashlib
import html
import re
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2.cose import ES256, RS256, EdDSA
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

FLAG = AuthenticatorData.FLAG
KINDS = {
    "ES256": (ES256, lambda: ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": (EdDSA, ed25519.Ed25519PrivateKey.generate),
    "RS256": (RS256, lambda: rsa.generate_private_key(65537, 2048)),
}


def encoded(value):
    return base64.urlsafe_b64encode(bytes(value)).rstrip(b"=").decode()


def offer(page, kind):
    """What a page asks an authenticator for: the `data-` attributes of its form."""
    form = re.search(rf'<form[^>]* data-passkey="{kind}"[^>]*>', page.text)[0]
    return {name: html.unescape(value) for name, value in re.findall(r'data-([a-z]+)="([^"]*)"', form)}


class Authenticator:
    def __init__(self, kind="ES256", origin="http://localhost"):
        self.cose, generate = KINDS[kind]
        self.key = generate()
        self.id = secrets.token_bytes(32)
        self.origin, self.count = origin, 0
        self.flags = FLAG.UP | FLAG.UV
        self.extensions = None
        self.user = b""

    def _data(self, party, credential=b""):
        self.count += 1
        flags = self.flags | (FLAG.AT if credential else 0) | (FLAG.ED if self.extensions else 0)
        hashed = hashlib.sha256(party.encode()).digest()
        return AuthenticatorData.create(hashed, flags, self.count, credential, self.extensions)

    def make(self, asked):
        self.user = base64.urlsafe_b64decode(asked["user"] + "==")
        public = self.cose.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(bytes(16), self.id, public)
        client = CollectedClientData.create("webauthn.create", asked["challenge"], self.origin)
        made = AttestationObject.create("none", self._data(asked["party"], credential), {})
        return {"clientData": encoded(client), "attestation": encoded(made)}

    def prove(self, asked):
        client = CollectedClientData.create("webauthn.get", asked["challenge"], self.origin)
        data = self._data(asked["party"])
        return {
            "credential": encoded(self.id),
            "user": encoded(self.user),
            "clientData": encoded(client),
            "authenticatorData": encoded(data),
            "signature": encoded(self._sign(bytes(data) + client.hash)),
        }

    def _sign(self, message):
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
