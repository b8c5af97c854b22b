"""Write orders that are Python objects as JSON, with the types that data frames and databases have besides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from airflow_provider_voucherify.order_source.schema.check import MAX_NESTING

_NOTHING = ("NaTType", "NAType")  # of pandas, which is not imported for this


def _plain(value: Any) -> Any:
    """Turn a value that JSON does not have into one that it has."""
    if type(value).__name__ in _NOTHING:
        return None
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "isoformat"):  # pandas.Timestamp and the like
        return value.isoformat().replace("+00:00", "Z")
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of NumPy
        item = value.item()
        if type(item) is not type(value):
            return item
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0:  # an array of NumPy
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"a value of type {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode


def to_json(order: Any) -> bytes:
    """
    Write an order as JSON.

    NaN, ``NaT`` and ``NA`` become null: data frames write so that there is nothing.

    :param order: The order.
    :raises ValueError: naming the field that JSON has no form for: an infinite number, an object of another kind.
    """
    try:
        body = _encode(order)
    except (TypeError, ValueError, NotImplementedError, RecursionError, OverflowError) as error:
        raise ValueError(f"{_bad_field(order) or 'the order'} cannot be written as JSON: {error}") from None
    if b"null" in body and (field := _infinite_field(order)):
        raise ValueError(f"{field} is an infinite number, which JSON does not have")
    return body


def _bad_field(value: Any, path: str = "", depth: int = 0) -> str | None:
    for inner, field in _parts(value, path) if depth < MAX_NESTING else ():
        try:
            _encode(inner)
        except (TypeError, ValueError, NotImplementedError, RecursionError, OverflowError):
            return _bad_field(inner, field, depth + 1) or field
    return None


def _infinite_field(value: Any, path: str = "") -> str | None:
    for inner, field in _parts(value, path):
        if isinstance(inner, float) and math.isinf(inner):
            return field
        if found := _infinite_field(inner, field):
            return found
    return None


def _parts(value: Any, path: str) -> list[tuple[Any, str]]:
    if isinstance(value, Mapping):
        return [(inner, f"{path}.{name}" if path else str(name)) for name, inner in value.items()]
    if isinstance(value, list | tuple):
        return [(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    return []
