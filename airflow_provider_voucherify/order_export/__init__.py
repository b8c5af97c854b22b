"""Orders from Voucherify into typed Parquet files, without Airflow. Importing this loads no pyarrow."""

from airflow_provider_voucherify.exceptions import BadRowError, ExportFileError
from airflow_provider_voucherify.order_export.request import ExportRequest

__all__ = ["BadRowError", "ExportFileError", "ExportRequest"]
