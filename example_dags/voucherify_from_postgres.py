"""
All historical orders of a shop, once, straight from its Postgres: orders, their items and their customers.

The rows are written to `spool/` under `report_path` first. So the database is read once, whatever happens to the task
later, and with a few megabytes of memory. Both queries are sorted by the order's number, and see the same snapshot.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator

ORDERS = """
    SELECT orders.id AS source_id, status, placed_at AS created_at, discount AS discount_amount,
        channel AS "metadata.channel",
        customers.id AS "customer.source_id", email AS "customer.email", name AS "customer.name"
    FROM orders LEFT JOIN customers ON customers.id = orders.customer_id
    WHERE placed_at < %(until)s
    ORDER BY orders.id
"""
ITEMS = """
    SELECT order_id, sku AS "product.source_id", title AS "product.name", quantity, unit_price AS price
    FROM order_items JOIN orders ON orders.id = order_id
    WHERE placed_at < %(until)s
    ORDER BY order_id
"""

with DAG(
    dag_id="voucherify_from_postgres",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "sql_conn_id": "shop_postgres",
        "until": "2026-01-01T00:00:00Z",
        "report_path": "s3://aws_default@warehouse/voucherify/migration",
    },
):
    ImportOrdersOperator(
        task_id="import_orders",
        sql=ORDERS,
        items_sql=ITEMS,
        items_key="order_id",
        sql_conn_id="{{ params.sql_conn_id }}",
        sql_parameters={"until": "{{ params.until }}"},
        value_mapping={"status": {"paid": "PAID", "refunded": "CANCELED", "pending": "CREATED"}},
        amount_unit="major",
        order_date_metadata_key="ordered_at",
        report_path="{{ params.report_path }}",
        max_rejected=0.001,
        deferrable=True,
        retries=6,
        retry_delay=timedelta(minutes=10),
    )
