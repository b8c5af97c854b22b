"""What an order may look like, checked before it is sent, with errors that name field and value."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec

from airflow_provider_voucherify.reporting.reject_files import read_line

MAX_ITEMS = 500
SHOWN_CHARACTERS = 80
CUSTOMER_FIELDS = ("customer", "customer_id", "referrer", "referrer_id")


class Anything(msgspec.Struct, gc=False):
    """A JSON object of whatever content: it is read over, not built."""


Amount = int | None
Text = str | None
Object = Anything | None


class Product(msgspec.Struct, gc=False):
    """A product or SKU inside an item; its price may have a fraction (documented as a number)."""

    id: Text = None
    source_id: Text = None
    override: bool | None = None
    name: Text = None
    sku: Text = None
    price: float | None = None
    metadata: Object = None


class Item(msgspec.Struct, gc=False):
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


class Customer(msgspec.Struct, gc=False):
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


class Effects(NamedTuple):
    """
    What an import of an order does beyond the order.

    :param customer: Whether it moves a customer through segments, which triggers distributions and earning rules.
        Documented for "orders with customers"; whether a referrer, who is a customer as well, counts is unknown: here
        one does.
    :param override: Whether a product or SKU of it replaces what the catalogue has (``override``, documented).
    """

    customer: bool
    override: bool


_NO_EFFECTS = Effects(customer=False, override=False)
_CUSTOMER_ALONE = Effects(customer=True, override=False)


class Order(msgspec.Struct, gc=False):
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

    @property
    def effects(self) -> Effects:
        """What an import of it does beyond the order."""
        customer = (
            self.customer is not None
            or self.customer_id is not None
            or self.referrer is not None
            or self.referrer_id is not None
        )
        for item in self.items or ():
            product, sku = item.product, item.sku
            if (product is not None and product.override) or (sku is not None and sku.override):
                return Effects(customer, True)
        return _CUSTOMER_ALONE if customer else _NO_EFFECTS


class CheckedOrder(Protocol):
    """What an import needs to know of an order that it sends."""

    @property
    def source_id(self) -> str | None:
        """Its ``source_id``."""

    @property
    def effects(self) -> Effects:
        """What an import of it does beyond the order."""


class SoundOrder(msgspec.Struct, gc=False):
    """
    What is told of an order whose source vouches for its fields and values, so that it need not be checked.

    :param source_id: Its ``source_id``.
    :param effects: What an import of it does beyond the order.
    """

    source_id: Text = None
    effects: Effects = _NO_EFFECTS


class InvalidOrderError(ValueError):
    """An order that Voucherify would refuse, with the reason for people."""


class SupersededOrderError(InvalidOrderError):
    """An order that gives way to another one with its ``source_id``, as the author wanted."""


class GivenOrder(Order, gc=False):
    """
    An order as it is given: by itself, or as the payload in a line of ``rejected/`` or ``unknown/``.

    :param payload: Set where it may be such a line.
    """

    payload: msgspec.Raw = msgspec.Raw()


class SourceId(msgspec.Struct, gc=False):
    """What is read of an order, or of a line with one, to find orders with the same ``source_id``."""

    source_id: Text = None
    payload: msgspec.Raw = msgspec.Raw()


MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_order = msgspec.json.Decoder(GivenOrder).decode
_decode_source_id = msgspec.json.Decoder(SourceId).decode
encode = msgspec.json.Encoder(decimal_format="number").encode


def check(body: bytes) -> GivenOrder:
    """
    Check an order.

    :param body: Its JSON document, which may go to Voucherify as it stands if this returns.
    :return: The order, typed.
    :raises InvalidOrderError: naming field, value and rule.
    """
    try:
        order = _decode_order(body)
        if not body.isascii():
            body.decode()  # what the decoder reads over may still not be UTF-8
    except msgspec.ValidationError as error:
        raise InvalidOrderError(_explain(body, str(error))) from None
    except MALFORMED as error:
        raise InvalidOrderError(f"not a JSON object: {error}") from None
    return order


def source_id_of(body: bytes) -> str | None:
    """
    Find the ``source_id`` of an order, valid or not.

    :param body: Its JSON document, or a line of ``rejected/`` or ``unknown/`` with it.
    :return: None if it has none that is a string.
    """
    try:
        order = _decode_source_id(body)
    except MALFORMED:
        return None
    if order.payload and (line := read_line(body)):
        return source_id_of(bytes(line.payload))
    return order.source_id


def shown(value: object) -> str:
    """Show a value of an order to people: as JSON, and not all of it where that is long."""
    text = encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


_ERROR = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def _explain(body: bytes, error: str) -> str:
    match = _ERROR.match(error)
    what, path = (match["what"], match["path"]) if match else (error, None)
    try:
        value = msgspec.json.decode(body)
    except MALFORMED as malformed:  # behind the field that is wrong
        return f"not a JSON object: {malformed}"
    field = "the order"
    if path:
        for name, index in _STEP.findall(path):
            value = value[int(index)] if index else value[name]
        field = path.removeprefix("$").removeprefix(".") or field
    return f"{field} {_rule(what, field, value)}"


def _rule(what: str, field: str, value: Any) -> str:
    if isinstance(value, list) and "length" in what:
        return f"has {len(value)} entries, and Voucherify takes {MAX_ITEMS}"
    given = shown(value)
    if isinstance(value, float) and "`int" in what:
        return f"must be an integer in the smallest currency unit, got {given}"
    if field.endswith("status") and "enum" in what:
        return f"must be one of CREATED, PAID, CANCELED, FULFILLED, got {given}"
    if field.endswith("related_object") and "enum" in what:
        return f"must be product or sku, got {given}"
    expected = re.match(r"Expected `(?P<type>[^`]*)`(?P<bound> [<>=]+ \d+)?", what)
    if expected:
        names = {"int": "an integer", "str": "a string", "bool": "true or false", "object": "an object",
                 "array": "an array", "float": "a number"}  # fmt: skip
        kinds = [kind.strip() for kind in expected["type"].split("|")]
        bound = expected["bound"] or ""
        return f"must be {' or '.join(names.get(kind, kind) for kind in kinds)}{bound}, got {given}"
    return f"is not valid ({what}), got {given}"
