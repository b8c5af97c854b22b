"""So many exports as a mapped task that is deferred."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_voucherify.operators.orders import OrdersExportOperator


@task
def paths(folder: str, count: int) -> list[str]:
    return [f"{folder}/{number}.parquet" for number in range(count)]


with DAG("mapped_exports", schedule=None, params={"folder": "", "count": 40}, render_template_as_native_obj=True):
    OrdersExportOperator.partial(
        task_id="export", fields=["id", "source_id"], deferrable=True, retries=3, retry_delay=timedelta(0)
    ).expand(output_path=paths("{{ params.folder }}", "{{ params.count }}"))
