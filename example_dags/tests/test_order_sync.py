"""How to test a DAG without an account at Voucherify: the fixtures come with the provider, as a pytest plugin.

Before the first run: ``airflow db migrate``. Then, beside the DAGs: ``pytest tests``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from airflow_provider_voucherify.testing import assert_called, assert_not_called, assert_order_count

dagbag = pytest.importorskip("airflow.dag_processing.dagbag", reason="Airflow 3.1 and later")
DAG_FILE = Path(__file__).parents[1] / "voucherify_order_sync.py"


@pytest.fixture
def dag():
    bag = dagbag.DagBag(str(DAG_FILE))
    assert not bag.import_errors
    return bag.dags["voucherify_order_sync"]


def test_changed_orders_reach_voucherify(dag, voucherify_emulator, voucherify_connection):
    run = dag.test()
    assert run.state == "success"
    assert_called(voucherify_emulator, "POST /v1/orders", times=2)
    assert_called(voucherify_emulator, "PUT /v1/orders/{orderId}", times=1)
    assert_not_called(voucherify_emulator, "POST /v1/orders/import")
    assert_order_count(voucherify_emulator, 2)


def test_a_passing_error_of_the_api_does_not_fail_the_run(dag, voucherify_emulator, voucherify_connection):
    voucherify_emulator.add_fault("server_error", route="PUT /v1/orders/{orderId}")
    assert dag.test().state == "success"
    keys = {"X-App-Id": voucherify_emulator.app_id, "X-App-Token": voucherify_emulator.app_token}
    response = requests.get(f"{voucherify_emulator.url}/v1/orders/shop-1002", headers=keys, timeout=10)
    assert response.json()["status"] == "CANCELED"
