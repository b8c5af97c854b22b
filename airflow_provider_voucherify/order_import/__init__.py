"""
Bulk import of historical orders, without Airflow.

::

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    summary = ImportJob(client, open_source(paths="orders.jsonl"), report_path=Path("report")).run()
"""

from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.dry_run import dry_run
from airflow_provider_voucherify.order_import.job import ImportJob
from airflow_provider_voucherify.order_load.dry_run import DryRunResult

__all__ = ["DryRunResult", "ImportConfig", "ImportJob", "dry_run"]
