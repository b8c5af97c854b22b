"""Every night the redemptions of the day before, and the customers and vouchers that changed, as typed Parquet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_voucherify.operators.exports import VoucherifyExportOperator

with DAG(
    dag_id="voucherify_all_exports",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["voucherify"],
    params={"folder": "file:///tmp/voucherify/exports"},
):
    for exported_object in ("redemption", "customer", "voucher"):
        VoucherifyExportOperator(
            task_id=f"export_{exported_object}s",
            exported_object=exported_object,
            output_path=f"{{{{ params.folder }}}}/{exported_object}s",
            window_start="{{ data_interval_start }}",
            window_end="{{ data_interval_end }}",
            max_rows_per_file=1_000_000,
            deferrable=True,
        )
