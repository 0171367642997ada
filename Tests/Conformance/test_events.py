"""What is done to people, groups, applications and keys is told: each act by exactly its events: who, what, whence."""

import json
import re
import urllib.parse
from unittest.mock import ANY

import boto3
import botocore.exceptions
import ldap
import pyotp
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mail import Sink, link
from oidc import Browser
from passkeys import Authenticator, offer
from people import PASSWORD, Person, ticket
from products import wait_for


class World:
    """A node, those who act on it, and what they made so far."""

    def __init__(self, node, sink):
        self.node, self.sink = node, sink
        self.admin = node.http()
        for name in ("ada", "eve"):
            self.call("POST", "accounts", {"name": name, "email": f"{name}@example.org", "password": PASSWORD})
        self.ada, self.eve = Person(node, "ada"), Person(node, "eve")
        self.ada.log_in()
        self.key = Authenticator("ES256", node.web)

    def call(self, method, path, body=None, ok=True):
        """An administrative call, with a token that lasts, so that no login is told beside it."""
        answer = self.admin.request(method, self.node.web + "/admin/v1/" + path, json=body)
        assert answer.ok == ok, answer.text
        return answer.json() if answer.content else None

    def events(self, act):
        """What is told of an act, the workers' own doings aside, in its order."""
        before = self.search({"limit": 1})[0]
        act(self)
        place = (before["tid"], before["sequence"])
        found = [one for one in self.search({"limit": 50}) if (one["tid"], one["sequence"]) > place]
        return [one for one in reversed(found) if not one["actor"].startswith("system:")]

    def search(self, query):
        return self.admin.get(self.node.web + "/admin/v1/audit", params=query).json()["records"]

    def token(self, **fields):
        return requests.post(self.node.web + "/oidc/token", data=fields)

    def post(self, person, path, **fields):
        answer = person.post(path, **fields)
        assert answer.status_code in (200, 303), (path, answer.status_code, answer.text[:2000])
        return answer

    def dav(self, password):
        return requests.request(
            "PROPFIND", self.node.web + "/dav/", auth=("ada", password), headers={"Depth": "0"}
        ).status_code

    def bind(self, password):
        connection = ldap.initialize(self.node.ldap[0])
        try:
            connection.simple_bind_s("uid=ada,ou=people,dc=martlet", password)
        except ldap.INVALID_CREDENTIALS:
            pass
        finally:
            connection.unbind_s()

    def ldap_password(self):
        connection = ldap.initialize(self.node.ldap[0])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self.node.ldap_authority)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.start_tls_s()
        connection.simple_bind_s("uid=eve,ou=people,dc=martlet", PASSWORD)
        connection.passwd_s(None, PASSWORD, PASSWORD)
        connection.unbind_s()

    # What a person does with a browser

    def codes_on(self):
        page = self.post(self.ada, "/account/codes")
        page = self.ada.get("/account/codes").text
        secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
        self.post(self.ada, "/account/codes/confirm", code=pyotp.TOTP(secret).now())

    def passkey_login(self):
        browser = Person(self.node, "ada")
        self.post(browser, "/login/passkey", next="/account", **self.key.prove(offer(browser.get("/login"), "get")))
        self.other = browser

    def passkey_refused(self):
        browser = Person(self.node, "ada")
        stranger = Authenticator("ES256", self.node.web)
        stranger.id, stranger.user = self.key.id, self.key.user
        assert browser.post("/login/passkey", **stranger.prove(offer(browser.get("/login"), "get"))).status_code == 401

    def owned(self, pattern):
        """The address of a button on the account's page."""
        page = self.ada.get("/account")
        found = re.search(rf'action="(/account/{pattern})"', page.text)
        assert found, re.findall("action=[^ ]*", page.text)
        return found[1]

    def authorize(self, answer="allow", **more):
        query = {
            "client_id": "wiki", "response_type": "code", "redirect_uri": "https://wiki.example.org/callback",
            "scope": "openid offline_access storage.read:/eo", **more,
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
        }
        browser = Browser(self.node, "ada", PASSWORD)
        browser.session.cookies.update(self.ada.http.cookies)
        page = browser.authorize(self.node.web + "/oidc/authorize?" + urllib.parse.urlencode(query), answer)
        self.code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.application).query)).get("code")

    def redeem(self, expect=200):
        answer = self.token(
            grant_type="authorization_code", code=self.code, redirect_uri="https://wiki.example.org/callback",
            client_id="wiki", code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        )
        assert answer.status_code == expect, answer.text
        self.tokens = answer.json()

    def refresh(self):
        answer = self.token(
            grant_type="refresh_token", refresh_token=self.tokens["refresh_token"], client_id="wiki"
        )
        assert answer.ok, answer.text
        self.tokens = answer.json()

    def device(self, answer):
        begun = requests.post(self.node.web + "/oidc/device", data={"client_id": "wiki", "scope": "openid"}).json()
        self.post(self.ada, "/device", user_code=begun["user_code"], answer=answer)


    def aws(self, service, key):
        return boto3.client(
            service, endpoint_url=self.node.s3_url, region_name="us-east-1", aws_access_key_id=key["accessKeyId"],
            aws_secret_access_key=key["secretAccessKey"],
        )

    def s3_refused(self):
        with pytest.raises(botocore.exceptions.ClientError):
            self.node.s3(key=("MRT00000000000000000", "wrong")).list_buckets()

    def wrong_code(self):
        browser = Person(self.node, "ada")
        assert browser.post("/login/code", ticket=ticket(browser.log_in()), code="000000").status_code == 401

    def new_address(self, address):
        self.post(self.ada, "/account/email", email=address)
        path = urllib.parse.urlsplit(link(self.sink.to(address))).path
        self.post(self.ada, path + "/confirm")

    def ask_reset(self):
        self.post(self.ada, "/reset", who="ada")
        self.letter = link(self.sink.to("ada2@example.org", "password"))

    def reset(self):
        self.post(self.ada, urllib.parse.urlsplit(self.letter).path, password=PASSWORD)

    def register(self, name):
        fields = {"name": name, "displayName": name, "email": f"{name}@example.org", "password": PASSWORD}
        self.post(Person(self.node, name), "/register", **fields)

    def confirm(self, name):
        self.post(self.eve, urllib.parse.urlsplit(link(self.sink.to(f"{name}@example.org"))).path)

    def answer(self, name, isApproved):
        [one] = [one for one in self.call("GET", "registrations")["registrations"] if one["name"] == name]
        self.call("POST", "registrations/" + one["id"], {"approve": isApproved})

    def accept(self, address, name):
        self.post(self.eve, urllib.parse.urlsplit(address).path, name=name, displayName=name, password=PASSWORD)

    def grant_job(self, token):
        answer = requests.post(
            self.node.web + "/oidc/jobs", data={"scope": "storage.read:/eo"},
            headers={"Authorization": "Bearer " + token},
        )
        assert answer.ok, answer.text
        return answer.json()

    def job(self, act, **fields):
        answer = requests.post(f"{self.node.web}/oidc/jobs/{act}", data=fields)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"

    def credentials(self, client, expect=200):
        answer = requests.post(
            self.node.web + "/oidc/token", data={"grant_type": "client_credentials"},
            auth=(client["client_id"], client["client_secret"]),
        )
        assert answer.status_code == expect, answer.text
        return answer.json().get("access_token")

    def exchanged(self, client, token):
        access = "urn:ietf:params:oauth:token-type:access_token"
        answer = requests.post(
            self.node.web + "/oidc/token",
            data={"grant_type": self.exchange, "subject_token": token, "subject_token_type": access},
            auth=(client["client_id"], client["client_secret"]),
        )
        assert answer.ok, answer.text

    def revoke(self, client, token):
        auth = (client["client_id"], client["client_secret"])
        assert requests.post(self.node.web + "/oidc/revoke", data={"token": token}, auth=auth).ok

    def certificate(self, token):
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        answer = requests.post(
            self.node.web + "/ca/certificates", data=request.public_bytes(serialization.Encoding.PEM),
            headers={"Authorization": "Token " + token},
        )
        assert answer.status_code == 201, answer.text
        return f"{x509.load_pem_x509_certificate(answer.content).serial_number:032x}"

    def sign(self):
        browser = Person(self.node, "ada")
        self.post(browser, "/login/agreement", ticket=ticket(browser.log_in()), version="1", next="/account")


@pytest.fixture(scope="module")
def world(nodes):
    for sink in Sink.lend():
        for node in sink.lend_node(nodes, "sqlite-http"):
            yield World(node, sink)


def acts(world):
    """Each act with what is told of it: kind, who, on what."""
    w, ada, key = world, world.ada, world.key
    made = {}

    def keep(name, value):
        made[name] = value

    def cookie_free(password):
        return Person(w.node, "ada").log_in(password)

    # Logging in, on each face
    yield "console: in", lambda _: cookie_free(PASSWORD), [
        ("login.succeeded", "ada", "ada"), ("session.opened", "ada", "ada")]
    yield "console: wrong", lambda _: cookie_free("wrong wrong"), [("login.failed", "anonymous", "ada")]
    yield "console: unknown", lambda _: Person(w.node, "noone").log_in(), [("login.failed", "anonymous", "noone")]
    yield "token: in", lambda _: ada.token(client_id="martlet"), [("login.succeeded", "ada", "ada")]
    yield "token: wrong", lambda _: w.token(grant_type="password", username="ada", password="wrong wrong"), [
        ("login.failed", "anonymous", "ada")]
    yield "webdav: in", lambda _: w.dav(PASSWORD), [("login.succeeded", "ada", "ada")]
    yield "webdav: wrong", lambda _: w.dav("wrong wrong"), [("login.failed", "anonymous", "ada")]
    yield "ldap: in, from another program", lambda _: w.bind(PASSWORD), []
    yield "ldap: wrong", lambda _: w.bind("wrong wrong"), [("login.failed", "anonymous", "ada")]
    app = w.call("POST", "app-passwords", {"account": "ada"})
    yield "ldap: in, with an app password", lambda _: w.bind(app["password"]), [("login.succeeded", "ada", "ada")]
    yield "its app password off", lambda _: w.call("DELETE", "app-passwords/" + app["id"]), [
        ("app-password.deleted", "admin", "ada")]
    yield "ldap: a new password", lambda _: w.ldap_password(), [
        ("login.succeeded", "eve", "eve"), ("account.password-changed", "eve", "eve")]
    yield "access key: wrong", lambda _: w.s3_refused(), [
        ("credentials.refused", "anonymous", "access key MRT00000000000000000")]

    # What people do to their accounts
    own = lambda path, **fields: lambda _: w.post(ada, "/account/" + path, **fields)  # noqa: E731
    yield "details", own("details", displayName="Ada Lovelace"), [("account.changed", "ada", "ada")]
    yield "app password", own("app-passwords", **{"for": "rclone"}), [("app-password.created", "ada", "ada")]
    yield "app password off", lambda _: own(w.owned("app-passwords/[^/]+/remove")[9:])(_), [
        ("app-password.deleted", "ada", "ada")]
    yield "access key", own("keys", **{"key-for": "boto3"}), [("access-key.created", "ada", "ada")]
    yield "access key off", lambda _: own(w.owned("keys/[^/]+/remove")[9:])(_), [("access-key.deleted", "ada", "ada")]
    page = lambda: ada.get("/account")  # noqa: E731
    yield "passkey", lambda _: own("passkeys", description="phone", **key.make(offer(page(), "create")))(_), [
        ("passkey.added", "ada", "ada")]
    yield "console: passkey", lambda _: w.passkey_login(), [
        ("login.succeeded", "ada", "ada"), ("session.opened", "ada", "ada")]
    yield "console: wrong passkey", lambda _: w.passkey_refused(), [("login.failed", "anonymous", "ada")]
    yield "a session ended from elsewhere", lambda _: own(w.owned("sessions/[^/]+/end")[9:])(_), [
        ("session.ended", "ada", "ada")]
    yield "second factor on", own("passkeys/require"), [("second-factor.required", "ada", "ada")]
    yield "backup codes", own("codes/backup"), [("backup-codes.made", "ada", "ada")]
    yield "second factor off", own("passkeys/waive"), [("second-factor.waived", "ada", "ada")]
    yield "passkey off", lambda _: own(w.owned("passkeys/[0-9a-f]+/remove")[9:])(_), [("passkey.removed", "ada", "ada")]
    yield "codes on", lambda _: w.codes_on(), [("one-time-password.set", "ada", "ada")]
    yield "wrong code", lambda _: w.wrong_code(), [("login.failed", "anonymous", "ada")]
    yield "codes off", own("codes/remove"), [("one-time-password.removed", "ada", "ada")]
    yield "password", own("password", old=PASSWORD, new=PASSWORD + "!"), [
        ("session.ended", "ada", "ada"), ("account.password-changed", "ada", "ada")]
    yield "password by an administrator", lambda _: w.call("PATCH", "accounts/ada", {"password": PASSWORD}), [
        ("session.ended", "admin", "ada"), ("account.password-changed", "admin", "ada")]
    ada.log_in()
    yield "new address", lambda _: w.new_address("ada2@example.org"), [
        ("account.email-confirmed", "ada", "ada"), ("account.changed", "ada", "ada")]
    yield "forgotten password asked", lambda _: w.ask_reset(), [("account.password-reset-asked", "anonymous", "ada")]
    yield "forgotten password set", lambda _: w.reset(), [
        ("session.ended", "ada", "ada"), ("account.password-changed", "ada", "ada")]
    ada.log_in()
    yield "logout", lambda _: w.post(ada, "/logout"), [("session.ended", "ada", "ada")]
    ada.log_in()

    # Groups
    put = lambda path, **body: lambda _: w.call("PUT", path, body)  # noqa: E731
    post = lambda path, **body: lambda _: w.call("POST", path, body)  # noqa: E731
    patch = lambda path, **body: lambda _: w.call("PATCH", path, body)  # noqa: E731
    delete = lambda path: lambda _: w.call("DELETE", path)  # noqa: E731
    yield "group", post("groups", name="optics"), [("group.created", "admin", "optics")]
    yield "inner group", post("groups", name="lenses"), [("group.created", "admin", "lenses")]
    yield "group opened", patch("groups/optics", open=True), [("group.changed", "admin", "optics")]
    yield "attribute", patch("groups/optics", attributes={"site": "x"}), [("attributes.changed", "admin", "optics")]
    yield "attribute of ada", patch("accounts/ada", attributes={"x": "y"}), [("attributes.changed", "admin", "ada")]
    yield "nested", put("groups/optics/groups/lenses"), [("group.member-added", "admin", "optics")]
    yield "no longer", delete("groups/optics/groups/lenses"), [("group.member-removed", "admin", "optics")]
    yield "member", put("groups/optics/members/eve"), [("group.member-added", "admin", "optics")]
    yield "member again", put("groups/optics/members/eve"), []
    yield "member off", delete("groups/optics/members/eve"), [("group.member-removed", "admin", "optics")]
    yield "manager", put("groups/optics/managers/eve"), [("group.manager-added", "admin", "optics")]
    yield "manager again", put("groups/optics/managers/eve"), []
    yield "asked", lambda _: w.post(ada, "/groups/optics/join"), [("group.join-requested", "ada", "optics")]
    yield "withdrawn", lambda _: w.post(ada, "/groups/optics/withdraw"), [("group.join-withdrawn", "ada", "optics")]
    w.post(ada, "/groups/optics/join")
    yield "rejected", post("groups/optics/requests/ada", approve=False), [("group.join-rejected", "admin", "optics")]
    w.post(ada, "/groups/optics/join")
    yield "approved", post("groups/optics/requests/ada", approve=True), [
        ("group.join-approved", "admin", "optics"), ("group.member-added", "admin", "optics")]
    yield "left", lambda _: w.post(ada, "/groups/optics/leave"), [("group.member-removed", "ada", "optics")]
    yield "manager off", delete("groups/optics/managers/eve"), [("group.manager-removed", "admin", "optics")]
    yield "group off", delete("groups/lenses"), [("group.deleted", "admin", "lenses")]

    # People come and go
    yield "account", post("accounts", name="robot", kind="service"), [("account.created", "admin", "robot")]
    yield "its key", lambda _: keep("key", w.call("POST", "keys", {"account": "robot"})), [
        ("access-key.created", "admin", "robot")]
    yield "its key off", lambda _: w.call("DELETE", "keys/" + made["key"]["accessKeyId"]), [
        ("access-key.deleted", "admin", "robot")]
    yield "registered", lambda _: w.register("grace"), [("registration.begun", "anonymous", "grace")]
    yield "confirmed", lambda _: w.confirm("grace"), [("registration.confirmed", "anonymous", "grace")]
    yield "approved", lambda _: w.answer("grace", True), [
        ("account.created", "admin", "grace"), ("registration.approved", "admin", "grace")]
    w.register("mallory")
    w.confirm("mallory")
    yield "declined", lambda _: w.answer("mallory", False), [("registration.rejected", "admin", "mallory")]
    invitation = {"email": "n@example.org", "groups": ["optics"]}
    yield "invited", lambda _: keep("link", w.call("POST", "invitations", invitation)), [
        ("account.invited", "admin", "n@example.org")]
    yield "accepted", lambda _: w.accept(made["link"]["link"], "nina"), [
        ("account.created", "admin", "nina"), ("group.member-added", "admin", "optics")]
    yield "end", patch("accounts/nina", ends="2099-01-01"), [("account.changed", "admin", "nina")]
    yield "suspended", patch("accounts/nina", disabled=True), [("account.changed", "admin", "nina")]
    yield "suspended: in", lambda _: Person(w.node, "nina").log_in(), [("login.failed", "anonymous", "nina")]
    yield "resumed", patch("accounts/nina", disabled=False), [("account.changed", "admin", "nina")]
    yield "removed", delete("accounts/nina"), [("account.deleted", "admin", "nina")]

    # Applications, and tokens
    wiki = {"client_id": "wiki", "client_name": "Wiki", "redirect_uris": ["https://wiki.example.org/callback"]}
    wiki |= {"scope": "openid offline_access storage.read:/eo", "token_endpoint_auth_method": "none"}
    device = "urn:ietf:params:oauth:grant-type:device_code"
    wiki["grant_types"] = ["authorization_code", "refresh_token", device]
    yield "client", post("clients", **wiki), [("client.created", "admin", "wiki")]
    yield "consent refused", lambda _: w.authorize("deny"), [("consent.refused", "ada", "wiki")]
    yield "consent", lambda _: w.authorize(), [("consent.given", "ada", "wiki"), ("code.issued", "ada", "wiki")]
    yield "tokens", lambda _: w.redeem(), [("token.issued", "wiki", "wiki")]
    yield "refresh", lambda _: w.refresh(), [("token.refreshed", "wiki", "wiki")]
    yield "a code again", lambda _: w.redeem(400), [
        ("code.replayed", "wiki", "wiki"), ("credentials.refused", "anonymous", "grant of wiki")]
    yield "device", lambda _: w.device("allow"), [("device.approved", "ada", "wiki")]
    yield "device refused", lambda _: w.device("deny"), [("device.refused", "ada", "wiki")]
    yield "consent withdrawn", own("applications/remove", client="wiki"), [("consent.withdrawn", "ada", "wiki")]
    lasting = ada.token(client_id="martlet").json()["access_token"]
    yield "job grant", lambda _: keep("job", w.grant_job(lasting)), [("job.granted", "ada", "ada")]
    yield "job claim", lambda _: keep("claim", w.job("claim", claim=made["job"]["claim"])), [
        ("job.claimed", "ada", "ada")]
    yield "job renewal", lambda _: keep("claim", w.job("renew", renewal=made["claim"]["renewal"])), []
    yield "job end", lambda _: w.job("end", renewal=made["claim"]["renewal"]), [("job.ended", "ada", "ada")]
    yield "job grant revoked", lambda _: own(w.owned("jobs/[^/]+/end")[9:])(_), [("job.revoked", "ada", "ada")]
    yield "client off", delete("clients/wiki"), [("client.deleted", "admin", "wiki")]
    batch = {"client_id": "batch", "client_name": "Batch", "grant_types": ["client_credentials", w.exchange]}
    batch["scope"] = "storage.read:/eo"
    yield "client for a service", lambda _: keep("batch", w.call("POST", "clients", batch)), [
        ("account.created", "admin", "batch"), ("client.created", "admin", "batch")]
    yield "its token", lambda _: keep("token", w.credentials(made["batch"])), []
    yield "exchange", lambda _: w.exchanged(made["batch"], made["token"]), [("token.exchanged", "batch", "batch")]
    yield "revoked", lambda _: w.revoke(made["batch"], made["token"]), [("token.revoked", "batch", "batch")]
    yield "its secret", post("clients/batch/secret"), [("client.secret-changed", "admin", "batch")]
    yield "wrong secret", lambda _: w.credentials(made["batch"], 401), [
        ("credentials.refused", "anonymous", "batch")]
    yield "token key", post("token-keys", algorithm="ES256"), [("token-key.rotated", "admin", ANY)]

    # Roles, with a client of AWS's
    own_key = w.call("POST", "keys", {"account": "admin"})
    iam, sts = w.aws("iam", own_key), w.aws("sts", own_key)
    anybody = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    yield "role", lambda _: iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust), [
        ("role.created", "admin", "reader")]
    arn = iam.get_role(RoleName="reader")["Role"]["Arn"]
    yield "assumed", lambda _: sts.assume_role(RoleArn=arn, RoleSessionName="night"), [
        ("temporary-key.issued", "admin", ANY)]
    yield "role off", lambda _: iam.delete_role(RoleName="reader"), [("role.deleted", "admin", "reader")]

    # Policies, certificates, what people agree to
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
    yield "policy", put("policies/readers", **document), [("policy.stored", "admin", "readers")]
    yield "attached", put("policies/readers/attachments/user:ada"), [("policy.attached", "admin", "readers")]
    yield "detached", delete("policies/readers/attachments/user:ada"), [("policy.detached", "admin", "readers")]
    yield "policy off", delete("policies/readers"), [("policy.deleted", "admin", "readers")]
    yield "denied", lambda _: ada.get("/audit"), [("policy.denied", "ada", "arn:martlet:audit:::journal")]
    yield "enrolment", lambda _: keep("enrolment", w.call("POST", "certificates/tokens", {"account": "ada"})), [
        ("enrolment.created", "admin", "ada")]
    yield "certificate", lambda _: keep("serial", w.certificate(made["enrolment"]["token"])), [
        ("certificate.issued", "ada", "ada")]
    yield "certificate revoked", lambda _: w.call("DELETE", "certificates/" + made["serial"]), [
        ("certificate.revoked", "admin", "ada")]
    provider = {"name": "uni", "title": "Uni", "issuer": "https://login.example.edu", "clientId": "martlet"}
    yield "provider", post("providers", **provider), [("provider.added", "admin", "uni")]
    yield "provider off", delete("providers/uni"), [("provider.removed", "admin", "uni")]
    yield "agreement", put("use-policy", text="Be kind."), [
        ("use-policy.published", "admin", "use policy 1"), ("use-policy.signed", "admin", "admin")]
    yield "signed", lambda _: w.sign(), [
        ("use-policy.signed", "ada", "ada"), ("login.succeeded", "ada", "ada"), ("session.opened", "ada", "ada")]
    yield "agreement off", delete("use-policy"), [("use-policy.withdrawn", "admin", "use policy")]


def test_each_act_is_told(world):
    wrong = []
    for name, act, expected in acts(world):
        found = world.events(act)
        told = [(one["kind"], one["actor"], one["subject"]) for one in found]
        whence = [one["detail"].get("client") or one["detail"].get("address") for one in found]
        if told != expected or set(whence) - {"127.0.0.1"}:
            wrong.append(f"{name}: {told}, not {expected}, from {whence}")
    assert not wrong, "\n".join(wrong)


def test_what_is_counted_is_told_too(world):
    """Tokens of services, which ask for thousands."""
    made = world.call("POST", "clients", {
        "client_id": "meter", "client_name": "Meter", "grant_types": ["client_credentials"],
        "scope": "storage.read:/eo"})
    world.credentials(made)

    def told():
        found = world.search({"what": "access.allowed", "on": "meter", "reads": "1"})
        return [one for one in found if one["actor"] == "meter" and one["detail"]["address"] == "127.0.0.1"]

    wait_for("the token", told)
