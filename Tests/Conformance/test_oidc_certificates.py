"""Applications that are known by a certificate, and tokens that are bound to one (RFC 8705)."""

import base64
import hashlib
import json
import secrets

import jwt
import pytest
import requests
from authorities import TestAuthority, lend_node, self_signed
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from issuers import public_jwk
from nodes import told_within
from oidc import CALLBACK, PASSWORD, Browser, discovery, lend_account, lend_registrar, log_in

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(scope="module")
def authority():
    return TestAuthority()


@pytest.fixture(scope="module")
def node(nodes, authority, tmp_path_factory):
    yield from lend_node("oidc-certificates", authority, tmp_path_factory)


@pytest.fixture
def register(node):
    yield from lend_registrar(node)


def certificate(files):
    with open(files[0], "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def thumbprint(files):
    digest = hashlib.sha256(certificate(files).public_bytes(serialization.Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def ask(node, files, client, scope=None, **fields):
    """Client credentials, with a certificate or without."""
    data = {"grant_type": "client_credentials", "client_id": client["client_id"], **fields}
    if scope:
        data["scope"] = scope
    return requests.post(f"{node.web}/oidc/token", data=data, cert=files, verify=node.verify)


def test_metadata(node, nodes):
    found = discovery(node)
    methods = found["token_endpoint_auth_methods_supported"]
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(methods)
    assert found["tls_client_certificate_bound_access_tokens"] is True
    assert found["mtls_endpoint_aliases"]["token_endpoint"] == found["token_endpoint"]
    without = discovery(nodes.shared("postgres-http"))
    assert "tls_client_auth" not in without["token_endpoint_auth_methods_supported"]
    assert without["tls_client_certificate_bound_access_tokens"] is False and "mtls_endpoint_aliases" not in without


def test_an_application_is_known_by_the_name_in_its_certificate(node, authority, register, tmp_path):
    files = authority.issue(tmp_path, "mover")
    # openssl's form of RFC 4514, with spaces and the other case.
    for subject in ("CN=mover,O=Test", "cn=mover, o=Test"):
        client = register("--grant", "client_credentials", "--scope", "storage.read:/eo", "--certificate", "dn:" + subject)
        assert "client_secret" not in client and client["token_endpoint_auth_method"] == "tls_client_auth"
        answer = ask(node, files, client)
        assert answer.status_code == 200, answer.text
        assert "cnf" not in jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    others = {
        "nobody": None,
        "another name": authority.issue(tmp_path, "other"),
        "another authority": TestAuthority().issue(tmp_path, "mover-2"),
        "none": self_signed(tmp_path, "self"),
    }
    for why, wrong in others.items():
        answer = ask(node, wrong, client)
        assert answer.status_code == 401 and answer.json()["error"] == "invalid_client", why
    assert ask(node, files, client, client_secret="x").status_code == 401, "one way at a time"
    told_within(node, "oauth:Authenticate", "--on", client["client_id"])


def test_a_registration_names_one_name(node):
    for options in (
        ["--certificate", "dn:nonsense"],
        ["--certificate", "dns:"],
        ["--certificate", "key"],
        ["--bind-certificate", "--require-dpop", "--certificate", "dns:a.example"],
    ):
        done = node.cli("client", "add", "x-" + secrets.token_hex(3), "--grant", "client_credentials", *options)
        assert done.returncode != 0, options
    # A refused client leaves no account behind.
    assert not [line for line in node.cli("account", "list").stdout.splitlines() if line.startswith("x-")]


def test_a_certificate_that_nobody_signed_counts_by_its_key(node, register, tmp_path):
    files, others = self_signed(tmp_path, "lonely"), self_signed(tmp_path, "other")
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public_jwk(certificate(files).public_key(), "1")]}))
    client = register(
        "--grant", "client_credentials", "--scope", "storage.read:/eo", "--certificate", "key", "--jwks",
        tmp_path / "keys.json",
    )
    assert client["token_endpoint_auth_method"] == "self_signed_tls_client_auth"
    assert ask(node, files, client).status_code == 200
    assert ask(node, others, client).status_code == 401 and ask(node, None, client).status_code == 401


@pytest.fixture
def bound(node, authority, register, tmp_path):
    """A token that counts with its certificate only, and a bucket that it opens."""
    files = authority.issue(tmp_path, "mover")
    bucket = "bound-" + secrets.token_hex(4)
    s3 = node.s3()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    client = register(
        "--grant", "client_credentials", "--grant", "token-exchange", "--scope", f"storage.read:/{bucket}",
        "--certificate", "dn:CN=mover,O=Test", "--bind-certificate",
    )
    node.cli("group", "add", "administrators", client["client_id"])
    answer = ask(node, files, client, scope=f"storage.read:/{bucket}")
    assert answer.status_code == 200, answer.text
    return files, client, bucket, answer.json()


def test_a_bound_token_opens_nothing_without_its_certificate(node, bound, authority, tmp_path):
    files, client, bucket, answer = bound
    token = answer["access_token"]
    assert answer["token_type"] == "Bearer"
    assert jwt.decode(token, options={"verify_signature": False})["cnf"] == {"x5t#S256": thumbprint(files)}
    headers = {"Authorization": "Bearer " + token}
    other = authority.issue(tmp_path, "other")
    for url, granted in (
        (f"{node.s3_url}/{bucket}/a", 200),
        (f"{node.web}/dav/{bucket}/a", 200),
        (f"{node.web}/sign?href=s3://{bucket}/a", 200),
        (f"{node.web}/stac/collections/{bucket}", 200),
        (f"{node.web}/admin/v1/accounts", 403),
        (f"{node.web}/oidc/userinfo", 403),
        (f"{node.web}/transactions", 200),
    ):
        answer = requests.get(url, headers=headers, cert=files, verify=node.verify)
        assert answer.status_code == granted, (url, answer.text)
        for wrong in (None, other):
            refused = requests.get(url, headers=headers, cert=wrong, verify=node.verify)
            assert refused.status_code == 401, (url, refused.status_code, refused.text)
            assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"], url
    told = requests.post(
        f"{node.web}/oidc/introspect", data={"token": token, "client_id": client["client_id"]}, cert=files,
        verify=node.verify,
    ).json()
    assert told["active"] and told["cnf"] == {"x5t#S256": thumbprint(files)}


def test_an_exchanged_token_stays_bound(node, bound, authority, tmp_path, register):
    files, client, bucket, answer = bound
    token = answer["access_token"]
    fields = {
        "grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN,
        "scope": f"storage.read:/{bucket}/a",
    }
    exchanged = ask(node, files, client, **fields)
    assert exchanged.status_code == 200, exchanged.text
    claims = jwt.decode(exchanged.json()["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"x5t#S256": thumbprint(files)}
    # Whoever has found the token somewhere makes none of it.
    thief = register("--grant", "token-exchange", "--scope", f"storage.read:/{bucket}")
    stolen = requests.post(
        f"{node.web}/oidc/token", data=fields, auth=(thief["client_id"], thief["client_secret"]),
        cert=authority.issue(tmp_path, "thief"), verify=node.verify,
    )
    assert stolen.status_code == 400 and stolen.json()["error"] == "invalid_request"
    job = requests.post(
        f"{node.web}/oidc/jobs", data={"scope": f"storage.read:/{bucket}"}, cert=files, verify=node.verify,
        headers={"Authorization": "Bearer " + token},
    )
    assert job.status_code == 400, "a job cannot show the certificate"


def test_a_public_client_binds_its_refresh_token(node, authority, register, tmp_path):
    """RFC 8705 §4: an application on somebody's machine has no name in a certificate, and yet a key."""
    files, others = self_signed(tmp_path, "phone"), self_signed(tmp_path, "other")
    client = register("--public", "--bind-certificate", "--redirect", CALLBACK)
    account = lend_account(node)
    browser = Browser(node, next(account), PASSWORD)
    # Authlib's session shows the certificate with every request that it makes.
    with pytest.MonkeyPatch.context() as patch:
        original = requests.Session.__init__

        def init(self, *arguments, **options):
            original(self, *arguments, **options)
            self.cert = files

        patch.setattr(requests.Session, "__init__", init)
        _, token = log_in(node, client, browser)
    assert jwt.decode(token["access_token"], options={"verify_signature": False})["cnf"] == {
        "x5t#S256": thumbprint(files)
    }
    fields = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": client["client_id"]}
    for wrong, error in ((others, "invalid_grant"), (None, "invalid_request")):
        refused = requests.post(f"{node.web}/oidc/token", data=fields, cert=wrong, verify=node.verify)
        assert refused.status_code == 400 and refused.json()["error"] == error
    renewed = requests.post(f"{node.web}/oidc/token", data=fields, cert=files, verify=node.verify)
    assert renewed.status_code == 200, renewed.text
    next(account, None)
