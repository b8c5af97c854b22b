"""The fields of an order and their types, for sources whose values have no JSON types: columns of tables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache

import msgspec
from msgspec import inspect

from airflow_provider_voucherify.order_source.schema.check import MALFORMED
from airflow_provider_voucherify.order_source.schema.order import Anything, Order

JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"

MAX_NUMBER = 300  # characters

AMOUNTS = frozenset({"amount", "initial_amount", "discount_amount", "price"})
IDS = frozenset({"id", "source_id", "product_id", "sku_id", "customer_id", "referrer_id"})


class Kind(Enum):
    """What the API accepts in a field."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    OBJECT = auto()
    LIST = auto()
    ANYTHING = auto()


class Shape(msgspec.Struct, frozen=True):
    """
    What the API accepts in a field, and in the fields inside.

    :param kind: The kind of value.
    :param fields: Of an object, its fields; None if it may have any.
    :param entries: Of a list, its entries.
    :param choices: Of text, the accepted values; None if any is accepted.
    :param pattern: Of text, what it has to match; None if any is accepted.
    :param minimum: Of an integer, the smallest one, if there is one.
    :param max_length: Of a list, how many entries it may have.
    :param is_id: Whether it identifies an object, so that no marker for nothing may stand in it.
    :param is_amount: Whether it is an amount of money.
    """

    kind: Kind
    fields: dict[str, Shape] | None = None
    entries: Shape | None = None
    choices: tuple[str, ...] | None = None
    pattern: str | None = None
    minimum: int | None = None
    max_length: int | None = None
    is_id: bool = False
    is_amount: bool = False

    def inner(self, path: Iterable[str]) -> Shape | None:
        """
        Follow a path into it.

        :return: None if the API has nothing there.
        """
        shape: Shape | None = self
        for name in path:
            if not name or shape is None or shape.kind not in (Kind.OBJECT, Kind.ANYTHING):
                return None
            shape = ANYTHING if shape.fields is None else shape.fields.get(name)
        return shape


ANYTHING = Shape(Kind.ANYTHING)


def _shape(node: inspect.Type, name: str = "") -> Shape:
    match node:
        case inspect.UnionType(types=types):
            return _shape(next(kind for kind in types if not isinstance(kind, inspect.NoneType)), name)
        case inspect.StrType(pattern=pattern):
            return Shape(Kind.TEXT, pattern=pattern, is_id=name in IDS)
        case inspect.LiteralType(values=values):
            return Shape(Kind.TEXT, choices=tuple(str(value) for value in values))
        case inspect.IntType(ge=minimum):
            return Shape(Kind.INTEGER, minimum=minimum, is_amount=name in AMOUNTS)
        case inspect.FloatType():
            return Shape(Kind.NUMBER, is_amount=name in AMOUNTS)
        case inspect.BoolType():
            return Shape(Kind.BOOLEAN)
        case inspect.ListType(item_type=entry, max_length=length):
            return Shape(Kind.LIST, entries=_shape(entry), max_length=length)
        case inspect.StructType(cls=struct) if struct is Anything:
            return Shape(Kind.OBJECT)
        case inspect.StructType(fields=fields):
            return Shape(Kind.OBJECT, {field.encode_name: _shape(field.type, field.encode_name) for field in fields})
        case inspect.RawType():
            return ANYTHING
        case _:
            raise TypeError(f"no shape is known for {node}")


def is_json(text: str | bytes) -> bool:
    """Return whether the text of a cell is a JSON document."""
    try:
        _decode(text)
    except MALFORMED:
        return False
    return True


_decode = msgspec.json.Decoder(msgspec.Raw).decode

_is_number = re.compile(JSON_NUMBER, re.ASCII).fullmatch


def json_number(text: str) -> int | Decimal | None:
    """
    Read text that is a number as JSON writes it.

    :return: None if it is not.
    """
    found = _is_number(text)
    if not found or len(text) > MAX_NUMBER:
        return None
    return Decimal(text) if found[2] or found[3] else int(text)


ORDER = _shape(inspect.type_info(Order))


@lru_cache(maxsize=1000)
def guess(name: str, path: tuple[str, ...] = ()) -> str | None:
    """
    Guess which field was meant by a name that the API does not know.

    :param name: The name.
    :param path: The path of the object that it was found in.
    :return: The field, with its path; None if none is close.
    """
    shape = ORDER
    for step in path:
        shape = (shape.fields or {}).get(step, ANYTHING)
        shape = shape.entries or shape
    known = list(shape.fields or ())
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").replace(" ", "_").lower()
    close = [snake] if snake in known else difflib.get_close_matches(snake, known, n=1, cutoff=0.7)
    return ".".join((*path, close[0])) if close else None
