"""
The orders of a Shopify shop, from the CSV file that its admin exports: a row per line item.

The preset knows the columns and the words of the format; what is given to it changes it. A dry run of the same
parameters shows first what would be rejected, left out and guessed.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator
from airflow_provider_voucherify.order_source import presets

ORDERS = {
    "orders_path": "{{ params.orders_path }}",
    "report_path": "{{ params.report_path }}",
    **presets.shopify_csv(column_mapping={"Tags": "metadata.tags"}),
}

with DAG(
    dag_id="voucherify_from_shopify",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["voucherify"],
    params={"orders_path": "file:///data/orders_export.csv", "report_path": "file:///data/voucherify"},
):
    check = ImportOrdersOperator(task_id="check_orders", dry_run=True, **ORDERS)
    load = ImportOrdersOperator(task_id="import_orders", **ORDERS)

    check >> load
