"""
Export orders to typed Parquet files, without Airflow. Importing this loads no pyarrow.

::

    from pathlib import Path

    from airflow_provider_voucherify.api import Settings, VoucherifyClient
    from airflow_provider_voucherify.order_export import ExportJob, ExportRequest

    client = VoucherifyClient(Settings(app_id="…", app_token="…"))
    result = ExportJob(client, ExportRequest(fields=["id", "amount"]), Path("orders.parquet")).run()
"""

from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.job import ExportJob
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.result import ExportResult

__all__ = ["ExportConfig", "ExportJob", "ExportRequest", "ExportResult"]
