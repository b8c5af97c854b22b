"""One way to all sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.file_source import FileSource
from airflow_provider_voucherify.order_source.files import Format, find_files
from airflow_provider_voucherify.order_source.mapping.normalize import AMOUNT_DECIMALS, AmountUnit, Conversion, renamed
from airflow_provider_voucherify.order_source.schema.field_types import ORDER
from airflow_provider_voucherify.order_source.source import ListSource, Source


def open_source(
    orders: Any = None,
    paths: Any = None,
    *,
    file_format: Format | None = None,
    column_mapping: Mapping[str, str | None] | None = None,
    amount_unit: AmountUnit = "minor",
    amount_decimals: int = AMOUNT_DECIMALS,
    order_date_metadata_key: str | None = None,
) -> Source:
    """
    Choose the source by what is given.

    :param orders: A list of orders; a pandas DataFrame; an Arrow table, or what gives one (Polars, DuckDB).
    :param paths: A file, a glob or a folder, or a list of such, as a path-like object of any file system. Files are
        known by their names: ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv`` (each also with ``.gz`` or
        ``.zst``) and ``.parquet``. ``rejected/`` and ``unknown/`` of a former import can be given as they are.
    :param file_format: ``jsonl``, ``json``, ``csv`` or ``parquet``, if the names do not say it.
    :param column_mapping: The path in an order by column (in JSON: by top-level field), for those that the API
        calls otherwise: ``{"order_no": "source_id", "shop": "metadata.shop", "internal": None}``. None leaves one out.
    :param amount_unit: ``minor`` or ``major``, see :class:`Conversion`.
    :param amount_decimals: Digits of the smallest unit behind the point, see :class:`Conversion`.
    :param order_date_metadata_key: Where the real date of an order is kept, see :class:`Conversion`.
    :raises ConfigurationError: if there is nothing to read, or a parameter makes no sense.
    """
    if (orders is None) == (paths is None):
        raise ConfigurationError("Give the orders either as orders or as orders_path.")
    for name, path in (column_mapping or {}).items():
        if path is not None and ORDER.inner(path.split(".")) is None:
            raise ConfigurationError(f"column_mapping maps {name!r} to {path!r}, which is no field of an order.")
    if file_format is not None:
        check_choice("file_format", file_format, get_args(Format))
    converted = Conversion(
        amount_unit=amount_unit, amount_decimals=amount_decimals, order_date_metadata_key=order_date_metadata_key
    )
    conversion = converted if converted.changes else None
    if paths is not None:
        return FileSource(find_files(paths, file_format), column_mapping, conversion)
    if hasattr(orders, "__arrow_c_stream__") or hasattr(orders, "__dataframe__"):
        from airflow_provider_voucherify.order_source.tables import TableSource

        return TableSource(orders, column_mapping, conversion)
    return ListSource(orders, renamed(column_mapping) if column_mapping else None, conversion)
