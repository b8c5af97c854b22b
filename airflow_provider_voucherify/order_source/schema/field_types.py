"""The shape of an order in the API, for sources whose values bear no JSON types: columns of tables."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

import msgspec
from msgspec import inspect

from airflow_provider_voucherify.order_source.schema.order import MALFORMED, Anything, Order

JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"


class Kind(Enum):
    """What the API takes in a field."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    OBJECT = auto()
    LIST = auto()
    ANYTHING = auto()


class Shape(msgspec.Struct, frozen=True):
    """
    What the API takes in a field, and in the fields inside.

    :param kind: What it takes.
    :param fields: Of an object, its fields; None if it may have any.
    :param entries: Of a list, what its entries are.
    :param choices: Of text, what it may be; None if it may be any.
    :param minimum: Of an integer, the smallest one, if there is one.
    :param max_length: Of a list, how many entries it may have.
    """

    kind: Kind
    fields: dict[str, Shape] | None = None
    entries: Shape | None = None
    choices: tuple[str, ...] | None = None
    minimum: int | None = None
    max_length: int | None = None

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

# what the API answers with, and computes itself (documented): exported orders have it, and it does no harm
_ANSWERED = {
    "Order": (
        "object", "created_at", "updated_at", "redemptions", "total_amount", "items_discount_amount",
        "total_discount_amount", "applied_discount_amount", "items_applied_discount_amount",
        "total_applied_discount_amount",
    ),
    "Item": (
        "id", "object", "subtotal_amount", "applied_discount_amount", "applied_discount_quantity", "applied_quantity",
        "applied_quantity_amount",
    ),
    "Customer": ("object",),
}  # fmt: skip


def _shape(node: inspect.Type) -> Shape:
    match node:
        case inspect.UnionType(types=types):
            return _shape(next(kind for kind in types if not isinstance(kind, inspect.NoneType)))
        case inspect.StrType():
            return Shape(Kind.TEXT)
        case inspect.LiteralType(values=values):
            return Shape(Kind.TEXT, choices=tuple(str(value) for value in values))
        case inspect.IntType(ge=minimum):
            return Shape(Kind.INTEGER, minimum=minimum)
        case inspect.FloatType():
            return Shape(Kind.NUMBER)
        case inspect.BoolType():
            return Shape(Kind.BOOLEAN)
        case inspect.ListType(item_type=entry, max_length=length):
            return Shape(Kind.LIST, entries=_shape(entry), max_length=length)
        case inspect.StructType(cls=struct) if struct is Anything:
            return Shape(Kind.OBJECT)
        case inspect.StructType(cls=struct, fields=fields):
            answered = dict.fromkeys(_ANSWERED.get(struct.__name__, ()), ANYTHING)
            return Shape(Kind.OBJECT, {**answered, **{field.encode_name: _shape(field.type) for field in fields}})
        case _:
            raise TypeError(f"no shape is known for {node}")


def is_json(text: str | bytes) -> bool:
    """Tell whether the text of a cell is a JSON document."""
    try:
        _decode(text)
    except MALFORMED:
        return False
    return True


_decode = msgspec.json.Decoder(msgspec.Raw).decode

ORDER = _shape(inspect.type_info(Order))
