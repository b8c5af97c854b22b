"""Airflow operators of Voucherify."""
