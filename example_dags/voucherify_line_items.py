"""Every night the orders that changed the day before, with line items and redemptions, as three tables of Parquet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrderDetailsExportOperator

with DAG(
    dag_id="voucherify_line_items",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # all of them read the same listing
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "folder": "file:///tmp/voucherify/line_items",
        "window_start": None,  # for a run by hand
        "window_end": None,
    },
):
    OrderDetailsExportOperator(
        task_id="export_order_details",
        output_path="{{ params.folder }}",
        window="data_interval",
        max_calls=2_000,
        deferrable=True,
    )
