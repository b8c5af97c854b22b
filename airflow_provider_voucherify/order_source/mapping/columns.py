"""Columns of CSV files, Parquet files and data frames: which field of an order each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.mapping.normalizer import CUSTOMER_ID_RENAMED, DATE_LEFT_OUT
from airflow_provider_voucherify.order_source.options import SourceOptions, field_at
from airflow_provider_voucherify.order_source.schema.check import Note
from airflow_provider_voucherify.order_source.schema.field_types import ANYTHING, ORDER, Shape, guess

SHOWN_COLUMNS = 10
KEY = "group_by"  # where rows keep the values that identify their order, until they are grouped


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


class Plan(msgspec.Struct, frozen=True):
    """
    What becomes of the columns of a table.

    :param columns: Those that go into orders.
    :param constants: Values that all its orders have, by path: columns that are a part of the path of the file.
    :param notes: What was renamed or left out.
    """

    columns: list[Column]
    constants: dict[tuple[str, ...], str] = {}
    notes: tuple[Note, ...] = ()


def plan(
    names: Sequence[str], options: SourceOptions, table: str, path_columns: Mapping[str, str] | None = None
) -> Plan:
    """
    Find the field of every column, before the first row is read.

    :param names: The columns. One that is not mapped is named by its path in the order:
        ``customer.source_id``, ``metadata.channel``.
    :param options: The options of the source.
    :param table: What the table is called, for messages.
    :param path_columns: Columns that are a part of the path of the file, with their values.
    :raises ConfigurationError: if a column is not a field of an order, two are the same, or a mapped one is missing.
    """
    mapping, path_columns = options.column_mapping or {}, path_columns or {}
    _check_present(names, mapping, table, path_columns)
    columns: list[Column] = []
    unknown: dict[str, str] = {}
    notes: list[Note] = []
    for index, name in enumerate(names):
        target = mapping.get(name, name)
        if target is None:
            continue
        path = _path(name, target, options, notes)
        if path is None:
            continue
        shape = _shape(path, name, options, table)
        if shape is None and options.unknown_fields == "metadata" and name and name not in mapping:
            notes.append(Note(f"column {name!r} kept in the metadata", "unknown_fields"))
            columns.append(Column(index, name, _metadata_path(name, options), ANYTHING))
        elif shape is None and options.unknown_fields == "drop" and name not in mapping:
            close = guess(name)
            notes.append(
                Note(f"column {name!r} left out{f'; did you mean {close}?' if close else ''}", "unknown_fields")
            )
        elif shape is None:
            unknown[name] = target
        else:
            columns.append(Column(index, name, path, shape))
    if unknown:
        raise _unknown_columns(unknown, [*mapping, *(ORDER.fields or ())], table)
    if not columns:
        raise ConfigurationError(f"{table}: no column is left of {', '.join(map(repr, names)) or 'none'}.")
    _check_distinct(columns, table)
    columns += _key_columns(names, options, table)
    return Plan(columns, constants(names, columns, options, path_columns), tuple(notes))


def _shape(path: tuple[str, ...], name: str, options: SourceOptions, table: str) -> Shape | None:
    """Find what the API takes at a path, which may lead into an item if rows are grouped."""
    if path[0] != "items" or len(path) == 1:
        return ORDER.inner(path)
    shape = field_at(".".join(path))
    if shape is not None and not options.group_columns and (name in (options.column_mapping or {})):
        raise ConfigurationError(
            f"{table}: column {name!r} is mapped to {'.'.join(path)}. Say with group_by which column identifies "
            "an order: rows with the same value there are one order, and each has one of its items."
        )
    return shape if options.group_columns else None


def _metadata_path(name: str, options: SourceOptions) -> tuple[str, ...]:
    """Keep an unknown column in the metadata of the order, one of its items in that of the item."""
    item, dot, rest = name.partition(".")
    return ("items", "metadata", rest) if options.group_columns and item == "items" and dot else ("metadata", name)


def _key_columns(names: Sequence[str], options: SourceOptions, table: str) -> list[Column]:
    columns = []
    for index, name in enumerate(options.group_columns):
        if name not in names:
            raise ConfigurationError(
                f"{table}: group_by names {name!r}, which is not a column{did_you_mean(name, names)} "
                f"It has {_listed(names)}."
            )
        columns.append(Column(list(names).index(name), name, (KEY, str(index)), ANYTHING))
    return columns


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    return ", ".join(map(repr, names[:SHOWN_COLUMNS])) + more


def _path(name: str, target: str, options: SourceOptions, notes: list[Note]) -> tuple[str, ...] | None:
    if target == "customer_id":
        if name == target:
            notes.append(CUSTOMER_ID_RENAMED)
        return ("customer", "id")
    if target == "created_at" and options.order_date_metadata_key is None:
        notes.append(DATE_LEFT_OUT)
        return None
    return tuple(target.split("."))


def constants(
    names: Sequence[str], columns: Sequence[Column], options: SourceOptions, path_columns: Mapping[str, str]
) -> dict[tuple[str, ...], str]:
    """
    Choose the values of all orders of a file that are a part of its path, such as ``shop=de/``.

    :param names: The columns of the file.
    :param columns: Those that go into orders.
    :param options: The options of the source.
    :param path_columns: The columns that are a part of the path, with their values.
    :return: The values by path in an order: those that are mapped, or have the name of a field.
    """
    taken = {column.path for column in columns}
    chosen = {}
    for name, value in path_columns.items():
        target = (options.column_mapping or {}).get(name, name)
        if name in names or target is None or ORDER.inner(target.split(".")) is None or target == "created_at":
            continue
        path = ("customer", "id") if target == "customer_id" else tuple(target.split("."))
        if path not in taken:
            chosen[path] = value
    return chosen


def _check_present(
    names: Sequence[str], mapping: Mapping[str, str | None], table: str, path_columns: Mapping[str, str]
) -> None:
    known = {*names, *path_columns}
    missing = [name for name, target in mapping.items() if target is not None and name not in known]
    if missing:
        raise ConfigurationError(
            f"{table}: column_mapping maps {', '.join(map(repr, missing[:SHOWN_COLUMNS]))}, "
            f"{'which it does not have' if len(missing) == 1 else 'which are not there'}"
            f"{did_you_mean(missing[0], known)}"
        )


def _unknown_columns(paths: Mapping[str, str], known: Sequence[str], table: str) -> ConfigurationError:
    shown = [repr(name) if name == path else f"{name!r} (mapped to {path})" for name, path in paths.items()]
    more = f" and {len(shown) - SHOWN_COLUMNS} more" if len(shown) > SHOWN_COLUMNS else ""
    first = next(iter(paths))
    return ConfigurationError(
        f"{table}: {', '.join(shown[:SHOWN_COLUMNS])}{more} "
        f"{'is not a field' if len(shown) == 1 else 'are not fields'} of an order in the API"
        f"{did_you_mean(first, known)} "
        f"Map it with column_mapping={{{first!r}: 'metadata.{first.rpartition('.')[2]}'}}, "
        f"leave it out with {{{first!r}: None}}, or treat all of them with unknown_fields='drop' or 'metadata'."
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
