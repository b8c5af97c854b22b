"""Orders of the shop into Voucherify as they change, by upsert: what the import endpoint must not be used for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_voucherify.operators.orders import CreateOrderOperator, UpdateOrderOperator

with DAG(
    dag_id="voucherify_order_sync",
    schedule=timedelta(minutes=15),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["voucherify"],
):

    @task
    def changed_orders() -> list[dict[str, Any]]:
        """Read what changed in the shop; here two orders stand for it."""
        item = {"source_id": "rose", "related_object": "product", "quantity": 3, "price": 500}
        return [
            {"source_id": "shop-1001", "status": "PAID", "amount": 1500, "items": [item]},
            {"source_id": "shop-1002", "status": "CREATED", "amount": 1500, "items": [item]},
        ]

    upsert = CreateOrderOperator(task_id="upsert_orders", order=changed_orders())
    cancel = UpdateOrderOperator(task_id="cancel_order", order_id="shop-1002", changes={"status": "CANCELED"})

    upsert >> cancel
