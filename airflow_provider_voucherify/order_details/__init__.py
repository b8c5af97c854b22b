"""
Read whole orders, with line items and redemptions, from the listing to typed Parquet files, without Airflow. Importing
this loads no pyarrow.

::

    from pathlib import Path

    from airflow_provider_voucherify.api import Settings, VoucherifyClient
    from airflow_provider_voucherify.order_details import DetailsConfig, DetailsJob

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    config = DetailsConfig(window_start="2026-01-01T00:00:00Z", window_end="2026-01-02T00:00:00Z")
    result = DetailsJob(client, Path("voucherify"), config).run()
"""

from airflow_provider_voucherify.order_details.config import DetailsConfig
from airflow_provider_voucherify.order_details.job import DetailsJob
from airflow_provider_voucherify.order_details.result import DetailsResult

__all__ = ["DetailsConfig", "DetailsJob", "DetailsResult"]
