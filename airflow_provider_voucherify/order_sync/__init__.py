"""
Orders kept in step one by one, with events, without Airflow.

::

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    summary = SyncJob(client, open_source(paths="changed.jsonl"), report_path=Path("report")).run()
"""

from airflow_provider_voucherify.order_sync.config import SyncConfig
from airflow_provider_voucherify.order_sync.dry_run import dry_run
from airflow_provider_voucherify.order_sync.job import SyncJob

__all__ = ["SyncConfig", "SyncJob", "dry_run"]
