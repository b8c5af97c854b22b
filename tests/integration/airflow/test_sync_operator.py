"""Orders kept in step one by one, in a real Airflow."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_voucherify.operators.orders import SyncOrdersOperator
from airflow_provider_voucherify.order_sync import SyncConfig, calls
from tests.airflow_home import run_dag
from tests.orders import order, write_jsonl

CREATE = "POST /v1/orders"
both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


def run_sync(**parameters):
    with DAG("sync", schedule=None) as dag:
        SyncOrdersOperator(task_id="sync", **({"poll_interval": 0.2} | parameters))
    return run_dag(dag)


def test_a_file_goes_in_and_the_result_is_a_summary(emulator, tmp_path):
    path = write_jsonl(tmp_path / "orders.jsonl", [order(number) for number in range(100)])
    report = (tmp_path / "report").as_uri()
    run = run_sync(orders_path=path.as_uri(), report_path=report)
    assert run.state == "success"
    assert run.xcoms["sync"] == {
        "orders": 100,
        "loaded": 100,
        "rejected": 0,
        "unknown": 0,
        "api_calls": 100,
        "report_path": report,
        "watermark": None,
    }
    assert emulator.count_orders() == 100
    assert emulator.calls()["calls"][CREATE] == 100


def test_orders_of_another_task_with_names_and_amounts_of_a_shop(emulator, log, tmp_path):
    with DAG("sync_xcom", schedule=None) as dag:

        @task
        def changed():
            return [{"no": "a1", "state": "paid", "amount": 12.34}, {"no": "a2", "state": "gone", "amount": 1}]

        SyncOrdersOperator(
            task_id="sync",
            orders=changed(),
            column_mapping={"no": "source_id", "state": "status"},
            value_mapping={"status": {"paid": "PAID"}},
            amount_unit="major",
            report_path=tmp_path.as_uri(),
        )
    run = run_dag(dag)
    assert run.state == "failed"
    assert "1 rejected (at most 0 tolerated by max_rejected)" in log()
    assert emulator.count_orders() == 1
    (part,) = (tmp_path / "rejected").iterdir()
    assert json.loads(part.read_bytes())["source_id"] == "a2"


@both_modes
def test_a_long_wait_for_the_quota_ends_in_the_same_result(emulator, tmp_path, monkeypatch, deferrable):
    monkeypatch.setattr(calls, "LONG_WAIT", 0.5)
    resumed = []
    complete = SyncOrdersOperator.execute_complete
    monkeypatch.setattr(
        SyncOrdersOperator, "execute_complete", lambda *given, **event: resumed.append(1) or complete(*given, **event)
    )
    emulator.add_fault("rate_limited", route=CREATE, after=20, times=1, retry_after=2)
    run = run_sync(orders=[order(number) for number in range(60)], report_path=tmp_path.as_uri(), deferrable=deferrable)
    assert run.state == "success"
    assert (run.xcoms["sync"]["orders"], run.xcoms["sync"]["loaded"]) == (60, 60)
    assert emulator.calls()["calls"][CREATE] <= 60 + SyncConfig().max_concurrent_calls
    assert bool(resumed) is deferrable


@both_modes
def test_a_retry_resumes_where_the_last_try_stopped(emulator, tmp_path, deferrable, log):
    emulator.add_fault("cycle_spent", route=CREATE, after=40, times=1)
    with DAG("sync_retried", schedule=None) as dag:
        SyncOrdersOperator(
            task_id="sync",
            orders=[order(number) for number in range(100)],
            report_path=tmp_path.as_uri(),
            deferrable=deferrable,
            retries=1,
            retry_delay=timedelta(0),
        )
    run = run_dag(dag)
    assert run.state == "success"
    assert "Resuming: " in log()
    assert run.xcoms["sync"]["loaded"] == 100
    assert emulator.calls()["calls"][CREATE] == 101
    assert emulator.count_orders() == 100


def test_a_dry_run_sends_nothing_and_says_what_it_would_cost(emulator, tmp_path):
    orders = [order(1), order(2), order(3) | {"amount": "much"}]
    run = run_sync(orders=orders, dry_run=True, max_rejected=1, report_path=tmp_path.as_uri())
    assert run.state == "success"
    result = run.xcoms["sync"]
    assert (result["dry_run"], result["orders"], result["rejected"], result["api_calls"]) == (True, 3, 1, 3)
    assert emulator.count_orders() == 0
    (part,) = (tmp_path / "dry_run" / "rejected").iterdir()
    assert json.loads(part.read_bytes())["source_id"] == "order-3"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "either as orders, as orders_path, or as sql"),
        ({"orders": [], "mode": "insert"}, "mode must be one of upsert, update"),
        ({"orders": [], "preserve_order_by": "id"}, "preserve_order_by must be one of source_id, customer"),
        ({"orders": [], "max_concurrent_calls": 0}, "max_concurrent_calls must be at least 1, got 0"),
    ],
)
def test_wrong_parameters_are_refused_when_the_dag_is_parsed(parameters, message):
    with pytest.raises(ValueError, match=message):
        SyncOrdersOperator(task_id="sync", **parameters)
