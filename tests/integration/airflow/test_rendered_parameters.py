"""Parameters that are templates, with `render_template_as_native_obj` and without."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import (
    ImportOrdersOperator,
    OrdersExportOperator,
    SyncOrdersOperator,
    UpdateOrderOperator,
)
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from tests.airflow_home import run_dag
from tests.orders import write_jsonl

PARAMS = {
    "orders": [{"no": "1001", "amount": 500, "note": None, "metadata": {"vip": True, "old": False, "left": None}}],
    "mapping": {"no": "source_id", "note": None},
    "number": "1001",
    "fields": ["source_id", "status", "metadata.vip"],
    "filters": {"junction": "and", "status": {"conditions": {"$is": ["PAID"]}}},
}


@pytest.mark.parametrize("native", [False, True])
def test_json_and_ids_of_digits(emulator, tmp_path, native):
    ids = [emulator.seed_action(type="ORDERS.IMPORT", status="DONE") for _ in range(2)]
    more = [write_jsonl(tmp_path / f"{name}.jsonl", [{"source_id": name, "amount": 1}]).as_uri() for name in "ab"]
    params = PARAMS | {"ids": ids, "paths": more}
    with DAG("rendered", schedule=None, render_template_as_native_obj=native, params=params) as dag:
        (
            ImportOrdersOperator(
                task_id="import",
                orders="{{ params.orders | tojson }}",
                column_mapping="{{ params.mapping | tojson }}",
                report_path=tmp_path / "report",
            )
            >> SyncOrdersOperator(task_id="sync", orders_path="{{ params.paths | tojson }}")
            >> UpdateOrderOperator(
                task_id="update", order_id="{{ params.number }}", changes="{{ {'status': 'PAID'} | tojson }}"
            )
            >> AsyncActionSensor(task_id="wait", async_action_id="{{ params.ids | tojson }}")
            >> OrdersExportOperator(
                task_id="export",
                output_path=ObjectStoragePath(f"{tmp_path.as_uri()}/orders.parquet"),
                fields="{{ params.fields | tojson }}",
                filters="{{ params.filters | tojson }}",
            )
        )
    run = run_dag(dag)
    assert run.state == "success"
    assert [result["id"] for result in run.xcoms["wait"]] == ids
    assert {order["source_id"] for order in VoucherifyHook().list_orders()["orders"]} == {"1001", "a", "b"}
    (row,) = pq.read_table(tmp_path / "orders.parquet").to_pylist()
    assert row == {"source_id": "1001", "status": "PAID", "metadata.vip": "true"}
    assert Path(tmp_path / "report" / "report.html").exists()
