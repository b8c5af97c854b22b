"""Airflow sensors of Voucherify."""
