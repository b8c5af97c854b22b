"""Run a query, and fetch its rows as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import pyarrow as pa

from airflow_provider_voucherify.order_source.query import cursors
from airflow_provider_voucherify.order_source.query.column_types import NOTHING, plain_batch, record_batch
from airflow_provider_voucherify.order_source.query.items import ITEM_PREFIX, ItemsMerge
from airflow_provider_voucherify.order_source.query.query import Query

Rows = Iterable[Sequence[Sequence[Any]]]


def fetch(query: Query, source_id: str) -> Iterator[pa.RecordBatch]:
    """
    Run a query, and fetch its rows in batches of some megabytes; at least one, which may be empty.

    :param query: The query.
    :param source_id: The column that is the ``source_id`` of the orders.
    :raises ConfigurationError: if values have no form in JSON, or the rows of ``items_sql`` do not fit.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(closing(query.connect()))
        if cursors.is_postgres(connection):
            cursors.start_snapshot(connection)
        cursor = cursors.run(connection, query.sql, query.parameters, arrow=query.items_sql is None)
        if query.items_sql is None:
            yield from _batches(cursor)
            return
        if not cursors.is_postgres(connection):  # the others may not have two open cursors on a connection
            connection = stack.enter_context(closing(query.connect()))
        items = cursors.run(connection, query.items_sql, query.parameters, number=1)
        yield from _merged(query, cursor, items, source_id)


def _merged(query: Query, orders: Any, items: Any, source_id: str) -> Iterator[pa.RecordBatch]:
    order_rows, item_rows = _started(cursors.row_batches(orders)), _started(cursors.row_batches(items))
    names, item_names = cursors.column_names(orders), cursors.column_names(items)
    merge = ItemsMerge(names, item_names, order_keys(query.keys, names, source_id), query.keys)
    json = cursors.json_columns(orders) | {ITEM_PREFIX + name for name in cursors.json_columns(items)}
    yield from _arrow(merge.merge(order_rows, item_rows), merge.columns, json)


def order_keys(keys: Sequence[str], columns: Sequence[str], source_id: str) -> list[str]:
    """
    Find the columns of the orders that are the key of their items.

    :param keys: The columns of the items.
    :param columns: The columns of the orders.
    :param source_id: The column that is the ``source_id`` of the orders.
    """
    return [source_id] if len(keys) == 1 and keys[0] not in columns and source_id in columns else list(keys)


def _batches(cursor: Any) -> Iterator[pa.RecordBatch]:
    arrow = cursors.arrow_batches(cursor)
    if arrow is None:
        rows = _started(cursors.row_batches(cursor))
        yield from _arrow(rows, cursors.column_names(cursor), cursors.json_columns(cursor))
        return
    names, json = cursors.column_names(cursor), cursors.json_columns(cursor)
    batch = None
    for batch in arrow:
        yield plain_batch(batch, json)
    if batch is None:
        yield record_batch((), names, [NOTHING] * len(names))


def _started(batches: Iterator[list[Sequence[Any]]]) -> Iterator[list[Sequence[Any]]]:
    """Fetch the first batch: before that a server-side cursor of Postgres does not know its columns."""
    first = next(batches)

    def rest() -> Iterator[list[Sequence[Any]]]:
        yield first
        yield from batches

    return rest()


def _arrow(rows: Rows, names: Sequence[str], json: set[str]) -> Iterator[pa.RecordBatch]:
    types = [NOTHING] * len(names)
    for batch in rows:
        arrow = record_batch(batch, names, types, json)
        types = arrow.schema.types
        yield arrow
