"""Every night the orders that changed the day before, merged by their ids into a table of Snowflake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

COLUMNS = {
    "id": "VARCHAR",
    "source_id": "VARCHAR",
    "created_at": "TIMESTAMP_LTZ",
    "updated_at": "TIMESTAMP_LTZ",
    "status": "VARCHAR",
    "amount": "NUMBER(38, 0)",
    "total_amount": "NUMBER(38, 0)",
    "customer_id": "VARCHAR",
    "metadata": "VARCHAR",
}
TYPED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
SET = ", ".join(f"{name} = night.{name}" for name in COLUMNS if name != "id")
INSERT = f"INSERT ({', '.join(COLUMNS)}) VALUES ({', '.join(f'night.{name}' for name in COLUMNS)})"  # noqa: S608

CREATE = f"CREATE TABLE IF NOT EXISTS orders ({TYPED})"
NIGHT = f"CREATE OR REPLACE TEMPORARY TABLE night ({TYPED})"
# FORCE: the file of a night that runs again has the name of the one before, which Snowflake takes for loaded
LOAD = """
    COPY INTO night FROM '@{{ params.stage }}/night.parquet'
    FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE FORCE = TRUE
"""
# columns by name; an older version never replaces a newer one, in whichever order the nights come
MERGE = f"""
    MERGE INTO orders USING night ON orders.id = night.id
    WHEN MATCHED AND coalesce(night.updated_at, night.created_at) >= coalesce(orders.updated_at, orders.created_at)
        THEN UPDATE SET {SET}
    WHEN NOT MATCHED THEN {INSERT}
"""

with DAG(
    dag_id="voucherify_to_snowflake",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # they share the file of the night
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "folder": "s3://aws_default@warehouse/voucherify",
        "stage": "voucherify",  # CREATE STAGE voucherify URL = 's3://warehouse/voucherify/' …
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
        conn_id="snowflake_default",
        sql=[CREATE, NIGHT, LOAD, MERGE],
        do_xcom_push=False,
    )
