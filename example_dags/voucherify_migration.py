"""
All historical orders, once: Parquet files on object storage, as the shop's warehouse has them.

One task reads the whole folder. A mapped task for each file would gain nothing: Voucherify runs one import of orders at
a time in a project, and each task would take its own share of the quota.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator

ORDERS = {
    "orders_path": "{{ params.orders_path }}",
    "report_path": "{{ params.report_path }}",
    "column_mapping": {"order_no": "source_id", "total": "amount", "shop": "metadata.shop", "internal_note": None},
    "amount_unit": "major",
    "order_date_metadata_key": "ordered_at",
    "on_duplicate": "last",
    "max_rejected": 0.001,
}

with DAG(
    dag_id="voucherify_migration",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "orders_path": "s3://aws_default@warehouse/orders/",
        "report_path": "s3://aws_default@warehouse/voucherify/migration",
        "cycle_calls_left": 100_000,
    },
    render_template_as_native_obj=True,
):
    check = ImportOrdersOperator(
        task_id="check_orders", dry_run=True, cycle_calls_left="{{ params.cycle_calls_left }}", **ORDERS
    )
    migrate = ImportOrdersOperator(
        task_id="migrate_orders", deferrable=True, retries=20, retry_delay=timedelta(minutes=30), **ORDERS
    )

    check >> migrate
