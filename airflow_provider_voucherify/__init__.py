"""Apache Airflow provider for Voucherify orders."""

__version__ = "0.1.0"
