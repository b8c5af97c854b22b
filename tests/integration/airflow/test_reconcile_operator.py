"""A reconciliation as a task: it fails with the orders that were changed behind our back, and waits in both ways."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import ReconcileOrdersOperator
from tests.airflow_home import run_dag
from tests.orders import order

ORDERS = [order(number) for number in range(5)]


def run_reconciliation(folder, **parameters):
    with DAG("reconcile", schedule=None) as dag:
        ReconcileOrdersOperator(
            task_id="reconcile",
            orders=ORDERS,
            report_path=folder.as_uri(),
            poll_interval=0.2,
            **parameters,
        )
    return run_dag(dag)


@pytest.fixture
def orders(emulator):
    """The orders in the emulator."""
    for single in ORDERS:
        VoucherifyHook().create_order(single)


@pytest.mark.parametrize("deferrable", [False, True])
def test_orders_as_given_match(orders, tmp_path, deferrable):
    run = run_reconciliation(tmp_path, deferrable=deferrable, compare="{{ ['status', 'amount'] | tojson }}")
    assert run.state == "success"
    result = run.xcoms["reconcile"]
    assert (result["orders"], result["matched"], result["extra"], result["items_sampled"]) == (5, 5, 0, 5)
    assert result["report_path"] == tmp_path.as_uri()
    assert json.loads((tmp_path / "summary.json").read_bytes()) == result


def test_a_changed_order_fails_the_task_and_can_be_repaired(orders, tmp_path, log):
    VoucherifyHook().update_order("order-1", {"status": "CANCELED"})
    assert run_reconciliation(tmp_path).state == "failed"
    written = log()
    assert "orders[1] (source_id order-1): status given PAID, at Voucherify CANCELED" in written
    assert "voucherify_default" in written
    (part,) = (tmp_path / "different").iterdir()
    assert json.loads(part.read_bytes())["payload"] == ORDERS[1]
