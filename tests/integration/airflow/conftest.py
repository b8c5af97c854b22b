from __future__ import annotations

import pytest

from airflow_provider_voucherify.api.project_limit import forget_projects
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.task import waiting
from tests.airflow_home import connection

SECRET = "planted-secret-7f3a9c"


@pytest.fixture(autouse=True)
def defer_short_waits(monkeypatch):
    """Let tasks be deferred for the short waits of tests, too: there is no scheduler that could miss it."""
    monkeypatch.setattr(waiting, "MIN_DEFERRED_WAIT", 0.0)


@pytest.fixture(autouse=True)
def forget_quota():
    """Let each test begin without what another learned of an emulator on the same port."""
    forget_projects()


@pytest.fixture
def emulator(monkeypatch):
    """An emulator, and the default connection to it."""
    with Emulator(speed=200, app_token=SECRET) as running:
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(running))
        yield running


@pytest.fixture
def log(capfd, caplog):
    """All that was logged: Airflow writes what tasks log to the standard output, and the engines have loggers."""
    written = []

    def read() -> str:
        written.append("".join(capfd.readouterr()))
        return "".join(written) + caplog.text

    return read
