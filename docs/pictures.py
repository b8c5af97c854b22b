"""Take the pictures of the documentation from a real Airflow in a real browser: `nox -s pictures`."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from airflow_provider_voucherify.emulator import Emulator
from tests.orders import order, write_jsonl
from tests.system.airflow import Airflow
from tests.system.conftest import program
from tests.system.test_browser import FLAGS, Browser

IMAGES = Path(__file__).parent / "images"
EXAMPLES = Path(__file__).parents[1] / "example_dags"
WIDTH, HEIGHT = 1500, 900
PATIENCE = 300.0
# Seconds after which Airflow knows that a task waits: one that is answered earlier fails (seen in 3.3.2).
SETTLED = 10.0


class Photographer:
    """
    Opens pages and keeps what they show.

    :param browser: A browser that is logged in.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser, self.driver = browser, browser.driver

    def take(self, name: str, height: int = HEIGHT) -> None:
        """Keep what is shown as ``docs/images/<name>.png``."""
        self.driver.set_window_size(WIDTH, height)
        time.sleep(2)  # the page is rendered again
        self.driver.save_screenshot(str(IMAGES / f"{name}.png"))

    def file(self, name: str, path: Path) -> None:
        """Keep the whole of a local page."""
        self.driver.get(path.as_uri())
        self.take(name, self.driver.execute_script("return document.documentElement.scrollHeight") + 140)

    def form(self) -> None:
        """Fill in the form of a connection, and keep it."""
        self.browser.open("/connections")
        self.browser.wait_for("button", "Add Connection").click()
        dialog = self.browser.wait_for("[role=dialog]", "Connection Type")
        dialog.find_element(By.CSS_SELECTOR, '[name="connection_id"]').send_keys("voucherify_default")
        kinds = self.browser.wait_for("[role=combobox]", within=dialog)
        kinds.send_keys("Voucherify")
        self.browser.wait_for("[role=option]", "Voucherify")
        kinds.send_keys(Keys.ENTER)
        self.browser.wait_for("label", "^Cluster host$", within=dialog)
        self.take("form")

    def task(self, name: str, run: dict[str, str], task_id: str, tab: str = "", *, shows: str) -> None:
        """Keep a page of a task when it shows a text, or a pattern of one."""
        self.browser.open(f"/dags/{run['dag_id']}/runs/{run['dag_run_id']}/tasks/{task_id}{tab}")
        self.browser.wait_for("body", shows, seconds=PATIENCE)
        self.take(name)


@contextmanager
def chromium(folder: Path) -> Iterator[webdriver.Chrome]:
    """Start Chromium with a fresh profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, "--hide-scrollbars", f"--user-data-dir={folder / 'chromium'}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(program("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def write_sources(folder: Path) -> dict[str, Path]:
    """Write the orders of both DAGs, a few of them bad."""
    orders = [order(number) for number in range(60_000)]
    for number in (1_234, 31_000, 47_777):
        orders[number]["status"] = "PAYED"
    rows = [
        {
            "order_no": given["source_id"],
            "status": given["status"],
            "total": given["amount"] / 100,
            "shop": given["metadata"]["channel"],
            "created_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
            "internal_note": "",
        }
        for number, given in enumerate(orders)
    ]
    parquet = folder / "orders.parquet"
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    return {"jsonl": write_jsonl(folder / "orders.jsonl", orders), "parquet": parquet}


def connection(emulator: Emulator) -> str:
    """Describe the connection to an emulator, whose objects are seen at its API: it has no dashboard."""
    return json.dumps(
        {
            "conn_type": "voucherify",
            "host": emulator.url,
            "login": emulator.app_id,
            "password": emulator.app_token,
            "extra": {"dashboard_url": f"{emulator.url}/v1/{{resource}}/{{id}}"},
        }
    )


def trigger(airflow: Airflow, dag_id: str, **params: object) -> dict[str, str]:
    """Start a run of a DAG."""
    return airflow.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": params})


def wait_until_done(airflow: Airflow, run: dict[str, str], task_id: str) -> None:
    """Wait until a task of a run has succeeded."""
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}"
    airflow.wait_for(lambda: airflow.get(path)["state"] == "success", 900, f"success of {path}")


def approve(airflow: Airflow, run: dict[str, str], task_id: str) -> None:
    """Approve what a task asks for, as soon as it does."""
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/-1/hitlDetails"
    airflow.wait_for(lambda: airflow.request("GET", path).ok, 900, f"{task_id} asks")
    time.sleep(SETTLED)
    airflow.request("PATCH", path, json={"chosen_options": ["Approve"]}).raise_for_status()


def main() -> None:
    """Run the example DAGs and take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pictures-"))
    dags = folder / "dags"
    dags.mkdir()
    for dag_id in ("voucherify_round_trip", "voucherify_migration"):
        (dags / f"{dag_id}.py").symlink_to(EXAMPLES / f"{dag_id}.py")
    sources = write_sources(folder)
    report, migration = folder / "report", folder / "migration"
    # as slow as a real one, so that a task can be seen at work
    with Emulator(plan="business", import_order_ms=2) as emulator:
        settings = {"AIRFLOW_CONN_VOUCHERIFY_DEFAULT": connection(emulator)}
        with Airflow(folder / "airflow", settings, dags=dags) as airflow, chromium(folder) as driver:
            photographer = Photographer(Browser(airflow, driver))
            photographer.form()
            run = trigger(
                airflow,
                "voucherify_round_trip",
                orders_path=sources["jsonl"].as_uri(),
                report_path=report.as_uri(),
                output_path=(folder / "exported.parquet").as_uri(),
            )
            photographer.task("log", run, "import_orders", shows=r"\n.*\b[1-9][\d,]* orders done, .+ orders/s")
            photographer.task("state", run, "import_orders", "/task-state-store", shows=r"progress[\s\S]*orders done")
            wait_until_done(airflow, run, "export_orders")
            photographer.task("links", run, "import_orders", "/details", shows="Voucherify background tasks")
            photographer.file("report", report / "report.html")
            emulator.reset()
            run = trigger(
                airflow,
                "voucherify_migration",
                orders_path=sources["parquet"].as_uri(),
                report_path=migration.as_uri(),
                cycle_calls_left=100_000,
            )
            approve(airflow, run, "approve_import")
            wait_until_done(airflow, run, "reconcile_orders")
            photographer.file("reconciliation", migration / "reconciliation" / "report.html")


if __name__ == "__main__":
    main()
