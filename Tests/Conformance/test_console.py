"""The console in Chromium: login, collections, map, item, files, preview and trace, as a person goes through them.

Screenshots in light and dark, 1280 and 390 pixels wide, are kept in out/screenshots.
"""

import json
import urllib.parse

import pytest
import requests
from browsing import errors, log_in, look, open_page, SCHEMES, settled, wait, WIDTHS
from conftest import empty_bucket, new_bucket
from products import LANDSAT, LEVEL_2A, shared, upload, wait_for, wait_for_item
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By

# What a person can use and nothing says what it is.
UNNAMED = """
    const all = 'main input:not([type=hidden]), main select, main button, main a'
    const isNamed = e => e.textContent.trim() || e.ariaLabel || e.title || (e.labels && e.labels.length)
        || e.querySelector('img[alt]') || e.getAttribute('aria-labelledby')
    return [...document.querySelectorAll(all)].filter(e => e.offsetParent && !isNamed(e)).map(e => e.outerHTML)
"""


@pytest.fixture(scope="module")
def collection(node):
    s3 = node.s3()
    name = new_bucket(s3, "console")
    products = shared() / "products"
    upload(s3, name, products / f"{LEVEL_2A}.SAFE", f"{LEVEL_2A}.SAFE")
    upload(s3, name, products / LANDSAT, LANDSAT, leave_out=[f"{LANDSAT}_SR_stac.json"])
    s3.upload_file(str(products / "rasters" / "RGB.byte.tif"), name, "RGB.byte.tif")
    s3.put_object(Bucket=name, Key="<script>alert(1)</script>/<img src=x onerror=alert(2)>.txt", Body=b"hostile")
    http = node.http()
    for item in (LEVEL_2A, LANDSAT, "RGB.byte"):
        wait_for_item(http, node, name, item)
    yield name
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def logged_in(browser, node, collection):
    open_page(browser, node)
    if "/login" in browser.current_url or browser.find_elements(By.NAME, "password"):
        log_in(browser, node)
    return browser


def item_path(collection, item):
    return f"/collections/{collection}/items/{urllib.parse.quote(item)}"


# One way through it


def test_a_person_goes_from_login_to_a_file(browser, node, collection):
    browser.delete_all_cookies()
    open_page(browser, node)
    assert browser.find_elements(By.NAME, "password"), "without a session there is the login"
    browser.find_element(By.NAME, "name").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys("surely wrong")
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    wait(browser).until(lambda b: any(e.text for e in b.find_elements(By.CSS_SELECTOR, "[role=alert]")))
    errors(browser)  # Chromium reports the refusal as one, and empties its list when it is read.
    log_in(browser, node)
    browser.find_element(By.LINK_TEXT, collection).click()
    settled(browser)
    # The items stand in the list and on the map.
    assert browser.find_elements(By.CSS_SELECTOR, ".map path")
    browser.find_element(By.PARTIAL_LINK_TEXT, LANDSAT).click()
    settled(browser)
    text = browser.find_element(By.TAG_NAME, "main").text
    assert LANDSAT in text and "81" in text and "andsat" in text
    # Its picture is there and is one.
    pictures = browser.execute_script(
        "return [...document.querySelectorAll('main img')].map(i => [i.src, i.naturalWidth])"
    )
    assert any(width > 50 for _, width in pictures), pictures
    # A file opens: the link signs it when it is followed.
    links = browser.find_elements(By.CSS_SELECTOR, "main a[href*='/open?href=']")
    wanted = next(
        link.get_attribute("href") for link in links if "MTL.json" in urllib.parse.unquote(link.get_attribute("href"))
    )
    cookies = {cookie["name"]: cookie["value"] for cookie in browser.get_cookies()}
    signed = requests.get(wanted, cookies=cookies, verify=node.verify, allow_redirects=False)
    assert signed.status_code in (302, 303, 307) and "X-Amz-Signature" in signed.headers["Location"]
    body = requests.get(signed.headers["Location"], verify=node.verify).content
    assert body == (shared() / "products" / LANDSAT / f"{LANDSAT}_MTL.json").read_bytes()
    assert not errors(browser)


def test_an_item_shows_its_trace_as_verified(logged_in, node, collection):
    def shown():
        open_page(logged_in, node, item_path(collection, LANDSAT))
        settled(logged_in)
        text = logged_in.find_element(By.TAG_NAME, "main").text.lower()
        return "trace" in text and ("genuine" in text or "verified" in text)

    wait_for("the trace on the page", shown, seconds=90)


def test_the_map_moves_and_shows_footprints(logged_in, node, collection):
    open_page(logged_in, node, f"/collections/{collection}")
    settled(logged_in)
    # Leaflet from Debian's package if the node's machine has it, else the drawing.
    shapes = wait(logged_in).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".map path"))
    assert len(shapes) >= 3


# How much of the map's pictures is not transparent.
DRAWN = """
    const tiles = [...document.querySelectorAll('.leaflet-pictures-pane img.leaflet-tile-loaded')]
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 256
    const pen = canvas.getContext('2d', { willReadFrequently: true })
    return tiles.reduce((sum, tile) => {
        pen.clearRect(0, 0, 256, 256)
        pen.drawImage(tile, 0, 0, 256, 256)
        return sum + pen.getImageData(0, 0, 256, 256).data.filter((value, at) => at % 4 === 3 && value > 0).length
    }, 0)
"""


def test_the_map_shows_what_is_in_the_rasters(logged_in, node, collection, screenshots):
    open_page(logged_in, node, item_path(collection, "RGB.byte"))
    if not logged_in.execute_script("return !!window.L"):
        pytest.skip("the moving map needs Debian's libjs-leaflet")
    wait(logged_in).until(lambda b: b.execute_script(DRAWN) > 2_000)
    # Of a collection only when it is asked for.
    open_page(logged_in, node, f"/collections/{collection}?bbox=-80,22,-74,28")
    settled(logged_in)
    assert logged_in.execute_script(DRAWN) == 0
    logged_in.find_element(By.CSS_SELECTOR, ".leaflet-control-layers input").click()
    wait(logged_in).until(lambda b: b.execute_script(DRAWN) > 500)
    assert logged_in.save_screenshot(str(screenshots / "mosaic.png"))
    assert not errors(logged_in)


def test_logging_out_ends_the_session(browser, node, collection):
    log_in(browser, node)
    cookies = {cookie["name"]: cookie["value"] for cookie in browser.get_cookies()}
    session = next(cookie for cookie in browser.get_cookies() if "session" in cookie["name"])
    assert session["httpOnly"] and session["sameSite"] in ("Lax", "Strict") and session["secure"] == node.tls
    browser.find_element(By.XPATH, "//button[contains(., 'Log out')]").click()
    settled(browser)
    open_page(browser, node, f"/collections/{collection}")
    assert browser.find_elements(By.NAME, "password")
    answer = requests.get(
        f"{node.web}/collections/{collection}", cookies=cookies, verify=node.verify, allow_redirects=False
    )
    assert answer.status_code in (302, 303, 401, 403) and LANDSAT not in answer.text


def test_after_the_login_one_is_where_one_wanted_to_be(browser, node, collection):
    browser.delete_all_cookies()
    open_page(browser, node, item_path(collection, "RGB.byte"))
    browser.find_element(By.NAME, "name").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(node.password)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    wait(browser).until(lambda b: item_path(collection, "RGB.byte") in b.current_url)


# What pages look like, everywhere


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", ["login", "home", "collection", "item", "raster", "missing", "audit", "access"])
def test_pages_fit_and_say_nothing_wrong(logged_in, node, collection, screenshots, page, width, scheme):
    path = {
        "login": "/login",
        "home": "/",
        "collection": f"/collections/{collection}",
        "item": item_path(collection, LANDSAT),
        "raster": item_path(collection, "RGB.byte"),
        "missing": "/collections/no-such-collection",
        "audit": "/audit?what=*&reads=1&data=1",
        "access": "/access?who=admin&action=s3:GetObject&resource=arn:aws:s3:::eo/a.tif&method=password",
    }[page]
    look(logged_in, width, scheme)
    errors(logged_in)
    if page == "login":
        logged_in.delete_all_cookies()
    open_page(logged_in, node, path)
    settled(logged_in)
    if page != "missing":
        assert not errors(logged_in)
    size = logged_in.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert size[0] <= size[1], f"the page is {size[0]} pixels wide in a window of {size[1]}"
    whole = logged_in.execute_script("return Math.min(4000, document.documentElement.scrollHeight)")
    logged_in.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": max(WIDTHS[width], whole), "deviceScaleFactor": 1, "mobile": width < 600},
    )
    assert logged_in.save_screenshot(str(screenshots / f"{page}-{width}-{scheme}.png"))
    background = logged_in.execute_script("return getComputedStyle(document.body).backgroundColor")
    numbers = [float(part) for part in background[background.index("(") + 1 : -1].split(",")[:3]]
    if len(numbers) == 3 and background != "rgba(0, 0, 0, 0)":
        assert (sum(numbers) > 380) == (scheme == "light"), background
    names = logged_in.execute_script(UNNAMED)
    assert not names, f"nothing says what these are: {names}"


def test_pages_load_nothing_from_elsewhere(logged_in, node, collection):
    logged_in.get_log("performance")
    for path in ("/", f"/collections/{collection}", item_path(collection, LANDSAT)):
        open_page(logged_in, node, path)
        settled(logged_in)
    asked = [json.loads(entry["message"])["message"] for entry in logged_in.get_log("performance")]
    addresses = {
        message["params"]["request"]["url"] for message in asked if message["method"] == "Network.requestWillBeSent"
    }
    assert addresses
    elsewhere = {
        address
        for address in addresses
        if not address.startswith((node.web + "/", node.s3_url + "/", "data:", "blob:", "chrome", "about:"))
    }
    assert not elsewhere


def test_hostile_names_are_only_text(logged_in, node, collection):
    open_page(logged_in, node, f"/collections/{collection}")
    settled(logged_in)
    assert not logged_in.execute_script("return document.querySelectorAll('main script, main img[onerror]').length")
    with pytest.raises(NoAlertPresentException):
        logged_in.switch_to.alert.accept()
    answer = requests.get(f"{node.web}/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", verify=node.verify)
    assert "<script>alert(1)" not in answer.text


def test_the_login_leads_to_no_other_host(node):
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"):
        answer = requests.post(
            f"{node.web}/login",
            data={"name": "admin", "password": node.password, "next": target},
            verify=node.verify,
            headers={"Origin": node.web},
            allow_redirects=False,
        )
        assert answer.status_code in (302, 303), answer.text[:200]
        assert urllib.parse.urljoin(node.web, answer.headers["Location"]).startswith(node.web + "/"), target


def test_pages_are_guarded_by_headers(node):
    answer = requests.get(f"{node.web}/login", verify=node.verify)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src" in policy and "unsafe-inline" not in policy.split("script-src")[-1].split(";")[0]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors" in policy or answer.headers.get("X-Frame-Options") == "DENY"


def test_a_form_of_another_site_changes_nothing(browser, node, collection):
    log_in(browser, node)
    cookies = {cookie["name"]: cookie["value"] for cookie in browser.get_cookies()}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = requests.post(
            f"{node.web}/admin/v1/accounts",
            json={"name": "mallory"},
            cookies=cookies,
            headers=headers,
            verify=node.verify,
        )
        assert answer.status_code in (401, 403), (headers, answer.text)
    assert node.cli("account", "show", "mallory").returncode == 4


# For those who look after the node


def test_the_audit_trail_is_searched_and_exported(logged_in, node, collection):
    # On a narrow screen the header has no room for the links.
    look(logged_in, 1280, "light")
    open_page(logged_in, node, "/")
    logged_in.find_element(By.LINK_TEXT, "Audit").click()
    logged_in.find_element(By.NAME, "what").send_keys("login.*")
    logged_in.find_element(By.CSS_SELECTOR, "main form button[type=submit]").click()
    wait(logged_in).until(lambda b: "what=login" in b.current_url)
    kinds = {cell.text for cell in logged_in.find_elements(By.CSS_SELECTOR, "table.audit td:nth-child(3)")}
    assert kinds and all(kind.startswith("login.") for kind in kinds), kinds
    link = logged_in.find_element(By.LINK_TEXT, "CSV").get_attribute("href")
    cookies = {cookie["name"]: cookie["value"] for cookie in logged_in.get_cookies()}
    answer = requests.get(link, cookies=cookies, verify=node.verify, timeout=20)
    assert answer.headers["Content-Type"].startswith("text/csv") and "login." in answer.text
    open_page(logged_in, node, "/audit?since=nonsense")
    assert "is a time such as" in logged_in.find_element(By.CSS_SELECTOR, "main .problem").text


def test_a_decision_is_explained(logged_in, node, collection):
    open_page(logged_in, node, "/access")
    for name, value in (("who", "anonymous"), ("action", "s3:GetObject"), ("resource", f"arn:aws:s3:::{collection}/a")):
        logged_in.find_element(By.NAME, name).send_keys(value)
    logged_in.find_element(By.CSS_SELECTOR, "main form button[type=submit]").click()
    shown = wait(logged_in).until(lambda b: b.find_element(By.CSS_SELECTOR, "main section"))
    assert "Refused" in shown.text and "no statement allows it" in shown.text
    open_page(logged_in, node, "/access?who=nobody-here&action=a:b&resource=*")
    assert "there is no account" in logged_in.find_element(By.CSS_SELECTOR, "main .problem").text
