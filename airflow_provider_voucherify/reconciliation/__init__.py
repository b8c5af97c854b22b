"""
Compare the orders of a source with those that Voucherify has, without Airflow. Needs the extra ``reconcile``.

::

    from pathlib import Path

    from airflow_provider_voucherify.api import Settings, VoucherifyClient
    from airflow_provider_voucherify.order_source import open_source
    from airflow_provider_voucherify.reconciliation import ReconcileJob

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    result = ReconcileJob(client, open_source(paths="orders.jsonl"), report_path=Path("report")).run()
"""

from airflow_provider_voucherify.reconciliation.config import ReconcileConfig
from airflow_provider_voucherify.reconciliation.job import ReconcileJob
from airflow_provider_voucherify.reconciliation.result import ReconcileResult

__all__ = ["ReconcileConfig", "ReconcileJob", "ReconcileResult"]
