"""Columns of CSV files, Parquet files and data frames: which field of an order each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.schema.field_types import ORDER, Shape

SHOWN_COLUMNS = 10


class Column(msgspec.Struct, frozen=True):
    """
    A column that goes into orders.

    :param index: Which of the columns it is, from 0.
    :param name: What the table calls it.
    :param path: Where it goes in an order.
    :param shape: What the API takes there.
    """

    index: int
    name: str
    path: tuple[str, ...]
    shape: Shape


def plan(names: Sequence[str], column_mapping: Mapping[str, str | None], table: str) -> list[Column]:
    """
    Find the field of every column, before the first row is read.

    :param names: The columns. One that is not mapped is named by its path in the order:
        ``customer.source_id``, ``metadata.channel``.
    :param column_mapping: Path by column; None leaves a column out.
    :param table: What the table is called, for messages.
    :raises ConfigurationError: if a column is no field of an order, or two are the same: nothing is lost in silence.
    """
    columns: list[Column] = []
    unknown: dict[str, str] = {}
    for index, name in enumerate(names):
        target = column_mapping.get(name, name)
        if target is None:
            continue
        path = tuple(target.split("."))
        shape = ORDER.inner(path)
        if shape is None:
            unknown[name] = target
        else:
            columns.append(Column(index, name, path, shape))
    if unknown:
        raise _unknown_columns(unknown, [*column_mapping, *(ORDER.fields or ())], table)
    if not columns:
        raise ConfigurationError(f"{table}: no column is left of {', '.join(map(repr, names)) or 'none'}.")
    _check_distinct(columns, table)
    return columns


def _unknown_columns(paths: Mapping[str, str], known: Sequence[str], table: str) -> ConfigurationError:
    shown = [repr(name) if name == path else f"{name!r} (mapped to {path})" for name, path in paths.items()]
    more = f" and {len(shown) - SHOWN_COLUMNS} more" if len(shown) > SHOWN_COLUMNS else ""
    first = next(iter(paths))
    return ConfigurationError(
        f"{table}: {', '.join(shown[:SHOWN_COLUMNS])}{more} {'is no field' if len(shown) == 1 else 'are no fields'} "
        f"of an order in the API{did_you_mean(first, known)} "
        f"Map it with column_mapping={{{first!r}: 'metadata.{first.rpartition('.')[2]}'}}, "
        f"or leave it out with {{{first!r}: None}}."
    )


def _check_distinct(columns: Sequence[Column], table: str) -> None:
    taken: dict[tuple[str, ...], str] = {}
    for column in columns:
        if column.path in taken:
            raise _clash(taken[column.path], column.name, column.path, table)
        taken[column.path] = column.name
    for column in columns:
        for length in range(1, len(column.path)):
            if (other := taken.get(column.path[:length])) is not None:
                raise _clash(other, column.name, column.path[:length], table)


def _clash(one: str, other: str, path: Sequence[str], table: str) -> ConfigurationError:
    return ConfigurationError(
        f"{table}: the columns {one!r} and {other!r} both go to {'.'.join(path)}. "
        "Map one of them elsewhere, or leave it out, with column_mapping."
    )
