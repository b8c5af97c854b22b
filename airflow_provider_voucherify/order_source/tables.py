"""Read orders from data frames and Arrow tables in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pyarrow as pa

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.arrow_rows import check_amounts, records
from airflow_provider_voucherify.order_source.formats.base import with_empty_rows
from airflow_provider_voucherify.order_source.mapping.columns import plan
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.row_groups import grouped
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record, Source, content_hash

BATCH_ROWS = 4096


class TableSource(Source):
    """
    A pandas DataFrame; an Arrow table; or whatever exports its columns as an Arrow stream, as the
    data frames of Polars and the relations of DuckDB do.

    :param orders: The table, one order a row.
    :param options: How the orders are read.
    :raises ConfigurationError: if a column has values of several types, or is not a field of an order, or if the index
        of a DataFrame has values that would be lost.
    """

    name = "orders"

    def __init__(self, orders: Any, options: SourceOptions = SourceOptions()) -> None:  # noqa: B008  # frozen
        super().__init__(options)
        self._table = _table(orders)
        self._plan = plan(self._table.column_names, options, self.name)
        check_amounts(self._plan.columns, self._table.schema, options, self.name)
        self._origin = Origin("orders[", "]", 0, normalize=self.normalize)

    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008
        """Read the rows from a cursor on."""
        batches = self._table.slice(start.line).to_batches(max_chunksize=BATCH_ROWS)
        rows = records(batches, self._plan, self._origin, self.name, start.number, start.line)
        records_of_rows = with_empty_rows(rows, start.number)
        return grouped(records_of_rows, self.options, start.number) if self.groups_rows else records_of_rows

    def share(self, cursor: Cursor) -> float:
        """Count the rows."""
        return cursor.line / self._table.num_rows if self._table.num_rows else 1.0

    def fingerprint(self) -> str:
        """Hash all orders."""
        return content_hash(self)

    def origin(self, file: int) -> Origin:
        """Return what all orders have in common."""
        return self._origin


def _table(orders: Any) -> pa.Table:
    pandas = sys.modules.get("pandas")
    try:
        if pandas is not None and isinstance(orders, pandas.DataFrame):
            return pa.Table.from_pandas(_with_uuids_as_text(_with_index(orders)), preserve_index=False)
        return pa.table(orders)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"orders of type {type(orders).__name__} cannot be read as a table: {error}"
        ) from error


def _with_uuids_as_text(frame: Any) -> Any:
    """Write UUIDs as text, which older versions of Arrow do not convert."""
    copy = frame.copy(deep=False)
    for position, kind in enumerate(frame.dtypes):
        column = frame.iloc[:, position]
        if kind.kind == "O" and isinstance(next((v for v in column if isinstance(v, str | UUID)), None), UUID):
            copy.isetitem(position, column.map(str, na_action="ignore"))
    return copy


def _with_index(frame: Any) -> Any:
    """Make columns of a named index, which grouping and pivoting leave ids in."""
    index = frame.index
    if any(name is not None for name in index.names):
        if None in index.names:
            raise ConfigurationError(
                f"The index of the DataFrame has levels without a name, beside {index.names!r}. Name them with "
                "rename_axis, or make columns of them with reset_index()."
            )
        return frame.reset_index()
    if type(index).__name__ != "RangeIndex":
        raise ConfigurationError(
            "The DataFrame has an index without a name, whose values would be lost. Name it with "
            "rename_axis('source_id'), or drop it with reset_index(drop=True)."
        )
    return frame
