"""Open orders wherever they are: in memory, or in files of any format."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.file_source import FileSource
from airflow_provider_voucherify.order_source.files import find_files
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.source import ListSource, Source


def open_source(orders: Any = None, paths: Any = None, **options: Any) -> Source:
    """
    Open orders in memory or in files.

    :param orders: A list of orders; a pandas DataFrame; an Arrow table, or what exports one (Polars, DuckDB).
    :param paths: A file, a glob or a folder, or a list of these, as path-like objects of any file system. Files are
        known by their names: ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv`` (each also with ``.gz`` or
        ``.zst``) and ``.parquet``. ``rejected/`` and ``unknown/`` of an earlier import can be given as they are.
    :param options: The fields of :class:`~airflow_provider_voucherify.order_source.SourceOptions`.
    :raises ConfigurationError: if there is nothing to read, or an option has a value that it does not accept.
    """
    if (orders is None) == (paths is None):
        raise ConfigurationError("Give the orders either as orders or as orders_path.")
    settings = SourceOptions(**options)
    if paths is not None:
        return FileSource(find_files(paths, settings.file_format), settings, paths)
    if hasattr(orders, "__arrow_c_stream__") or hasattr(orders, "__dataframe__"):
        from airflow_provider_voucherify.order_source.tables import TableSource

        return TableSource(orders, settings)
    return ListSource(orders, settings)
