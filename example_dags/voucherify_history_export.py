"""
All orders of the past as typed Parquet: a mapped task for each month, which the UI calls by its name.

Two of them run at a time, deferred ones included, as a pool says. The limits of a DAG do not count those
below Airflow 3.3:
`airflow pools set --include-deferred voucherify_exports 2 "Exports of orders"`
"""

from __future__ import annotations

from itertools import pairwise

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_voucherify.operators.orders import OrdersExportOperator


@task
def windows(first_month: str, months: str) -> list[dict[str, str]]:
    """Cut the past into months."""
    import pendulum

    bounds = [pendulum.parse(first_month).add(months=number).isoformat() for number in range(int(months) + 1)]
    return [{"window_start": start, "window_end": end} for start, end in pairwise(bounds)]


with DAG(
    dag_id="voucherify_history_export",
    schedule=None,
    catchup=False,
    tags=["voucherify"],
    params={"folder": "file:///tmp/voucherify/history", "first_month": "2024-01", "months": 12},
):
    OrdersExportOperator.partial(
        task_id="export_month",
        output_path="{{ params.folder }}",
        window_field="created_at",
        partition_by="created_at",
        deferrable=True,
        pool="voucherify_exports",
        map_index_template="{{ task.window_start[:7] }}",
    ).expand_kwargs(windows("{{ params.first_month }}", "{{ params.months }}"))
