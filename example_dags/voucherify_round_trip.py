"""Orders from a file into Voucherify, and back from there as Parquet: the DAG that `make demo` runs."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, OrdersExportOperator

with DAG(
    dag_id="voucherify_round_trip",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "orders_path": "file:///tmp/voucherify/orders.jsonl",
        "report_path": "file:///tmp/voucherify/report",
        "output_path": "file:///tmp/voucherify/orders.parquet",
    },
):
    import_orders = ImportOrdersOperator(
        task_id="import_orders",
        orders_path="{{ params.orders_path }}",
        report_path="{{ params.report_path }}",
        max_rejected=0.01,
    )
    export_orders = OrdersExportOperator(task_id="export_orders", output_path="{{ params.output_path }}")

    import_orders >> export_orders
