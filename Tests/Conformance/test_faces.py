"""Every face of one node: who shows a certificate is known on each, refused on each within a second of suspension, and
each refusal is told."""

import base64
import collections
import datetime
import json
import secrets
import time

import boto3
import ldap
import pytest
import requests
from authorities import TestAuthority, lend_node, now, request
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from products import wait_for

PASSWORD = "a long pass phrase 1"


@pytest.fixture(scope="module")
def authority():
    return TestAuthority()


@pytest.fixture(scope="module")
def node(nodes, authority, tmp_path_factory):
    yield from lend_node("faces", authority, tmp_path_factory)


@pytest.fixture(scope="module")
def stored(node):
    s3 = node.s3()
    s3.create_bucket(Bucket="faces")
    s3.put_object(Bucket="faces", Key="a.txt", Body=b"hello")
    return "faces"


def ask(node, method, url, **more):
    return requests.request(method, url, verify=node.verify, timeout=20, **more)


# What is asked of each face that speaks HTTP.
REQUESTS = {
    "s3": ("GET", "{s3}/faces/a.txt"),
    "sts": ("POST", "{s3}/"),
    "webdav": ("GET", "{web}/dav/faces/a.txt"),
    "stac": ("GET", "{web}/stac/collections/faces"),
    "sign": ("GET", "{web}/sign?href=s3://faces/a.txt"),
    "admin": ("GET", "{web}/admin/v1/accounts"),
    "scim": ("GET", "{web}/scim/v2/Users"),
    "transactions": ("GET", "{web}/transactions"),
}


def place(node, face):
    method, url = REQUESTS[face]
    return method, url.format(s3=node.s3_url, web=node.web)


def form(face):
    return {"data": {"Action": "GetCallerIdentity", "Version": "2011-06-15"}} if face == "sts" else {}


def external(node, files):
    connection = ldap.initialize(node.ldap[1])
    for option, value in (
        (ldap.OPT_NETWORK_TIMEOUT, 20), (ldap.OPT_X_TLS_CACERTFILE, node.ldap_authority),
        (ldap.OPT_X_TLS_CERTFILE, files[0]), (ldap.OPT_X_TLS_KEYFILE, files[1]), (ldap.OPT_X_TLS_NEWCTX, 0),
    ):
        connection.set_option(option, value)
    connection.sasl_external_bind_s()
    return connection


def client_token(node, client, files):
    data = {"grant_type": "client_credentials", "client_id": client}
    return ask(node, "POST", f"{node.web}/oidc/token", data=data, cert=files)


def test_a_certificate_counts_on_every_face_until_the_account_is_suspended(node, authority, stored, tmp_path):
    admin = node.http()
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*",
               "Condition": {"StringEquals": {"martlet:AuthenticationMethod": "certificate"}}}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    assert admin.put(f"{node.web}/admin/v1/policies/certified", json=policy).ok
    name, client = f"ada-{secrets.token_hex(3)}", f"mover-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--json")
    assert admin.put(f"{node.web}/admin/v1/policies/certified/attachments/user:{name}").ok
    node.cli_json(
        "client", "add", client, "--grant", "client_credentials", "--scope", "storage.read:/faces", "--certificate",
        f"dn:CN={client},O=Test", "--json")
    files, program = authority.issue(tmp_path, name), authority.issue(tmp_path, client)
    assert node.cli("ca", "link", name, files[0]).returncode == 0
    # Somebody's own connection for each, which stays open.
    session = requests.Session()
    session.trust_env, session.verify, session.cert = False, node.verify, files

    def answers():
        found = {face: session.request(*place(node, face), timeout=20, **form(face)).status_code for face in REQUESTS}
        found["token"] = client_token(node, client, program).status_code
        return found

    assert answers() == {face: 200 for face in [*REQUESTS, "token"]}
    directory = external(node, files)
    assert name in directory.whoami_s()
    for one in (name, client):
        assert node.cli("account", "disable", one).returncode == 0
    time.sleep(1)
    assert {face: status in (400, 401, 403) for face, status in answers().items()} == {
        face: True for face in [*REQUESTS, "token"]}
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        directory.whoami_s()
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        external(node, files)


def told(node, **query):
    return node.http().get(f"{node.web}/admin/v1/audit", params=query, timeout=20).json()["records"]


def signed_message(node, url):
    """A message of ACME whose account nobody knows."""
    def encode(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    nonce = ask(node, "HEAD", f"{node.web}/acme/new-nonce").headers["Replay-Nonce"]
    head = {"alg": "ES256", "kid": f"{node.web}/acme/account/nobody", "nonce": nonce, "url": url}
    key = ec.generate_private_key(ec.SECP256R1())
    signature = key.sign(b"", ec.ECDSA(hashes.SHA256()))[:64].ljust(64, b"x")
    return json.dumps({
        "protected": encode(json.dumps(head).encode()), "payload": "", "signature": encode(signature)})


def test_credentials_that_do_not_count_are_told_on_every_face(node, authority, stored, tmp_path):
    token = {"Authorization": "Bearer not.a.token"}
    for face in REQUESTS:
        if face in ("s3", "sts"):
            continue
        method, url = place(node, face)
        assert ask(node, method, url, headers=token).status_code == 401, face
    key = f"MRT{secrets.token_hex(8).upper()}"
    with pytest.raises(ClientError):
        node.s3(key=(key, "wrong")).get_object(Bucket="faces", Key="a.txt")
    with pytest.raises(ClientError):
        boto3.client(
            "sts", endpoint_url=node.s3_url, region_name="us-east-1", aws_access_key_id=key, verify=node.verify,
            aws_secret_access_key="wrong").get_caller_identity()
    oidc = node.web + "/oidc"
    assert ask(node, "POST", oidc + "/token", auth=("nobody", "x"), data={"grant_type": "client_credentials"}).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": "stolen", "client_id": "martlet"}
    assert ask(node, "POST", oidc + "/token", data=refresh).status_code == 400
    assert ask(node, "GET", oidc + "/userinfo", headers=token).status_code == 401
    assert ask(node, "POST", oidc + "/jobs/claim", data={"claim": "mjc-a-b"}).status_code == 400
    order = node.web + "/acme/new-order"
    jose = {"Content-Type": "application/jose+json"}
    assert ask(node, "POST", order, data=signed_message(node, order), headers=jose).status_code in (400, 403)
    csr, _ = request(tmp_path, "wanted")
    refused = ask(node, "POST", node.web + "/ca/certificates", data=csr.read_bytes(), headers={"Authorization": "Token mce_x"})
    assert refused.status_code in (401, 403)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        external(node, authority.issue(tmp_path, "old", since=now() - datetime.timedelta(days=3)))
    wanted = {
        "GET /dav", "GET /stac", "GET /sign", "GET /admin", "GET /scim", "GET /transactions", "GET /faces", "POST /",
        "oauth:Authenticate", "POST /oidc", "GET /oidc", "POST /acme", "POST /ca", "ldap:Bind",
    }

    def actions():
        records = told(node, what="credentials.refused", limit=1000)
        assert all(one["actor"] == "anonymous" and one["detail"]["address"] == "127.0.0.1" for one in records)
        return {one["detail"]["action"] for one in records}

    assert wanted - actions() == set()
    assert f"access key {key}" in {one["subject"] for one in told(node, what="credentials.refused", limit=1000)}
    # What was shown is nowhere in the trail.
    assert "stolen" not in json.dumps(told(node, what="credentials.refused", limit=1000))


def test_what_policy_denies_is_told_on_every_face(node, stored):
    name = f"eve-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    http = node.http(user=name, password=PASSWORD)
    for face in REQUESTS:
        if face not in ("sts", "transactions"):
            method, url = place(node, face)
            assert http.request(method, url, timeout=20).status_code in (403, 404), face
    connection = ldap.initialize(node.ldap[1])
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, node.ldap_authority)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.simple_bind_s(f"uid={name},ou=people,dc=martlet", PASSWORD)
    with pytest.raises(ldap.LDAPError):
        connection.passwd_s("uid=admin,ou=people,dc=martlet", None, PASSWORD)
    found = {(one["detail"]["action"], one["subject"]) for one in told(node, what="policy.denied", who=name, limit=1000)}
    assert {
        ("s3:GetObject", "arn:aws:s3:::faces/a.txt"), ("stac:GetCollection", "arn:martlet:stac:::faces"),
        ("iam:UpdateUser", "arn:martlet:iam:::account/admin"),
    } <= found, found
    assert {action.split(":")[0] for action, _ in found} >= {"s3", "stac", "iam"}


def test_equal_refusals_are_counted_and_many_different_ones_told_by_their_class(node, stored):
    name = f"bot-{secrets.token_hex(3)}"
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    http = node.http(user=name, password=PASSWORD)
    for _ in range(20):
        assert http.get(f"{node.s3_url}/faces/a.txt", timeout=20).status_code == 403
    for number in range(70):
        assert http.get(f"{node.s3_url}/faces/{number}.txt", timeout=20).status_code in (403, 404)

    def counts():
        out = collections.Counter()
        for one in told(node, what="policy.denied", who=name, limit=1000):
            out[one["subject"]] += one["detail"].get("count", 1)
        return out

    first = counts()
    assert first["arn:aws:s3:::faces/a.txt"] == 1 and len(first) <= 60, first
    # What is counted still is written when the node ends.
    node.stop()
    node.start()
    last = counts()
    assert last["arn:aws:s3:::faces/a.txt"] == 20 and sum(last.values()) >= 90, last
    assert last["arn:aws:s3:::faces/*"] > 1, last


def test_uses_of_the_nodes_keys_are_told(node):
    node.token()
    wait_for("uses of keys", lambda: {
        one["detail"]["action"].split(" ")[0] + " " + one["subject"].split(" ")[0]
        for one in told(node, what="key.used", limit=1000)
    } >= {"open master", "sign token", "sign authority"})
    assert all(one["actor"] == "system:keys" for one in told(node, what="key.used"))
