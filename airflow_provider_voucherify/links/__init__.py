"""Links from Airflow's UI to Voucherify."""
