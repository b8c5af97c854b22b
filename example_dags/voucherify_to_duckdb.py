"""Every night the orders that changed the day before, merged into a table of DuckDB, and a view of all their files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

CREATE = "CREATE TABLE IF NOT EXISTS orders AS FROM read_parquet($files) LIMIT 0"
# columns by name, whatever their order; an older version never replaces a newer one, in whichever order the nights come
MERGE = """
    MERGE INTO orders USING (FROM read_parquet($files)) AS night ON orders.id = night.id
    WHEN MATCHED AND coalesce(night.updated_at, night.created_at) >= coalesce(orders.updated_at, orders.created_at)
        THEN UPDATE BY NAME
    WHEN NOT MATCHED THEN INSERT BY NAME
"""
# the same from the files alone, without a table: the latest version of each order
VIEW = """
    CREATE OR REPLACE VIEW latest_orders AS FROM read_parquet('{folder}/*.parquet', union_by_name = true)
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY coalesce(updated_at, created_at) DESC) = 1
"""


@task
def merge_orders(export: dict[str, Any], database: str) -> int:
    import duckdb

    manifest = json.loads(ObjectStoragePath(export["manifest_path"]).read_bytes())
    files = {"files": [f"{export['uri']}/{file['path']}" for file in manifest["files"]]}
    with duckdb.connect(database) as connection:
        if not export["uri"].startswith("file:"):  # with the credentials of the connection in the path
            connection.register_filesystem(ObjectStoragePath(export["path"]).fs)
        connection.begin()
        connection.execute(CREATE, files)
        for name, kind, *_ in connection.execute("DESCRIBE FROM read_parquet($files)", files).fetchall():
            connection.execute(f'ALTER TABLE orders ADD COLUMN IF NOT EXISTS "{name}" {kind}')
        connection.execute(MERGE, files)
        connection.execute(VIEW.format(folder=export["uri"]))
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
    params={
        "folder": "file:///tmp/voucherify/orders",
        "database": "/tmp/voucherify/warehouse.duckdb",  # noqa: S108
        "window_start": None,  # for a run by hand
        "window_end": None,
    },
):
    night = OrdersExportOperator(
        task_id="export_orders",
        output_path="{{ params.folder }}",
        window="data_interval",
        window_lookback=timedelta(hours=1),
        max_rows_per_file=1_000_000,
        deferrable=True,
    )
    merge_orders(night.output, "{{ params.database }}")
