"""Open orders wherever they are: in memory, or in files of any format."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.file_source import FileSource
from airflow_provider_voucherify.order_source.files import find_files
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.query.query import Query
from airflow_provider_voucherify.order_source.source import ListSource, Source


def open_source(
    orders: Any = None, paths: Any = None, *, query: Query | None = None, spool: Any = None, **options: Any
) -> Source:
    """
    Open orders in memory, in files or in a database.

    :param orders: A list of orders; a pandas DataFrame; an Arrow table, or what exports one (Polars, DuckDB).
    :param paths: A file, a glob or a folder, or a list of these, as path-like objects of any file system. Files are
        known by their names: ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv`` (each also with ``.gz`` or
        ``.zst``) and ``.parquet``. ``rejected/`` and ``unknown/`` of an earlier import can be given as they are.
    :param query: A :class:`~airflow_provider_voucherify.order_source.Query`, whose rows are orders.
    :param spool: The folder that the rows of the query are written to, once in a run, and read from.
    :param options: The fields of :class:`~airflow_provider_voucherify.order_source.SourceOptions`.
    :raises ConfigurationError: if there is nothing to read, or an option has a value that it does not accept.
    """
    if sum(given is not None for given in (orders, paths, query)) != 1:
        raise ConfigurationError("Give exactly one of orders, paths and query.")
    settings = SourceOptions(**options)
    if query is not None:
        if spool is None:
            raise ConfigurationError("The rows of a query are written to files first: give a folder for them as spool.")
        from airflow_provider_voucherify.order_source.query.source import QuerySource

        return QuerySource(query, spool, settings)
    if paths is not None:
        return FileSource(find_files(paths, settings.file_format), settings, paths)
    if hasattr(orders, "__arrow_c_stream__") or hasattr(orders, "__dataframe__"):
        from airflow_provider_voucherify.order_source.tables import TableSource

        return TableSource(orders, settings)
    return ListSource(orders, settings)
