"""Historical migration of orders, without Airflow."""
