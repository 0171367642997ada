"""The OpenID provider, as applications and attackers find it. Authlib is the application where one will do."""

import base64
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
import urllib.parse

import jwt
import pytest
import requests
from oidc import (
    CALLBACK,
    PASSWORD,
    Browser,
    discovery,
    hidden,
    keys,
    lend_account,
    lend_registrar,
    library,
    log_in,
    parameters,
    post,
    verified,
)

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture
def account(node):
    yield from lend_account(node)


@pytest.fixture
def browser(node, account):
    return Browser(node, account, PASSWORD)


@pytest.fixture
def register(node):
    yield from lend_registrar(node)


@pytest.fixture
def app(register):
    return register("--redirect", CALLBACK, "--logout-redirect", "https://app.example.org/bye")


def test_an_application_logs_somebody_in_with_authlib(node, app, browser, account):
    session, token = log_in(node, app, browser, nonce="n-0S6_WzA2Mj")
    claims = verified(node, token["id_token"], app["client_id"])
    assert jwt.get_unverified_header(token["id_token"])["alg"] == "RS256"
    assert claims["nonce"] == "n-0S6_WzA2Mj" and claims["preferred_username"] == account
    assert claims["amr"] == ["pwd"] and claims["acr"] and claims["sid"] and abs(claims["auth_time"] - time.time()) < 60
    half = hashlib.sha256(token["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    access = verified(node, token["access_token"], node.web)
    assert jwt.get_unverified_header(token["access_token"])["typ"] == "at+jwt"
    assert access["sub"] == claims["sub"] and access["client_id"] == app["client_id"]
    endpoints = discovery(node)
    about = session.get(endpoints["userinfo_endpoint"]).json()
    assert about["sub"] == claims["sub"] and about["email"] == f"{account}@example.org" and "groups" in about
    renewed = session.refresh_token(endpoints["token_endpoint"], token["refresh_token"])
    assert renewed["refresh_token"] != token["refresh_token"]
    assert session.introspect_token(endpoints["introspection_endpoint"], renewed["access_token"]).json()["active"]
    assert session.revoke_token(endpoints["revocation_endpoint"], renewed["refresh_token"]).ok
    told = session.introspect_token(endpoints["introspection_endpoint"], renewed["access_token"]).json()
    assert told == {"active": False}


def test_what_an_application_was_not_given_it_cannot_do(node, app, browser, account, bucket):
    """A token that says who somebody is opens none of their data."""
    node.cli_json("group", "add", "administrators", account, "--json")
    _, token = log_in(node, app, browser)
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    for method, url in (
        ("GET", f"{node.web}/admin/v1/accounts"),
        ("PUT", f"{node.s3_url}/{bucket}/x"),
        ("GET", f"{node.s3_url}/{bucket}?list-type=2"),
        ("PUT", f"{node.web}/dav/{bucket}/x"),
    ):
        answer = requests.request(method, url, headers=bearer, verify=node.verify)
        assert answer.status_code == 403, f"{method} {url}: {answer.status_code}"
    refused = library(node, app, "openid martlet")
    url, _ = refused.create_authorization_url(
        discovery(node)["authorization_endpoint"], code_verifier=secrets.token_urlsafe(48)
    )
    assert parameters(browser.get(url).application)["error"] == "invalid_scope"


def test_capabilities_are_rights_on_every_face(node, s3, bucket, app, browser, account):
    """`storage.read:/BUCKET/a` reads what is below it, by whole components, whatever its owner may do."""
    node.cli_json("group", "add", "administrators", account, "--json")
    for key in ("a/x", "ab/x", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"data")
    _, token = log_in(node, app, browser, f"openid storage.read:/{bucket}/a")
    bearer = {"Authorization": "Bearer " + token["access_token"]}

    def status(method, url, **more):
        headers = {**bearer, **more.pop("headers", {})}
        return requests.request(method, url, headers=headers, verify=node.verify, **more).status_code

    for face in (f"{node.s3_url}/{bucket}", f"{node.web}/dav/{bucket}"):
        assert status("GET", f"{face}/a/x") == 200
        assert status("GET", f"{face}/ab/x") == 403
        assert status("GET", f"{face}/b") == 403
        assert status("PUT", f"{face}/a/y", data=b"y") == 403
        assert status("DELETE", f"{face}/a/x") == 403
    assert status("GET", f"{node.s3_url}/{bucket}?list-type=2&prefix=a/") == 200
    assert status("GET", f"{node.s3_url}/{bucket}?list-type=2") == 403
    assert status("PROPFIND", f"{node.web}/dav/{bucket}/a/", headers={"Depth": "1"}) == 207
    assert status("GET", f"{node.web}/sign?href=s3://{bucket}/a/x") == 200
    assert status("GET", f"{node.web}/sign?href=s3://{bucket}/b") == 403
    assert status("GET", f"{node.web}/stac/collections/{bucket}") in (403, 404)
    assert status("GET", f"{node.web}/admin/v1/accounts") == 403
    _, token = log_in(node, app, browser, f"openid storage.modify:/{bucket}/a")
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    for face in (f"{node.s3_url}/{bucket}", f"{node.web}/dav/{bucket}"):
        assert status("PUT", f"{face}/a/y", data=b"y") in (200, 201, 204)
        assert status("GET", f"{face}/a/y") == 403, "who may write may not read"
        assert status("DELETE", f"{face}/a/y") == 204
    _, token = log_in(node, app, browser, f"openid storage.create:/{bucket}/a")
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    once = {"If-None-Match": "*"}
    assert status("PUT", f"{node.s3_url}/{bucket}/a/new", data=b"1", headers=once) == 200
    assert status("PUT", f"{node.s3_url}/{bucket}/a/new", data=b"2", headers=once) == 412
    assert status("PUT", f"{node.s3_url}/{bucket}/a/x", data=b"2") == 403
    assert status("DELETE", f"{node.s3_url}/{bucket}/a/x") == 403


def test_prompts_ages_and_hints(node, app, browser, account):
    endpoints = discovery(node)

    def ask(**more):
        session = library(node, app)
        url, _ = session.create_authorization_url(
            endpoints["authorization_endpoint"], code_verifier=secrets.token_urlsafe(48), **more
        )
        return url

    nobody = Browser(node, account, PASSWORD)
    assert parameters(nobody.get(ask(prompt="none")).application)["error"] == "login_required"
    browser.login()
    assert parameters(browser.get(ask(prompt="none")).application)["error"] == "consent_required"
    denied = browser.authorize(ask(), answer="deny")
    assert parameters(denied.application)["error"] == "access_denied"
    assert "code" in parameters(browser.authorize(ask()).application)
    assert "code" in parameters(browser.get(ask(prompt="none")).application), "agreed to is agreed to"
    assert "code" in parameters(browser.get(ask(prompt="login")).application), "and logs in again on the way"
    again = browser.session.get(ask(max_age="0"), allow_redirects=False)
    assert "/login?" in again.headers["Location"] and "prompt=login" in again.headers["Location"]
    strong = json.dumps({"id_token": {"acr": {"essential": True, "value": "https://refeds.org/profile/mfa"}}})
    end = browser.get(ask(claims=strong)).application
    assert parameters(end)["error"] == "unmet_authentication_requirements"
    other = ask(response_mode="form_post")
    page = browser.get(other)
    assert hidden(page.text)["code"] and hidden(page.text)["iss"] == node.web and CALLBACK in page.text


def test_nobody_is_sent_where_no_application_is_registered(node, app, browser):
    good = {"client_id": app["client_id"], "redirect_uri": CALLBACK, "response_type": "code", "state": "s"}
    browser.login()
    for wrong in (
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/../x"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": "https://app.example.org@evil.example/callback"},
        {"client_id": "nobody"},
        {"redirect_uri": "javascript:alert(1)"},
    ):
        query = urllib.parse.urlencode({**good, **wrong})
        answer = browser.session.get(f"{node.web}/oidc/authorize?{query}", allow_redirects=False)
        assert answer.status_code == 400, wrong
        assert "Location" not in answer.headers
    for path in ("/login?next=https://evil.example/", "/login?next=//evil.example", "/login?next=/%5Cevil.example"):
        end = browser.session.get(node.web + path, allow_redirects=False)
        assert end.headers["Location"] == "/"
    away = f"{node.web}/oidc/logout?post_logout_redirect_uri=https://evil.example/&client_id={app['client_id']}"
    assert "evil" not in browser.session.get(away, allow_redirects=False).headers["Location"].split("next=")[0]
    twice = f"{node.web}/oidc/authorize?{urllib.parse.urlencode(good)}&redirect_uri=https://evil.example/"
    assert browser.session.get(twice, allow_redirects=False).status_code == 400


def test_pkce_is_s256_and_public_clients_need_it(node, register, browser):
    public = register("--public", "--redirect", CALLBACK)
    browser.login()
    base = {"client_id": public["client_id"], "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    for more in ({}, {"code_challenge": "x" * 43, "code_challenge_method": "plain"}, {"code_challenge": "x" * 43}):
        end = browser.get(f"{node.web}/oidc/authorize?{urllib.parse.urlencode({**base, **more})}")
        assert parameters(end.application)["error"] == "invalid_request", more
    session, token = log_in(node, public, browser, "openid offline_access")
    assert token["refresh_token"]


def test_wrong_requests_get_the_answers_of_the_standards(node, app, register):
    auth = (app["client_id"], app["client_secret"])
    robot = register("--grant", "client_credentials", "--scope", "storage.read:/eo")

    def error(data, auth=auth, path="/oidc/token"):
        answer = post(node, path, data, auth)
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status_code, answer.json()["error"]

    assert error({}) == (400, "invalid_request")
    assert error({"grant_type": "implicit"}) == (400, "unsupported_grant_type")
    assert error({"grant_type": "client_credentials"}) == (400, "unauthorized_client")
    assert error({"grant_type": "password", "username": "a", "password": "b"}) == (400, "unauthorized_client")
    assert error({"grant_type": "authorization_code", "code": "x"}) == (400, "invalid_grant")
    assert error({"grant_type": "refresh_token", "refresh_token": "x"}) == (400, "invalid_grant")
    for wrong in ((app["client_id"], "x"), ("nobody", "x"), (app["client_id"], "")):
        assert error({"grant_type": "refresh_token", "refresh_token": "x"}, wrong) == (401, "invalid_client")
    twice = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("refresh_token", "y")]
    assert error(twice) == (400, "invalid_request")
    theirs = (robot["client_id"], robot["client_secret"])
    for scope in ("storage.read", "storage.read:/eo/../x", "storage.read:/", "storage.modify:/eo"):
        assert error({"grant_type": "client_credentials", "scope": scope}, theirs) == (400, "invalid_scope"), scope
    far = {"grant_type": "client_credentials", "audience": "https://elsewhere.example"}
    assert error(far, theirs) == (400, "invalid_target")
    assert error({"token": "x"}, auth=None, path="/oidc/introspect") == (401, "invalid_client")
    assert post(node, "/oidc/revoke", {"token": "rubbish"}, auth).status_code == 200


def test_a_code_that_comes_again_takes_back_what_it_gave(node, app, browser):
    session = library(node, app)
    endpoints = discovery(node)
    verifier = secrets.token_urlsafe(48)
    url, _ = session.create_authorization_url(endpoints["authorization_endpoint"], code_verifier=verifier)
    code = parameters(browser.authorize(url).application)["code"]
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    auth = (app["client_id"], app["client_secret"])
    first = post(node, "/oidc/token", fields, auth).json()
    bearer = {"Authorization": "Bearer " + first["access_token"]}
    assert requests.get(endpoints["userinfo_endpoint"], headers=bearer, verify=node.verify).ok
    assert post(node, "/oidc/token", fields, auth).json()["error"] == "invalid_grant"
    refused = requests.get(endpoints["userinfo_endpoint"], headers=bearer, verify=node.verify)
    assert refused.status_code == 401 and 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert post(node, "/oidc/token", again, auth).json()["error"] == "invalid_grant"


def test_nobody_learns_which_applications_there_are(node, app):
    """Neither from what is answered nor from how."""
    def told(answer):
        return answer.status_code, answer.json(), sorted(name for name in answer.headers if name != "Date")

    for path in ("token", "introspect", "revoke", "par", "device"):
        data = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
        known, unknown = (post(node, "/oidc/" + path, data, (name, "wrong")) for name in (app["client_id"], "nobody"))
        assert known.status_code == 401 and told(known) == told(unknown), path
    manage = [
        requests.get(f"{node.web}/oidc/register/{name}", headers={"Authorization": "Bearer x"}, verify=node.verify)
        for name in (app["client_id"], "nobody")
    ]
    assert told(manage[0]) == told(manage[1]) and manage[0].status_code == 401


def test_the_time_of_an_answer_tells_nothing_of_accounts(node, account):
    """A name that nobody has takes as long as a wrong password: both are hashed."""
    def seconds(name):
        begun = time.perf_counter()
        data = {"grant_type": "password", "username": name, "password": "wrong", "client_id": "martlet"}
        assert post(node, "/oidc/token", data).status_code == 400
        return time.perf_counter() - begun

    # In turns, so that both see the same machine; few, so that nobody is slowed down.
    pairs = [(seconds(account), seconds("nobody-" + secrets.token_hex(4))) for _ in range(3)]
    known, unknown = (min(times) for times in zip(*pairs))
    assert 0.4 < known / unknown < 2.5, pairs


def test_forged_tokens_open_nothing(node, app, browser):
    _, token = log_in(node, app, browser)
    text = token["access_token"]
    header, claims, signature = text.split(".")
    public = next(key for key in requests.get(node.web + "/oidc/jwks", verify=node.verify).json()["keys"])

    def encode(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    def with_secret(secret, kid):
        """Signed with what is public, as if it were a secret."""
        signed = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': kid})}.{claims}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return signed + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    kid = jwt.get_unverified_header(text)["kid"]
    forged = [
        f"{encode({'alg': 'none', 'typ': 'at+jwt'})}.{claims}.",
        f"{encode({'alg': 'none', 'typ': 'at+jwt', 'kid': kid})}.{claims}.{signature}",
        with_secret(json.dumps(public).encode(), kid),
        f"{encode({'alg': 'ES256', 'typ': 'at+jwt', 'kid': '../../../dev/null'})}.{claims}.{signature}",
        f"{encode({'alg': 'ES256', 'typ': 'at+jwt', 'kid': 'https://evil.example/key'})}.{claims}.{signature}",
        f"{encode({'alg': 'ES256', 'typ': 'at+jwt', 'jwk': public})}.{claims}.{signature}",
        text[:-4] + "AAAA",
        token["id_token"],
        text + ".x",
        "x" * 20_000,
        "",
    ]
    for wrong in forged:
        answer = requests.get(
            node.web + "/oidc/userinfo", headers={"Authorization": "Bearer " + wrong}, verify=node.verify
        )
        assert answer.status_code in (401, 431), wrong[:80]
    assert requests.get(
        node.web + "/oidc/userinfo", headers={"Authorization": "Bearer " + text}, verify=node.verify
    ).ok


def test_a_device_is_let_in_as_the_sdks_do_it(node, browser, account):
    """The client `gdal` and the addresses that the SDKs derive from one token address, Keycloak's."""
    base = node.web + "/realms/martlet/protocol/openid-connect"
    begun = requests.post(
        base + "/auth/device", data={"client_id": "gdal", "scope": "openid offline_access"}, verify=node.verify
    ).json()
    poll = {"client_id": "gdal", "grant_type": DEVICE, "device_code": begun["device_code"]}
    waiting = requests.post(base + "/token", data=poll, verify=node.verify)
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    page = browser.get(begun["verification_uri_complete"])
    assert begun["user_code"] in page.text and account in page.text
    assert "Connected" in browser.agree(page).text
    token = requests.post(base + "/token", data=poll, verify=node.verify).json()
    assert {"access_token", "refresh_token", "expires_in", "refresh_expires_in", "token_type"} <= set(token)
    bearer = {"authorization": "bearer " + token["access_token"]}
    about = requests.get(base + "/userinfo", headers=bearer, verify=node.verify).json()
    assert about["preferred_username"] == account
    renewed = requests.post(
        base + "/token",
        data={
            "client_id": "gdal",
            "scope": "openid offline_access",
            "grant_type": "refresh_token",
            "refresh_token": token["refresh_token"],
        },
        verify=node.verify,
    )
    assert renewed.ok, renewed.text
    # They name the scopes of the login again, and what comes with these by itself does not get lost.
    assert "martlet" in renewed.json()["scope"].split()
    bearer = {"authorization": "bearer " + renewed.json()["access_token"]}
    assert requests.get(base + "/userinfo", headers=bearer, verify=node.verify).json() == about


def test_software_made_for_keycloak_finds_everything(node, app, browser):
    for prefix in ("/realms/eo", "/auth/realms/eo"):
        endpoints = discovery(node, prefix)
        assert endpoints["issuer"] == node.web + prefix
        assert requests.get(endpoints["jwks_uri"], verify=node.verify).json()["keys"]
        session = library(node, app)
        verifier = secrets.token_urlsafe(48)
        url, _ = session.create_authorization_url(endpoints["authorization_endpoint"], code_verifier=verifier)
        end = browser.authorize(url).application
        assert parameters(end)["iss"] == endpoints["issuer"]
        token = session.fetch_token(
            endpoints["token_endpoint"], authorization_response=end, code_verifier=verifier
        )
        assert verified(node, token["id_token"], app["client_id"], endpoints["issuer"])["sub"]
        assert session.get(endpoints["userinfo_endpoint"]).json()["preferred_username"] == browser.user
    inserted = requests.get(f"{node.web}/.well-known/oauth-authorization-server/realms/eo", verify=node.verify).json()
    assert inserted["issuer"] == node.web + "/realms/eo"
    assert requests.get(f"{node.web}/realms/..%2f/protocol/openid-connect/certs", verify=node.verify).status_code == 404


def test_requests_can_be_pushed(node, register, browser):
    client = register("--redirect", CALLBACK, "--require-pushed")
    auth = (client["client_id"], client["client_secret"])
    asked = {"response_type": "code", "redirect_uri": CALLBACK, "scope": "openid", "state": "s" * 3000}
    pushed = post(node, "/oidc/par", asked, auth)
    assert pushed.status_code == 201
    uri = pushed.json()["request_uri"]
    query = urllib.parse.urlencode({"client_id": client["client_id"], "request_uri": uri})
    end = parameters(browser.authorize(f"{node.web}/oidc/authorize?{query}").application)
    assert end["state"] == "s" * 3000
    token = post(
        node, "/oidc/token", {"grant_type": "authorization_code", "code": end["code"], "redirect_uri": CALLBACK}, auth
    )
    assert token.ok, token.text
    direct = urllib.parse.urlencode({**asked, "state": "s", "client_id": client["client_id"]})
    end = parameters(browser.get(f"{node.web}/oidc/authorize?{direct}").application)
    assert end["error"] == "invalid_request"
    bad = post(node, "/oidc/par", {**asked, "redirect_uri": "https://evil.example/"}, auth)
    assert bad.status_code == 400


def proof(key, method, url, nonce=None, token=None, **more):
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    claims = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": int(time.time()), **more}
    if nonce:
        claims["nonce"] = nonce
    if token:
        claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    return jwt.encode(claims, key, "ES256", {"typ": "dpop+jwt", "jwk": public})


def test_a_token_can_be_bound_to_a_key(node, register, bucket):
    from cryptography.hazmat.primitives.asymmetric import ec

    robot = register("--grant", "client_credentials", "--scope", "storage.read:/", "--require-dpop")
    node.cli_json("group", "add", "administrators", robot["client_id"], "--json")
    auth = (robot["client_id"], robot["client_secret"])
    key, url = ec.generate_private_key(ec.SECP256R1()), node.web + "/oidc/token"
    data = {"grant_type": "client_credentials", "scope": f"storage.read:/{bucket}"}
    assert post(node, "/oidc/token", data, auth).json()["error"] == "invalid_dpop_proof"
    first = post(node, "/oidc/token", data, auth, {"DPoP": proof(key, "POST", url)})
    assert first.json()["error"] == "use_dpop_nonce"
    nonce = first.headers["DPoP-Nonce"]
    made = proof(key, "POST", url, nonce)
    answer = post(node, "/oidc/token", data, auth, {"DPoP": made})
    assert answer.json()["token_type"] == "DPoP", answer.text
    assert post(node, "/oidc/token", data, auth, {"DPoP": made}).json()["error"] == "invalid_dpop_proof", "replayed"
    token = answer.json()["access_token"]
    target = f"{node.s3_url}/{bucket}"
    listing = target + "?list-type=2"

    def status(scheme, proof_=None):
        headers = {"Authorization": f"{scheme} {token}", **({"DPoP": proof_} if proof_ else {})}
        return requests.get(listing, headers=headers, verify=node.verify).status_code

    assert status("DPoP", proof(key, "GET", target, token=token)) == 200
    assert status("Bearer") in (400, 401, 403)
    assert status("DPoP") in (400, 401, 403)
    assert status("DPoP", proof(key, "PUT", target, token=token)) in (400, 401, 403)
    assert status("DPoP", proof(key, "GET", target)) in (400, 401, 403)
    assert status("DPoP", proof(key, "GET", target, token=token, iat=int(time.time()) - 900)) in (400, 401, 403)
    other = ec.generate_private_key(ec.SECP256R1())
    assert status("DPoP", proof(other, "GET", target, token=token)) in (400, 401, 403)


def test_applications_register_and_manage_themselves(node, browser):
    made = requests.post(
        node.web + "/oidc/register",
        json={
            "client_name": "Notebook",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token", "implicit", "client_credentials"],
            "scope": "openid martlet storage.read:/",
            "implied_scope": "martlet",
        },
        verify=node.verify,
    )
    assert made.status_code == 201, made.text
    client = made.json()
    assert "martlet" not in client["scope"] and "implied_scope" not in client
    assert set(client["grant_types"]) == {"authorization_code", "refresh_token"}
    page = browser.get(
        library(node, client, "openid").create_authorization_url(
            node.web + "/oidc/authorize", code_verifier=secrets.token_urlsafe(48)
        )[0]
    )
    assert "registered itself" in page.text and "Notebook" in page.text
    uri, bearer = client["registration_client_uri"], {"Authorization": "Bearer " + client["registration_access_token"]}
    assert requests.get(uri, headers=bearer, verify=node.verify).json()["client_name"] == "Notebook"
    assert requests.get(uri, verify=node.verify).status_code == 401
    assert requests.get(uri[:-2] + "zz", headers=bearer, verify=node.verify).status_code == 401
    changed = {"client_name": "Other", "redirect_uris": [CALLBACK + "2"]}
    assert requests.put(uri, json=changed, headers=bearer, verify=node.verify).json()["redirect_uris"] == [CALLBACK + "2"]
    for wrong in ({"redirect_uris": ["http://app.example.org/"]}, {"redirect_uris": []}, [], {"redirect_uris": "x"}):
        answer = requests.post(node.web + "/oidc/register", json=wrong, verify=node.verify)
        assert answer.status_code == 400 and answer.json()["error"].startswith("invalid_"), wrong
    assert requests.delete(uri, headers=bearer, verify=node.verify).status_code == 204
    assert requests.get(uri, headers=bearer, verify=node.verify).status_code == 401


def test_logging_out_at_an_application_ends_the_session(node, app, browser):
    _, token = log_in(node, app, browser, "openid")
    query = urllib.parse.urlencode(
        {
            "id_token_hint": token["id_token"],
            "post_logout_redirect_uri": "https://app.example.org/bye",
            "state": "s",
        }
    )
    asked = browser.get(f"{node.web}/oidc/logout")
    assert "Log out?" in asked.text, "without the application's word somebody is asked"
    end = browser.get(f"{node.web}/oidc/logout?{query}")
    assert end.application == "https://app.example.org/bye?state=s"
    after = browser.session.get(node.web + "/", allow_redirects=False)
    assert after.headers["Location"].startswith("/login")
    refused = post(
        node,
        "/oidc/token",
        {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]},
        (app["client_id"], app["client_secret"]),
    )
    assert refused.json()["error"] == "invalid_grant", "without offline access it ends with the session"


def test_keys_change_without_anybody_noticing(node, app, browser):
    _, before = log_in(node, app, browser)
    cached = keys(node)
    listed = [json.loads(line) for line in node.cli("token-key", "list", "--json").stdout.splitlines()]
    assert {key["kid"] for key in listed} == set(cached) and len(listed) == 4, "each has one that signs next"
    rotated = node.cli("token-key", "rotate", "--json")
    assert rotated.returncode == 0, rotated.stderr
    _, after = log_in(node, app, browser)
    assert jwt.get_unverified_header(after["access_token"])["kid"] in cached, "a cache of a day still knows the key"
    verified(node, before["access_token"], node.web)


def test_suspension_is_felt_everywhere_within_a_second(node, app, browser, account):
    session, token = log_in(node, app, browser)
    node.cli_json("account", "disable", account, "--json")
    time.sleep(1)
    auth = (app["client_id"], app["client_secret"])
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    assert requests.get(node.web + "/oidc/userinfo", headers=bearer, verify=node.verify).status_code == 401
    assert post(node, "/oidc/introspect", {"token": token["access_token"]}, auth).json() == {"active": False}
    refused = post(
        node, "/oidc/token", {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}, auth
    )
    assert refused.json()["error"] == "invalid_grant"
    assert 'action="/login"' in browser.session.get(node.web + "/device").text


class Listener:
    """An application that hears of the end of sessions."""

    def __init__(self):
        self.heard = []
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                heard.append(dict(urllib.parse.parse_qsl(body))["logout_token"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/logout"


def test_applications_hear_of_the_end_of_a_session(node, register, browser):
    listener = Listener()
    try:
        client = register("--redirect", CALLBACK, "--backchannel-logout", listener.url)
        _, token = log_in(node, client, browser, "openid")
        session = verified(node, token["id_token"], client["client_id"])["sid"]
        assert browser.session.post(node.web + "/logout", headers={"Origin": node.web}, allow_redirects=False).ok
        deadline = time.monotonic() + 20
        while not listener.heard:
            assert time.monotonic() < deadline, "nobody told the application"
            time.sleep(0.1)
        assert jwt.get_unverified_header(listener.heard[0])["typ"] == "logout+jwt"
        claims = verified(node, listener.heard[0], client["client_id"])
        assert claims["sid"] == session and "nonce" not in claims
        assert "http://schemas.openid.net/event/backchannel-logout" in claims["events"]
    finally:
        listener.server.shutdown()
