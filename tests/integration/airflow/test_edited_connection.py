"""A connection that leads to another project, when the task that waits for the first one resumes."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.operators.orders import (
    ImportOrdersOperator,
    OrdersExportOperator,
    ReconcileOrdersOperator,
    SyncOrdersOperator,
)
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from airflow_provider_voucherify.task.waiting import WaitingTask
from tests.airflow_home import connection, run_dag
from tests.orders import order

ORDERS = [order(number) for number in range(5)]
POLLED = {"poll_interval": 0.2, "deferrable": True, "task_id": "task"}
TASKS = {
    "import": lambda folder, _: ImportOrdersOperator(orders=ORDERS, report_path=folder, **POLLED),
    "sync": lambda folder, _: SyncOrdersOperator(orders=ORDERS, report_path=folder, **POLLED),
    "export": lambda folder, _: OrdersExportOperator(output_path=f"{folder}/orders.parquet", **POLLED),
    "reconciliation": lambda folder, _: ReconcileOrdersOperator(orders=ORDERS, report_path=folder, **POLLED),
    "sensor": lambda _, action_id: AsyncActionSensor(
        async_action_id=action_id, deferrable=True, poke_interval=0.2, task_id="task"
    ),
}


@pytest.mark.parametrize("kind", TASKS)
def test_the_task_fails_naming_both_projects_and_asks_the_other_one_nothing(emulator, tmp_path, monkeypatch, log, kind):
    emulator.add_fault("locked", route="POST /v1/orders", times=0)
    for route in ("GET /v1/async-actions/{asyncActionId}", "GET /v1/exports/{exportId}"):
        emulator.add_fault("still_running", route=route, times=0)
    action_id = emulator.seed_action(type="ORDERS.IMPORT", status="DONE")
    defer_to = WaitingTask._defer_to
    with DAG("edited", schedule=None) as dag:
        TASKS[kind](tmp_path.as_uri(), action_id)
    with Emulator(app_id="other-app", app_token="other-token") as other:

        def edit_meanwhile(task, *args, **arguments):
            _ = task.hook.transport
            monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(other))
            defer_to(task, *args, **arguments)

        monkeypatch.setattr(WaitingTask, "_defer_to", edit_meanwhile)
        assert run_dag(dag).state == "failed"
        started, now = (f"{each.url[7:]}/{each.app_id}" for each in (emulator, other))
        assert f"it led to the project {started}, and leads to {now} now" in log().replace("\n", " ")
        assert emulator.calls()["total"] > 0
        assert other.calls()["total"] == 0
