"""The Arrow types of the columns."""

from __future__ import annotations

import re

import pyarrow as pa

from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.kinds import METADATA_PREFIX, FieldType
from airflow_provider_voucherify.order_export.request import ExportRequest

TIME = pa.timestamp("ms", "UTC")
STATUS = pa.dictionary(pa.int32(), pa.string())
TYPES: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "category": STATUS,
    "integer": pa.int64(),
    "number": pa.float64(),
    "switch": pa.bool_(),
    "date": pa.date32(),
    "time": TIME,
    "json": pa.string(),
}


def order_schema(request: ExportRequest) -> pa.Schema:
    """
    Return the types of the requested fields, in their order, under the API's names.

    Amounts, in the smallest currency unit, and counts are int64, times milliseconds in UTC, ``metadata`` the JSON text
    of all keys, words of a fixed set a dictionary, and all others strings.

    :param request: The request.
    """
    return pa.schema([(name, _type_of(name, request)) for name in request.fields or ()])


def file_schema(request: ExportRequest, config: ExportConfig) -> pa.Schema:
    """
    Return the schema of the Parquet files: the types of :func:`order_schema`, under the names that the options ask for.

    :param request: The request.
    :param config: The options.
    """
    types = order_schema(request)
    return pa.schema(list(zip(config.columns(types.names), types.types, strict=True)))


def dictionary_columns(schema: pa.Schema) -> list[str]:
    """List the columns with few distinct values: for the others, a dictionary costs more than it saves."""
    return [field.name for field in schema if pa.types.is_dictionary(field.type)]


def _type_of(name: str, request: ExportRequest) -> pa.DataType:
    field_type = request.kind.type_of(name)
    if field_type is None:
        return arrow_type((request.metadata_schema or {}).get(name.removeprefix(METADATA_PREFIX), "string"))
    return TYPES[field_type]


def arrow_type(name: str) -> pa.DataType:
    """
    Return the Arrow type of a name.

    :param name: A name as in ``ARROW_TYPES``, which is what ``str`` makes of a pyarrow type.
    """
    if decimal := re.fullmatch(r"decimal128\((\d+), ?(\d+)\)", name):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    if zoned := re.fullmatch(r"timestamp\[(\w+), ?tz=UTC\]", name):
        return pa.timestamp(zoned[1], "UTC")
    return pa.type_for_alias(name)
