"""What people see in Airflow's UI, looked at with Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from airflow_provider_voucherify.hooks.connection_form import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR
from tests.system.airflow import Airflow, free_ports
from tests.system.conftest import SECRET, program
from tests.system.shop import ExportJourney, ImportJourney
from tests.system.task_run import ENDED

TIMEOUT = 30.0
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,1500"
).split()
CONTROLS = {"boolean": ("type", "checkbox"), "number": ("role", "spinbutton"), "string": ("type", "text")}


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
        """Go to a page of Airflow."""
        self.driver.get(self.airflow.url + path)

    def wait_for(
        self, selector: str, text: str = "", within: WebElement | None = None, seconds: float = TIMEOUT
    ) -> WebElement:
        """Wait for an element that shows a text, or a pattern of one."""

        def seen(driver: webdriver.Chrome) -> WebElement | None:
            elements = (within or driver).find_elements(By.CSS_SELECTOR, selector)
            return next((element for element in elements if re.search(text, element.text)), None)

        # the page is rendered again while it is read
        passing = [NoSuchElementException, StaleElementReferenceException]
        waiting = WebDriverWait(self.driver, seconds, ignored_exceptions=passing)
        return waiting.until(seen, f"There is no {selector} with {text!r}.")

    @contextmanager
    def signing(self, headers: dict[str, str]) -> Iterator[None]:
        """Send headers with all requests."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})


@pytest.fixture(scope="module")
def chromium(airflow, tmp_path_factory) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(program("chromedriver")))
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
    for label in ("Port", *UI_FIELD_BEHAVIOUR["relabeling"].values()):
        browser.wait_for("label", f"^{label}$", within=dialog)
    for name, placeholder in UI_FIELD_BEHAVIOUR["placeholders"].items():
        assert field(name).get_attribute("placeholder") == placeholder
    assert field("password").get_attribute("type") == "password"
    for name, value in (("host", "us1.api.voucherify.io"), ("login", "app"), ("password", SECRET)):
        field(name).send_keys(value)

    browser.wait_for("button", "Extra Fields", within=dialog).click()
    for name, told in CONNECTION_FIELDS.items():
        control = field(f"element_{name}")
        browser.wait_for("div", re.escape(told["description"]), within=dialog)
        assert told["label"] in dialog.text
        attribute, kind = CONTROLS[told["schema"]["type"][0]]
        assert control.get_attribute(attribute) == kind
    field("element_quota_reserve").send_keys("0.5", Keys.TAB)
    browser.wait_for("button", "Save", within=dialog).click()
    browser.wait_for("tr", "made_in_the_form")
    saved = airflow.get("/connections/made_in_the_form")
    assert (saved["conn_type"], saved["host"], saved["login"]) == ("voucherify", "us1.api.voucherify.io", "app")
    given = {key: value for key, value in json.loads(saved["extra"]).items() if value is not None}
    assert given == {"quota_reserve": 0.5}


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("good_keys", SECRET, "127.0.0.1 accepts the keys."),
        ("wrong_keys", "some-other-key", "127.0.0.1 responds, and refuses the keys."),
        ("wrong_host", SECRET, "127.0.0.1 does not respond as Voucherify would."),
    ],
    ids=["good keys", "wrong keys", "wrong host"],
)
def test_the_connection_is_tested(browser, airflow, open_shop, name, password, message):
    emulator = open_shop().emulator
    host, _, port = emulator.url.rpartition(":")
    if name == "wrong_host":
        (port,) = free_ports(1)
        message += rf"[\s\S]*no response from 127.0.0.1:{port} \(Connection refused\)"
    connection = {"conn_type": "voucherify", "host": host, "port": int(port), "login": emulator.app_id}
    airflow.post("/connections", connection | {"connection_id": name, "password": password})
    browser.open("/connections")
    row = browser.wait_for("tr", name)
    browser.wait_for('button[aria-label="Test Connection"]', within=row).click()
    told = browser.wait_for("[data-scope=toast][data-part=root]", message).text
    assert SECRET not in told
    assert password not in told


def test_the_log_of_a_running_import_shows_its_progress(browser, set_out):
    (journey,) = set_out(directions=(ImportJourney,), ways=("worker",))
    journey.run.wait_for_state("running")
    browser.open(journey.run.page)
    browser.wait_for("body", "5 orders are imported by async action aa_")
    browser.wait_for("body", r"\b[1-9]\d* orders done, .+ orders/s, .+ left, 0 failed, .+; waiting for \d+ imports")
    assert journey.run.state == "running"
    journey.succeeds()


@pytest.mark.parametrize(
    ("kind", "button", "id_of", "shown"),
    [
        (ImportJourney, "Voucherify background tasks", "aa_", '"type":"ORDERS.IMPORT"'),
        (ExportJourney, "Voucherify exports", "exp_", '"exported_object":"order"'),
    ],
    ids=["import", "export"],
)
def test_the_extra_link_leads_to_the_object(browser, set_out, kind, button, id_of, shown):
    (journey,) = set_out(directions=(kind,), ways=("deferred",))
    journey.wait_for_the_middle()
    journey.run.wait_for_state("deferred")
    browser.open(f"{journey.run.page}/details")
    link = browser.wait_for("a", button).get_attribute("href")
    assert id_of in link
    assert journey.run.state not in ENDED
    emulator = journey.shop.emulator
    with browser.signing({"X-App-Id": emulator.app_id, "X-App-Token": emulator.app_token}):
        browser.driver.get(link)
        page = browser.wait_for("body", re.escape(shown)).text
    assert f'"id":"{link.rpartition("/")[2]}"' in page
    journey.succeeds()


def test_the_tab_of_the_task_store_shows_state_and_progress(browser, set_out):
    (journey,) = set_out(directions=(ImportJourney,), ways=("worker",))
    journey.wait_for_the_middle()
    browser.open(f"{journey.run.page}/task-state-store")
    browser.wait_for("tr", r"order_import[\s\S]*Never")  # expires never: a task may be cleared after any time
    browser.wait_for("tr", r'progress[\s\S]*"summary"[\s\S]*orders done')
    assert SECRET not in browser.driver.page_source
    journey.succeeds()
