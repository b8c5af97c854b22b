"""The Airflow triggers of Voucherify."""
