"""An order: how it is sent, checked, calculated and answered."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from airflow_provider_voucherify.emulator.catalogue import Catalogue, Product, Sku
from airflow_provider_voucherify.emulator.errors import ApiError, invalid_payload
from airflow_provider_voucherify.emulator.ids import derived_id, new_id, timestamp

MAX_ITEMS = 500
MAX_AMOUNT = 2**53 - 1
STATUSES = ("CREATED", "PAID", "CANCELED", "FULFILLED")

Amount = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
Quantity = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
Metadata = dict[str, Any]


class Customer(Struct, kw_only=True):
    """A customer or referrer of an order; only its identity is kept."""

    id: str | None = None
    source_id: str | None = None
    name: str | None = None
    description: str | None = None
    email: str | None = None
    phone: str | None = None
    birthday: str | None = None
    birthdate: str | None = None
    address: dict[str, str | None] | None = None
    metadata: Metadata | None = None

    def identity(self) -> str:
        """Return Voucherify's id: as given, else the one that belongs to the source id, else a new one."""
        if self.id:
            return self.id
        return derived_id("cust_", self.source_id) if self.source_id else new_id("cust_")


class Item(Struct, kw_only=True, omit_defaults=True, tag_field="object", tag="order_item"):
    """A line of an order, as sent and as calculated."""

    source_id: str | None = None
    related_object: Literal["product", "sku"] | None = None
    product_id: str | None = None
    sku_id: str | None = None
    quantity: Quantity | None = None
    initial_quantity: Annotated[int, Meta(ge=1, le=MAX_AMOUNT)] | None = None
    discount_quantity: Quantity | None = None
    amount: Amount | None = None
    initial_amount: Amount | None = None
    discount_amount: Amount | None = None
    price: Amount | None = None
    subtotal_amount: int | None = None
    product: Product | None = None
    sku: Sku | None = None
    metadata: Metadata | None = None

    def calculate(self, catalogue: Catalogue) -> None:
        """Fill in what Voucherify works out: price from the SKU or product, amount, subtotal.

        :param catalogue: products and SKUs of the project, to be read and, with ``override``, written.
        """
        catalogue.resolve(self)
        if self.price is not None and (self.quantity is not None or self.amount is None):
            self.amount = self.price * (1 if self.quantity is None else self.quantity)
        if self.initial_quantity is None and self.quantity:
            self.initial_quantity = self.quantity
        if self.amount is not None:
            if self.initial_amount is None:
                self.initial_amount = self.amount
            self.subtotal_amount = max(self.amount - (self.discount_amount or 0), 0)
        else:
            self.subtotal_amount = None
        self.discount_amount = self.discount_amount or None


class OrderRequest(Struct, kw_only=True):
    """The body of a create, an update, or one row of an import. A null counts as not sent (the SDK writes nulls)."""

    id: str | None = None
    source_id: str | None = None
    status: Literal["CREATED", "PAID", "CANCELED", "FULFILLED"] | None = None
    amount: Amount | None = None
    initial_amount: Amount | None = None
    discount_amount: Amount | None = None
    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)] | None = None
    metadata: Metadata | None = None
    created_at: datetime | None = None
    referrer_id: str | None = None
    customer: Customer | None = None
    referrer: Customer | None = None


class Order(Struct, kw_only=True):
    """A stored order; the fields are the columns of the table, in its order."""

    id: str
    source_id: str | None
    created_at: str
    updated_at: str | None = None
    status: str = "CREATED"
    amount: int | None = None
    initial_amount: int | None = None
    discount_amount: int | None = None
    items_discount_amount: int | None = None
    total_discount_amount: int | None = None
    total_amount: int | None = None
    customer_id: str | None = None
    referrer_id: str | None = None
    metadata: str = "{}"
    items: bytes = b"[]"

    def change(self, request: OrderRequest, catalogue: Catalogue) -> None:
        """Take over what a request sends, leave the rest, and calculate the amounts anew.

        The items that are sent determine the amount (documented: "the sum of the order items' amounts"); an amount
        that is sent counts only where no item has one. Metadata are replaced as a whole (whether they are merged is
        unknown).

        :param request: a checked request.
        :param catalogue: products and SKUs of the project.
        :raises ApiError: an amount is beyond ``2**53 - 1``.
        """
        self.source_id = self.source_id if request.source_id is None else request.source_id
        self.status = request.status or self.status
        if request.amount is not None and (request.items is not None or not self._items_have_amounts()):
            self.amount = request.amount
        if request.discount_amount is not None:
            self.discount_amount = request.discount_amount or None
        if request.items is not None:
            self._take_items(request.items, catalogue)
        if request.initial_amount is not None:
            self.initial_amount = request.initial_amount
        elif request.items is not None or request.amount is not None:
            self.initial_amount = self.amount
        discount = (self.discount_amount or 0) + (self.items_discount_amount or 0)
        self.total_discount_amount = discount or None
        self.total_amount = None if self.amount is None else max(self.amount - discount, 0)
        if max(self.amount or 0, self.initial_amount or 0, discount) > MAX_AMOUNT:
            raise invalid_payload(f"Property .amount cannot be greater than {MAX_AMOUNT}")
        if request.metadata is not None:
            self.metadata = msgspec.json.encode(request.metadata).decode()
        if request.customer is not None:
            self.customer_id = request.customer.identity()
        if request.referrer is not None:
            self.referrer_id = request.referrer.identity()
        elif request.referrer_id is not None:
            self.referrer_id = request.referrer_id

    def _items_have_amounts(self) -> bool:
        return any(item.amount is not None for item in msgspec.json.decode(self.items, type=list[Item]))

    def _take_items(self, items: list[Item], catalogue: Catalogue) -> None:
        for item in items:
            item.calculate(catalogue)
        amounts = [item.amount for item in items if item.amount is not None]
        if amounts:
            self.amount = sum(amounts)
        self.items_discount_amount = sum(item.discount_amount or 0 for item in items) or None
        self.items = msgspec.json.encode(items)

    def document(self) -> dict[str, Any]:
        """Return the order as the API shows it: amounts without a value are left out, identities may be null."""
        document: dict[str, Any] = {
            "id": self.id,
            "source_id": self.source_id,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "status": self.status,
        }
        for name in _AMOUNTS:
            value = getattr(self, name)
            if value is not None:
                document[name] = value
        document["items"] = msgspec.Raw(self.items)
        document["metadata"] = msgspec.Raw(self.metadata.encode())
        if self.customer_id is not None:
            document["customer"] = {"id": self.customer_id, "object": "customer"}
        if self.referrer_id is not None:
            document["referrer"] = {"id": self.referrer_id, "object": "customer"}
        document["customer_id"] = self.customer_id
        document["referrer_id"] = self.referrer_id
        document["object"] = "order"
        return document


_AMOUNTS = (
    "amount",
    "initial_amount",
    "discount_amount",
    "items_discount_amount",
    "total_discount_amount",
    "total_amount",
)


def new_order(request: OrderRequest, created_at: str, updated_at: str | None) -> Order:
    """Return an order without contents yet; its id is Voucherify's, whatever id was sent (U: what is done with that).

    :param request: the request it is made by.
    :param created_at: ISO time.
    :param updated_at: ISO time or None.
    :return: the order, to be changed by the request.
    """
    return Order(id=new_id("ord_"), source_id=request.source_id, created_at=created_at, updated_at=updated_at)


def sent_created_at(request: OrderRequest) -> str | None:
    """Return the creation time that a request to create or update carries, in Voucherify's form, or None.

    :param request: a checked request.
    :raises ApiError: it lies outside the years 1 to 9999 in UTC.
    """
    if request.created_at is None:
        return None
    moment = request.created_at
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise invalid_payload("Property .created_at cannot be recognized as a ISO-8601 compliant date") from None


T = TypeVar("T")
_order_decoder = msgspec.json.Decoder(OrderRequest)
_import_decoder = msgspec.json.Decoder(list[OrderRequest])


def decode_order(body: bytes) -> OrderRequest:
    """Check the body of a create or an update.

    :param body: JSON bytes.
    :raises ApiError: 400 with the property and the rule it breaks.
    :return: the request.
    """
    return _decode(_order_decoder, body)


def decode_orders(body: bytes) -> list[OrderRequest]:
    """Check the body of an import. One bad order rejects all, and the error does not say which (seen in an example).

    :param body: JSON bytes.
    :raises ApiError: 400 with the property within the order and the rule it breaks.
    :return: the requests, in the order sent.
    """
    return _decode(_import_decoder, body)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid_payload(f"Payload is not valid JSON: {error}") from None


_ALLOWED_VALUES = {"status": STATUSES, "related_object": ("product", "sku"), "object": ("order_item",)}
_TYPE_NAMES = {
    "int": "an integer",
    "str": "a string",
    "object": "an object",
    "array": "an array",
    "bool": "a boolean",
}


def _explain(error: str) -> ApiError:
    """Say msgspec's error in the words of Voucherify's examples."""
    rule, _, path = error.partition(" - at `$")
    path = re.sub(r"^\[\d+\]", "", path.rstrip("`")) or "."
    name = path.rpartition(".")[2]
    bound = re.search(r"(>=|<=) (\d+)$", rule)
    types = re.match(r"Expected `([\w |]+)`", rule)
    expected = types[1].split(" | ") if types else []
    if rule.startswith("Invalid") and name in _ALLOWED_VALUES:
        text = f"should be equal to one of the allowed values [ {', '.join(_ALLOWED_VALUES[name])} ]"
    elif bound and "length" in rule:
        text = f"should not have more than {bound[2]} items"
    elif bound:
        text = f"cannot be {'lower' if bound[1] == '>=' else 'greater'} than {bound[2]}"
    elif "RFC3339" in rule or "datetime" in expected:
        text = "cannot be recognized as a ISO-8601 compliant date"
    elif expected:
        text = f"should be {'a number' if 'float' in expected else _TYPE_NAMES[expected[0]]}"
    else:
        text = f"is invalid: {rule}"
    return invalid_payload(f"Property {path} {text}")
