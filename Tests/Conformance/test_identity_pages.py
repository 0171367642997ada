"""Every page on which people log in and look after accounts, groups and rights: in light and dark, on a wide and a
narrow screen, looked at by axe. What they look like is in out/screenshots.
"""

import secrets
import urllib.parse

import pytest
from browsing import log_in, look, open_page, wait
from mail import Sink, link
from passkeys import Authenticator, offer
from people import PASSWORD, Person, browser_login, faults, pictures, set_up_codes
from selenium.webdriver.common.by import By

POLICY = """Data are used for research.

Nobody shares a password. Whoever loses one says so on the same day.

https://example.org/rules-of-the-house"""
SCOPES = ["openid", "profile", "email", "groups", "offline_access", "storage.read:/eo"]


@pytest.fixture(scope="module")
def sink():
    yield from Sink.lend()


@pytest.fixture(scope="module")
def node(nodes, sink):
    yield from sink.lend_node(nodes, "sqlite-http")


@pytest.fixture(scope="module")
def application(node):
    """An application that people let do things in their name; and where its question is asked."""
    arguments = ["--redirect", "https://wiki.example.org/callback", "--public"]
    for scope in SCOPES:
        arguments += ["--scope", scope]
    for grant in ("authorization_code", "refresh_token", "device"):
        arguments += ["--grant", grant]
    node.cli_json("client", "add", "wiki", "--name", "Our wiki", *arguments, "--json")
    query = {
        "client_id": "wiki",
        "response_type": "code",
        "redirect_uri": "https://wiki.example.org/callback",
        "scope": " ".join(SCOPES),
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    return "/oidc/authorize?" + urllib.parse.urlencode(query)


def submit(browser, **fields):
    for name, value in fields.items():
        browser.find_element(By.NAME, name).send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "main form button[type=submit]").click()


def add_passkey(person):
    key = Authenticator("ES256", person.node.web)
    made = key.make(offer(person.get("/account"), "create"))
    assert person.post("/account/passkeys", description="My phone", **made).status_code == 303


def test_logging_in(browser, node, screenshots):
    ada = Person(node)
    ada.log_in()
    set_up_codes(ada)
    browser.delete_all_cookies()
    open_page(browser, node, "/login")
    pictures(browser, screenshots, "login")
    submit(browser, name=ada.name, password="surely wrong")
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "[role=alert]"))
    pictures(browser, screenshots, "login-wrong")
    submit(browser, password=PASSWORD)
    wait(browser).until(lambda b: b.find_elements(By.NAME, "code"))
    pictures(browser, screenshots, "login-code")
    grace = Person(node)
    grace.log_in()
    add_passkey(grace)
    assert grace.post("/account/passkeys/require").status_code == 200
    browser.delete_all_cookies()
    open_page(browser, node, "/login")
    submit(browser, name=grace.name, password=PASSWORD)
    wait(browser).until(lambda b: b.find_elements(By.XPATH, "//button[contains(., 'Use a passkey')]"))
    pictures(browser, screenshots, "login-passkey")
    browser_login(browser, node, Person(node).name)
    open_page(browser, node, "/logout")
    pictures(browser, screenshots, "logout")


def test_the_account(browser, node, application, screenshots):
    ada = Person(node, **{"display-name": "Ada Lovelace", "email": f"ada-{secrets.token_hex(4)}@example.org"})
    Person(node, ada.name).log_in()
    ada.log_in()
    add_passkey(ada)
    ada.post("/account/app-passwords", **{"for": "rclone on the laptop in the office"})
    ada.post("/account/keys", **{"key-for": "boto3"})
    ada.post("/consent", next=application, answer="allow")
    job = ["--description", "Monthly means of the sea", "--count", "40"]
    node.cli_json(
        "job-token", "grant", "--scope", "storage.read:/eo", *job, "--json", user=ada.name, password=PASSWORD
    )
    browser_login(browser, node, ada.name)
    for section in ("applications", "jobs", "keys", "app-passwords", "passkeys", "sessions"):
        assert browser.find_elements(By.CSS_SELECTOR, f"#{section} li"), section
    pictures(browser, screenshots, "account")
    browser.find_element(By.XPATH, "//button[contains(., 'Set up codes')]").click()
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".code-picture"))
    pictures(browser, screenshots, "codes")
    open_page(browser, node, "/account")
    browser.find_element(By.XPATH, "//button[contains(., 'Make an app password')]").click()
    wait(browser).until(lambda b: "app password" in b.find_element(By.TAG_NAME, "h1").text)
    pictures(browser, screenshots, "secret")
    # What was let can be taken back here.
    open_page(browser, node, "/account")
    browser.find_element(By.CSS_SELECTOR, "#jobs li button").click()
    wait(browser).until(lambda b: not b.find_elements(By.ID, "jobs"))
    browser.find_element(By.CSS_SELECTOR, "#applications li button").click()
    wait(browser).until(lambda b: "no application" in b.find_element(By.ID, "applications").text)
    assert ada.post("/account/applications/remove", client="wiki").status_code == 400, "there is nothing left"


def test_what_an_application_asks(browser, node, application, screenshots):
    ada = Person(node)
    browser_login(browser, node, ada.name, next=application)
    assert "Allow Our wiki?" in browser.page_source
    pictures(browser, screenshots, "consent")
    begun = node.http(token=False).post(
        f"{node.web}/oidc/device", data={"client_id": "wiki", "scope": "openid storage.read:/eo"}
    )
    open_page(browser, node, "/device")
    pictures(browser, screenshots, "device")
    browser.find_element(By.NAME, "user_code").send_keys(begun.json()["user_code"])
    browser.find_element(By.CSS_SELECTOR, "main button").click()
    wait(browser).until(lambda b: "Connect Our wiki?" in b.page_source)
    pictures(browser, screenshots, "device-question")


def test_people_come(browser, node, sink, screenshots):
    browser.delete_all_cookies()
    for path, name in (("/register", "register"), ("/reset", "reset")):
        open_page(browser, node, path)
        pictures(browser, screenshots, name)
    names = ["grace-" + secrets.token_hex(3) for _ in range(3)]
    for name in names:
        stranger = Person(node, name)
        fields = {"name": name, "displayName": "Grace Hopper", "email": f"{name}@example.org", "password": PASSWORD}
        stranger.post("/register", note="I count satellites, and would like to see where they have been.", **fields)
        stranger.post(urllib.parse.urlsplit(link(sink.to(f"{name}@example.org"))).path)
    person = Person(node, email=f"ada-{secrets.token_hex(4)}@example.org")
    invitation = node.cli_json("invite", "new@example.org", "--json")["link"]
    browser.get(invitation)
    pictures(browser, screenshots, "invitation")
    person.post("/reset", who=person.name)
    address = node.cli_json("account", "show", person.name, "--json")["email"]
    browser.get(link(sink.to(address, "password")))
    pictures(browser, screenshots, "new-password")
    log_in(browser, node)
    open_page(browser, node, "/groups")
    browser.find_element(By.PARTIAL_LINK_TEXT, "3 people wait").click()
    wait(browser).until(lambda b: names[2] in b.page_source)
    pictures(browser, screenshots, "registrations")


def test_groups(browser, node, screenshots):
    log_in(browser, node)
    group, inner = "pictures-" + secrets.token_hex(3), "inner-" + secrets.token_hex(3)
    open_page(browser, node, "/groups")
    for name in (inner, group):
        open_page(browser, node, "/groups")
        submit(browser, name=name)
        wait(browser).until(lambda b: b.current_url.endswith("/groups/" + name))  # noqa: B023
    ada, boss = Person(node), Person(node)
    admin = Person(node, "admin")
    assert admin.log_in(node.password).status_code == 303
    edits = [
        ("details", {"description": "Everybody who likes pictures of the Earth", "open": "1"}),
        ("managers", {"account": boss.name}),
        ("attributes", {"attribute": "site", "value": "Frascati"}),
        ("attributes", {"attribute": "wlcg.optional-group", "value": ""}),
        ("groups", {"group": inner}),
        ("members", {"account": boss.name}),
    ]
    for path, fields in edits:
        assert admin.post(f"/groups/{group}/{path}", **fields).status_code == 303, path
    shown = node.cli_json("group", "show", group, "--json")
    assert shown["open"] and shown["managers"] == [boss.name] and shown["groups"] == [inner]
    assert shown["attributes"] == {"site": "Frascati", "wlcg.optional-group": ""}
    ada.log_in()
    ada.post(f"/groups/{group}/join", note="I like pictures of the Earth, above all those with many colours.")
    open_page(browser, node, f"/groups/{group}")
    pictures(browser, screenshots, "group-administrator")
    browser_login(browser, node, boss.name, next=f"/groups/{group}")
    pictures(browser, screenshots, "group-manager")
    assert "Frascati" in browser.page_source and not browser.find_elements(By.NAME, "attribute")
    open_page(browser, node, "/groups")
    pictures(browser, screenshots, "groups")
    # A manager looks after members; the group itself is not theirs to change.
    boss.log_in()
    for path, fields in edits[:5]:
        assert boss.post(f"/groups/{group}/{path}", **fields).status_code == 403, path
    for path in (f"managers/{boss.name}/remove", f"groups/{inner}/remove"):
        assert admin.post(f"/groups/{group}/{path}").status_code == 303
    assert admin.post(f"/groups/{group}/attributes/remove", attribute="site").status_code == 303
    assert node.cli_json("group", "show", group, "--json")["attributes"] == {"wlcg.optional-group": ""}


def test_those_who_look_after_the_node(browser, node, screenshots):
    Person(node, "nobody-here").log_in()
    log_in(browser, node)
    for path, name in (
        ("/audit?reads=1&data=1", "audit"),
        ("/access?who=admin&action=s3%3AGetObject&resource=eo%2Fa", "access"),
    ):
        open_page(browser, node, path)
        pictures(browser, screenshots, name)
    look(browser, 390, "light")
    open_page(browser, node, "/audit")
    menu = browser.find_element(By.CSS_SELECTOR, ".top .menu")
    link_to = lambda: browser.find_element(By.LINK_TEXT, "Access")  # noqa: E731
    assert menu.is_displayed() and not browser.find_elements(By.LINK_TEXT, "Access")
    menu.click()
    wait(browser).until(lambda b: link_to().is_displayed())
    assert not faults(browser)
    browser.save_screenshot(str(screenshots / "menu-390-light.png"))
    link_to().click()
    wait(browser).until(lambda b: "/access" in b.current_url)
    look(browser, 1280, "light")


def test_what_people_agree_to(browser, node, screenshots):
    """Last: from here on nobody can do anything who has not signed."""
    ada = Person(node)
    log_in(browser, node)
    open_page(browser, node, "/use-policy")
    assert "People sign nothing" in browser.page_source
    field = browser.find_element(By.NAME, "text")
    browser.execute_script("arguments[0].value = arguments[1]", field, POLICY)
    days = browser.find_element(By.NAME, "renewDays")
    days.clear()
    days.send_keys("365")
    browser.find_element(By.XPATH, "//button[contains(., 'Publish')]").click()
    wait(browser).until(lambda b: "Version 1" in b.page_source)
    assert "1 of" in browser.find_element(By.CSS_SELECTOR, ".facts").text
    pictures(browser, screenshots, "use-policy")
    assert node.cli_json("use-policy", "show", "--json")["text"] == POLICY
    admin = Person(node, "admin")
    admin.log_in(node.password)
    for text, days in (("x", "-1"), ("", "1"), ("x" * 50_000, "0"), ("x", "")):
        assert admin.post("/use-policy", text=text, renewDays=days).status_code == 400
    browser.delete_all_cookies()
    open_page(browser, node, "/login")
    submit(browser, name=ada.name, password=PASSWORD)
    wait(browser).until(lambda b: "Before you go on" in b.page_source)
    pictures(browser, screenshots, "agreement")
    submit(browser)
    wait(browser).until(lambda b: "/login" not in b.current_url)
    open_page(browser, node, "/use-policy")
    assert "You may not see this" in browser.page_source
    assert ada.log_in().status_code == 303
    assert ada.post("/use-policy", text="Mine.", renewDays="0").status_code == 403
    assert admin.post("/use-policy/withdraw").status_code == 303
    assert "People sign nothing" in admin.get("/use-policy").text
