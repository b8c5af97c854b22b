"""Read rows of Arrow batches as records."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.arrow_json import Documents, documents
from airflow_provider_voucherify.order_source.mapping.columns import Column, Plan
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.schema.check import Note
from airflow_provider_voucherify.order_source.schema.field_types import ANYTHING, Kind, Shape
from airflow_provider_voucherify.order_source.source import Origin, Record

MAX_TEXT_BYTES = 64 << 20  # of one column, in rows that are written out at once
ROWS_AT_ONCE = 1000  # that become Python objects: few enough to stay in the cache
EMPTY = b"{}"


def records(
    batches: Iterable[pa.RecordBatch], plan: Plan, origin: Origin, table: str, number: int, row: int
) -> Generator[Record | None, None, None]:
    """
    Read the rows of batches as records, and as None where nothing is in a row.

    :param batches: The batches.
    :param plan: What becomes of their columns.
    :param origin: What all records of the table have in common.
    :param table: What the table is called, for messages.
    :param number: How many records of the source lie before the batches.
    :param row: How many rows of the table lie before them.
    :raises ConfigurationError: naming the column that cannot be written as JSON.
    """
    described = False
    for batch in batches:
        if not described:
            origin = msgspec.structs.replace(origin, notes=(*plan.notes, *_converted(plan.columns, batch.schema)))
            described = True
        for piece in _pieces(batch):
            texts, sound = documents_of(piece, plan.columns, table, plan.constants)
            for start in range(0, len(texts), ROWS_AT_ONCE):
                bodies = texts.slice(start, ROWS_AT_ONCE).cast(pa.binary()).to_pylist()
                traits = sound[start : start + ROWS_AT_ONCE] if sound else [None] * len(bodies)
                for body, known in zip(bodies, traits, strict=True):
                    row += 1
                    if body == EMPTY:
                        yield None
                    else:
                        yield Record(origin, number, row - 1, body, row, sound=known)
                        number += 1


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split a batch that is small only because its texts are stored once: written out they may not fit into memory."""
    if len(batch) > 1 and sum(map(_text_bytes, batch.columns)) > MAX_TEXT_BYTES:
        middle = len(batch) // 2
        yield from _pieces(batch.slice(0, middle))
        yield from _pieces(batch.slice(middle))
    else:
        yield batch


def _text_bytes(column: pa.Array) -> int:
    """Sum up the texts of a column whose values are stored once, as they will be written out."""
    kind = column.type
    if not types.is_dictionary(kind) or not (
        types.is_string(kind.value_type) or types.is_large_string(kind.value_type)
    ):
        return 0
    return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0


def documents_of(
    batch: pa.RecordBatch,
    columns: Sequence[Column],
    table: str,
    constants: dict[tuple[str, ...], str] | None = None,
) -> Documents:
    """
    Write the rows of a batch as orders.

    :param batch: The batch.
    :param columns: Which of its columns go where in an order.
    :param table: What the table is called, for messages.
    :param constants: Values that all orders have besides, by path.
    :raises ConfigurationError: naming the column that cannot be written as JSON.
    """
    arrays = [batch.column(column.index) for column in columns]
    try:
        return documents(columns, arrays, constants or {})
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


def check_amounts(columns: Sequence[Column], schema: pa.Schema, options: SourceOptions, table: str) -> None:
    """
    Check that it is known what the amounts of a table mean.

    :param columns: The columns that go into orders.
    :param schema: The types of all columns.
    :param options: The options of the source.
    :param table: What the table is called, for messages.
    :raises ConfigurationError: if amounts are decimals or floats, and ``amount_unit`` is not given.
    """
    if options.amount_unit is not None:
        return
    for column in columns:
        for name, kind, shape in _leaves(schema.field(column.index).type, column.shape, column.name):
            if shape.is_amount and (types.is_floating(kind) or types.is_decimal(kind)):
                raise ConfigurationError(
                    f"{table}: the amounts of {name!r} are of type {kind}, so that 12.00 may mean 12 or 1200. Say "
                    "which with amount_unit: 'major' for 12.00 in the currency, 'minor' for its smallest unit."
                )


def _converted(columns: Sequence[Column], schema: pa.Schema) -> list[Note]:
    """Note ids that are numbers, and numbers that are text."""
    notes = []
    for column in columns:
        for name, kind, shape in _leaves(schema.field(column.index).type, column.shape, ".".join(column.path)):
            is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
            is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
            if shape.is_id and is_number:
                notes.append(Note(f"{name} given as a number, written as text", "column_mapping"))
            elif shape.kind in (Kind.INTEGER, Kind.NUMBER) and is_text:
                notes.append(Note(f"{name} given as text, read as a number", "column_mapping"))
    return notes


def _leaves(kind: pa.DataType, shape: Shape, name: str) -> Iterator[tuple[str, pa.DataType, Shape]]:
    """List the fields in a type that have no fields themselves: name, type, and what the API accepts there."""
    if types.is_dictionary(kind):
        yield from _leaves(kind.value_type, shape, name)
    elif types.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, shape.inner((field.name,)) or ANYTHING, f"{name}.{field.name}")
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        yield from _leaves(kind.value_type, shape.entries or ANYTHING, name)
    else:
        yield name, kind, shape
