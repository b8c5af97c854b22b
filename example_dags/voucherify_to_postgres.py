"""Every night the orders that changed the day before, merged by their ids into a table of Postgres."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

TYPES = {"int64": "bigint", "timestamp[ms, tz=UTC]": "timestamptz"}


@task
def merge_orders(export: dict[str, Any], postgres_conn_id: str) -> int:
    import pyarrow.parquet as pq
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    hook = PostgresHook(postgres_conn_id)
    manifest = json.loads(ObjectStoragePath(export["manifest_path"]).read_bytes())
    columns = {name: TYPES.get(kind, "text") for name, kind in manifest["schema"].items()}
    names = ", ".join(columns)
    hook.run(
        [
            "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY)",
            *(f"ALTER TABLE orders ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in columns.items()),
            "DROP TABLE IF EXISTS night",
            f"CREATE UNLOGGED TABLE night ({', '.join(f'{name} {kind}' for name, kind in columns.items())})",
        ]
    )
    for file in manifest["files"]:
        with (ObjectStoragePath(export["path"]) / file["path"]).open("rb") as parquet:
            for batch in pq.ParquetFile(parquet).iter_batches():
                rows = [tuple(row.values()) for row in batch.to_pylist()]
                hook.insert_rows("night", rows, target_fields=list(columns), executemany=True)
    hook.run(
        [
            # an older version never replaces a newer one, in whichever order the nights come
            f"""
            INSERT INTO orders ({names}) SELECT {names} FROM night
            ON CONFLICT (id) DO UPDATE SET ({names}) = ROW ({", ".join(f"excluded.{name}" for name in columns)})
            WHERE coalesce(excluded.updated_at, excluded.created_at) >= coalesce(orders.updated_at, orders.created_at)
            """,  # noqa: S608  # columns of our own file
            "DROP TABLE night",
        ]
    )
    return export["rows"]


with DAG(
    dag_id="voucherify_to_postgres",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # they share the table of the night
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "folder": "file:///tmp/voucherify/orders",
        "postgres_conn_id": "warehouse",
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
        column_names="snake_case",
        deferrable=True,
    )
    merge_orders(night.output, "{{ params.postgres_conn_id }}")
