"""
Rows of Arrow tables as JSON documents, computed a column at a time.

Rows as Python objects would take longer than all the rest of an import, and Arrow has no writer of JSON of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from math import isfinite
from typing import Any, NamedTuple, Self, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_provider_voucherify.core.arrow import string_array
from airflow_provider_voucherify.core.json_text import is_json_text
from airflow_provider_voucherify.order_source.formats.arrow_arrays import (
    any_of,
    decoded,
    plain_list,
    scalar,
    within,
)
from airflow_provider_voucherify.order_source.formats.arrow_traits import sound_orders
from airflow_provider_voucherify.order_source.mapping.columns import Column
from airflow_provider_voucherify.order_source.mapping.ids import id_text
from airflow_provider_voucherify.order_source.schema.field_types import (
    ANYTHING,
    JSON_NUMBER,
    ORDER,
    Kind,
    Shape,
    is_json,
)
from airflow_provider_voucherify.order_source.schema.order import NULL_MARKERS, SoundOrder

_ESCAPED = bytes(range(0x20)) + b'"\\'

Text: TypeAlias = "str | pa.StringArray"
TEXT = Shape(Kind.TEXT)
TO_THE_END = 2**31 - 1


class Documents(NamedTuple):
    """
    Rows as orders.

    :param texts: The JSON documents.
    :param sound: What is known of each order, if types and values prove all of them valid; None if each has to be
        checked.
    """

    texts: pa.StringArray
    sound: list[SoundOrder] | None


def documents(
    columns: Sequence[Column], arrays: Sequence[pa.Array], constants: Mapping[tuple[str, ...], str] | None = None
) -> Documents:
    """
    Write rows as orders.

    What is null is left out, and so is a float that is not a number. Decimals are numbers with all their digits;
    numbers with zeros after the point are integers where the API takes integers, and text where it takes text.
    Text is read as a number, a list or an object where the API takes one. Times with a zone are written in UTC,
    those without one as they are.

    :param columns: Where the arrays go in an order.
    :param arrays: The values, an array for each column and of the same length.
    :param constants: Values that all orders have besides, by path.
    :raises pyarrow.ArrowException: if bytes are not UTF-8, or a type has no form in JSON.
    """
    values = {column.path: array for column, array in zip(columns, arrays, strict=True)}
    length = len(arrays[0])
    order = _nest(values | {path: pa.repeat(scalar(value), length) for path, value in (constants or {}).items()})
    written = _object(order, ORDER)
    texts = _joined(written.parts, len(order))
    texts.validate(full=True)  # Arrow does not check whether text from Parquet is UTF-8
    return Documents(texts, sound_orders(order) if written.sound else None)


def _nest(arrays: Mapping[tuple[str, ...], pa.Array]) -> pa.StructArray:
    """Nest flat columns into objects. An object whose fields are all null is null itself."""
    groups: dict[str, dict[tuple[str, ...], pa.Array]] = {}
    for path, array in arrays.items():
        groups.setdefault(path[0], {})[path[1:]] = array
    values = [group[()] if () in group else _nest(group) for group in groups.values()]
    empty = reduce(pc.and_, [value.is_null() for value in values])
    return pa.StructArray.from_arrays(values, list(groups), mask=empty)


def _joined(parts: Sequence[Text], length: int) -> pa.StringArray:
    """Join parts row by row. A row with a null part is null."""
    merged: list[Text] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    operands = [scalar(part) if isinstance(part, str) else part for part in merged]
    if len(operands) > 1:
        return pc.binary_join_element_wise(*operands, scalar(""))
    return pa.repeat(operands[0], length) if isinstance(operands[0], pa.Scalar) else operands[0]


class _Value(NamedTuple):
    """
    The texts of values.

    :param parts: What they are put together from.
    :param nullable: Whether some are null.
    :param sound: Whether all of them are what the API takes.
    """

    parts: list[Text]
    nullable: bool
    sound: bool

    @classmethod
    def of(cls, text: pa.StringArray, sound: bool) -> Self:
        return cls([text], text.null_count > 0, sound)

    @classmethod
    def quoted(cls, text: pa.StringArray, sound: bool) -> Self:
        return cls(['"', text, '"'], text.null_count > 0, sound)


def _value(array: pa.Array, shape: Shape) -> _Value:
    if is_json_text(array.type):
        return _Value.of(array.storage.cast(pa.string()), sound=False)
    array = decoded(array)
    kind = array.type
    if types.is_struct(kind):
        return _where_valid(array, _object(array, shape))
    if types.is_map(kind):
        return _where_valid(array, _map(array, shape))
    if types.is_list(kind):
        return _where_valid(array, _list(array, shape))
    if types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _value(plain_list(array), shape)
    if types.is_temporal(kind):
        return _Value.quoted(_time(array), shape.kind is Kind.ANYTHING)
    if types.is_floating(kind):
        return _float(array.cast(pa.float32()) if types.is_float16(kind) else array, shape)
    text = array.cast(pa.string())
    if types.is_integer(kind):
        return _integer(array, text, shape)
    if types.is_decimal(kind) or types.is_boolean(kind):
        return _number(text, shape, shape.kind is Kind.BOOLEAN and types.is_boolean(kind))
    return _text(text, shape)


def _object(array: pa.StructArray, shape: Shape) -> _Value:
    """Write fields in the order of the schema, whatever is null: a row read again must be the same bytes."""
    sound = shape.kind in (Kind.OBJECT, Kind.ANYTHING)
    if shape.kind is Kind.LIST and shape.entries is not None:
        shape = shape.entries  # a row has one of the items, which is put into a list when rows are grouped
    before: list[Text] = []
    after: list[Text] = []
    certain = False
    for index, field in enumerate(array.type):
        known = shape.inner((field.name,))
        inner = known or ANYTHING
        name = _encode(field.name).decode() + ":"
        value = _value(array.field(index), inner)
        if not value.sound and array.null_count:  # for what lies under a null may be
            value = value._replace(sound=_value(array.flatten()[index], inner).sound)
        # overrides are read from the value, and names that the API does not know are treated row by row
        sound = sound and value.sound and inner.kind is not Kind.BOOLEAN and known is not None
        if not value.nullable:
            after += ["," if certain else "", name, *value.parts]
            certain = True
        elif certain:
            after.append(_joined([f",{name}", *value.parts], len(array)).fill_null(scalar("")))
        else:
            before.append(_joined([name, *value.parts, ","], len(array)).fill_null(scalar("")))
    if before and not certain:
        before = [pc.binary_replace_slice(_joined([*before, ""], len(array)), -1, TO_THE_END, "")]
    return _Value(["{", *before, *after, "}"], nullable=False, sound=sound)


def _list(array: pa.ListArray, shape: Shape) -> _Value:
    values = within(array, array.values)
    entries = _value(values, shape.entries or ANYTHING)
    sound = shape.kind is Kind.ANYTHING or (
        shape.kind is Kind.LIST
        and entries.sound
        and not entries.nullable
        and (pc.max(array.value_lengths()).as_py() or 0) <= (shape.max_length or sys.maxsize)
    )
    texts = _joined(entries.parts, len(values)).fill_null(scalar("null"))
    return _Value(["[", _parted(array, texts), "]"], nullable=False, sound=sound)


def _map(array: pa.MapArray, shape: Shape) -> _Value:
    keys, items = within(array, array.keys), within(array, array.items)
    values = _joined(_value(items, ANYTHING).parts, len(items)).fill_null(scalar("null"))
    pairs = _joined([*_value(keys, TEXT).parts, ":", values], len(items))
    sound = shape.kind in (Kind.OBJECT, Kind.ANYTHING) and shape.fields is None
    return _Value(["{", _parted(array, pairs), "}"], nullable=False, sound=sound)


def _parted(array: pa.Array, texts: pa.StringArray) -> pa.StringArray:
    """Join the entries of each list with commas."""
    return pc.binary_join(pa.ListArray.from_arrays(pc.subtract(array.offsets, array.offsets[0]), texts), scalar(","))


def _where_valid(array: pa.Array, value: _Value) -> _Value:
    if not array.null_count:
        return value
    return _Value.of(pc.if_else(array.is_valid(), _joined(value.parts, len(array)), pa.NULL), value.sound)


def _time(array: pa.Array) -> pa.StringArray:
    """Write dates and times as ISO 8601."""
    kind, zone = array.type, ""
    if types.is_duration(kind) or types.is_interval(kind):
        raise pa.ArrowNotImplementedError(f"{kind} has no form in JSON")
    if types.is_timestamp(kind) and kind.tz is not None:
        array, zone = array.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.timestamp(kind.unit)), "Z"
    text = pc.replace_substring(array.cast(pa.string()), " ", "T")
    return _joined([pc.replace_substring_regex(text, r"\.0+$", ""), zone], len(array))


def _integer(array: pa.Array, text: pa.StringArray, shape: Shape) -> _Value:
    if shape.kind is Kind.TEXT:
        return _Value.quoted(text, shape.choices is None and shape.pattern is None)
    smallest = None if shape.minimum is None else pc.min(array).as_py()
    small = smallest is not None and smallest < shape.minimum
    return _Value.of(text, shape.kind in (Kind.INTEGER, Kind.NUMBER, Kind.ANYTHING) and not small)


def _number(text: pa.StringArray, shape: Shape, sound: bool) -> _Value:
    """Keep a number as it is written, but without a point and zeros where an integer is expected."""
    sound = sound or shape.kind is Kind.ANYTHING
    if shape.kind is Kind.TEXT:
        return _Value.quoted(pc.replace_substring_regex(text, r"\.0+$", "") if shape.is_id else text, sound)
    if shape.kind is Kind.INTEGER:
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    return _Value.of(text, sound)


def _float(array: pa.Array, shape: Shape) -> _Value:
    if shape.kind is Kind.TEXT:
        return _float_id(array)
    text = pc.if_else(pc.is_nan(array), pa.NULL, array.cast(pa.string()))
    infinite = pc.is_inf(array)
    if any_of(infinite):  # JSON has no such number: as text it stays visible
        return _Value.of(pc.if_else(infinite, _joined(['"', text, '"'], len(text)), text), sound=False)
    small = shape.is_amount and (pc.min(array).as_py() or 0) < 0
    return _number(text, shape, shape.kind is Kind.NUMBER and not small)


def _float_id(array: pa.Array) -> _Value:
    array = pc.if_else(pc.is_nan(array), pa.NULL, array).cast(pa.float64())
    return _Value.of(_written(array, _json_id), sound=False)


def _json_id(value: float) -> str:
    """Write a float as digits, if it is exact; another one stays a number, and is refused."""
    text = id_text(value)
    if text is None:
        text = repr(value)
        return text if isfinite(value) else f'"{text}"'
    return f'"{text}"'


def _text(text: pa.StringArray, shape: Shape) -> _Value:
    """Quote text, unless the API takes it without quotes."""
    match shape.kind:
        case Kind.INTEGER | Kind.NUMBER:
            literal = pc.match_substring_regex(text, f"^(?:{JSON_NUMBER})$")
        case Kind.BOOLEAN:
            lower = pc.utf8_lower(text)
            lower = pc.if_else(pc.equal(lower, scalar("t")), scalar("true"), lower)
            lower = pc.if_else(pc.equal(lower, scalar("f")), scalar("false"), lower)
            literal = _either(lower, ("true", "false"))
            text = pc.if_else(literal, lower, text)
        case Kind.OBJECT | Kind.LIST:
            return _Value.of(_written(text, lambda value: value if is_json(value) else _quote(value)), sound=False)
        case _:
            sound = shape.pattern is None and not (shape.is_id and any_of(pc.is_in(text, value_set=_markers())))
            sound = sound and (shape.choices is None or not any_of(pc.invert(_either(text, shape.choices))))
            return _quoted(text, sound)
    if not any_of(pc.invert(literal)):
        return _Value.of(text, sound=False)
    return _Value.of(pc.if_else(literal, text, _joined(_quoted(text, True).parts, len(text))), sound=False)


def _quoted(text: pa.StringArray, sound: bool) -> _Value:
    _, offsets, data = text.buffers()
    if data is not None:
        ends = memoryview(offsets).cast("i")
        used = memoryview(data)[ends[text.offset] : ends[text.offset + len(text)]].tobytes()
        if len(used.translate(None, _ESCAPED)) < len(used):
            return _Value.of(_written(text, _quote), sound)
    return _Value.quoted(text, sound)


def _quote(value: str) -> str:
    return _encode(value).decode()


def _written(array: pa.Array, write: Callable[[Any], str]) -> pa.StringArray:
    """Write values one by one."""
    return pc.if_else(
        array.is_valid(), string_array("" if value is None else write(value) for value in array.to_pylist()), pa.NULL
    )


@cache
def _markers() -> pa.StringArray:
    return string_array(sorted(NULL_MARKERS))


def _either(text: pa.StringArray, choices: Sequence[str]) -> pa.BooleanArray:
    return reduce(pc.or_, [pc.equal(text, scalar(choice)) for choice in choices])


_encode = msgspec.json.Encoder().encode
