"""Check orders before they are sent, with errors that name the field, its value and the rule."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from airflow_provider_voucherify.order_source.schema.order import MAX_ITEMS, Order, SignedOrder

MAX_NESTING = 500
SHOWN_CHARACTERS = 80

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

encode = msgspec.json.Encoder(decimal_format="number").encode


class Note(NamedTuple):
    """
    Something to report about an order: what was left out, renamed, converted or guessed.

    :param finding: What was found, in words that are the same for all orders of the kind.
    :param option: The option that decides it; None if no option does.
    """

    finding: str
    option: str | None = None


class InvalidOrderError(ValueError):
    """
    An order that is not sent, with the reason.

    :param reason: The reason, for messages.
    :param notes: The findings to count.
    """

    def __init__(self, reason: str, notes: tuple[Note, ...] = ()) -> None:
        super().__init__(reason)
        self.notes = notes


class ScatteredOrderError(InvalidOrderError):
    """A part of an order, whose other rows stand elsewhere in the source."""


class DuplicateOrderError(InvalidOrderError):
    """Another order with the same ``source_id`` counts."""


class SupersededOrderError(InvalidOrderError):
    """An order that is left out in favour of another one with its ``source_id``, as the options ask for."""


decode_order = msgspec.json.Decoder(Order).decode
decode_orders = msgspec.json.Decoder(Order).decode_lines
decode_signed_order = msgspec.json.Decoder(SignedOrder).decode


def check(body: bytes, *, signed: bool = False) -> Order:
    """
    Check an order.

    :param body: Its JSON document, which can be sent as it is if this returns.
    :param signed: Whether amounts may be below zero.
    :return: The order, typed.
    :raises InvalidOrderError: naming field, value and rule.
    """
    try:
        order = decode_signed_order(body) if signed else decode_order(body)
        if not body.isascii():
            body.decode()  # what the decoder skips may still not be UTF-8
    except msgspec.ValidationError as error:
        raise _explained(body, str(error)) from None
    except MALFORMED as error:
        raise InvalidOrderError(f"not a JSON object: {error}") from None
    check_nesting(body)
    return order


def check_nesting(body: bytes) -> None:
    """
    Check how deep a JSON document is nested.

    :param body: The document.
    :raises InvalidOrderError: if it is deeper than 500 levels: parsers differ in how much they take.
    """
    if len(body) > 2 * MAX_NESTING and body.count(b"[") + body.count(b"{") > MAX_NESTING:
        depth = deepest = 0
        for sign in _STRUCTURE.findall(body):
            if sign in b"[{":
                depth += 1
                deepest = max(depth, deepest)
            elif sign in b"]}":
                depth -= 1
        if deepest > MAX_NESTING:
            raise InvalidOrderError(f"is nested {deepest} levels deep, and at most {MAX_NESTING} are accepted")


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def shown(value: object) -> str:
    """Format a value of an order for a message: as JSON, shortened if it is long."""
    text = encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def number_advice(value: object) -> str:
    """
    Return the end of a message about a value that is not a number: what may read it.

    :param value: The value.
    """
    if isinstance(value, str) and "," in value and any(sign.isdigit() for sign in value):
        return "; in a CSV file, csv_options={'decimal': ',', 'thousands': '.'} may read it, with amount_unit='major'"
    return ""


_ERROR = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_TYPES = {"int": "an integer", "str": "a string", "bool": "true or false", "object": "an object", "array": "an array",
          "float": "a number"}  # fmt: skip


def _explained(body: bytes, error: str) -> InvalidOrderError:
    match = _ERROR.match(error)
    what, path = (match["what"], match["path"]) if match else (error, None)
    try:
        value = msgspec.json.decode(body)
    except MALFORMED as malformed:  # after the field that is wrong
        return InvalidOrderError(f"not a JSON object: {malformed}")
    field = "the order"
    if path:
        for name, index in _STEP.findall(path):
            value = value[int(index)] if index else value[name]
        field = path.removeprefix("$").removeprefix(".") or field
    notes: tuple[Note, ...] = ()
    if isinstance(value, int) and value < 0 and ">= 0" in what:
        notes = (Note("order with an amount below zero", "negative_amounts"),)
    return InvalidOrderError(f"{field} {_rule(what, field, value)}", notes)


def _rule(what: str, field: str, value: Any) -> str:
    if isinstance(value, list) and "length" in what:
        return f"has {len(value)} entries, and Voucherify takes {MAX_ITEMS}"
    given = shown(value)
    if "matching regex" in what:
        return f"must be an id of Voucherify's own (ord_...), got {given}: map the shop's id to source_id"
    if isinstance(value, float) and "`int" in what:
        return f"must be an integer in the smallest currency unit, got {given}"
    if isinstance(value, int | float) and ">= 0" in what:
        return f"must not be below zero, got {given} (negative_amounts='send' sends it)"
    if field.endswith("status") and "enum" in what:
        return f"must be one of CREATED, PAID, CANCELED, FULFILLED, got {given} (value_mapping)"
    if field.endswith("related_object") and "enum" in what:
        return f"must be product or sku, got {given}"
    expected = re.match(r"Expected `(?P<type>[^`]*)`(?P<bound> [<>=]+ [\d.]+)?", what)
    if expected:
        kinds = [kind.strip() for kind in expected["type"].split("|")]
        wanted = " or ".join(_TYPES.get(kind, kind) for kind in kinds)
        return f"must be {wanted}{expected['bound'] or ''}, got {given}{number_advice(value)}"
    return f"is not valid ({what}), got {given}"
