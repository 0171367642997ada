"""A person at a browser: Chromium, what is done with it in every test, and how wide and how dark it is."""

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTHS = {1280: 900, 390: 844}
SCHEMES = ["light", "dark"]


def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--lang=en",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    # The node's own authority is not in Chromium's store; whether it is right is for other tests.
    options.accept_insecure_certs = True
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    return driver


def wait(browser):
    """Waits 20 seconds, also while one page goes and the next comes: what was looked at is gone for a moment."""
    return WebDriverWait(browser, 20, ignored_exceptions=(NoSuchElementException, StaleElementReferenceException))


def open_page(browser, node, path="/"):
    browser.get(node.web + path)


def log_in(browser, node):
    browser.delete_all_cookies()
    open_page(browser, node, "/login")
    browser.find_element(By.NAME, "name").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(node.password)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    wait(browser).until(lambda b: "/login" not in b.current_url)


def look(browser, width, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {
            "features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]
        },
    )


def settled(browser):
    """Waits until the page, its pictures and its map have been drawn."""
    wait(browser).until(
        lambda b: b.execute_script(
            "return document.readyState === 'complete' && [...document.images].every(i => i.complete)"
        )
    )


def errors(browser):
    return [
        entry
        for entry in browser.get_log("browser")
        if entry["level"] == "SEVERE" and "favicon" not in entry["message"]
    ]
