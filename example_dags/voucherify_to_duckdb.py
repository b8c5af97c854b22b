"""Every night the orders that changed the day before, merged into a table of DuckDB by their ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

CREATE = "CREATE TABLE IF NOT EXISTS orders AS FROM read_parquet($path) LIMIT 0"
# an older version never replaces a newer one, in whichever order the nights come
MERGE = """
    MERGE INTO orders USING (FROM read_parquet($path)) AS night ON orders.id = night.id
    WHEN MATCHED AND coalesce(night.updated_at, night.created_at) >= coalesce(orders.updated_at, orders.created_at)
        THEN UPDATE
    WHEN NOT MATCHED THEN INSERT
"""


@task
def merge_orders(export: dict[str, Any], database: str) -> int:
    import duckdb

    with duckdb.connect(database) as connection:
        connection.begin()
        connection.execute(CREATE, {"path": export["path"]})
        connection.execute(MERGE, {"path": export["path"]})
        connection.commit()
    return export["rows"]


with DAG(
    dag_id="voucherify_to_duckdb",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # a file of DuckDB takes one writer
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={"folder": "file:///tmp/voucherify/nightly", "database": "/tmp/voucherify/warehouse.duckdb"},  # noqa: S108
):
    night = OrdersExportOperator(
        task_id="export_orders",
        output_path="{{ params.folder }}/{{ data_interval_start | ds }}.parquet",
        window_start="{{ data_interval_start }}",
        window_end="{{ data_interval_end }}",
        deferrable=True,
    )
    merge_orders(night.output, "{{ params.database }}")
