"""Give values of the metadata the types of a schema."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider_voucherify.order_source.mapping.times import iso_8601

BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def typed(value: Any, kind: str, formats: Sequence[str] = ()) -> Any:
    """
    Give a value a type.

    :param value: The value, as JSON has it.
    :param kind: The type, as Arrow names it: ``int64``, ``float64``, ``bool``, ``string``, ``timestamp[us, UTC]``.
    :param formats: Formats of dates that are not in ISO 8601.
    :raises ValueError: if the value cannot be read as that.
    """
    if kind.startswith(("timestamp", "date")):
        moment = iso_8601(value, formats)
        return moment[:10] if kind.startswith("date") else moment
    if kind == "bool":
        return value if isinstance(value, bool) else _boolean(_text(value))
    if kind.startswith(("int", "uint")):
        number = _decimal(value)
        if number != int(number):
            raise ValueError(value)
        return int(number)
    if kind.startswith(("float", "double", "half", "decimal")):
        return _decimal(value)
    return _text(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError(value)
    try:
        number = Decimal(_text(value).strip())
    except InvalidOperation:
        raise ValueError(value) from None
    if not number.is_finite():
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _boolean(text: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise ValueError(text)
    return BOOLEANS[text.lower()]
