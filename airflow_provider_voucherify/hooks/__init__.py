"""Airflow hooks of Voucherify."""
