"""The Airflow sensors of Voucherify."""
