"""The pytest plugin for tests of DAGs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import requests

from airflow_provider_voucherify.testing import (
    assert_called,
    assert_no_import_repeated,
    assert_not_called,
    assert_order_count,
)

IMPORT = "POST /v1/orders/import"

TESTS = """
import os
import pytest
import requests

from airflow_provider_voucherify.api.project_limit import limit_of_project

URLS = []

@pytest.fixture(scope="session")
def voucherify_emulator_options():
    return {"app_id": "mine", "speed": 1000}

@pytest.mark.parametrize("number", range(2))
def test_one(voucherify_emulator, voucherify_connection, number):
    assert voucherify_connection == "voucherify_default"
    assert os.environ["AIRFLOW_CONN_VOUCHERIFY_DEFAULT"].startswith("voucherify://mine:emulator-app-token@127.0.0.1:")
    keys = {"X-App-Id": "mine", "X-App-Token": voucherify_emulator.app_token}
    assert voucherify_emulator.calls()["total"] == voucherify_emulator.count_orders() == 0
    assert requests.post(voucherify_emulator.url + "/v1/orders", json={}, headers=keys, timeout=10).status_code == 200
    limit = limit_of_project(voucherify_emulator.url, "mine")
    assert limit.retry_at is None
    limit.retry_at = 9e9  # as after a test that used the quota up
    URLS.append(voucherify_emulator.url)

def test_it_was_started_once_and_its_connection_is_gone():
    assert len(set(URLS)) == 1 and len(URLS) == 2
    assert "AIRFLOW_CONN_VOUCHERIFY_DEFAULT" not in os.environ
"""


def test_its_fixtures_in_a_project_of_someone_else(tmp_path):
    (tmp_path / "test_dags.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "airflow_provider_voucherify.testing",
        "-p",
        "no:cacheprovider",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert "3 passed" in result.stdout, result.stdout + result.stderr


def test_the_plugin_loads_neither_airflow_nor_the_server():
    code = (
        "import sys, airflow_provider_voucherify.testing; "
        "print({'airflow', 'starlette', 'uvicorn', 'msgspec', 'pyarrow'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "set()\n", result.stderr


def test_assertions_on_calls(api, emulator):
    assert_not_called(emulator, IMPORT)
    assert_order_count(emulator, 0)
    with pytest.raises(AssertionError, match=r"Expected at least one call of GET /v1/orders, got 0\. All calls: "):
        assert_called(emulator, "GET /v1/orders")
    for _ in range(2):
        api.import_orders([{"source_id": "a"}])
    assert_called(emulator, IMPORT)
    assert_called(emulator, IMPORT, times=2)
    with pytest.raises(AssertionError, match="Expected 1 calls of POST /v1/orders/import, got 2"):
        assert_called(emulator, IMPORT, times=1)
    with pytest.raises(AssertionError, match="Expected 0 calls of POST /v1/orders/import, got 2"):
        assert_not_called(emulator, IMPORT)
    with pytest.raises(AssertionError, match="1 of 2 imports repeat an earlier one"):
        assert_no_import_repeated(emulator)
    with pytest.raises(AssertionError, match="Expected 2 orders in Voucherify, got 1"):
        assert_order_count(emulator, 2)
    with pytest.raises(ValueError, match="Unknown route 'GET /orders'; there are POST /v1/oauth/token"):
        assert_called(emulator, "GET /orders")
    emulator.reset()
    assert_no_import_repeated(emulator)
    assert requests.get(f"{emulator.url}/emulator/calls", timeout=10).json()["total"] == 0
