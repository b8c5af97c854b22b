"""Airflow triggers of Voucherify."""
