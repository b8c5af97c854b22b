"""What other tasks and people get of a task: results in XCom, and lines in the log."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, OrdersExportOperator
from airflow_provider_voucherify.triggers import base
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.export import ExportTrigger
from tests.airflow_home import run_dag
from tests.orders import order


def test_results_of_the_hook_are_kept_by_xcom(emulator):
    with DAG("hook", schedule=None) as dag:

        @task
        def called():
            hook = VoucherifyHook()
            hook.create_order(order(1))
            export = hook.create_order_export(fields=["source_id"])
            deadline = time.monotonic() + 30
            while hook.get_export(export["id"])["status"] != "DONE":
                assert time.monotonic() < deadline
                time.sleep(0.1)
            with hook.download_export(export["id"]) as file:
                header = gzip.decompress(file.read()).decode()
            return {
                "action": hook.get_async_action(hook.import_orders([order(2)])),
                "actions": hook.list_async_actions(),
                "export": hook.get_export(export["id"]),
                "exports": hook.list_exports(),
                "header": header,
                "order": hook.update_order("order-1", {"status": "PAID"}),
                "orders": hook.list_orders(limit=1),
            }

        called()
    run = run_dag(dag)
    assert run.state == "success"
    kept = run.xcoms["called"]
    assert kept["action"]["type"] == kept["actions"]["async_actions"][0]["type"] == "ORDERS.IMPORT"
    assert isinstance(kept["action"]["created_at"], str)
    assert kept["export"]["status"] == kept["exports"]["exports"][0]["status"] == "DONE"
    assert emulator.download_url not in str(kept)
    assert "ource" in kept["header"]
    assert kept["order"]["status"] == kept["orders"]["orders"][0]["status"] == "PAID"


@pytest.mark.parametrize("deferrable", [False, True])
def test_parts_of_a_result_go_to_other_tasks_and_the_last_lines_say_where_the_report_is(
    emulator, tmp_path, log, deferrable
):
    found = []
    with DAG("parts", schedule=None) as dag:
        waiting = {"poll_interval": 0.2, "deferrable": deferrable}
        imported = ImportOrdersOperator(task_id="import", orders=[order(1)], report_path=tmp_path.as_uri(), **waiting)
        exported = OrdersExportOperator(task_id="export", output_path=f"{tmp_path.as_uri()}/o.parquet", **waiting)

        @task
        def told(path, report, rows):
            found.extend((path, report, rows))

        imported >> exported >> told(exported.output["path"], imported.output["report_path"], exported.output["rows"])
    assert run_dag(dag).state == "success"
    assert found == [f"{tmp_path.as_uri()}/o.parquet", tmp_path.as_uri(), 1]
    assert f"Report: {tmp_path.as_uri()}/report.html" in log()


def test_a_failure_says_where_the_report_is(emulator, tmp_path, log):
    with DAG("failed", schedule=None) as dag:
        ImportOrdersOperator(task_id="import", orders=[{"amount": 1}], report_path=tmp_path.as_uri(), retries=0)
    assert run_dag(dag).state == "failed"
    assert f"{tmp_path.as_uri()}/report.html" in log()


WAITS = {
    "quota": (AsyncActionTrigger, {"async_action_ids": [], "min_ended": 0}, "the quota", "Waiting for the quota"),
    "sensor": (
        AsyncActionTrigger,
        {"async_action_ids": ["aa_1"], "min_ended": 1},
        None,
        "Waiting for async actions (0 of 1 async actions have ended, running: aa_1)",
    ),
    "export": (
        ExportTrigger,
        {"export_ids": ["exp_1"]},
        "export exp_1",
        "Waiting for export exp_1 (0 of 1 exports have ended, running: exp_1)",
    ),
}


@pytest.mark.parametrize("kind", WAITS)
def test_a_deferred_task_says_again_and_again_what_it_waits_for(emulator, monkeypatch, log, kind):
    monkeypatch.setattr(base, "LOG_INTERVAL", 0.2)
    cls, arguments, waiting_for, line = WAITS[kind]
    trigger = cls(
        voucherify_conn_id="voucherify_default",
        project=VoucherifyHook().transport.settings.project,
        poll_interval=60.0,
        wait=60.0,
        deadline=time.time() + 3,
        resume_state={"waiting_for": waiting_for, "state": {"planted": 1}},
        **arguments,
    )

    async def waited():
        return [event async for event in trigger.run()]

    (event,) = asyncio.run(waited())
    assert log().count(line) > 2
    assert event.payload["resume_state"]["state"] == {"planted": 1}
    assert "planted" not in f"{event} {event!r}"
