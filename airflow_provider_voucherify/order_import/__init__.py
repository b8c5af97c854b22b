"""
Bulk import of historical orders, without Airflow.

::

    from pathlib import Path

    from airflow_provider_voucherify.api import Settings, VoucherifyClient
    from airflow_provider_voucherify.order_import import ImportJob
    from airflow_provider_voucherify.order_source import open_source

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    summary = ImportJob(client, open_source(paths="orders.jsonl"), report_path=Path("report")).run()
"""

from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.dry_run import dry_run
from airflow_provider_voucherify.order_import.job import ImportJob
from airflow_provider_voucherify.order_load.dry_run import DryRunResult
from airflow_provider_voucherify.reporting.summary import ImportSummary

__all__ = ["DryRunResult", "ImportConfig", "ImportJob", "ImportSummary", "dry_run"]
