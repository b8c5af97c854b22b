"""The CSV text of an export: RFC 4180 quoting, UTF-8, line feeds between rows, times as ISO 8601 in UTC."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from airflow_provider_voucherify.emulator.export_filters import metadata_path
from airflow_provider_voucherify.emulator.options import EmulatorOptions

_BUFFER_BYTES = 1 << 20
_CRLF = "\r\n"
# How Voucherify labels fields for people, where a label is not just the name (proposed).
_LABELS = {
    "created_at": "Creation Date",
    "updated_at": "Last Update Date",
    "bar_code": "Barcode",
    "redemption_quantity": "Redemption Limit",
    "loyalty_balance": "Loyalty Card Balance",
}


def write_csv(
    connection: sqlite3.Connection,
    table: str,
    fields: Sequence[str],
    where: tuple[str, list[Any]],
    order: str,
    files: Sequence[Path],
    options: EmulatorOptions,
) -> int:
    """Write the rows of a table to one file or spread over several, each with a header.

    :param connection: Connection that reads a snapshot.
    :param table: Table, or subquery, with a column for each field.
    :param fields: Export fields, ``metadata`` and ``metadata.X`` among them.
    :param where: Condition and its parameters.
    :param order: Column, with ``-`` for descending.
    :param files: Where to write.
    :param options: How the header and metadata are written (U).
    :return: Number of rows.
    """
    if options.metadata_style != "json" and "metadata" in fields:
        fields = _with_metadata_columns(connection, table, fields, where)
    condition, parameters = where
    column, direction = f'"{order.removeprefix("-")}"', "DESC" if order.startswith("-") else "ASC"
    selected, paths = _select(fields)
    counting = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608 (compile_filters made it)
    count: int = connection.execute(counting, parameters).fetchone()[0]
    rows = connection.execute(
        f"SELECT {selected} FROM {table} WHERE {condition} ORDER BY {column} {direction}, seq {direction}",  # noqa: S608
        [*paths, *parameters],
    )
    share = -(-count // len(files))
    for file in files:
        with file.open("w", encoding="utf-8", newline="", buffering=_BUFFER_BYTES) as stream:
            writer = csv.writer(_LineFeeds(stream), lineterminator=_CRLF)
            writer.writerow(header(field, options) for field in fields)
            writer.writerows(islice(rows, share))
    return count


def header(field: str, options: EmulatorOptions) -> str:
    """Return the header of a field.

    :param field: E.g. ``source_id`` or ``metadata.payment_mean``.
    :param options: ``header_style`` and ``metadata_style``.
    :return: ``Source ID`` and ``Metadata.payment_mean`` as in the official example for vouchers
        (``ID,Code,Voucher Type,Value``), a label, or the field itself; which of these orders have is unknown.
    """
    if options.metadata_style == "bare" and field.startswith("metadata."):
        return field.removeprefix("metadata.")
    if options.header_style == "field":
        return field
    if options.header_style == "label" and field in _LABELS:
        return _LABELS[field]
    if field.startswith("metadata."):
        return "Metadata." + field.removeprefix("metadata.")
    return " ".join("ID" if word == "id" else word.capitalize() for word in field.split("_"))


class _LineFeeds:
    """A stream for a CSV writer that ends rows with CRLF: before Python 3.13 no other lets it quote both CR and LF."""

    def __init__(self, stream: TextIO) -> None:
        self._write = stream.write

    def write(self, row: str) -> int:
        return self._write(row[: -len(_CRLF)] + "\n")


def _with_metadata_columns(
    connection: sqlite3.Connection, table: str, fields: Sequence[str], where: tuple[str, list[Any]]
) -> list[str]:
    condition, parameters = where
    keys = connection.execute(
        f"SELECT DISTINCT key FROM (SELECT metadata AS document FROM {table} WHERE {condition}), json_each(document)"  # noqa: S608
        " ORDER BY key",
        parameters,
    )
    columns = [f"metadata.{key}" for (key,) in keys if key and '"' not in key]
    return [name for field in fields for name in (columns if field == "metadata" else [field])]


def _select(fields: Sequence[str]) -> tuple[str, list[str]]:
    expressions: list[str] = []
    paths: list[str] = []
    for field in fields:
        if field.startswith("metadata."):
            # SQLite has no booleans: without the CASE true would be written as 1.
            expressions.append(
                "CASE json_type(metadata, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE metadata ->> ? END"
            )
            paths += [metadata_path(field)] * 2
        else:
            expressions.append(f'"{field}"')
    return ", ".join(expressions), paths
