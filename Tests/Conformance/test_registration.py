"""How people come and go: registration, invitations, new passwords by mail, the policy they sign, and their end."""

import datetime
import ipaddress
import re
import secrets
import sqlite3
import ssl
import time

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mail import Sink, link
from nodes import free_port
from people import PASSWORD, Person
from products import wait_for


@pytest.fixture(scope="module")
def sink():
    yield from Sink.lend()


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def node(request, nodes, sink):
    yield from sink.lend_node(nodes, request.param)


def unique():
    name = "grace-" + secrets.token_hex(4)
    return name, f"{name}@example.org"


def ask(node, name, address, **more):
    http = node.http(token=False)
    fields = {"name": name, "displayName": "Grace <Hopper>", "email": address, "password": PASSWORD, **more}
    return http.post(f"{node.web}/register", data=fields, headers={"Origin": node.web})


def follow(node, address, **fields):
    http = node.http(token=False)
    assert http.get(address).status_code == 200
    return http.post(address, data=fields or {"": ""}, headers={"Origin": node.web})


def test_a_person_registers_confirms_and_is_let_in(node, sink):
    name, address = unique()
    assert ask(node, name, address, note="I count satellites.").status_code == 200
    letter = sink.to(address)
    assert letter["From"].addresses[0].addr_spec == "node@example.org" and letter["Message-ID"] and letter["Date"]
    waiting = lambda: [one for one in listed(node) if one["name"] == name]  # noqa: E731
    assert not waiting(), "nobody looks at what was not confirmed"
    assert follow(node, link(letter)).status_code == 200
    [registration] = waiting()
    assert registration["email"] == address and registration["note"] == "I count satellites."
    ada = Person(node, name)
    assert ada.log_in().status_code == 401, "there is no account before somebody approves"
    assert follow_again(node, link(letter)) == 410, "a letter counts once"
    assert node.cli("registration", "approve", registration["id"]).returncode == 0
    assert "ready" in sink.to(address, "ready").get_content()
    assert ada.log_in().status_code == 303 and ada.is_in
    assert node.cli_json("account", "show", name, "--json")["email"] == address


def follow_again(node, address):
    return node.http(token=False).post(address, data={"": ""}, headers={"Origin": node.web}).status_code


def listed(node):
    return node.http().get(f"{node.web}/admin/v1/registrations").json()["registrations"]


def test_a_registration_is_declined_with_its_reason(node, sink):
    name, address = unique()
    ask(node, name, address)
    follow(node, link(sink.to(address)))
    [registration] = [one for one in listed(node) if one["name"] == name]
    assert node.cli("registration", "reject", registration["id"], "--reason", "Not from here.").returncode == 0
    assert "Not from here." in sink.to(address, "declined").get_content()
    assert not [one for one in listed(node) if one["name"] == name]


def test_who_asks_learns_of_no_other_account(node, sink):
    ada = Person(node, email=f"{secrets.token_hex(4)}@example.org")
    address = node.cli_json("account", "show", ada.name, "--json")["email"]
    fresh, theirs = unique()
    answers = [ask(node, fresh, theirs), ask(node, unique()[0], address), ask(node, ada.name, unique()[1])]
    assert {answer.status_code for answer in answers} <= {200, 429}
    if answers[1].status_code == 200:
        assert "already" in sink.to(address).get_content() + sink.to(address)["Subject"]
    assert {ask(node, f"x{number}", f"x{number}@example.org").status_code for number in range(5)} >= {429}


def test_an_invitation_leads_to_an_account_in_its_groups(node, sink):
    name, address = unique()
    group = "crew-" + secrets.token_hex(3)
    node.cli("group", "create", group)
    made = node.cli_json("invite", address, "--group", group, "--json")
    assert made["sent"] and made["link"] == link(sink.to(address))
    http = node.http(token=False)
    assert address in http.get(made["link"]).text
    fields = {"name": "admin", "displayName": "Grace", "password": PASSWORD}
    origin = {"Origin": node.web}
    assert http.post(made["link"], data=fields, headers=origin).status_code == 400, "the name is taken"
    assert http.post(made["link"], data=fields | {"name": name, "password": "x"}, headers=origin).status_code == 400
    assert http.post(made["link"], data=fields | {"name": name}, headers=origin).status_code == 200
    assert http.post(made["link"], data=fields | {"name": name + "2"}, headers=origin).status_code == 410
    shown = node.cli_json("account", "show", name, "--json")
    assert shown["email"] == address and shown["groups"] == [group]
    assert Person(node, name).log_in().status_code == 303
    assert node.cli("invite", unique()[1], user=name, password=PASSWORD).returncode == 3, "not everybody invites"


def test_a_forgotten_password_is_replaced_by_mail(node, sink):
    name, address = unique()
    ada = Person(node, name=None, email=address)
    ada.log_in()
    assert ada.is_in
    http = node.http(token=False)
    origin = {"Origin": node.web}
    answers = [http.post(f"{node.web}/reset", data={"who": who}, headers=origin) for who in (address, "nobody-here")]
    assert answers[0].status_code == answers[1].status_code == 200 and answers[0].text == answers[1].text
    letter = link(sink.to(address))
    assert http.post(letter, data={"password": "short"}, headers=origin).status_code == 400
    assert http.post(letter, data={"password": "quite another phrase"}, headers=origin).status_code == 200
    assert http.post(letter, data={"password": "and a third phrase"}, headers=origin).status_code == 410
    assert not ada.is_in
    assert ada.log_in().status_code == 401 and ada.log_in("quite another phrase").status_code == 303


def test_a_new_address_counts_once_it_is_confirmed(node, sink):
    ada = Person(node)
    ada.log_in()
    _, address = unique()
    assert ada.post("/account/email", email=address).status_code == 303
    path = link(sink.to(address)).removeprefix(node.web)
    assert node.cli_json("account", "show", ada.name, "--json")["email"] == ""
    stranger = Person(node)
    stranger.log_in()
    assert stranger.post(path + "/confirm").status_code == 400
    assert ada.get(path).status_code == 200
    assert ada.post(path + "/confirm").status_code == 303
    assert node.cli_json("account", "show", ada.name, "--json")["email"] == address


def test_letters_wait_while_the_mail_server_does_not_take_them(node, sink):
    _, address = unique()
    sink.refusing = True
    try:
        assert node.cli("invite", address).returncode == 0
    finally:
        time.sleep(1)
        sink.refusing = False
    assert not [one for one in sink.letters if address in one["To"]]
    assert node.files_with([b"/invitation/"]) == [], "what opens an account stands in no file and no log"


def test_a_policy_is_signed_before_anything_else(node):
    ada, job = Person(node), Person(node, kind="service")
    ada.log_in()
    key = node.create_key(ada.name)
    try:
        made = node.cli("use-policy", "publish", "--renew-days", "365", input="Be kind to the satellites.\n")
        assert made.returncode == 0, made.stderr
        time.sleep(1)
        assert not ada.is_in
        refused = ada.token()
        assert refused.status_code == 400 and "acceptable-use policy" in refused.json()["error_description"]
        dav = requests.request("PROPFIND", f"{node.web}/dav/", auth=(ada.name, PASSWORD), headers={"Depth": "0"})
        assert dav.status_code == 403 and "acceptable-use policy" in dav.text
        s3 = node.s3(key=key)
        with pytest.raises(s3.exceptions.ClientError, match="acceptable-use policy"):
            s3.list_buckets()
        assert job.token().status_code == 200, "services sign nothing"
        step = ada.log_in()
        assert step.status_code == 200 and "Be kind to the satellites." in step.text
        fields = dict(re.findall(r'name="(ticket|version|next)" value="([^"]+)"', step.text))
        assert ada.post("/login/agreement", **fields | {"version": "999"}).status_code == 400
        assert ada.post("/login/agreement", **fields).status_code == 303
        assert ada.is_in and ada.token().status_code == 200
        with pytest.raises(s3.exceptions.ClientError, match=f"{ada.name} may not"):
            s3.list_buckets()
        assert node.cli_json("account", "show", ada.name, "--json")["policySigned"] >= 1
    finally:
        assert node.cli("use-policy", "withdraw").returncode == 0


def test_an_account_ends_on_its_day(node):
    ada = Person(node)
    ada.log_in()
    key = node.create_key(ada.name)
    node.cli_json("account", "set", ada.name, "--ends", "2099-01-01", "--json")
    assert ada.is_in
    node.cli_json("account", "set", ada.name, "--ends", "2026-01-01", "--json")
    wait_for("the end", lambda: not ada.is_in, seconds=2)
    assert ada.log_in().status_code == 401 and ada.token().status_code == 400
    s3 = node.s3(key=key)
    with pytest.raises(s3.exceptions.ClientError):
        s3.list_buckets()
    # It ended long ago: it is suspended, and then removed.
    wait_for("the account to go", lambda: node.cli("account", "show", ada.name).returncode == 4, seconds=30)


def test_an_account_that_ended_yesterday_is_suspended_and_kept(node):
    ada = Person(node)
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    node.cli_json("account", "set", ada.name, "--ends", yesterday, "--json")
    show = lambda: node.cli_json("account", "show", ada.name, "--json")  # noqa: E731
    wait_for("the suspension", lambda: show()["disabled"], seconds=30)
    assert show()["ends"].startswith(yesterday)


# Groups


def test_people_ask_to_join_and_managers_answer(node):
    group, outer = "optics-" + secrets.token_hex(3), "science-" + secrets.token_hex(3)
    for name in (group, outer):
        node.cli("group", "create", name)
    node.cli("group", "add", outer, "--group", group)
    arguments = ["--description", "Lenses", "--open", "--attribute", "site=esrin", "--attribute", "wlcg.optional-group"]
    shown = node.cli_json("group", "set", group, *arguments, "--json")
    assert shown["open"] and shown["attributes"] == {"site": "esrin", "wlcg.optional-group": ""}
    ada, boss, other = Person(node), Person(node), Person(node)
    assert node.cli("group", "manager", outer, boss.name).returncode == 0
    for person in (ada, boss, other):
        person.log_in()
    assert "Lenses" in ada.get("/groups").text and outer not in ada.get("/groups").text
    assert ada.post(f"/groups/{group}/join", note="I grind <lenses>.").status_code == 303
    assert ada.post(f"/groups/{outer}/join").status_code == 400, "what is not open is not seen"
    # A manager of the outer group manages the inner one too; others do not.
    assert "I grind &lt;lenses&gt;." in boss.get(f"/groups/{group}").text
    assert other.get(f"/groups/{group}").status_code == 403
    assert other.post(f"/groups/{group}/requests/{ada.name}/approve").status_code == 403
    done = node.cli("group", "approve", group, ada.name, user=boss.name, password=PASSWORD)
    assert done.returncode == 0, done.stderr
    assert node.cli_json("account", "show", ada.name, "--json")["groups"] == [group]
    assert boss.post(f"/groups/{group}/members", account=other.name).status_code == 303
    assert boss.post("/groups/administrators/members", account=boss.name).status_code == 403
    assert node.cli("group", "add", "administrators", boss.name, user=boss.name, password=PASSWORD).returncode == 3
    assert ada.post(f"/groups/{group}/leave").status_code == 303
    assert node.cli_json("group", "show", group, "--json")["accounts"] == [other.name]
    assert node.cli("group", "remove", outer, "--group", group).returncode == 0
    assert boss.get(f"/groups/{group}").status_code == 403
    shown = node.cli_json("account", "set", ada.name, "--attribute", "orcid=0000-0002", "--json")
    assert shown["attributes"] == {"orcid": "0000-0002"}
    shown = node.cli_json("account", "set", ada.name, "--remove-attribute", "orcid", "--json")
    assert shown["attributes"] == {}


# Letters about what is coming


def test_letters_say_what_ends_and_who_waits(node, sink):
    """Each once; what was written is told (tests of each kind and of the times: RemindersTests)."""
    people = [Person(node, email=f"{name}@example.org") for name in (unique()[0], unique()[0])]
    ada, boss = people
    address = {one.name: node.cli_json("account", "show", one.name, "--json")["email"] for one in people}
    end = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=5)).strftime("%Y-%m-%d")
    node.cli_json("account", "set", ada.name, "--ends", end, "--json")
    assert end in sink.to(address[ada.name], "Your account ends").get_content()
    group = "readers-" + secrets.token_hex(3)
    for arguments in (("create", group), ("set", group, "--open"), ("manager", group, boss.name)):
        assert node.cli("group", *arguments).returncode == 0
    ada.log_in()
    ada.post(f"/groups/{group}/join")
    assert link(sink.to(address[boss.name], "Somebody asks to join")) == f"{node.web}/groups/{group}"
    told = node.cli("audit", "--what", "reminder.posted", "--on", ada.name, "--json").stdout.splitlines()
    assert len(told) == 1 and '"about":"account-end"' in told[0].replace(" ", "")
    assert len([one for one in sink.letters if address[ada.name] in one["To"]]) == 1


def test_a_certificate_that_ends_is_told_of(node, sink):
    if node.metadata != "sqlite":
        pytest.skip("its life is shortened in the node's file")
    name, address = unique()
    ada = Person(node, name=None, email=address)
    token = node.cli_json("ca", "token", ada.name, "--json")["token"]
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    made = requests.post(f"{node.web}/ca/certificates", data=pem, headers={"Authorization": "Token " + token})
    assert made.status_code == 201, made.text
    time.sleep(0.1)
    assert not [one for one in sink.letters if address in one["To"]], "a week is long"
    with sqlite3.connect(node.data / "metadata.sqlite", timeout=30) as database:
        days = 6 * 86_400_000_000
        database.execute("UPDATE certificates SET issued = issued - ?, expires = expires - ?", (days, days))
    assert "martlet ca renew" in sink.to(address, "certificate ends").get_content()


# Mail servers


def authority(folder, address):
    """A certificate for an address, and its key, in one file that is trusted as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "mail.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "mail.key").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.pem", folder / "mail.key")
    return folder / "mail.pem", context


@pytest.mark.parametrize("kind", ["starttls", "smtps"])
def test_letters_go_over_tls_with_a_password(nodes, tmp_path, kind):
    # 127.0.0.2 is no address that the node takes for its own machine's, so that it insists on TLS.
    host = "127.0.0.2" if kind == "starttls" else "127.0.0.1"
    certificate, context = authority(tmp_path, host)
    sink = Sink()
    tried = []

    def authenticate(server, session, envelope, mechanism, data):
        tried.append((mechanism, bytes(data.login), bytes(data.password), session.ssl is not None))
        return AuthResult(success=data.password == b"s@cret")

    options = {"tls_context": context, "require_starttls": True} if kind == "starttls" else {"ssl_context": context}
    options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": kind == "starttls"}
    sink.controller = Controller(sink, hostname=host, port=free_port(), **options)
    sink.controller.start()
    node = nodes.new("sqlite-http")
    scheme = "smtp" if kind == "starttls" else "smtps"
    node.options += ["--smtp", f"{scheme}://node:s%40cret@{host}:{sink.controller.port}"]
    node.options += ["--smtp-authority", str(certificate)]
    node.start()
    try:
        made = node.cli_json("invite", "ada@example.org", "--json")
        assert made["link"] in sink.to("ada@example.org").get_content()
        assert tried[0][:3] == ("PLAIN", b"node", b"s@cret")
        assert node.files_with([b"s@cret", b"s%40cret"]) == []
        node.stop()
    finally:
        node.remove()
        sink.controller.stop()


@pytest.mark.parametrize(
    "options",
    [
        ["--registration", "approval"],
        ["--registration", "sometimes", "--smtp", "smtp://localhost"],
        ["--smtp", "mail.example.org"],
        ["--smtp", "smtp://user@localhost:25"],
        ["--smtp", "smtp://localhost:99999"],
        ["--smtp", "smtp://localhost", "--mail-from", "a <b>"],
    ],
)
def test_settings_that_make_no_sense_are_refused(nodes, options):
    node = nodes.new("sqlite-http")
    node.options += options
    try:
        with pytest.raises(RuntimeError, match="martlet: --(registration|smtp|mail-from)"):
            node.start()
    finally:
        node.process.stdout.close()
        node.process = None
        node.remove()
