"""Every night the orders that changed the day before, merged by their ids into a table of Redshift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

COLUMNS = {
    "id": "VARCHAR(65535)",
    "source_id": "VARCHAR(65535)",
    "created_at": "TIMESTAMP",
    "updated_at": "TIMESTAMP",
    "status": "VARCHAR(65535)",
    "amount": "BIGINT",
    "total_amount": "BIGINT",
    "customer_id": "VARCHAR(65535)",
    "metadata": "VARCHAR(65535)",
}
TYPED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
SET = ", ".join(f"{name} = night.{name}" for name in COLUMNS if name != "id")
INSERT = f"INSERT ({', '.join(COLUMNS)}) VALUES ({', '.join(f'night.{name}' for name in COLUMNS)})"  # noqa: S608

FILE = "{{ ti.xcom_pull('export_orders')['uri'] }}"
CREATE = f"CREATE TABLE IF NOT EXISTS orders ({TYPED})"
NIGHT = f"CREATE TEMPORARY TABLE night ({TYPED})"
# by position: the file has the columns of the table above, in their order
LOAD = f"COPY night FROM '{FILE}' IAM_ROLE '{{{{ params.iam_role }}}}' FORMAT AS PARQUET"
# WHEN MATCHED has no condition in Redshift; an older version shall never replace a newer one
DROP_OLDER = """
    DELETE FROM night USING orders WHERE orders.id = night.id
    AND coalesce(night.updated_at, night.created_at) < coalesce(orders.updated_at, orders.created_at)
"""
MERGE = f"""
    MERGE INTO orders USING night ON orders.id = night.id
    WHEN MATCHED THEN UPDATE SET {SET}
    WHEN NOT MATCHED THEN {INSERT}
"""

with DAG(
    dag_id="voucherify_to_redshift",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # they share the file of the night
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "folder": "s3://aws_default@warehouse/voucherify",
        "iam_role": "arn:aws:iam::123456789012:role/redshift-reads-warehouse",
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
        conn_id="redshift_default",
        sql=[CREATE, NIGHT, LOAD, DROP_OLDER, MERGE],
        do_xcom_push=False,
    )
