"""Applications with keys of their own: published keys, signed requests, and names for people that are theirs alone."""

import secrets
import time
import urllib.parse

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from issuers import Documents, public_jwk
from oidc import (
    CALLBACK,
    PASSWORD,
    Browser,
    discovery,
    lend_account,
    lend_registrar,
    library,
    log_in,
    parameters,
    post,
    verified,
)

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def account(node):
    yield from lend_account(node)


@pytest.fixture
def browser(node, account):
    return Browser(node, account, PASSWORD)


@pytest.fixture
def register(node):
    yield from lend_registrar(node)


class Publisher(Documents):
    """An application that publishes its keys."""

    def __init__(self):
        super().__init__()
        self.keys = {"1": ec.generate_private_key(ec.SECP256R1())}
        self.publish()

    def publish(self):
        self.documents["/jwks"] = {"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]}

    def sign(self, claims, kid="1", typ="JWT", key=None, algorithm="ES256"):
        return jwt.encode(claims, key or self.keys[kid], algorithm=algorithm, headers={"kid": kid, "typ": typ})


@pytest.fixture
def publisher():
    publisher = Publisher()
    yield publisher
    publisher.close()


def assertion(node, client, publisher, **more):
    now = int(time.time())
    own = client["client_id"]
    header = {name: more.pop(name) for name in ("kid", "key", "algorithm") if name in more}
    claims = {"iss": own, "sub": own, "aud": node.web, "exp": now + 60, "jti": secrets.token_hex(8), **more}
    return publisher.sign({key: value for key, value in claims.items() if value is not None}, **header)


def credentials(node, client, text):
    fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": text}
    return post(node, "/oidc/token", fields)


def test_an_application_publishes_its_keys(node, register, publisher):
    client = register("--grant", "client_credentials", "--jwks-uri", publisher.url + "/jwks")
    assert client["token_endpoint_auth_method"] == "private_key_jwt" and client["jwks_uri"]
    first = assertion(node, client, publisher)
    assert credentials(node, client, first).status_code == 200
    assert credentials(node, client, first).status_code == 401, "an assertion is for once"
    assert credentials(node, client, assertion(node, client, publisher)).status_code == 200
    assert publisher.fetched == ["/jwks"], "what was fetched is remembered"
    other = ec.generate_private_key(ec.SECP256R1())
    shared = "secret" * 8
    wrong = {
        "another key": {"key": other},
        "another audience": {"aud": "https://elsewhere.example"},
        "another issuer": {"iss": "somebody"},
        "expired": {"exp": int(time.time()) - 1},
        "for ever": {"exp": int(time.time()) + 86_400},
        "nameless": {"jti": None},
        "a shared secret": {"key": shared, "algorithm": "HS256"},
    }
    for why, more in wrong.items():
        answer = credentials(node, client, assertion(node, client, publisher, **more))
        assert answer.status_code == 401 and answer.json()["error"] == "invalid_client", why
    assert publisher.fetched == ["/jwks"]
    # Keys of names that nobody knows make the node ask again, but not each time.
    for _ in range(3):
        assert credentials(node, client, assertion(node, client, publisher, key=other, kid="2")).status_code == 401
    assert len(publisher.fetched) <= 2
    done = node.cli("client", "add", "x", "--redirect", CALLBACK, "--jwks-uri", "http://elsewhere.example/keys")
    assert done.returncode != 0, "keys come by https, or from this machine"


def test_who_registers_itself_sends_the_node_nowhere_inside(node, publisher):
    """An application that nobody vouches for names an address on this machine."""
    made = requests.post(
        f"{node.web}/oidc/register", verify=node.verify,
        json={"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
              "jwks_uri": publisher.url.replace("127.0.0.1", "localhost") + "/jwks"},
    )
    assert made.status_code == 201, made.text
    client = made.json()
    text = assertion(node, client, publisher)
    answer = post(
        node, "/oidc/token",
        {"grant_type": "refresh_token", "refresh_token": "x", "client_assertion_type": ASSERTION, "client_assertion": text},
    )
    assert answer.status_code == 400 and answer.json()["error"] == "temporarily_unavailable", answer.text
    assert publisher.fetched == []
    made = requests.post(
        f"{node.web}/oidc/register", verify=node.verify,
        json={"redirect_uris": [CALLBACK], "subject_type": "pairwise", "sector_identifier_uri": publisher.url + "/jwks"},
    )
    assert made.status_code == 400 and publisher.fetched == []


def signed_request(node, client, publisher, typ="oauth-authz-req+jwt", key=None, algorithm="ES256", **more):
    claims = {
        "iss": client["client_id"], "aud": node.web, "client_id": client["client_id"], "response_type": "code",
        "redirect_uri": CALLBACK, "scope": "openid", "state": "s1", "exp": int(time.time()) + 300, **more,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return publisher.sign(claims, typ=typ, key=key, algorithm=algorithm)


def authorization(node, client, **query):
    address = discovery(node)["authorization_endpoint"]
    return address + "?" + urllib.parse.urlencode({"client_id": client["client_id"], **query})


def test_requests_can_be_signed(node, register, browser, publisher):
    client = register("--redirect", CALLBACK, "--trusted", "--jwks-uri", publisher.url + "/jwks")
    assert discovery(node)["request_parameter_supported"] is True
    text = signed_request(node, client, publisher, nonce="n1", claims={"id_token": {"acr": None}}, max_age=3600)
    # Of what stands beside it nothing counts.
    end = browser.authorize(authorization(node, client, request=text, scope="openid email", state="s2", nonce="n2"))
    answer = parameters(end.application)
    assert answer["state"] == "s1" and answer["iss"] == node.web
    token = post(
        node, "/oidc/token",
        {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": CALLBACK,
         "client_assertion_type": ASSERTION, "client_assertion": assertion(node, client, publisher)},
    )
    assert token.status_code == 200, token.text
    assert verified(node, token.json()["id_token"], client["client_id"])["nonce"] == "n1"
    assert token.json()["scope"] == "openid"
    other = ec.generate_private_key(ec.SECP256R1())
    for why, text in {
        "another key": signed_request(node, client, publisher, key=other),
        "RSA with the same name": signed_request(
            node, client, publisher, key=rsa.generate_private_key(65537, 2048), algorithm="RS256"
        ),
        "another type": signed_request(node, client, publisher, typ="at+jwt"),
        "another client": signed_request(node, client, publisher, client_id="somebody", iss=None),
        "another provider": signed_request(node, client, publisher, aud="https://elsewhere.example"),
        "expired": signed_request(node, client, publisher, exp=int(time.time()) - 5),
        "a request in it": signed_request(node, client, publisher, request_uri="urn:x"),
        "not signed": jwt.encode({"client_id": client["client_id"]}, None, algorithm="none"),
        "nothing": "x",
    }.items():
        page = browser.get(authorization(node, client, request=text))
        assert page.application is None and page.status_code == 400, why
    # Nobody is sent where the signed request does not say it.
    page = browser.get(authorization(node, client, request=signed_request(node, client, publisher, redirect_uri="https://evil.example/")))
    assert page.application is None and page.status_code == 400


def test_signed_requests_are_pushed_and_demanded(node, register, browser, publisher):
    client = register("--redirect", CALLBACK, "--trusted", "--jwks-uri", publisher.url + "/jwks", "--require-signed")
    refused = browser.get(
        authorization(node, client, response_type="code", redirect_uri=CALLBACK, scope="openid", martlet_signed="")
    )
    assert parameters(refused.application)["error"] == "invalid_request"

    def push(**fields):
        proof = {"client_assertion_type": ASSERTION, "client_assertion": assertion(node, client, publisher)}
        return post(node, "/oidc/par", {"client_id": client["client_id"], **proof, **fields})

    pushed = push(request=signed_request(node, client, publisher, exp=int(time.time()) + 2))
    assert pushed.status_code == 201, pushed.text
    # What was pushed in time counts, though somebody takes their time at the login.
    time.sleep(2.1)
    end = browser.authorize(authorization(node, client, request_uri=pushed.json()["request_uri"]))
    assert parameters(end.application)["state"] == "s1"
    plain = {"response_type": "code", "redirect_uri": CALLBACK, "scope": "openid", "martlet_signed": ""}
    assert push(**plain).json()["error"] == "invalid_request"
    bad = push(request=signed_request(node, client, publisher, aud="https://elsewhere.example"))
    assert bad.status_code == 400 and bad.json()["error"] == "invalid_request_object"


def test_two_applications_cannot_tell_that_they_know_the_same_person(node, register, browser, account, publisher):
    def client(host, *options):
        callback = f"https://{host}.example.org/callback"
        return register("--redirect", callback, "--pairwise", "--trusted", *options), callback

    def known(host):
        made, callback = client(host)
        session = library(node, made, "openid offline_access")
        session.redirect_uri = callback
        url, state = session.create_authorization_url(
            discovery(node)["authorization_endpoint"], code_verifier=(verifier := secrets.token_urlsafe(48))
        )
        end = browser.authorize(url)
        token = session.fetch_token(
            discovery(node)["token_endpoint"], authorization_response=end.application, code_verifier=verifier,
            state=state,
        )
        identity = verified(node, token["id_token"], made["client_id"])
        access = verified(node, token["access_token"], node.web)
        assert identity["sub"] == access["sub"] and not identity["sub"].isdigit()
        assert "preferred_username" not in access and account not in str(access)
        assert session.get(discovery(node)["userinfo_endpoint"]).json()["sub"] == identity["sub"]
        told = session.introspect_token(discovery(node)["introspection_endpoint"], token["access_token"]).json()
        assert told["active"] and told["sub"] == identity["sub"] and "martlet_account" not in told
        # An ID token of theirs says who is meant.
        hinted = session.create_authorization_url(
            discovery(node)["authorization_endpoint"], code_verifier=verifier, prompt="none",
            id_token_hint=token["id_token"],
        )[0]
        assert "code" in parameters(browser.get(hinted).application)
        return identity["sub"]

    assert "pairwise" in discovery(node)["subject_types_supported"]
    assert known("one") == known("one") != known("two")
    # Several hosts are one sector where a document says so, and not otherwise.
    both = ["--redirect", "https://a.example.org/", "--redirect", "https://b.example.org/"]
    assert node.cli("client", "add", "x-pair", *both, "--pairwise").returncode != 0
    publisher.documents["/sector"] = ["https://a.example.org/"]
    sector = ["--sector-identifier", publisher.url + "/sector"]
    refused = node.cli("client", "add", "x-pair", *both, "--pairwise", *sector)
    assert refused.returncode != 0 and "https://b.example.org/" in refused.stderr
    publisher.documents["/sector"].append("https://b.example.org/")
    assert register(*both, "--pairwise", *sector)["subject_type"] == "pairwise"


def test_a_token_without_a_name_opens_what_its_account_may(node, register, browser, account, s3, bucket):
    """Which account a pairwise token is of, this node reads, and nobody else."""
    node.cli("group", "add", "administrators", account)
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    client = register("--redirect", CALLBACK, "--pairwise", "--trusted")
    _, token = log_in(node, client, browser, f"openid storage.read:/{bucket}")
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    for url in (f"{node.s3_url}/{bucket}/a", f"{node.web}/dav/{bucket}/a"):
        assert requests.get(url, headers=bearer, verify=node.verify).content == b"data"
    node.cli("account", "disable", account)
    deadline = time.monotonic() + 1.5
    while requests.get(url, headers=bearer, verify=node.verify).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
