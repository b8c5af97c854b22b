"""Every night the orders that changed the day before, merged by their ids into a table of BigQuery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

COLUMNS = {
    "id": "STRING",
    "source_id": "STRING",
    "created_at": "TIMESTAMP",
    "updated_at": "TIMESTAMP",
    "status": "STRING",
    "amount": "INT64",
    "total_amount": "INT64",
    "customer_id": "STRING",
    "metadata": "STRING",
}
TYPED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
SET = ", ".join(f"{name} = night.{name}" for name in COLUMNS if name != "id")
INSERT = f"INSERT ({', '.join(COLUMNS)}) VALUES ({', '.join(f'night.{name}' for name in COLUMNS)})"  # noqa: S608

DATASET = "{{ params.dataset }}"
FILE = "{{ ti.xcom_pull('export_orders')['uri'] }}"
CREATE = f"CREATE TABLE IF NOT EXISTS {DATASET}.orders ({TYPED})"
LOAD = f"LOAD DATA OVERWRITE {DATASET}.night ({TYPED}) FROM FILES (format = 'PARQUET', uris = ['{FILE}'])"
# columns by name; an older version never replaces a newer one, in whichever order the nights come
MERGE = f"""
    MERGE INTO {DATASET}.orders AS orders USING {DATASET}.night AS night ON orders.id = night.id
    WHEN MATCHED AND coalesce(night.updated_at, night.created_at) >= coalesce(orders.updated_at, orders.created_at)
        THEN UPDATE SET {SET}
    WHEN NOT MATCHED THEN {INSERT}
"""

with DAG(
    dag_id="voucherify_to_bigquery",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # they share the file of the night
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "folder": "gs://google_cloud_default@warehouse/voucherify",
        "dataset": "voucherify",
        "window_start": None,  # for a run by hand
        "window_end": None,
    },
):
    OrdersExportOperator(
        task_id="export_orders",
        output_path="{{ params.folder }}/night.parquet",
        fields=list(COLUMNS),
        window="data_interval",
        window_lookback=timedelta(hours=1),
        deferrable=True,
    ) >> SQLExecuteQueryOperator(
        task_id="merge_orders",
        conn_id="bigquery",
        sql=[CREATE, LOAD, MERGE],
        hook_params={"use_legacy_sql": False, "location": "EU"},
        do_xcom_push=False,
    )
