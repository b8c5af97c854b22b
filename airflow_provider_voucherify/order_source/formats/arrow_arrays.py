"""Arrays of Arrow in their plain form, and scalars that are made without importing pandas."""

from __future__ import annotations

from functools import cache
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_provider_voucherify.core.arrow import int64_scalar, string_array, string_scalar

scalar = cache(string_scalar)
number_scalar = cache(int64_scalar)


def plain_list(array: pa.Array) -> pa.Array:
    """Convert large lists and lists of a fixed size to the usual kind of list."""
    kind = array.type
    if types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return array.cast(pa.list_(kind.value_type))
    return array


def decoded(array: pa.Array) -> pa.Array:
    """Decode dictionaries, run-end encoding and extension types."""
    if isinstance(array.type, pa.BaseExtensionType):
        if getattr(array.type, "extension_name", "") == "arrow.uuid":
            return _uuids(array.storage)
        return decoded(array.storage)
    if types.is_dictionary(array.type):
        return decoded(array.dictionary_decode())
    if types.is_run_end_encoded(array.type):
        return decoded(pc.run_end_decode(array))
    return array


def _uuids(array: pa.Array) -> pa.StringArray:
    texts = [None if value is None else str(UUID(bytes=value)) for value in array.to_pylist()]
    return pc.if_else(array.is_valid(), string_array("" if text is None else text for text in texts), pa.NULL)


def within(array: pa.Array, values: pa.Array) -> pa.Array:
    """Slice the values of a list array to those that its entries cover."""
    start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return values.slice(start, end - start)


def integers(array: pa.Int64Array) -> list[int]:
    """Convert integers without nulls to Python, many times faster than ``to_pylist``."""
    return memoryview(array.buffers()[1]).cast("q")[array.offset : array.offset + len(array)].tolist()


def any_of(flags: pa.BooleanArray) -> bool:
    """Return whether a flag is set; nulls are not."""
    return bool(pc.any(flags).as_py())
