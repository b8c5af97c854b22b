"""The Voucherify API for orders, without Airflow. Begin at :class:`~.client.VoucherifyClient`."""
