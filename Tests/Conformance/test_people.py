"""People and their accounts: logging in with codes and passkeys, and the page on which they look after both."""

import io
import json
import re
import urllib.parse

import pyotp
import pytest
import requests
import zxingcpp
from browsing import look, open_page, wait
from passkeys import FLAG, KINDS, Authenticator, encoded, offer
from people import PASSWORD, Person, browser_login, codes_shown, set_up_codes, ticket
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def node(request, nodes):
    """A node that has a name: authenticators take no address for one."""
    node = nodes.new(request.param)
    node.options += ["--web-url", f"http://localhost:{node.ports['web']}"]
    node.start()
    yield node
    node.stop()
    node.remove()


@pytest.fixture
def ada(node):
    return Person(node)


# Codes


def test_codes_of_an_app_are_asked_for_and_count_once(ada, node):
    assert ada.log_in().headers["Location"] == "/account"
    app, backup = set_up_codes(ada)
    assert len(backup) == 10
    again = Person(node, ada.name)
    step = again.log_in()
    assert step.status_code == 200 and not again.is_in, "the password alone opens nothing"
    wrong = again.post("/login/code", ticket=ticket(step), code="000000", next="/account")
    assert wrong.status_code == 401 and not again.is_in
    code = app.now()
    right = again.post("/login/code", ticket=ticket(wrong), code=code, next="/account")
    assert right.status_code == 303 and again.is_in
    third = Person(node, ada.name)
    step = third.log_in()
    assert third.post("/login/code", ticket=ticket(step), code=code).status_code == 401, "a code counts once"
    assert third.post("/login/code", ticket=ticket(step), code=backup[0]).status_code == 303
    fourth = Person(node, ada.name)
    step = fourth.log_in()
    assert fourth.post("/login/code", ticket=ticket(step), code=backup[0]).status_code == 401
    # What the session was opened with stands in the list of sessions.
    assert "9 backup codes are left" in third.get("/account").text


def test_programs_need_an_app_password_once_codes_are_set_up(ada, node):
    ada.log_in()
    dav = f"{node.web}/dav/"
    assert requests.request("PROPFIND", dav, auth=(ada.name, PASSWORD), headers={"Depth": "0"}).status_code == 207
    set_up_codes(ada)
    refused = requests.request("PROPFIND", dav, auth=(ada.name, PASSWORD), headers={"Depth": "0"})
    assert refused.status_code == 401
    assert ada.token().status_code == 400
    [password] = codes_shown(ada.post("/account/app-passwords", **{"for": "rclone"}))
    assert requests.request("PROPFIND", dav, auth=(ada.name, password), headers={"Depth": "0"}).status_code == 207
    assert "rclone" in ada.get("/account").text


def test_the_command_line_asks_for_the_code(ada, node):
    ada.log_in()
    app, backup = set_up_codes(ada)
    done = node.cli("login", "--token", user=ada.name, password=PASSWORD, environment={"MARTLET_CODE": app.now()})
    assert done.returncode == 0 and done.stdout.count(".") == 2, done.stderr
    refused = node.cli("login", "--token", user=ada.name, password=PASSWORD, input="000000\n")
    assert refused.returncode == 3
    assert ada.token(totp=backup[1]).status_code == 200


def test_the_picture_of_a_key_is_read_by_a_camera(browser, node, ada):
    browser_login(browser, node, ada.name)
    browser.find_element(By.XPATH, "//button[contains(., 'Set up codes')]").click()
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".code-picture"))
    look(browser, 1280, "light")
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png()))
    [found] = zxingcpp.read_barcodes(picture)
    app = pyotp.parse_uri(found.text)
    assert app.name == ada.name and app.issuer == "localhost"
    browser.find_element(By.NAME, "code").send_keys(app.now())
    browser.find_element(By.XPATH, "//button[contains(., 'Switch codes on')]").click()
    wait(browser).until(lambda b: "backup codes" in b.find_element(By.TAG_NAME, "main").text)


# Passkeys


@pytest.fixture
def eager_authenticator(browser):
    """An authenticator whose holder agrees to whatever is asked, also to what a page only offers."""
    options = VirtualAuthenticatorOptions(
        protocol=VirtualAuthenticatorOptions.Protocol.CTAP2,
        transport=VirtualAuthenticatorOptions.Transport.INTERNAL,
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=True,
    )
    browser.add_virtual_authenticator(options)
    yield browser
    browser.remove_virtual_authenticator()


@pytest.fixture
def authenticator(eager_authenticator):
    """One in a browser that offers passkeys to nobody who has not pressed a button."""
    browser = eager_authenticator
    script = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    yield browser
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_a_passkey_logs_in_without_name_and_password(authenticator, node, ada):
    browser = authenticator
    browser_login(browser, node, ada.name)
    browser.find_element(By.CSS_SELECTOR, "#passkeys input[name=description]").send_keys("My <phone>")
    browser.find_element(By.XPATH, "//button[contains(., 'Add a passkey')]").click()
    wait(browser).until(lambda b: "My <phone>" in b.find_element(By.ID, "passkeys").text)
    assert len(browser.get_credentials()) == 1
    browser.delete_all_cookies()
    open_page(browser, node, "/login?next=/account")
    browser.find_element(By.XPATH, "//button[contains(., 'Log in with a passkey')]").click()
    # The address of the login page ends like that of the account's.
    wait(browser).until(lambda b: b.current_url == node.web + "/account" and b.find_elements(By.ID, "sessions"))
    assert ada.name in browser.find_element(By.CSS_SELECTOR, ".who").text
    events = [line for line in browser.find_element(By.ID, "sessions").text.splitlines() if "This browser" in line]
    assert events
    # Removed here, it opens nothing any more, though the phone still has it.
    browser.find_element(By.XPATH, "//*[@id='passkeys']//button[contains(., 'Remove')]").click()
    wait(browser).until(lambda b: "My <phone>" not in b.find_element(By.ID, "passkeys").text)
    browser.delete_all_cookies()
    open_page(browser, node, "/login?next=/account")
    browser.find_element(By.XPATH, "//button[contains(., 'Log in with a passkey')]").click()
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "[role=alert]"))


def add_passkey(browser, node, person):
    browser_login(browser, node, person.name)
    browser.find_element(By.XPATH, "//button[contains(., 'Add a passkey')]").click()
    wait(browser).until(lambda b: "on one device" in b.find_element(By.ID, "passkeys").text)


def factors(person, node):
    """By what the last login was proven."""
    told = node.cli_json("audit", "--what", "session.opened", "--who", person.name, "--limit", "1", "--json")
    return told["detail"]["factors"]


def test_a_passkey_is_asked_for_after_the_password(authenticator, node, ada):
    browser = authenticator
    add_passkey(browser, node, ada)
    browser.find_element(By.XPATH, "//button[contains(., 'Ask for a passkey after the password')]").click()
    wait(browser).until(lambda b: "backup codes" in b.find_element(By.TAG_NAME, "h1").text)
    backup = browser.find_element(By.TAG_NAME, "code").text.split()
    assert len(backup) == 10
    browser.delete_all_cookies()
    open_page(browser, node, "/login?next=/groups")
    browser.find_element(By.NAME, "name").send_keys(ada.name)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    wait(browser).until(lambda b: b.find_elements(By.XPATH, "//button[contains(., 'Use a passkey')]"))
    assert browser.find_elements(By.NAME, "code"), "a backup code does as well"
    browser.find_element(By.XPATH, "//button[contains(., 'Use a passkey')]").click()
    wait(browser).until(lambda b: b.current_url == node.web + "/groups")
    assert factors(ada, node) == ["pwd", "hwk", "user", "mfa"]
    # Who has the password only gets nowhere, nor does a program.
    step = ada.log_in()
    assert step.status_code == 200 and not ada.is_in
    assert ada.token().status_code == 400
    refused = requests.request("PROPFIND", f"{node.web}/dav/", auth=(ada.name, PASSWORD), headers={"Depth": "0"})
    assert refused.status_code == 401
    assert ada.post("/login/code", ticket=ticket(step), code=backup[0], next="/account").status_code == 303
    # The last passkey cannot go while it is asked for.
    removal = re.search(r'action="(/account/passkeys/[0-9a-f]+/remove)"', ada.get("/account").text)[1]
    assert ada.post(removal).status_code == 400
    assert ada.post("/account/passkeys/waive").status_code == 303
    assert Person(node, ada.name).log_in().status_code == 303
    assert ada.post(removal).status_code == 303


def test_an_administrator_helps_who_has_lost_the_passkey(authenticator, node, ada):
    add_passkey(authenticator, node, ada)
    ada.log_in()
    assert ada.post("/account/passkeys/require").status_code == 200
    assert node.cli_json("account", "show", ada.name, "--json")["passkeyNeeded"]
    assert Person(node, ada.name).log_in().status_code == 200
    node.cli_json("account", "set", ada.name, "--remove-codes", "--json")
    assert Person(node, ada.name).log_in().status_code == 303


def test_the_browser_offers_passkeys_where_it_offers_names(eager_authenticator, node, ada):
    """Conditional mediation: the virtual authenticator answers for who picks theirs from the list."""
    browser = eager_authenticator
    assert 'autocomplete="username webauthn"' in requests.get(f"{node.web}/login").text
    add_passkey(browser, node, ada)
    browser.delete_all_cookies()
    open_page(browser, node, "/login?next=/groups")
    wait(browser).until(lambda b: b.current_url == node.web + "/groups")
    assert factors(ada, node) == ["hwk", "user", "mfa"]


def test_what_needs_a_stronger_login_leads_to_one(ada, node, tmp_path):
    """A policy that asks for a second factor (aws:MultiFactorAuthPresent), met by who has one."""
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "martlet:SearchAudit",
                "Resource": "*",
                "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
            }
        ],
    }
    name = "auditors-" + ada.name
    (tmp_path / "policy.json").write_text(json.dumps(document))
    node.cli_json("policy", "put", name, tmp_path / "policy.json", "--json")
    node.cli_json("policy", "attach", name, "--to", f"user:{ada.name}", "--json")
    ada.log_in()
    assert ada.get("/audit").status_code == 403, "without a second factor there is nothing that would help"
    app, backup = set_up_codes(ada)
    again = ada.get("/audit?kind=login.failed", allow_redirects=False)
    assert again.status_code == 303
    target = urllib.parse.urlsplit(again.headers["Location"])
    asked = dict(urllib.parse.parse_qsl(target.query))
    assert target.path == "/login" and asked["next"] == "/audit?kind=login.failed"
    assert 'name="acr" value="mfa"' in ada.get(again.headers["Location"]).text
    step = ada.post("/login", name=ada.name, password=PASSWORD, acr="mfa", next=asked["next"])
    done = ada.post("/login/code", ticket=ticket(step), code=backup[0], next=asked["next"])
    assert done.headers["Location"] == asked["next"]
    assert ada.get(asked["next"]).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_passkeys_as_another_library_writes_them(ada, node, kind):
    """python-fido2 as the authenticator: each kind of key, alone and after the password, and what is not right."""
    key = Authenticator(kind, node.web)
    key.extensions = {"credProtect": 2}
    ada.log_in()
    made = ada.post("/account/passkeys", description=kind, **key.make(offer(ada.get("/account"), "create")))
    assert made.status_code == 303, made.text
    alone = Person(node, ada.name)
    proof = key.prove(offer(alone.get("/login"), "get"))
    assert alone.post("/login/passkey", next="/account", **proof).status_code == 303 and alone.is_in
    assert alone.post("/login/passkey", **proof).status_code == 401, "an answer counts once"
    assert ada.post("/account/passkeys/require").status_code == 200
    second = Person(node, ada.name)
    step = second.log_in()
    asked = offer(step, "get")
    assert asked["known"] == encoded(key.id)
    for wrong in ("origin", "flags", "party", "challenge", "key"):
        other = Authenticator(kind, "https://evil.example" if wrong == "origin" else node.web)
        other.id, other.user, other.count = key.id, key.user, 100
        other.key = other.key if wrong == "key" else key.key
        if wrong == "flags":
            other.flags = FLAG.UP
        changed = {"party": "evil.example"} if wrong == "party" else {}
        if wrong == "challenge":
            changed = {"challenge": offer(Person(node, ada.name).get("/login"), "get")["challenge"]}
        refused = second.post("/login/passkey", ticket=ticket(step), **other.prove(asked | changed))
        assert refused.status_code in (400, 401) and not second.is_in, wrong
    right = second.post("/login/passkey", ticket=ticket(step), next="/account", **key.prove(asked))
    assert right.status_code == 303 and second.is_in
    assert factors(ada, node) == ["pwd", "hwk", "user", "mfa"]


def test_an_answer_of_a_passkey_that_is_none_is_refused(ada):
    for fields in (
        {},
        {"credential": "AAAA", "clientData": "e30", "authenticatorData": "AAAA", "signature": "AAAA"},
        {"credential": "AAAA", "clientData": "!!", "authenticatorData": "A" * 4000, "signature": ""},
    ):
        answer = ada.post("/login/passkey", **fields)
        assert answer.status_code in (400, 401) and not ada.is_in


def test_where_passkeys_are_looked_after_is_told(node):
    told = requests.get(f"{node.web}/.well-known/passkey-endpoints").json()
    assert told["enroll"].startswith(node.web + "/account")
    answer = requests.get(f"{node.web}/.well-known/change-password", allow_redirects=False)
    assert answer.status_code == 303


# The account's page


def test_a_new_password_ends_other_sessions_and_not_this_one(ada, node):
    ada.log_in()
    other = Person(node, ada.name)
    other.log_in()
    assert other.is_in
    refused = ada.post("/account/password", old="surely wrong", new="another long phrase")
    assert refused.status_code == 400
    assert ada.post("/account/password", old=PASSWORD, new="short").status_code == 400
    assert ada.post("/account/password", old=PASSWORD, new="another long phrase").status_code == 303
    assert ada.is_in and not other.is_in
    assert Person(node, ada.name).log_in().status_code == 401
    assert other.log_in("another long phrase").status_code == 303


def test_a_person_sees_and_ends_their_sessions(ada, node):
    ada.log_in()
    other = Person(node, ada.name)
    other.http.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other.log_in()
    page = ada.get("/account").text
    assert "Firefox on Linux" in page and "127.0.0.1" in page
    path = re.search(r'action="(/account/sessions/[0-9a-f]+/end)"', page)[1]
    stranger = Person(node)
    stranger.log_in()
    assert stranger.post(path).status_code == 400, "nobody ends another's session"
    assert other.is_in
    assert ada.post(path).status_code == 303
    assert not other.is_in and ada.is_in


def test_a_person_makes_and_removes_keys(ada, node):
    ada.log_in()
    shown = ada.post("/account/keys", **{"key-for": "boto3"}).text
    key, secret = re.findall(r"<code>([^<]+)</code>", shown)
    s3 = node.s3(key=(key, secret))
    with pytest.raises(s3.exceptions.ClientError, match=f"{ada.name} may not"):
        s3.list_buckets()
    stranger = Person(node)
    stranger.log_in()
    assert stranger.post(f"/account/keys/{key}/remove").status_code == 400
    assert ada.post(f"/account/keys/{key}/remove").status_code == 303
    with pytest.raises(s3.exceptions.ClientError, match="no access key|does not exist|InvalidAccessKeyId"):
        s3.list_buckets()
    assert ada.post("/account/details", displayName="Ada Lovelace").status_code == 303
    assert node.cli_json("account", "show", ada.name, "--json")["displayName"] == "Ada Lovelace"


def test_forms_of_other_sites_change_nothing(ada):
    ada.log_in()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in ("/account/keys", "/account/password", "/account/codes", "/login/code"):
            answer = ada.http.post(ada.node.web + path, data={}, headers=headers, allow_redirects=False)
            # Without the cookie that does not count for them they are nobody.
            assert answer.status_code in (303, 403), (path, answer.status_code)
            assert "/login" in answer.headers.get("Location", "/login")
