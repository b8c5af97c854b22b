"""One DAG for each direction and way of waiting, each with one task; what differs by run comes as params."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, OrdersExportOperator

WAYS = {"worker": False, "deferred": True}


def dag(dag_id: str) -> DAG:
    return DAG(dag_id, schedule=None, params={"connection": "", "path": ""}, max_active_runs=8)


def retried(times: int) -> dict[str, Any]:
    return {"task_id": "orders", "retries": times, "retry_delay": timedelta(0)}


def import_orders(**options: Any) -> None:
    ImportOrdersOperator(
        orders_path="{{ params.path }}",
        chunk_size=5,
        max_in_flight=8,
        voucherify_conn_id="{{ params.connection }}",
        **options,
    )


for way, deferrable in WAYS.items():
    with dag(f"import_{way}"):
        import_orders(**retried(2), deferrable=deferrable)

    with dag(f"import_once_{way}"):
        import_orders(**retried(0), deferrable=deferrable)

    with dag(f"import_cut_short_{way}"):
        import_orders(**retried(3), deferrable=deferrable, execution_timeout=timedelta(seconds=8))

    with dag(f"export_{way}"):
        OrdersExportOperator(
            output_path="{{ params.path }}",
            fields=["id", "source_id", "amount"],
            voucherify_conn_id="{{ params.connection }}",
            deferrable=deferrable,
            **retried(2),
        )
