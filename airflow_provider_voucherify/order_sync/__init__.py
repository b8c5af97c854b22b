"""
Orders kept in step one by one, with events, without Airflow.

::

    from pathlib import Path

    from airflow_provider_voucherify.api import Settings, VoucherifyClient
    from airflow_provider_voucherify.order_source import open_source
    from airflow_provider_voucherify.order_sync import SyncJob

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    summary = SyncJob(client, open_source(paths="changed.jsonl"), report_path=Path("report")).run()
"""

from airflow_provider_voucherify.order_sync.config import SyncConfig
from airflow_provider_voucherify.order_sync.dry_run import dry_run
from airflow_provider_voucherify.order_sync.job import SyncJob
from airflow_provider_voucherify.reporting.summary import SyncSummary

__all__ = ["SyncConfig", "SyncJob", "SyncSummary", "dry_run"]
