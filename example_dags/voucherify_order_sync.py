"""
Changed orders of a shop, every quarter of an hour, straight from its Postgres, with events: what an import must not do.

Each run reads what has changed since the last one that succeeded, and five minutes more. Triggered with the parameter
`dry_run`, as before the first run, it reads and checks these orders, sends nothing, and says what that would cost.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import SyncOrdersOperator

CHANGED = """
    SELECT orders.id AS source_id, status, total AS amount, updated_at,
        customers.id AS "customer.source_id", email AS "customer.email"
    FROM orders LEFT JOIN customers ON customers.id = orders.customer_id
    WHERE updated_at >= '{{ watermark }}'
    ORDER BY updated_at
"""

with DAG(
    dag_id="voucherify_order_sync",
    schedule=timedelta(minutes=15),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["voucherify"],
    params={
        "sql_conn_id": "shop_postgres",
        "report_path": "s3://aws_default@warehouse/voucherify/sync",
        "dry_run": False,
    },
):
    SyncOrdersOperator(
        task_id="sync_orders",
        sql=CHANGED,
        sql_conn_id="{{ params.sql_conn_id }}",
        watermark_column="updated_at",
        value_mapping={"status": {"paid": "PAID", "cancelled": "CANCELED", "pending": "CREATED", "sent": "FULFILLED"}},
        amount_unit="major",
        report_path="{{ params.report_path }}",
        dry_run="{{ params.dry_run | tojson }}",
        max_rejected=0.01,
        deferrable=True,
        retries=3,
        retry_delay=timedelta(minutes=1),
    )
