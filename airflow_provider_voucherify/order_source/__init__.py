"""Where orders come from: a stream of checked orders that know their position. Importing this loads no pyarrow."""

from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.query.query import Query

__all__ = ["Query", "SourceOptions", "open_source"]
