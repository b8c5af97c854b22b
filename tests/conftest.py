"""A fresh Airflow for every run of the tests, set up before Airflow is imported for the first time."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fast_folder import FAST_FOLDER

pytest_plugins = ["airflow_provider_voucherify.testing"]

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-", dir=FAST_FOLDER))

os.environ |= {
    "AIRFLOW_HOME": str(AIRFLOW_HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[1] / "example_dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "False",
}
for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
    del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mixes", type=int, default=67, help="mixtures of faults that an import is tried with, for each on_unknown"
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    terminal = session.config.get_terminal_writer()
    terminal.fullwidth = terminal.fullwidth  # the width that it has now stays that of the report
    os.environ["COLUMNS"] = "1000"  # Airflow 3.0 breaks messages in tracebacks at the width of the terminal


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # other workers do the rest meanwhile


@pytest.fixture(autouse=True)
def without_coverage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the processes of unmeasured tests unmeasured, too: to be measured takes them up to three times as long."""
    if request.node.get_closest_marker("no_cover"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


def pytest_configure(config: pytest.Config) -> None:
    for category in ("DeprecationWarning", "FutureWarning"):
        config.addinivalue_line(
            "filterwarnings", f"error::{category}:(airflow_provider_voucherify|tests|voucherify_).*"
        )


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)
