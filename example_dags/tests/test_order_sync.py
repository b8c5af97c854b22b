"""How to test a DAG without an account at Voucherify: the fixtures come with the provider, as a pytest plugin.

Before the first run: ``airflow db migrate``. Then, beside the DAGs: ``pytest tests``. SQLite stands for the database of
the shop, which needs ``apache-airflow-providers-sqlite``.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import requests

from airflow_provider_voucherify.testing import assert_called, assert_not_called, assert_order_count

dagbag = pytest.importorskip("airflow.dag_processing.dagbag", reason="Airflow 3.1 and later")
DAG_FILE = Path(__file__).parents[1] / "voucherify_order_sync.py"
SHOP = """
    CREATE TABLE customers (id integer, email text);
    CREATE TABLE orders (id integer, customer_id integer, status text, total text, updated_at text);
    INSERT INTO customers VALUES (7, 'ada@shop.example');
    INSERT INTO orders VALUES (1001, 7, 'paid', '15.00', '2026-03-01T12:00:00+00:00'),
        (1002, NULL, 'cancelled', '4.50', '2026-03-01T12:10:00+00:00');
"""


@pytest.fixture
def dag():
    bag = dagbag.DagBag(str(DAG_FILE))
    assert not bag.import_errors
    dag = bag.dags["voucherify_order_sync"]
    dag.get_task("sync_orders").retries = 0  # a failure is one at once
    return dag


@pytest.fixture
def conf(tmp_path, monkeypatch):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.executescript(SHOP)
    # no watermark, whatever an earlier test has saved: all orders are read
    monkeypatch.setenv("AIRFLOW_VAR_VOUCHERIFY_WATERMARK_VOUCHERIFY_ORDER_SYNC_SYNC_ORDERS", "{}")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_SQLITE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/shop.db"}))
    return {"sql_conn_id": "shop_sqlite", "report_path": (tmp_path / "report").as_uri()}


def test_changed_orders_reach_voucherify(dag, conf, voucherify_emulator, voucherify_connection):
    run = dag.test(run_conf=conf)
    assert run.state == "success"
    assert_called(voucherify_emulator, "POST /v1/orders", times=2)
    assert_not_called(voucherify_emulator, "POST /v1/orders/import")
    assert_order_count(voucherify_emulator, 2)


def test_a_passing_error_of_the_api_does_not_fail_the_run(dag, conf, voucherify_emulator, voucherify_connection):
    voucherify_emulator.add_fault("locked", route="POST /v1/orders")
    assert dag.test(run_conf=conf).state == "success"
    keys = {"X-App-Id": voucherify_emulator.app_id, "X-App-Token": voucherify_emulator.app_token}
    response = requests.get(f"{voucherify_emulator.url}/v1/orders/1002", headers=keys, timeout=10)
    assert response.json()["status"] == "CANCELED"
