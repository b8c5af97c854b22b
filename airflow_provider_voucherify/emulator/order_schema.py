"""The JSON of an order as clients send it: fields, types, and the error of a body that breaks a rule."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from airflow_provider_voucherify.emulator.errors import ResponseError, invalid_payload
from airflow_provider_voucherify.emulator.ids import derived_id, new_id

MAX_ITEMS = 500
MAX_AMOUNT = 2**53 - 1
Status = Literal["CREATED", "PAID", "CANCELED", "FULFILLED"]
STATUSES: tuple[Status, ...] = get_args(Status)

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


class Product(Struct, kw_only=True, omit_defaults=True):
    """The product of an item."""

    id: str | None = None
    source_id: str | None = None
    override: bool | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    price: int | float | None = None


class Sku(Struct, kw_only=True, omit_defaults=True):
    """The SKU of an item."""

    id: str | None = None
    source_id: str | None = None
    override: bool | None = None
    sku: str | None = None
    metadata: dict[str, Any] | None = None
    price: int | float | None = None


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

    def calculate(self) -> None:
        """Fill in what Voucherify calculates from price and quantity: amount and subtotal."""
        if self.price is not None and (self.quantity is not None or self.amount is None):
            self.amount = self.price * (1 if self.quantity is None else self.quantity)
        if self.amount is not None:
            self.subtotal_amount = max(self.amount - (self.discount_amount or 0), 0)
        else:
            self.subtotal_amount = None
        self.discount_amount = self.discount_amount or None


class OrderPayload(Struct, kw_only=True):
    """The body of a create, an update, or one row of an import. A null counts as not sent (the SDK writes nulls)."""

    id: str | None = None
    source_id: str | None = None
    status: Status | None = None
    amount: Amount | None = None
    initial_amount: Amount | None = None
    discount_amount: Amount | None = None
    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)] | None = None
    metadata: Metadata | None = None
    created_at: datetime | None = None
    referrer_id: str | None = None
    customer: Customer | None = None
    referrer: Customer | None = None


T = TypeVar("T")
_order_decoder = msgspec.json.Decoder(OrderPayload)
_import_decoder = msgspec.json.Decoder(list[OrderPayload])


def decode_order(body: bytes) -> OrderPayload:
    """Check the body of a create or an update.

    :param body: JSON bytes.
    :raises ResponseError: 400 with the property and the rule it breaks.
    :return: The payload.
    """
    return _decode(_order_decoder, body)


def decode_orders(body: bytes) -> list[OrderPayload]:
    """Check the body of an import. One bad order rejects all, and the error does not say which (seen in an example).

    :param body: JSON bytes.
    :raises ResponseError: 400 with the property within the order and the rule it breaks.
    :return: The payloads, in the order sent.
    """
    return _decode(_import_decoder, body)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_payload(f"Payload is not valid JSON: {error}") from None


_ALLOWED_VALUES = {"status": STATUSES, "related_object": ("product", "sku"), "object": ("order_item",)}
_TYPE_NAMES = {
    "int": "an integer",
    "str": "a string",
    "object": "an object",
    "array": "an array",
    "bool": "a boolean",
}


def _explain(error: str) -> ResponseError:
    """Convert msgspec's error to the wording of Voucherify's examples."""
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
