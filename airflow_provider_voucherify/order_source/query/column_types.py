"""
Arrow types for the Python values of a query.

DB-API drivers name the types of columns each in its own way, so the values decide. A column without a value yet has no
type; one whose values turn out to be of several types is JSON from then on, where each value keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pyarrow as pa

from airflow_provider_voucherify.core.json_text import JsonText
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.schema.check import encode

JSON = JsonText()
NOTHING = pa.null()
ZONED = pa.timestamp("us", "UTC")
LOCAL = pa.timestamp("us")
MAX_DIGITS = 38
INT64 = range(-(1 << 63), 1 << 63)

TYPES: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    Decimal: pa.decimal128(MAX_DIGITS, 0),
    datetime: LOCAL,
    date: pa.date32(),
    time: pa.string(),
    str: pa.string(),
    UUID: pa.string(),
    dict: JSON,
    list: JSON,
    tuple: JSON,
}


def record_batch(
    rows: Sequence[Sequence[Any]], names: Sequence[str], types: Sequence[pa.DataType], json: Iterable[str] = ()
) -> pa.RecordBatch:
    """
    Make an Arrow batch of rows.

    :param rows: The rows, as a DB-API driver gives them.
    :param names: The names of the columns.
    :param types: The types that the columns have had up to now, ``pa.null()`` where there was no value yet. They are
        widened where values do not fit.
    :param json: Columns whose text is JSON.
    :raises ConfigurationError: naming a column whose values have no form in JSON.
    """
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(names)
    documents = set(json)
    arrays = [
        _array(values, name, kind, name in documents) for values, name, kind in zip(columns, names, types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def plain_batch(batch: pa.RecordBatch, json: Iterable[str] = ()) -> pa.RecordBatch:
    """
    Give an Arrow batch of a driver types that do not differ between batches.

    :param batch: The batch.
    :param json: Columns whose text is JSON.
    :raises ConfigurationError: naming a column whose type has no form in JSON.
    """
    documents = set(json)
    arrays = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        kind = field.type
        if pa.types.is_integer(kind) and kind != pa.uint64():
            array = array.cast(pa.int64())  # Snowflake gives each batch the smallest type
        elif pa.types.is_floating(kind):
            array = array.cast(pa.float64())
        elif pa.types.is_binary(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
            raise _no_form(field.name, str(kind))
        elif field.name in documents and pa.types.is_string(kind):
            array = pa.ExtensionArray.from_storage(JSON, array)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _array(values: Sequence[Any], name: str, before: pa.DataType, is_json: bool) -> pa.Array:
    plain = [_plain(value) for value in values]
    kinds = {type(value) for value in plain} - {type(None)}
    if is_json and kinds <= {str}:
        return pa.ExtensionArray.from_storage(JSON, pa.array(plain, pa.string()))
    kind = _common(before, *(_type(one, plain, name) for one in kinds))
    if kind == pa.string():
        plain = [None if value is None else str(value) for value in plain]
    if kind != JSON:
        try:
            return pa.array(plain, kind)
        except pa.ArrowInvalid:  # decimals with more digits before the point than this many after it leave room for
            pass
    texts = [None if value is None else _document(value, name) for value in plain]
    return pa.ExtensionArray.from_storage(JSON, pa.array(texts, pa.string()))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    return str(value) if isinstance(value, UUID) else value


def _type(python: type, values: Iterable[Any], name: str) -> pa.DataType:
    known = next((base for base in python.__mro__ if base in TYPES), None)
    if known is None:
        raise _no_form(name, python.__name__)
    chosen: list[Any] = [value for value in values if type(value) is python]
    if known is int and any(value not in INT64 for value in chosen):
        return JSON
    if known is Decimal:
        return _decimal(chosen)
    if known is datetime:
        return _common(*{LOCAL if value.tzinfo is None else ZONED for value in chosen})
    return TYPES[known]


def _decimal(values: Iterable[Decimal]) -> pa.DataType:
    digits = scale = 0
    for value in values:
        if not value.is_finite():
            return JSON
        _, figures, exponent = value.as_tuple()
        digits = max(digits, len(figures) + int(exponent))
        scale = max(scale, -int(exponent))
    return pa.decimal128(MAX_DIGITS, scale) if digits + scale <= MAX_DIGITS else JSON


def _common(*kinds: pa.DataType) -> pa.DataType:
    """Choose the narrowest type that holds values of several."""
    found = NOTHING
    for kind in kinds:
        if found in (kind, NOTHING):
            found = kind
        elif pa.types.is_decimal(found) and pa.types.is_decimal(kind):
            found = max(found, kind, key=lambda decimal: decimal.scale)
        elif kind != NOTHING:
            return JSON
    return found


def _document(value: Any, name: str) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        value = str(value)  # JSON has no such number: as text it stays visible
    try:
        return encode(value).decode()
    except TypeError as error:
        raise _no_form(name, f"{type(value).__name__} ({error})") from None


def _no_form(name: str, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"The query's column {name!r} has values of type {kind}, which has no form in JSON. Cast it to text in the "
        "query, or leave it out."
    )
