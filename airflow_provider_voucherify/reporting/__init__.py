"""What became of the orders: reject files, audit log, summary, progress, HTML report."""

from airflow_provider_voucherify.reporting.chunk_log import ChunkLine, read_chunks
from airflow_provider_voucherify.reporting.find_order import OrderTrace, find_order

__all__ = ["ChunkLine", "OrderTrace", "find_order", "read_chunks"]
