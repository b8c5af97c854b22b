"""The Airflow hook of Voucherify."""
