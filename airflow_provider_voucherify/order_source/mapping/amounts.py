"""Compute amounts of money in the smallest unit of their currency, exactly."""

from __future__ import annotations

import re
from decimal import Decimal

from airflow_provider_voucherify.order_source.schema.check import number_advice, shown

MAX_DIGITS = 15  # of an amount; what JavaScript holds exactly

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


def minor_units(value: object, decimals: int) -> int:
    """
    Count the smallest units of a currency in an amount.

    :param value: The amount as an integer, a decimal, or text.
    :param decimals: The digits of the smallest unit after the point.
    :raises ValueError: if it is not a number, or not a whole number of smallest units.
    """
    number = Decimal(value.strip()) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else value
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise ValueError(
            f"must be an amount such as 12.34 (amount_unit='major'), got {shown(value)}{number_advice(value)}"
        )
    sign, digits, exponent = Decimal(number).as_tuple()
    shift = int(exponent) + decimals
    if shift < 0 and any(digits[shift:]):
        raise ValueError(f"has more than {decimals} decimals (amount_decimals), got {shown(value)}")
    digits = digits[:shift] if shift < 0 else digits
    if any(digits) and len(digits) + shift > MAX_DIGITS:
        raise ValueError(f"is too large an amount: {shown(value)}")
    units = int("".join(map(str, digits)) or "0") * (10**shift if shift > 0 and any(digits) else 1)
    return -units if sign else units
