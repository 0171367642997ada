"""Another issuer of tokens, as a node that trusts it finds it."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class Documents:
    """A web server with JSON documents, which counts what is asked of it."""

    def __init__(self):
        self.fetched = []
        self.documents = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.fetched.append(self.path)
                answer = outer.documents.get(self.path)
                body = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
                self.send_response(200 if answer is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class IdP(Documents):
    """An OpenID provider: a discovery document, keys, and tokens of whatever claims."""

    def __init__(self, audience):
        super().__init__()
        self.audience = audience
        self.keys = {"one": ec.generate_private_key(ec.SECP256R1())}
        self.issuer = self.url + "/realms/eo"
        self.name = self.issuer.removeprefix("http://")
        self.documents["/realms/eo/.well-known/openid-configuration"] = {
            "issuer": self.issuer,
            "jwks_uri": self.url + "/keys",
        }
        self.publish()

    def publish(self):
        self.documents["/keys"] = {"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]}

    def token(self, kid="one", key=None, algorithm="ES256", headers=None, **claims):
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "job-7",
            "aud": self.audience,
            "iat": now,
            "exp": now + 300,
            "groups": ["makers", "readers"],
            **claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.keys[kid], algorithm=algorithm, headers={"kid": kid, **(headers or {})})


def public_jwk(key, kid):
    """The public half of a key, as a member of a JWK set."""
    public = key.public_key() if hasattr(key, "public_key") else key
    algorithm = jwt.algorithms.ECAlgorithm if isinstance(public, ec.EllipticCurvePublicKey) else jwt.algorithms.RSAAlgorithm
    return algorithm.to_jwk(public, as_dict=True) | {"kid": kid, "use": "sig"}


def mac(claims, secret, **header):
    """A token that a public key has "signed", as a shared secret: libraries refuse to make one."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    text = ".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256", "typ": "JWT", **header}, claims))
    return text + "." + part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())
