"""What the items of an order add up to: Voucherify makes that the amount of an order (see docs/voucherify-api.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

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


def items_amount(items: Iterable[PricedItem] | None) -> int | None:
    """
    Sum the items of an order.

    :param items: The items.
    :return: The sum in the smallest currency unit; None if no item has an amount, or it is no 64-bit number.
    """
    totals = [total for item in items or () if (total := item.total) is not None]
    amount = sum(totals)
    return amount if totals and abs(amount) <= MAX_INT64 else None
