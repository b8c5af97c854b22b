"""One DAG for each direction and way of waiting, each with one task; what differs by run comes as params."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, OrdersExportOperator

VARIANTS: dict[str, dict[str, Any]] = {
    "": {"retries": 2},
    "_once": {"retries": 0},
    # shorter than the work of one try, and long enough for another on a loaded machine to do what was left
    "_cut_short": {"retries": 8, "execution_timeout": timedelta(seconds=15)},
}


for variant, options in VARIANTS.items():
    for way in ("worker", "deferred"):
        common: dict[str, Any] = {
            "task_id": "orders",
            "voucherify_conn_id": "{{ params.connection }}",
            "deferrable": way == "deferred",
            "retry_delay": timedelta(0),
            **options,
        }
        for direction in ("import", "export"):
            with DAG(
                f"{direction}{variant}_{way}",
                schedule=None,
                params={"connection": "", "path": ""},
                max_active_runs=8,
            ):
                if direction == "import":
                    ImportOrdersOperator(
                        orders_path="{{ params.path }}",
                        chunk_size=5,
                        max_in_flight=8,
                        lost_request_timeout=5,  # the emulator carries out at once what it gets
                        **common,
                    )
                else:
                    OrdersExportOperator(
                        output_path="{{ params.path }}", fields=["id", "source_id", "amount"], **common
                    )
