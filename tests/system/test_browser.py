"""What people see in Airflow's UI, looked at with Chromium: `apt-get install chromium chromium-driver`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.system.airflow import Airflow, free_ports
from tests.system.conftest import SECRET

PATIENCE = 30.0
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,1500"
).split()


class Browser:
    """
    Chromium, logged in.

    :param airflow: What it shows.
    :param driver: What drives it.
    """

    def __init__(self, airflow: Airflow, driver: webdriver.Chrome) -> None:
        self.airflow, self.driver = airflow, driver
        driver.get(airflow.url)
        driver.add_cookie({"name": "_token", "value": airflow.token, "path": "/"})

    def open(self, path: str) -> None:
        """Go to a page."""
        self.driver.get(self.airflow.url + path)

    def wait_for(self, selector: str, text: str = "", within: WebElement | None = None) -> WebElement:
        """Wait for an element that shows a text."""

        def seen(driver: webdriver.Chrome) -> WebElement | None:
            elements = (within or driver).find_elements(By.CSS_SELECTOR, selector)
            return next((element for element in elements if text in element.text), None)

        waiting = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=[Exception])
        return waiting.until(seen, f"There is no {selector} with {text!r}.")

    @property
    def text(self) -> str:
        """All text of the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text


@pytest.fixture(scope="module")
def chromium(airflow, tmp_path_factory) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield Browser(airflow, driver)
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium, request) -> Iterator[Browser]:
    """Chromium; what it shows in the end is kept in the home of Airflow, to be looked at."""
    yield chromium
    pictures = chromium.airflow.home / "pictures"
    pictures.mkdir(exist_ok=True)
    chromium.driver.save_screenshot(pictures / f"{request.node.name}.png")


def test_the_form_has_typed_fields_and_saves_them(browser, airflow):
    browser.open("/connections")
    browser.wait_for("button", "Add Connection").click()
    dialog = browser.wait_for("[role=dialog]", "Connection Type")

    def field(name: str) -> WebElement:
        return browser.wait_for(f'[name="{name}"]', within=dialog)

    field("connection_id").send_keys("made_in_the_form")
    kinds = browser.wait_for("[role=combobox]", within=dialog)
    kinds.send_keys("Voucherify")
    browser.wait_for("[role=option]", "Voucherify")
    kinds.send_keys(Keys.ENTER)
    browser.wait_for("label", "Secret key", within=dialog)
    for label in ("Cluster host", "Application ID", "Port"):
        assert label in dialog.text
    field("host").send_keys("us1.api.voucherify.io")
    field("login").send_keys("app")
    field("password").send_keys(SECRET)
    assert field("password").get_attribute("type") == "password"
    browser.wait_for("button", "Extra Fields", within=dialog).click()
    reserve = field("element_quota_reserve")
    WebDriverWait(browser.driver, PATIENCE).until(lambda _: reserve.is_displayed())
    assert field("element_oauth").get_attribute("type") == "checkbox"
    assert reserve.get_attribute("role") == "spinbutton"
    assert "Calls of each period left to the live shop" in dialog.text
    reserve.send_keys("0.5", Keys.TAB)
    browser.wait_for("button", "Save", within=dialog).click()
    browser.wait_for("tr", "made_in_the_form")
    saved = airflow.get("/connections/made_in_the_form")
    assert (saved["conn_type"], saved["host"], saved["login"]) == ("voucherify", "us1.api.voucherify.io", "app")
    assert {key: value for key, value in json.loads(saved["extra"]).items() if value is not None} == {
        "quota_reserve": 0.5
    }


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("good", SECRET, "127.0.0.1 accepts the keys."),
        ("wrong_keys", "some-other-key", "127.0.0.1 answers, and refuses the keys."),
        ("wrong_host", SECRET, "127.0.0.1 does not answer as Voucherify would."),
    ],
    ids=["good keys", "wrong keys", "wrong host"],
)
def test_the_connection_is_tested(browser, airflow, open_shop, name, password, message):
    host, _, port = open_shop().emulator.url.rpartition(":")
    if name == "wrong_host":
        (port,) = free_ports(1)
    airflow.post(
        "/connections",
        {
            "connection_id": name,
            "conn_type": "voucherify",
            "host": host,
            "port": int(port),
            "login": "emulator-app-id",
            "password": password,
        },
    )
    browser.open("/connections")
    row = browser.wait_for("tr", name)
    browser.wait_for('button[aria-label="Test Connection"]', within=row).click()
    told = browser.wait_for("[data-scope=toast][data-part=root]", message).text
    assert SECRET not in told


def test_the_log_of_a_running_import_shows_its_progress(browser, open_shop):
    shop = open_shop()
    run = shop.import_orders("import_worker")
    run.wait_for_state("running")
    browser.open(run.page)
    browser.wait_for("body", "5 orders are imported by async action")
    WebDriverWait(browser.driver, PATIENCE).until(
        lambda _: re.search(r"\b[1-9]\d* orders have an outcome; \d+ imports in flight", browser.text)
    )
    assert run.state == "running"
    assert run.wait_for_end() == "success"
    shop.check_imported(run)


def test_the_tab_of_the_task_store_shows_the_state(browser, open_shop):
    shop = open_shop()
    run = shop.import_orders("import_worker")
    shop.wait_for_imports(1)
    browser.open(f"{run.page}/task-state-store")
    assert "Never" in browser.wait_for("tr", "order_import").text  # expires: a task may be cleared after any time
    browser.wait_for("body", '"fingerprint"')
    assert SECRET not in browser.driver.page_source
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
