"""From orders as a shop writes them to orders as the API takes them: amounts, and the date that it overwrites."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.schema.order import MALFORMED, InvalidOrderError, encode, shown

AmountUnit = Literal["minor", "major"]

AMOUNT_DECIMALS = 2
MAX_AMOUNT_DECIMALS = 4
MAX_DIGITS = 15  # of an amount; what JavaScript holds exactly

_ORDER_AMOUNTS = ("amount", "initial_amount", "discount_amount")
_ITEM_AMOUNTS = ("amount", "initial_amount", "discount_amount", "price")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """
    Turns an order with the API's names into one with the API's values.

    :param amount_unit: ``"minor"`` if amounts are in the smallest currency unit already, as the API takes them;
        ``"major"`` if ``12.34`` means 1234. They are computed as decimals, from numbers and from text, and never
        as floats. This holds for ``amount``, ``initial_amount`` and ``discount_amount`` of orders and items, the
        ``price`` of items, and the ``price`` of the product and SKU in an item.
    :param amount_decimals: Digits of the smallest unit behind the point: 2 for most currencies, 0 for JPY, 3 for KWD.
    :param order_date_metadata_key: The name in the order's metadata under which the order's ``created_at`` is kept,
        as ISO 8601. The API sets ``created_at`` to the time of the import (documented). What the metadata already
        has under this name stays.
    :raises ConfigurationError: if the parameters make no sense.
    """

    amount_unit: AmountUnit = "minor"
    amount_decimals: int = AMOUNT_DECIMALS
    order_date_metadata_key: str | None = None

    def __post_init__(self) -> None:
        check_choice("amount_unit", self.amount_unit, get_args(AmountUnit))
        if not 0 <= self.amount_decimals <= MAX_AMOUNT_DECIMALS:
            raise ConfigurationError(
                f"amount_decimals must be 0 to {MAX_AMOUNT_DECIMALS}, got {self.amount_decimals!r}."
            )
        if self.order_date_metadata_key == "":
            raise ConfigurationError("order_date_metadata_key must not be empty; leave it out to keep no date.")

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.amount_unit != "minor" or self.order_date_metadata_key is not None

    def __call__(self, body: bytes) -> bytes:
        """
        Convert an order.

        :param body: Its JSON document.
        :raises InvalidOrderError: naming the value that cannot be converted.
        """
        try:
            order = _decode(body)
        except (*MALFORMED, ArithmeticError) as error:  # the latter for a number such as 1e9999999999999999999
            raise InvalidOrderError(f"not a JSON object: {error}") from None
        if not isinstance(order, dict):
            return body  # for the check to refuse
        if self.amount_unit == "major":
            self._convert_amounts(order)
        if self.order_date_metadata_key is not None:
            _keep_date(order, self.order_date_metadata_key)
        return encode(order)

    def _convert_amounts(self, order: dict[str, Any]) -> None:
        self._convert_fields(order, _ORDER_AMOUNTS, "")
        items = order.get("items")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                self._convert_fields(item, _ITEM_AMOUNTS, f"items[{index}].")
                for kind in ("product", "sku"):
                    if isinstance(item.get(kind), dict):
                        self._convert_fields(item[kind], ("price",), f"items[{index}].{kind}.")

    def _convert_fields(self, fields: dict[str, Any], names: tuple[str, ...], place: str) -> None:
        for name in names:
            if (value := fields.get(name)) is not None:
                try:
                    fields[name] = minor_units(value, self.amount_decimals)
                except ValueError as error:
                    raise InvalidOrderError(f"{place}{name} {error}") from None


def minor_units(value: object, decimals: int) -> int:
    """
    Count the smallest units of a currency in an amount, exactly.

    :param value: The amount as an integer, a decimal, or text.
    :param decimals: Digits of the smallest unit behind the point.
    :raises ValueError: if it is no number, or not a whole number of smallest units.
    """
    number = Decimal(value.strip()) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else value
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise ValueError(f"must be an amount such as 12.34 (amount_unit='major'), got {shown(value)}")
    sign, digits, exponent = Decimal(number).as_tuple()
    shift = int(exponent) + decimals
    if shift < 0 and any(digits[shift:]):
        raise ValueError(f"has more than {decimals} decimals (amount_decimals), got {shown(value)}")
    digits = digits[:shift] if shift < 0 else digits
    if any(digits) and len(digits) + shift > MAX_DIGITS:
        raise ValueError(f"is too large an amount: {shown(value)}")
    units = int("".join(map(str, digits)) or "0") * (10**shift if shift > 0 and any(digits) else 1)
    return -units if sign else units


def _keep_date(order: dict[str, Any], key: str) -> None:
    value = order.pop("created_at", None)
    if value is None:
        return
    try:
        moment = _iso_8601(value)
    except ValueError:
        raise InvalidOrderError(f"created_at must be an ISO 8601 date or time, got {shown(value)}") from None
    metadata = order.get("metadata")
    if metadata is None:
        metadata = order["metadata"] = {}
    if isinstance(metadata, dict):  # if not, the check refuses it
        metadata.setdefault(key, moment)


def _iso_8601(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    try:
        return date.fromisoformat(value.strip()).isoformat()
    except ValueError:
        return datetime.fromisoformat(value.strip()).isoformat().replace("+00:00", "Z")


def renamed(column_mapping: Mapping[str, str | None]) -> Callable[[bytes], bytes]:
    """
    Make what gives the top-level fields of a JSON order their names in the API.

    :param column_mapping: Path in the API, with dots, by the name of the field; None drops it. Fields that are not
        named stay where they are.
    :return: A function from one JSON document to another; what is no JSON object comes back as it is. It raises
        :class:`~airflow_provider_voucherify.order_source.schema.order.InvalidOrderError` where a path is taken.
    """
    paths = {name: None if path is None else path.split(".") for name, path in column_mapping.items()}

    def rename(body: bytes) -> bytes:
        try:
            order: dict[str, Any] = _decode_fields(body)
        except MALFORMED:
            return body
        moved = [(name, path, order.pop(name)) for name, path in paths.items() if name in order]
        for name, path, value in moved:
            if path is not None and not _put(order, path, value):
                raise InvalidOrderError(f"{name} is mapped to {'.'.join(path)}, and the order has something there")
        return encode(order)

    return rename


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NULL = msgspec.Raw(b"null")


def _put(order: dict[str, Any], path: list[str], value: msgspec.Raw) -> bool:
    for name in path[:-1]:
        inner = order.get(name, _NULL)
        if isinstance(inner, msgspec.Raw):
            try:
                inner = {} if inner == _NULL else _decode_fields(inner)
            except MALFORMED:  # there is a value where the path needs an object
                return False
        order[name] = inner
        order = inner
    if order.get(path[-1], _NULL) != _NULL:
        return False
    order[path[-1]] = value
    return True
