"""Somebody with a browser, as far as logging in to applications takes one, and the applications."""

import html
import re
import secrets
import urllib.parse

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session

PASSWORD = "correct horse battery"
CALLBACK = "https://app.example.org/callback"


def lend_account(node, *groups):
    """Somebody with a password, for a fixture; gone when the test has ended."""
    name = "user-" + secrets.token_hex(4)
    node.cli_json(
        "account", "create", name, "--email", f"{name}@example.org", "--password-from-stdin", "--json",
        input=PASSWORD + "\n",
    )
    for group in groups:
        node.cli("group", "add", group, name)
    yield name
    node.cli("account", "delete", name)


def lend_registrar(node):
    """Registers applications by the command line, for a fixture; they are removed when the test has ended."""
    made = []

    def register(*options, name=None):
        name = name or "app-" + secrets.token_hex(4)
        client = node.cli_json("client", "add", name, *options, "--json")
        made.append(name)
        return client

    yield register
    for name in made:
        node.cli("client", "remove", name)


class Browser:
    """Follows redirects on the node and stops at the first address of an application."""

    def __init__(self, node, user, password):
        self.node, self.user, self.password = node, user, password
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = node.verify

    def _post(self, url, fields):
        return self.session.post(url, data=fields, headers={"Origin": self.node.web}, allow_redirects=False)

    def get(self, url):
        return self._onward(self.session.get(url, allow_redirects=False))

    def _onward(self, answer):
        for _ in range(12):
            if answer.status_code in (302, 303):
                target = urllib.parse.urljoin(answer.url, answer.headers["Location"])
                if not target.startswith(self.node.web + "/"):
                    answer.application = target
                    return answer
                answer = self.session.get(target, allow_redirects=False)
            elif answer.ok and 'action="/login"' in answer.text:
                fields = {**hidden(answer.text), "name": self.user, "password": self.password}
                answer = self._post(self.node.web + "/login", fields)
            else:
                answer.application = None
                return answer
        raise AssertionError("redirected for ever")

    def login(self):
        return self.get(self.node.web + "/login")

    def agree(self, page, answer="allow"):
        action = re.search(r'<form class="login" method="post" action="([^"]+)"', page.text).group(1)
        return self._onward(self._post(self.node.web + action, {**hidden(page.text), "answer": answer}))

    def authorize(self, url, answer="allow"):
        """Goes to an authorization address, says yes or no where it is asked, and returns where it ends."""
        page = self.get(url)
        if page.application is None and 'action="/consent"' in page.text:
            page = self.agree(page, answer)
        return page


def hidden(text):
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def parameters(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def discovery(node, path=""):
    return requests.get(f"{node.web}{path}/.well-known/openid-configuration", verify=node.verify).json()


def library(node, client, scope="openid profile email groups offline_access", **more):
    session = OAuth2Session(
        client["client_id"],
        client.get("client_secret"),
        scope=scope,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if "client_secret" in client else "none",
        **more,
    )
    session.trust_env = False
    session.verify = node.verify
    return session


def log_in(node, client, browser, scope="openid profile email groups offline_access", **parameters_):
    """The whole flow with Authlib: its address, the browser, its token request."""
    session = library(node, client, scope)
    endpoints = discovery(node)
    verifier = secrets.token_urlsafe(48)
    url, state = session.create_authorization_url(
        endpoints["authorization_endpoint"], code_verifier=verifier, **parameters_
    )
    end = browser.authorize(url)
    assert end.application and end.application.startswith(CALLBACK), end.text
    answer = parameters(end.application)
    assert answer.get("state") == state and answer.get("iss") == node.web, answer
    token = session.fetch_token(
        endpoints["token_endpoint"], authorization_response=end.application, code_verifier=verifier, state=state
    )
    return session, token


def keys(node, path="/oidc/jwks"):
    return {
        key["kid"]: jwt.PyJWK(key)
        for key in requests.get(node.web + path, verify=node.verify).json()["keys"]
    }


def verified(node, token, audience, issuer=None):
    """The claims of a token, checked by PyJWT with the published keys."""
    key = keys(node)[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(
        token, key, algorithms=["RS256", "ES256"], audience=audience, issuer=issuer or node.web, leeway=5
    )


def post(node, path, data, auth=None, headers=None):
    return requests.post(node.web + path, data=data, auth=auth, headers=headers, verify=node.verify)
