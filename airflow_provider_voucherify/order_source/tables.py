"""Orders in memory as columns: data frames, and Arrow tables of any maker."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.arrow_json import Documents, documents
from airflow_provider_voucherify.order_source.mapping.columns import Column, plan
from airflow_provider_voucherify.order_source.mapping.normalize import Conversion
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record, Source, content_hash

BATCH_ROWS = 4096
FRESH_ROWS = 1000  # become Python objects at a time: few enough to stay in the cache


class TableSource(Source):
    """
    A pandas DataFrame, without its index; an Arrow table; or whatever gives its columns as an Arrow stream, as the
    data frames of Polars and the relations of DuckDB do.

    :param orders: The table, one order a row.
    :param column_mapping: Path in an order by column; None leaves a column out.
    :param conversion: What the orders need to be as the API takes them.
    :raises ConfigurationError: if a column has values of several types, or is no field of an order.
    """

    name = "orders"

    def __init__(
        self,
        orders: Any,
        column_mapping: Mapping[str, str | None] | None = None,
        conversion: Conversion | None = None,
    ) -> None:
        self._table = _table(orders)
        self._columns = plan(self._table.column_names, column_mapping or {}, self.name)
        self._origin = Origin("orders[", "]", 0, conversion=conversion)

    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008
        """Read from a row on."""
        row = start.number
        for batch in self._table.slice(row).to_batches(max_chunksize=BATCH_ROWS):
            yield from records(batch, self._columns, self._origin, self.name, row, row)
            row += len(batch)

    def share(self, cursor: Cursor) -> float:
        """Count the rows."""
        return cursor.number / self._table.num_rows if self._table.num_rows else 1.0

    def fingerprint(self) -> str:
        """Hash all orders."""
        return content_hash(self, self._origin.conversion)

    def origin(self, file: int) -> Origin:
        """Tell what all orders have in common."""
        return self._origin


def records(
    batch: pa.RecordBatch, columns: Sequence[Column], origin: Origin, table: str, number: int, row: int
) -> Iterator[Record]:
    """
    Read the rows of a batch as records.

    :param table: What the table is called, for messages.
    :param number: How many records of the source lie before the batch.
    :param row: How many rows of the table lie before it.
    :raises ConfigurationError: naming the column that cannot be written as JSON.
    """
    texts, sound = documents_of(batch, columns, table)
    for start in range(0, len(texts), FRESH_ROWS):
        bodies = texts.slice(start, FRESH_ROWS).cast(pa.binary()).to_pylist()
        facts = sound[start : start + FRESH_ROWS] if sound else [None] * len(bodies)
        for body, known in zip(bodies, facts, strict=True):
            yield Record(origin, number, row, body, row + 1, sound=known)
            number += 1
            row += 1


def documents_of(batch: pa.RecordBatch, columns: Sequence[Column], table: str) -> Documents:
    """
    Write the rows of a batch as orders.

    :raises ConfigurationError: naming the column that cannot be written as JSON.
    """
    arrays = [batch.column(column.name) for column in columns]
    try:
        return documents(columns, arrays)
    except pa.ArrowException as error:
        for column, array in zip(columns, arrays, strict=True):
            try:
                documents([column], [array])
            except pa.ArrowException as why:
                raise ConfigurationError(
                    f"{table}: column {column.name!r} of type {array.type} cannot be written as JSON: {why}. "
                    f"Give it another type, or leave it out with column_mapping={{{column.name!r}: None}}."
                ) from error
        raise


def _table(orders: Any) -> pa.Table:
    pandas = sys.modules.get("pandas")
    try:
        if pandas is not None and isinstance(orders, pandas.DataFrame):
            return pa.Table.from_pandas(orders, preserve_index=False)
        return pa.table(orders)
    except (pa.ArrowException, TypeError) as error:
        raise ConfigurationError(
            f"orders of type {type(orders).__name__} cannot be read as a table: {error}"
        ) from error
