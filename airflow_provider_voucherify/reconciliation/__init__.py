"""What a source says against what Voucherify has, without Airflow."""
