"""
The orders in DuckDB, soon after they changed: a watcher asks Voucherify every five minutes whether any did.

It needs Airflow 3. A run that is started by hand loads what has changed since `params.since`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_voucherify.operators.orders import OrdersExportOperator
from airflow_provider_voucherify.triggers.orders import OrdersChangedTrigger

CREATE = "CREATE TABLE IF NOT EXISTS orders AS FROM read_parquet($path) LIMIT 0"
MERGE = """
    MERGE INTO orders USING (FROM read_parquet($path)) AS changed ON orders.id = changed.id
    WHEN MATCHED AND coalesce(changed.updated_at, changed.created_at) >= coalesce(orders.updated_at, orders.created_at)
        THEN UPDATE
    WHEN NOT MATCHED THEN INSERT
"""
LOOKBACK = timedelta(minutes=5)  # an order may be visible a little later than its time of change says
watcher = AssetWatcher(name="orders_changed", trigger=OrdersChangedTrigger(poll_interval=300.0))


@task
def window(since: str, triggering_asset_events: Any = None) -> dict[str, str]:
    """Span all events that started the run."""
    import pendulum

    changes = [event.extra["payload"] for events in triggering_asset_events.values() for event in events]
    if not changes:
        return {"start": since, "end": pendulum.now("UTC").isoformat()}
    start = min(datetime.fromisoformat(change["changed_after"] or since) for change in changes)
    end = max(datetime.fromisoformat(change["changed_at"]) for change in changes)
    return {"start": (start - LOOKBACK).isoformat(), "end": (end + timedelta(milliseconds=1)).isoformat()}


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
    dag_id="voucherify_orders_changed",
    schedule=[Asset("voucherify_orders", watchers=[watcher])],
    catchup=False,
    max_active_runs=1,  # a file of DuckDB takes one writer
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "since": "2020-01-01T00:00:00+00:00",
        "folder": "file:///tmp/voucherify/changed",
        "database": "/tmp/voucherify/warehouse.duckdb",  # noqa: S108
    },
):
    changed = window("{{ params.since }}")
    export = OrdersExportOperator(
        task_id="export_orders",
        output_path="{{ params.folder }}/{{ run_id }}.parquet",
        window_start=changed["start"],
        window_end=changed["end"],
        deferrable=True,
    )
    merge_orders(export.output, "{{ params.database }}")
