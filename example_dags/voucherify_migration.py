"""
All historical orders, once: Parquet files on object storage, as the shop's warehouse has them.

They are checked, approved by somebody (Airflow 3.1), imported, and compared with what Voucherify has then. What is
missing is imported once more; that fails if some of it still cannot go in: correct it in `reconciliation/missing/` and
clear the last task.

One task reads the whole folder. A mapped task for each file would gain nothing: Voucherify runs one import of orders at
a time in a project, and each task would take its own share of the quota.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowOptionalProviderFeatureException, task

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, ReconcileOrdersOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except (ImportError, AirflowOptionalProviderFeatureException):  # below Airflow 3.1
    ApprovalOperator = None

SOURCE = {
    "column_mapping": {"order_no": "source_id", "total": "amount", "shop": "metadata.shop", "internal_note": None},
    "amount_unit": "major",
    "order_date_metadata_key": "ordered_at",
    "on_duplicate": "last",
}
ORDERS = SOURCE | {"orders_path": "{{ params.orders_path }}"}
IMPORT = {"deferrable": True, "retries": 6, "retry_delay": timedelta(minutes=10)}

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
        task_id="check_orders",
        dry_run=True,
        cycle_calls_left="{{ params.cycle_calls_left }}",
        report_path="{{ params.report_path }}",
        max_rejected=0.001,
        **ORDERS,
    )
    migrate = ImportOrdersOperator(
        task_id="migrate_orders", report_path="{{ params.report_path }}", max_rejected=0.001, **ORDERS, **IMPORT
    )
    reconcile = ReconcileOrdersOperator(
        task_id="reconcile_orders",
        report_path="{{ params.report_path }}/reconciliation",
        max_missing=0.001,
        items_sample=50,
        deferrable=True,
        **ORDERS,
    )
    repair = ImportOrdersOperator(
        task_id="repair_orders",
        orders_path="{{ params.report_path }}/reconciliation/missing",
        report_path="{{ params.report_path }}/repair",
        **SOURCE,
        **IMPORT,
    )

    @task.short_circuit
    def are_missing(found: dict[str, Any]) -> bool:
        return found["missing"] > 0

    check >> migrate >> reconcile
    if ApprovalOperator is not None:
        approve = ApprovalOperator(
            task_id="approve_import",
            subject="Import {{ '{:,}'.format(ti.xcom_pull('check_orders')['orders']) }} orders into Voucherify?",
            body="{{ ti.xcom_pull('check_orders')['rejected'] }} of them would be rejected. "
            "What was found: {{ params.report_path }}/dry_run/summary.json",
        )
        check >> approve >> migrate
    are_missing(reconcile.output) >> repair
