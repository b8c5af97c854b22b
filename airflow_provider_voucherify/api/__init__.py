"""The Voucherify API for orders, without Airflow."""

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings

__all__ = ["Settings", "VoucherifyClient"]
