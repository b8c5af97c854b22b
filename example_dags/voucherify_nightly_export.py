"""Every night the orders that changed since the night before, as typed Parquet, one file a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

WITHIN_THE_DAY = {
    "conditions": {
        "$after": ["{{ data_interval_start.isoformat() }}"],
        "$before": ["{{ data_interval_end.isoformat() }}"],
    }
}

with DAG(
    dag_id="voucherify_nightly_export",
    # not "@daily": since Airflow 3 its runs have no data interval
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["voucherify"],
    params={"folder": "file:///tmp/voucherify/nightly"},
):
    OrdersExportOperator(
        task_id="export_orders",
        output_path="{{ params.folder }}/{{ data_interval_start | ds }}.parquet",
        fields=["id", "source_id", "status", "total_amount", "created_at", "updated_at", "metadata.channel"],
        filters={
            "junction": "or",  # an order that never changed may have no updated_at
            "created_at": WITHIN_THE_DAY,
            "updated_at": WITHIN_THE_DAY,
        },
        order="created_at",
        deferrable=True,
    )
