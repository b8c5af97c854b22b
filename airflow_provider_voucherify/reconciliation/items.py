"""Compare the line items of an order with those that Voucherify has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_voucherify.reconciliation.comparison import Difference

FIELDS = ("source_id", "product_id", "sku_id", "quantity", "price", "amount", "discount_amount")
AMOUNTS = ("amount", "discount_amount")


def compare_items(given: Mapping[str, Any], there: Mapping[str, Any]) -> list[Difference]:
    """
    Compare line items in their order. Only values that are given are compared.

    :param given: The order as it is sent.
    :param there: The order as Voucherify returns it.
    :return: The fields that differ. An ``amount`` that is price times quantity is by design (documented).
    """
    items, found = given.get("items"), there.get("items") or []
    if not items:
        return []
    if len(items) != len(found):
        return [Difference("number of items", str(len(items)), str(len(found)), False)]
    return [
        difference
        for index, (item, other) in enumerate(zip(items, found, strict=True))
        for name in FIELDS
        if (difference := _difference(f"items[{index}].{name}", name, item, other))
    ]


def _difference(field: str, name: str, given: Mapping[str, Any], there: Mapping[str, Any]) -> Difference | None:
    value, other = given.get(name), there.get(name)
    if value is None or value == other or (name in AMOUNTS and not value and not other):
        return None
    price, quantity = given.get("price"), given.get("quantity")
    by_design = name == "amount" and price is not None and quantity is not None and other == price * quantity
    return Difference(field, _text(value), None if other is None else _text(other), by_design)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
