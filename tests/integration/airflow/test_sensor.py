from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from airflow_provider_voucherify.task import waiting
from tests.airflow_home import run_dag

TYPES = (
    "CAMPAIGN.VOUCHERS_IMPORT CAMPAIGN.VOUCHERS_IMPORT_CSV CAMPAIGN.VOUCHERS_UPDATE CAMPAIGN.VOUCHERS_DELETE "
    "CAMPAIGN.VOUCHERS_GENERATE CAMPAIGNS.METADATA_KEY_PURGE CUSTOMERS.IMPORT_CSV CUSTOMERS.BULK_UPDATE "
    "CUSTOMERS.METADATA_UPDATE CUSTOMERS.METADATA_KEY_PURGE PRODUCTS.BULK_UPDATE PRODUCTS.METADATA_UPDATE "
    "PRODUCTS.METADATA_KEY_PURGE PRODUCTS.IMPORT_CSV SKUS.IMPORT_CSV VOUCHERS.IMPORT VOUCHERS.IMPORT_CSV "
    "VOUCHERS.BULK_UPDATE VOUCHERS.METADATA_UPDATE VOUCHERS.METADATA_KEY_PURGE ORDERS.IMPORT ORDERS.METADATA_KEY_PURGE"
).split()
POLL = "GET /v1/async-actions/{asyncActionId}"


def run_sensor(ids, **parameters):
    with DAG("sensor", schedule=None) as dag:
        AsyncActionSensor(task_id="wait", async_action_id=ids, **({"poke_interval": 0.2} | parameters))
    return run_dag(dag)


def test_one_action(emulator):
    action = emulator.seed_action(
        type="ORDERS.IMPORT",
        status="DONE",
        after_seconds=0.5,
        result={"message": "ok", "done_count": 3, "failed_count": 0},
    )
    run = run_sensor(action)
    assert run.state == "success"
    assert run.xcoms["wait"] == {
        "id": action,
        "type": "ORDERS.IMPORT",
        "status": "DONE",
        "operation_status": None,
        "done_count": 3,
        "failed_count": 0,
        "failures": [],
    }


def test_all_types_at_once(emulator):
    assert len(TYPES) == 22
    ids = [emulator.seed_action(type=kind, status="DONE", after_seconds=0.5) for kind in TYPES]
    run = run_sensor(ids)
    assert run.state == "success"
    assert [result["type"] for result in run.xcoms["wait"]] == TYPES


def test_rescheduled(emulator):
    action = emulator.seed_action(type="VOUCHERS.IMPORT", status="DONE")
    assert run_sensor(action, mode="reschedule").state == "success"


@pytest.mark.parametrize(
    ("limits", "state", "polls"),
    [
        ({"poke_interval": 0.2}, "success", 3),
        ({"poke_interval": 60, "timeout": 4}, "failed", 2),
        ({"poke_interval": 60, "timeout": 4, "soft_fail": True}, "skipped", 2),
        ({"poke_interval": 60, "timeout": 4, "never_fail": True}, "skipped", 2),
        ({"poke_interval": 60, "execution_timeout": timedelta(seconds=6), "soft_fail": True}, "failed", 1),
    ],
    ids=["short", "soon over", "soft_fail", "never_fail", "execution_timeout"],
)
def test_a_wait_that_is_not_worth_a_deferral_stays_in_the_worker(emulator, monkeypatch, limits, state, polls):
    monkeypatch.setattr(waiting, "MIN_DEFERRED_WAIT", 10.0)
    monkeypatch.setattr(AsyncActionSensor, "defer", None)
    emulator.add_fault("still_running", route=POLL, times=2)
    action = emulator.seed_action(type="ORDERS.IMPORT", status="DONE", result={"done_count": 1, "failed_count": 0})
    assert run_sensor(action, deferrable=True, **limits).states["wait"] == state
    assert emulator.calls()["calls"][POLL] == polls


FAILED = {"status": "FAILED", "result": {"message": "Internal error"}}
OPERATION_FAILED = {"status": "DONE", "operation_status": "FAILED", "result": {"done_count": 0, "failed_count": 0}}
PARTIAL = {
    "status": "DONE",
    "result": {
        "message": "1 order(s) imported successfully, 1 failed.",
        "failed": [{"source_id": None, "reason": "Internal error"}],
        "done_count": 1,
        "failed_count": 1,
    },
}
BULK = {"status": "DONE", "result": {"done_count": 3, "failed_count": 1, "errors": [
    {"source_id": "prod_1", "message": "Not found", "details": "", "key": "not_found"}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("ORDERS.IMPORT", FAILED, "is FAILED: Internal error"),
        ("PRODUCTS.BULK_UPDATE", OPERATION_FAILED, "is DONE, its operation FAILED"),
        ("ORDERS.IMPORT", PARTIAL, "1 failed.; no source_id: Internal error"),
        ("PRODUCTS.BULK_UPDATE", BULK, "prod_1: Not found"),
    ],
    ids=["failed", "operation failed", "partial", "errors"],
)
def test_failures_fail_the_task(emulator, kind, fields, message, log):
    action = emulator.seed_action(type=kind, after_seconds=0.3, **fields)
    assert run_sensor([action]).state == "failed"
    assert message in log()
    assert action in log()


def test_tolerated_failures_pass(emulator):
    ids = [emulator.seed_action(type="ORDERS.IMPORT", **fields) for fields in (FAILED, PARTIAL)]
    run = run_sensor(ids, fail_on_failed=False, max_failed=0.5)
    assert run.state == "success"
    assert run.xcoms["wait"][1]["failures"] == [{"source_id": None, "reason": "Internal error"}]


@pytest.mark.parametrize("ids", ["", [], [""], None, [1.5]])
def test_missing_ids(ids):
    with pytest.raises(ConfigurationError, match="async_action_id must be an id or a list of ids"):
        AsyncActionSensor(task_id="wait", async_action_id=ids)


def test_missing_ids_when_the_task_runs(emulator, log):
    assert run_sensor("{{ '' }}").state == "failed"
    assert "async_action_id must be an id or a list of ids, got ''" in log()
