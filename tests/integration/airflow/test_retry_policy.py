"""The recipe of the documentation for retries, which needs the retry policies of Airflow 3.3."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_voucherify.exceptions import PlanExceededError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators import orders
from tests.airflow_home import run_dag
from tests.documentation import python_block
from tests.orders import order, write_jsonl

RECIPE = python_block("ExceptionRetryPolicy")
pytestmark = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="Airflow below 3.3 has no retry policies")


def recipe(path: str) -> DAG:
    """Make a DAG of the task that the documentation shows."""
    with DAG("retry_policy", schedule=None) as dag:
        exec(RECIPE, {**vars(orders), "ORDERS": path, "timedelta": timedelta})
    return dag


def test_wrong_keys_are_not_tried_again(emulator, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", f"voucherify://app:wrong@{emulator.url[7:]}/http")
    dag = recipe(write_jsonl(tmp_path / "orders.jsonl", [order(1)]).as_uri())
    assert run_dag(dag).state == "failed"
    assert emulator.calls()["responses"] == {"401": 1}


def test_rejected_orders_are_not_sent_again(emulator, tmp_path):
    dag = recipe(write_jsonl(tmp_path / "orders.jsonl", [order(1), {"amount": "much"}]).as_uri())
    assert run_dag(dag).state == "failed"
    assert len(emulator.calls()["imports"]) == 1


def test_a_quota_that_is_used_up_is_waited_for(emulator):
    emulator.add_fault("cycle_spent")
    with pytest.raises(PlanExceededError) as refused:
        VoucherifyHook().list_orders()
    (task,) = recipe("file:///orders.jsonl").tasks
    decision = task.retry_policy.evaluate(refused.value, try_number=1, max_tries=20)
    assert (decision.action.value, decision.retry_delay) == ("retry", timedelta(hours=12))
