"""Persons of a test: who has an account, logs in with a browser's forms, and reads their mail."""

import base64
import pathlib
import re
import secrets
import time
import urllib.parse

import axe_core_python
import pyotp
import requests
from browsing import WIDTHS, SCHEMES, look, open_page, settled
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PASSWORD = "a long pass phrase 1"


class Person:
    """Somebody with an account, at a browser that shows no pages but takes forms."""

    def __init__(self, node, name=None, **options):
        self.node = node
        self.name = name or "ada-" + secrets.token_hex(4)
        self.password = PASSWORD
        self.http = node.http(token=False)
        self.http.headers["Origin"] = node.web
        if name is None:
            arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
            node.cli_json(
                "account", "create", self.name, *arguments, "--password-from-stdin", "--json", input=PASSWORD + "\n"
            )

    def get(self, path, **options):
        return self.http.get(self.node.web + path, **options)

    def post(self, path, **fields):
        # A form without fields is one all the same.
        return self.http.post(self.node.web + path, data=fields or {"": ""}, allow_redirects=False)

    def log_in(self, password=None):
        return self.post("/login", name=self.name, password=password or self.password, next="/account")

    @property
    def is_in(self):
        return self.get("/account", allow_redirects=False).status_code == 200

    def token(self, **more):
        return requests.post(
            f"{self.node.web}/oidc/token",
            data={"grant_type": "password", "username": self.name, "password": self.password, **more},
            verify=self.node.verify,
        )


def ticket(answer):
    return re.search(r'name="ticket" value="([^"]+)"', answer.text)[1]


def codes_shown(answer):
    """What a page shows this once."""
    return re.search(r"<code>([^<]+)</code>", answer.text)[1].split()


def set_up_codes(person):
    """Switches codes on; returns the app and the backup codes."""
    assert person.post("/account/codes").status_code == 303
    page = person.get("/account/codes").text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
    app = pyotp.TOTP(secret)
    shown = person.post("/account/codes/confirm", code=app.at(time.time() - 30))
    assert shown.status_code == 200, shown.text
    return app, codes_shown(shown)


def browser_login(browser, node, name, password=PASSWORD, next="/account"):
    browser.delete_all_cookies()
    open_page(browser, node, "/login?next=" + urllib.parse.quote(next))
    browser.find_element(By.NAME, "name").send_keys(name)
    browser.find_element(By.NAME, "password").send_keys(password)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    WebDriverWait(browser, 20).until(lambda b: "/login" not in b.current_url)


AXE = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()


def faults(browser):
    """What axe finds on a page: what has no name, too little contrast, no order."""
    browser.execute_script(AXE + "; window.axe = axe")
    # It does not know yet that a field may take passkeys (HTML's autofill field "webauthn").
    options = {"rules": {"autocomplete-valid": {"enabled": False}}}
    found = browser.execute_async_script("axe.run(arguments[0]).then(arguments[1])", options)
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found["violations"] for node in fault["nodes"]]


def pictures(browser, folder, name):
    """A page in both widths and schemes: nothing is wider than the screen, and axe finds no fault."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            look(browser, width, scheme)
            settled(browser)
            wide = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name} is {wide} pixels too wide at {width}"
            found = faults(browser)
            assert not found, f"{name} at {width}, {scheme}: {found}"
            whole = {"format": "png", "captureBeyondViewport": True}
            picture = browser.execute_cdp_cmd("Page.captureScreenshot", whole)["data"]
            (folder / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(picture))
    look(browser, 1280, "light")
