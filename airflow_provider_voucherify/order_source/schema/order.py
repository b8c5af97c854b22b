"""An order as ``POST /v1/orders/import`` accepts it, as types that are checked while its JSON is decoded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

MAX_ITEMS = 500
CUSTOMER_FIELDS = ("customer", "customer_id", "referrer", "referrer_id")
ID_PREFIX = "ord_"

# what other tools write for nothing; in an id it would make one customer or product of many
NULL_MARKERS = frozenset(
    {"", "\\N", "\\n", "NULL", "null", "Null", "(null)", "<null>", "NaN", "nan", "NAN", "-nan", "None", "none", "NONE",
     "N/A", "n/a", "#N/A", "NA", "<NA>", "NaT", "nil", "undefined", "#NULL!", "#REF!"}
)  # fmt: skip


class Traits:
    """
    What is known of an order after its check, as bits of an integer.

    ``CUSTOMER``: it has a customer or referrer, whom an import moves through segments, which triggers distributions and
    earning rules (documented for "orders with customers"; whether a referrer counts is unknown: here one does).
    ``OVERRIDE``: a product or SKU of it overwrites the catalogue (``override``, documented).
    ``AMOUNT_MISMATCH``: its amount is not the sum of its items, which is what Voucherify keeps (documented).
    """

    CUSTOMER = 1
    OVERRIDE = 2
    NO_ITEMS = 4
    NO_CUSTOMER = 8
    AMOUNT_MISMATCH = 16
    NO_SOURCE_ID = 32
    NULL_MARKER = 64
    CREATED_AT = 128
    COUNTED = NO_ITEMS | NO_CUSTOMER | AMOUNT_MISMATCH


class Anything(msgspec.Struct, gc=False):
    """A JSON object with any content: it is skipped, not built."""


Amount = Annotated[int, Meta(ge=0)] | None
SignedAmount = int | None
Quantity = Annotated[int, Meta(ge=1)] | None
Text = str | None
Object = Anything | None
Computed = msgspec.Raw
_UNSET = msgspec.Raw()


class Product(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A product or SKU in an item; its price may have a fraction (documented as a number)."""

    id: Text = None
    source_id: Text = None
    override: bool | None = None
    name: Text = None
    sku: Text = None
    price: Annotated[float, Meta(ge=0)] | None = None
    metadata: Object = None


class SignedProduct(Product, gc=False, forbid_unknown_fields=True):
    """A product whose price may be below zero."""

    price: float | None = None


class Item(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An item of an order. The API refuses an ``initial_quantity`` below 1 (seen in an example)."""

    source_id: Text = None
    related_object: Literal["product", "sku"] | None = None
    quantity: Quantity = None
    price: Amount = None
    amount: Amount = None
    product_id: Text = None
    sku_id: Text = None
    product: Product | None = None
    sku: Product | None = None
    discount_quantity: SignedAmount = None
    initial_quantity: Quantity = None
    discount_amount: Amount = None
    initial_amount: Amount = None
    metadata: Object = None
    # computed by the API (documented): exported orders have them, and they change nothing
    id: Computed = _UNSET
    object: Computed = _UNSET
    subtotal_amount: Computed = _UNSET
    applied_discount_amount: Computed = _UNSET
    applied_discount_quantity: Computed = _UNSET
    applied_quantity: Computed = _UNSET
    applied_quantity_amount: Computed = _UNSET

    def traits_of_products(self) -> int:
        """Return what is known of its product and SKU, as bits of :class:`Traits`."""
        traits = 0
        for product in (self.product, self.sku):
            if product is not None:
                if product.override:
                    traits |= Traits.OVERRIDE
                if product.source_id in NULL_MARKERS or product.id in NULL_MARKERS:
                    traits |= Traits.NULL_MARKER
        return traits


class SignedItem(Item, gc=False, forbid_unknown_fields=True):
    """An item whose amounts may be below zero."""

    amount: SignedAmount = None
    discount_amount: SignedAmount = None
    initial_amount: SignedAmount = None
    price: SignedAmount = None
    product: SignedProduct | None = None
    sku: SignedProduct | None = None


class Customer(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A customer or referrer of an order."""

    id: Text = None
    source_id: Text = None
    name: Text = None
    description: Text = None
    email: Text = None
    phone: Text = None
    birthday: Text = None
    birthdate: Text = None
    address: Object = None
    metadata: Object = None
    object: Computed = _UNSET


class Order(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """
    An order as ``POST /v1/orders/import`` accepts it (documented).

    ``null`` is accepted everywhere, because the official SDK sends it for all that is not set. An amount with a decimal
    point is refused even as ``12.0``: it is the mark of a computation in floats.
    """

    source_id: Text = None
    status: Literal["CREATED", "PAID", "CANCELED", "FULFILLED"] | None = None
    amount: Amount = None
    customer: Customer | None = None
    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)] | None = None
    metadata: Object = None
    id: Annotated[str, Meta(pattern=f"^{ID_PREFIX}")] | None = None
    initial_amount: Amount = None
    discount_amount: Amount = None
    referrer: Customer | None = None
    referrer_id: Text = None
    created_at: Computed = _UNSET
    # computed by the API (documented): exported orders have them, and they change nothing
    object: Computed = _UNSET
    updated_at: Computed = _UNSET
    redemptions: Computed = _UNSET
    total_amount: Computed = _UNSET
    items_discount_amount: Computed = _UNSET
    total_discount_amount: Computed = _UNSET
    applied_discount_amount: Computed = _UNSET
    items_applied_discount_amount: Computed = _UNSET
    total_applied_discount_amount: Computed = _UNSET

    @property
    def traits(self) -> int:
        """What is known of it, as bits of :class:`Traits`."""
        return traits_of((self,))[0]

    def traits_of_referrer(self) -> int:
        """Return what is known of its referrer, as bits of :class:`Traits`."""
        referrer, markers = self.referrer, NULL_MARKERS
        if self.referrer_id in markers or (
            referrer is not None and (referrer.source_id in markers or referrer.id in markers)
        ):
            return Traits.CUSTOMER | Traits.NULL_MARKER
        return Traits.CUSTOMER


class SignedOrder(Order, gc=False, forbid_unknown_fields=True):
    """An order whose amounts may be below zero."""

    amount: SignedAmount = None
    initial_amount: SignedAmount = None
    discount_amount: SignedAmount = None
    items: Annotated[list[SignedItem], Meta(max_length=MAX_ITEMS)] | None = None  # type: ignore[assignment]


def traits_of(orders: Iterable[Order]) -> list[int]:
    """
    Find what is known of orders.

    :param orders: The orders.
    :return: Bits of :class:`Traits` for each order.
    """
    found, markers = [], NULL_MARKERS  # one function without calls: an import spends its time here
    for order in orders:
        source_id, customer, items = order.source_id, order.customer, order.items
        traits = 0
        if source_id is None:
            traits = Traits.NO_SOURCE_ID
        elif source_id in markers:
            traits = Traits.NULL_MARKER
        if customer is None:
            traits |= Traits.NO_CUSTOMER
        else:
            traits |= Traits.CUSTOMER
            if customer.source_id in markers or (customer.id is not None and customer.id in markers):
                traits |= Traits.NULL_MARKER
        if order.referrer_id is not None or order.referrer is not None:
            traits |= order.traits_of_referrer()
        if order.created_at is not _UNSET:
            traits |= Traits.CREATED_AT
        if not items:
            found.append(traits | Traits.NO_ITEMS)
            continue
        total = order.amount
        for item in items:
            if (
                item.source_id in markers
                or (item.product_id is not None and item.product_id in markers)
                or (item.sku_id is not None and item.sku_id in markers)
            ):
                traits |= Traits.NULL_MARKER
            if item.product is not None or item.sku is not None:
                traits |= item.traits_of_products()
            if total is not None:
                if (amount := item.amount) is not None:
                    total -= amount
                elif item.price is not None and item.quantity is not None:
                    total -= item.price * item.quantity
                else:
                    total = None
        found.append(traits | Traits.AMOUNT_MISMATCH if total else traits)
    return found


class CheckedOrder(Protocol):
    """What a job needs to know of an order that it sends."""

    @property
    def source_id(self) -> str | None:
        """Its ``source_id``."""

    @property
    def traits(self) -> int:
        """What is known of it, as bits of :class:`Traits`."""


class SoundOrder(msgspec.Struct, gc=False):
    """
    What is known of an order whose fields and values are known to be valid, so that it need not be checked.

    :param source_id: Its ``source_id``.
    :param traits: Bits of :class:`Traits`.
    """

    source_id: Text = None
    traits: int = 0
