"""What an order may look like, checked before it is sent, with errors that name field and value."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

MAX_ITEMS = 500

Amount = int | None
Text = str | None
Object = dict[str, Any] | None


class Product(msgspec.Struct, gc=False):
    """A product or SKU inside an item; its price may have a fraction (documented as a number)."""

    id: Text = None
    source_id: Text = None
    override: bool | None = None
    name: Text = None
    sku: Text = None
    price: float | None = None
    metadata: Object = None


class Item(msgspec.Struct):
    """A line of an order."""

    source_id: Text = None
    product_id: Text = None
    sku_id: Text = None
    related_object: Literal["product", "sku"] | None = None
    quantity: Amount = None
    discount_quantity: Amount = None
    initial_quantity: Annotated[int, msgspec.Meta(ge=1)] | None = None
    amount: Amount = None
    discount_amount: Amount = None
    initial_amount: Amount = None
    price: Amount = None
    product: Product | None = None
    sku: Product | None = None
    metadata: Object = None


class Customer(msgspec.Struct):
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


class Order(msgspec.Struct):
    """
    An order as ``POST /v1/orders/import`` takes it (documented).

    Only what the API documents is checked: fields unknown to us pass, and so does ``null``, which the official
    SDK sends for all that is not set. An amount with a decimal point is refused even as ``12.0``: it is the
    mark of a computation in floats.
    """

    id: Text = None
    source_id: Text = None
    status: Literal["CREATED", "PAID", "CANCELED", "FULFILLED"] | None = None
    amount: Amount = None
    initial_amount: Amount = None
    discount_amount: Amount = None
    items: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS)] | None = None
    metadata: Object = None
    customer: Customer | None = None
    customer_id: Text = None
    referrer: Customer | None = None
    referrer_id: Text = None


class InvalidOrderError(ValueError):
    """An order that Voucherify would refuse, with the reason for people."""


_decoder = msgspec.json.Decoder(Order)


def check(body: bytes) -> Order:
    """
    Check an order.

    :param body: Its JSON document, which may go to Voucherify as it stands if this returns.
    :return: The order, typed.
    :raises InvalidOrderError: naming field, value and rule.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidOrderError(_explain(body, str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidOrderError(f"not a JSON object: {error}") from None


_ERROR = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def _explain(body: bytes, error: str) -> str:
    match = _ERROR.match(error)
    what, path = (match["what"], match["path"]) if match else (error, None)
    value, field = msgspec.json.decode(body), "the order"
    if path:
        for name, index in _STEP.findall(path):
            value = value[int(index)] if index else value[name]
        field = path.removeprefix("$").removeprefix(".") or field
    return f"{field} {_rule(what, field, value)}"


def _rule(what: str, field: str, value: Any) -> str:
    if isinstance(value, list) and "length" in what:
        return f"has {len(value)} entries, and Voucherify takes {MAX_ITEMS}"
    shown = msgspec.json.encode(value).decode()
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    if isinstance(value, float) and "`int" in what:
        return f"must be an integer in the smallest currency unit, got {shown}"
    if field.endswith("status") and "enum" in what:
        return f"must be one of CREATED, PAID, CANCELED, FULFILLED, got {shown}"
    if field.endswith("related_object") and "enum" in what:
        return f"must be product or sku, got {shown}"
    expected = re.match(r"Expected `(?P<type>[^`]*)`(?P<bound> [<>=]+ \d+)?", what)
    if expected:
        names = {"int": "an integer", "str": "a string", "bool": "true or false", "object": "an object",
                 "array": "an array", "float": "a number"}  # fmt: skip
        kinds = [kind.strip() for kind in expected["type"].split("|")]
        bound = expected["bound"] or ""
        return f"must be {' or '.join(names.get(kind, kind) for kind in kinds)}{bound}, got {shown}"
    return f"is not valid ({what}), got {shown}"
