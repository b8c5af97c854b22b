"""What the items of an order add up to: Voucherify makes that the amount of an order (see docs/voucherify-api.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from airflow_provider_voucherify.order_source.schema.check import MALFORMED

MAX_INT64 = 2**63 - 1

Amount = Annotated[int, msgspec.Meta(ge=-MAX_INT64, le=MAX_INT64)] | None


class PricedItem(msgspec.Struct, gc=False):
    """What a line of an order adds to its amount."""

    amount: Amount = None
    price: Amount = None
    quantity: Amount = None

    @property
    def total(self) -> int | None:
        """Its amount at Voucherify: price times quantity, or else the amount given; None if neither is given."""
        if self.price is None or (self.quantity is None and self.amount is not None):
            return self.amount
        return self.price * (1 if self.quantity is None else self.quantity)


class GivenOrder(msgspec.Struct, gc=False):
    """What an export can confirm of an order as it was given."""

    status: str | None = None
    amount: Amount = None
    items: list[PricedItem] | None = None

    @property
    def total(self) -> int:
        """The amount given, or else that of the items; 0 without either."""
        return (items_amount(self.items) or 0) if self.amount is None else self.amount


def given_order(body: bytes) -> GivenOrder | None:
    """
    Decode an order.

    :param body: The order as it is sent.
    :return: None if a value is not a 64-bit number.
    """
    try:
        return _decode(body)
    except MALFORMED:
        return None


def items_amount(items: Iterable[PricedItem] | None) -> int | None:
    """
    Sum the items of an order.

    :param items: The items.
    :return: The sum in the smallest currency unit; None if no item has an amount, or it is not a 64-bit number.
    """
    totals = [total for item in items or () if (total := item.total) is not None]
    amount = sum(totals)
    return amount if totals and abs(amount) <= MAX_INT64 else None


_decode = msgspec.json.Decoder(GivenOrder).decode
