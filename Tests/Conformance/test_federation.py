"""Logging in at another OpenID provider, and adding such a login to an account."""

import base64
import hashlib
import html
import http.server
import json
import re
import secrets
import threading
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from nodes import free_port
from passkeys import Authenticator, offer
from people import Person, ticket
from products import wait_for


class Provider:
    """A small OpenID provider that knows one person at a time and checks what a client has to bring."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.person = {"sub": "1"}
        self.wrong = {}
        self.codes = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def answer(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == "/.well-known/openid-configuration":
                    self.answer(
                        {
                            "issuer": provider.issuer,
                            "authorization_endpoint": provider.issuer + "/authorize",
                            "token_endpoint": provider.issuer + "/token",
                            "jwks_uri": provider.issuer + "/jwks",
                        }
                    )
                elif self.path == "/jwks":
                    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(provider.key.public_key()))
                    self.answer({"keys": [public | {"kid": "1", "alg": "ES256", "use": "sig"}]})
                else:
                    self.answer({}, 404)

            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                asked = provider.codes.pop(form.get("code"), None)
                basic = base64.b64encode(b"martlet:s%20ecret").decode()
                challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
                isRight = (
                    asked
                    and self.headers["Authorization"] == "Basic " + basic
                    and challenge.rstrip(b"=").decode() == asked["code_challenge"]
                    and form["redirect_uri"] == asked["redirect_uri"]
                )
                if not isRight:
                    return self.answer({"error": "invalid_grant"}, 400)
                now = int(time.time())
                claims = {
                    "iss": provider.issuer,
                    "aud": "martlet",
                    "nonce": asked["nonce"],
                    "iat": now,
                    "exp": now + 300,
                    **provider.person,
                    **provider.wrong,
                }
                token = jwt.encode(claims, provider.key, algorithm="ES256", headers={"kid": "1"})
                self.answer({"id_token": token, "access_token": "x", "token_type": "Bearer"})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def authorize(self, url):
        """What the provider's login page does: gives the address to send the browser back to."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) > 20 and len(asked["nonce"]) > 20 and "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return asked["redirect_uri"] + "?" + urllib.parse.urlencode(answer)


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.server.shutdown()


@pytest.fixture(autouse=True)
def nothing_wrong(provider):
    provider.wrong = {}
    provider.person = {"sub": secrets.token_hex(8), "preferred_username": "grace-" + secrets.token_hex(4)}


@pytest.fixture(scope="module")
def node(nodes, provider):
    node = nodes.new("postgres-http")
    node.options += ["--web-url", f"http://localhost:{node.ports['web']}"]
    node.start()
    arguments = ["--issuer", provider.issuer, "--client-id", "martlet", "--title", "Uni", "--secret-from-stdin"]
    made = node.cli_json("provider", "add", "uni", *arguments, "--json", input="s ecret\n")
    assert made["redirectUri"] == f"{node.web}/login/callback"
    yield node
    node.stop()
    node.remove()


def begin(person, path="/login/with/uni?next=/account"):
    answer = person.get(path, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def add_login(person, provider):
    page = person.post("/account/links/uni")
    assert page.status_code == 200
    url = page.text.split(provider.issuer + "/authorize")[1].split('"')[0].replace("&amp;", "&")
    return person.http.get(provider.authorize(provider.issuer + "/authorize" + url), allow_redirects=False)


def test_a_login_is_added_and_then_logs_in(node, provider):
    ada = Person(node)
    assert "Log in with Uni" in ada.get("/login").text
    stranger = Person(node, "x")
    told = stranger.http.get(provider.authorize(begin(stranger)), allow_redirects=False)
    assert told.status_code == 403 and provider.person["preferred_username"] in told.text
    ada.log_in()
    assert add_login(ada, provider).headers["Location"].startswith("/account")
    assert provider.person["preferred_username"] in ada.get("/account").text
    again = Person(node, ada.name)
    back = again.http.get(provider.authorize(begin(again)), allow_redirects=False)
    assert back.status_code == 303 and back.headers["Location"] == "/account" and again.is_in
    other = Person(node)
    other.log_in()
    assert add_login(other, provider).status_code == 400, "it is ada's"
    fields = {"issuer": provider.issuer, "subject": provider.person["sub"]}
    assert other.post("/account/links/remove", **fields).status_code == 400
    assert ada.post("/account/links/remove", **fields).status_code == 303
    third = Person(node, ada.name)
    assert third.http.get(provider.authorize(begin(third))).status_code == 403


def test_who_is_wanted_with_two_factors_shows_the_second_here(node, provider):
    ada = Person(node)
    ada.log_in()
    add_login(ada, provider)
    key = Authenticator("ES256", node.web)
    made = ada.post("/account/passkeys", description="phone", **key.make(offer(ada.get("/account"), "create")))
    assert made.status_code == 303, made.text
    # Not where nobody wants it: the passkey is one more way to log in.
    plain = Person(node, ada.name)
    plain.http.get(provider.authorize(begin(plain)))
    assert plain.is_in
    strong = Person(node, ada.name)
    page = strong.get("/login?next=%2Faccount&acr=mfa").text
    path = html.unescape(re.search(r'href="(/login/with/uni[^"]*)"', page)[1])
    answer = strong.http.get(provider.authorize(begin(strong, path)), allow_redirects=False)
    assert answer.status_code == 200 and not strong.is_in
    proof = key.prove(offer(answer, "get"))
    assert strong.post("/login/passkey", ticket=ticket(answer), next="/account", **proof).status_code == 303
    assert strong.is_in


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"aud": "somebody"},
        {"aud": ["martlet", "somebody"]},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"sub": ""},
    ],
)
def test_a_token_that_is_not_for_this_login_is_refused(node, provider, wrong):
    ada = Person(node)
    ada.log_in()
    add_login(ada, provider)
    provider.wrong = wrong
    again = Person(node, ada.name)
    assert again.http.get(provider.authorize(begin(again))).status_code == 400
    assert not again.is_in


def test_an_answer_counts_in_the_browser_that_asked_and_once(node, provider):
    ada = Person(node)
    ada.log_in()
    add_login(ada, provider)
    victim, attacker = Person(node, ada.name), Person(node, ada.name)
    answer = provider.authorize(begin(attacker))
    assert victim.http.get(answer).status_code == 400, "no browser takes another's login"
    assert attacker.http.get(answer.replace("state=", "state=x")).status_code == 400
    assert attacker.http.get(answer.replace("iss=http", "iss=https")).status_code == 400
    assert attacker.http.get(answer, allow_redirects=False).status_code == 303
    assert attacker.http.get(answer).status_code == 400
    assert victim.get("/login/callback?error=access_denied&state=x").status_code == 400
    refused = begin(victim)
    state = dict(urllib.parse.parse_qsl(refused.split("?")[1]))["state"]
    assert victim.get(f"/login/callback?error=access_denied&state={state}").status_code == 400
    assert victim.get("/login/with/nobody").status_code == 404


def test_people_whom_nobody_knows_get_an_account_where_that_is_wanted(nodes, provider):
    node = nodes.new("sqlite-http").start()
    try:
        arguments = ["--issuer", provider.issuer, "--client-id", "martlet", "--secret-from-stdin", "--creates-accounts"]
        node.cli_json("provider", "add", "uni", *arguments, "--json", input="s ecret\n")
        name = provider.person["preferred_username"]
        provider.person |= {"email": f"{name}@example.org", "email_verified": True, "name": "Grace Hopper"}
        grace = Person(node, name)
        assert grace.http.get(provider.authorize(begin(grace)), allow_redirects=False).status_code == 303
        assert grace.is_in
        shown = node.cli_json("account", "show", name, "--json")
        assert shown["email"] == f"{name}@example.org" and shown["displayName"] == "Grace Hopper"
        provider.person = {"sub": "another", "preferred_username": "admin"}
        thief = Person(node, "admin")
        assert thief.http.get(provider.authorize(begin(thief))).status_code == 400, "a name that is taken is not theirs"
        assert not thief.is_in
        assert node.cli("provider", "remove", "uni").returncode == 0
        node.stop()
    finally:
        node.remove()


EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


def test_the_end_of_a_login_there_is_its_end_here(node, provider):
    """OpenID Connect Back-Channel Logout 1.0, as the one who is told; and what is no such word."""
    provider.person["sid"] = secrets.token_hex(8)
    ada = Person(node)
    ada.log_in()
    add_login(ada, provider)
    again = Person(node, ada.name)
    again.http.get(provider.authorize(begin(again)), allow_redirects=False)
    now = int(time.time())
    right = {"iss": provider.issuer, "aud": "martlet", "iat": now, "exp": now + 120, "jti": "1", "events": EVENT}
    right |= {"sub": provider.person["sub"], "sid": provider.person["sid"]}

    def told(claims, key=provider.key):
        token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "1", "typ": "logout+jwt"})
        answer = node.http(token=False).post(f"{node.web}/login/backchannel", data={"logout_token": token})
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status_code

    for wrong in (
        {"events": {}}, {"nonce": "n"}, {"aud": "somebody"}, {"iss": "http://127.0.0.1:1"}, {"exp": now - 1},
        {"sid": "", "sub": ""}, {"sub": "a\0b"},
    ):  # fmt: skip
        assert told(right | wrong) == 400, wrong
    assert told(right, ec.generate_private_key(ec.SECP256R1())) == 400
    assert told(right | {"sid": "another"}) == 200 and again.is_in
    assert told(right) == 200
    assert not again.is_in and ada.is_in, "what was opened with the password goes on"
    third = Person(node, ada.name)
    third.http.get(provider.authorize(begin(third)), allow_redirects=False)
    assert third.is_in and told({name: value for name, value in right.items() if name != "sid"}) == 200
    assert not third.is_in


def test_a_martlet_is_the_provider_of_another(nodes):
    """Two real nodes: a login is added, logs in, and ends here when it ends there."""
    there, here = nodes.new("sqlite-http").start(), nodes.new("sqlite-http")
    here.options += ["--web-url", f"http://localhost:{here.ports['web']}"]
    here.start()
    try:
        issuer = there.http(token=False).get(f"{there.web}/.well-known/openid-configuration").json()["issuer"]
        callback, told = f"{here.web}/login/callback", f"{here.web}/login/backchannel"
        arguments = ["--redirect", callback, "--backchannel-logout", told, "--trusted", "--json"]
        client = there.cli_json("client", "add", "institute", "--name", "Institute", *arguments)
        arguments = ["--issuer", issuer, "--client-id", "institute", "--title", "Uni", "--secret-from-stdin"]
        here.cli_json("provider", "add", "uni", *arguments, "--json", input=client["client_secret"] + "\n")
        grace, ada = Person(there), Person(here)
        assert grace.log_in().status_code == 303 and ada.log_in().status_code == 303

        def through(address, person):
            answer = grace.http.get(address, allow_redirects=False)
            assert answer.headers["Location"].startswith(callback), answer.text
            return person.http.get(answer.headers["Location"], allow_redirects=False)

        page = ada.post("/account/links/uni").text
        address = html.unescape(re.search(rf'href="({re.escape(issuer)}/[^"]+)"', page)[1])
        assert through(address, ada).headers["Location"].startswith("/account")
        again = Person(here, ada.name)
        assert through(begin(again), again).headers["Location"] == "/account" and again.is_in
        assert grace.post("/logout").status_code == 303
        wait_for("the end of the login", lambda: not again.is_in, seconds=20)
        assert ada.is_in
        for node in (there, here):
            node.stop()
    finally:
        there.remove()
        here.remove()
