"""Every night the orders that changed the day before, as a dataset of typed Parquet with a folder a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

with DAG(
    dag_id="voucherify_nightly_export",
    # not "@daily": since Airflow 3 its runs have no data interval, and a backfill would have no window
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={"folder": "file:///tmp/voucherify/nightly"},
):
    OrdersExportOperator(
        task_id="export_orders",
        output_path="{{ params.folder }}",
        fields=["id", "source_id", "status", "total_amount", "created_at", "updated_at", "metadata.channel"],
        window_start="{{ data_interval_start }}",
        window_end="{{ data_interval_end }}",
        partition_by="created_at",
        deferrable=True,
        outlets=[Asset("voucherify_orders_files")],
    )
