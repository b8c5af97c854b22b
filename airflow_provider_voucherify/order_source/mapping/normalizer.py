"""Make orders what the API accepts: ids, amounts, dates, values, and names that it does not know."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from airflow_provider_voucherify.order_source.mapping.amounts import minor_units
from airflow_provider_voucherify.order_source.mapping.ids import id_text, read_id
from airflow_provider_voucherify.order_source.mapping.metadata import typed
from airflow_provider_voucherify.order_source.mapping.times import iso_8601
from airflow_provider_voucherify.order_source.mapping.unknown_fields import Unknown
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.schema.check import (
    MALFORMED,
    MAX_NESTING,
    InvalidOrderError,
    Note,
    check,
    check_nesting,
    decode_order,
    decode_orders,
    encode,
    shown,
)
from airflow_provider_voucherify.order_source.schema.field_types import ORDER, Kind, Shape, json_number
from airflow_provider_voucherify.order_source.schema.order import Order, Traits
from airflow_provider_voucherify.reporting.reject_files import read_line

DATE_LEFT_OUT = Note("created_at left out: Voucherify sets the time of the import", "order_date_metadata_key")
CUSTOMER_ID_RENAMED = Note("customer_id renamed to customer.id", "column_mapping")

_BOOLEANS = {"true": True, "t": True, "false": False, "f": False}
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Normalized(NamedTuple):
    """
    An order that can be sent.

    :param body: Its JSON document.
    :param order: The order, typed.
    :param notes: What was left out, renamed or guessed in it.
    :param given: The order as it was given, where that is not the whole record: in a line of a reject file.
    :param was: Its position in the import that the reject file is of.
    """

    body: bytes
    order: Order
    notes: tuple[Note, ...] = ()
    given: bytes | None = None
    was: str | None = None


class Normalizer:
    """
    Turns an order with the API's names into one with the API's values, and checks it.

    An order that is valid as it is given comes back as the bytes it came in.

    :param options: The options.
    """

    def __init__(self, options: SourceOptions = SourceOptions()) -> None:  # noqa: B008  # frozen
        self.options = options
        self._signed = options.negative_amounts == "send"
        self._unknown = Unknown(options.unknown_fields)
        self._nothing = frozenset(options.null_values)
        self._formats = options.datetime_formats
        self._values = {tuple(path.split(".")): dict(values) for path, values in (options.value_mapping or {}).items()}
        self._doubtful = Traits.NULL_MARKER | Traits.CREATED_AT
        if options.require_source_id:
            self._doubtful |= Traits.NO_SOURCE_ID
        if options.amount_mismatch == "reject":
            self._doubtful |= Traits.AMOUNT_MISMATCH

    @property
    def changes(self) -> bool:
        """Whether it may change orders that are valid as they are given."""
        options = self.options
        return bool(
            options.amount_unit == "major"
            or options.order_date_metadata_key is not None
            or options.value_mapping
            or options.metadata_schema
        )

    def doubts(self, traits: int) -> bool:
        """
        Return whether an order needs a closer check than its types.

        :param traits: What is known of it, as bits of :class:`Traits`.
        """
        return bool(traits & self._doubtful)

    def orders_as_given(self, bodies: list[bytes]) -> list[Order]:
        """
        Check orders at once.

        :param bodies: Their JSON documents.
        :return: The orders, typed; none if there is one that cannot be sent as it is given.
        """
        lines = b"\n".join(bodies)
        try:
            orders = decode_orders(lines)
            if not lines.isascii():
                lines.decode()  # what the decoder skips may still not be UTF-8
            if max(map(len, bodies)) > 2 * MAX_NESTING:
                for body in bodies:
                    check_nesting(body)
        except (*MALFORMED, InvalidOrderError):
            return []
        return orders if len(orders) == len(bodies) else []

    def __call__(self, body: bytes) -> Normalized:
        """
        Normalize an order and check it.

        :param body: Its JSON document, or a line of a reject file with it.
        :raises InvalidOrderError: naming the value that is not accepted.
        """
        if not self.changes:
            try:
                order = decode_order(body)
                if not body.isascii():
                    body.decode()
                if len(body) > 2 * MAX_NESTING:
                    check_nesting(body)
            except MALFORMED:
                pass
            else:
                if not order.traits & self._doubtful:
                    return Normalized(body, order)
        return self._normalize(body)

    def _normalize(self, body: bytes) -> Normalized:
        given = was = None
        if b'"payload"' in body and (line := read_line(body)) is not None:
            body = given = bytes(line.payload)
            was = line.position
        try:
            check_nesting(body)
            order = _decode(body)
            if not body.isascii():
                body.decode()
        except (*MALFORMED, ArithmeticError) as error:  # the latter for a number such as 1e9999999999999999999
            raise RefusedOrderError(f"not a JSON object: {error}", given, was) from None
        except InvalidOrderError as error:
            raise RefusedOrderError(str(error), given, was) from None
        if not isinstance(order, dict):
            check(body)
        notes: list[Note] = []
        try:
            self._unknown.refuse_children(order)
            self._unknown.refuse_unrecognised(order, _KNOWN)
            self._rename_customer_id(order, notes)
            self._keep_date(order, notes)
            order = self._walk(order, ORDER, (), notes)
            self._type_metadata(order)
            normal = encode(order)
            checked = check(normal, signed=self._signed)
            self._check_traits(checked, order)
        except InvalidOrderError as error:
            raise RefusedOrderError(str(error), given, was, (*notes, *error.notes)) from None
        return Normalized(normal, checked, tuple(dict.fromkeys(notes)), given, was)

    def _rename_customer_id(self, order: dict[str, Any], notes: list[Note]) -> None:
        if "customer_id" not in order:
            return
        value = order.pop("customer_id")
        if value is None or value in self._nothing:
            return
        customer = order.get("customer")
        if customer is None:
            customer = order["customer"] = {}
        if isinstance(customer, dict):
            if customer.get("id") not in (None, value):
                raise InvalidOrderError(f"customer_id is {shown(value)}, and customer.id {shown(customer['id'])}")
            customer["id"] = value
            notes.append(CUSTOMER_ID_RENAMED)

    def _keep_date(self, order: dict[str, Any], notes: list[Note]) -> None:
        key = self.options.order_date_metadata_key
        value = order.pop("created_at", None)
        if value is None or value in self._nothing:
            return
        if key is None:
            notes.append(DATE_LEFT_OUT)
            return
        try:
            moment = iso_8601(value, self._formats)
        except ValueError:
            advice = " in one of datetime_format" if self._formats else ""
            raise InvalidOrderError(
                f"created_at must be an ISO 8601 date or time{advice}, got {shown(value)}",
                (Note("created_at that cannot be read", "datetime_format"),),
            ) from None
        metadata = order.get("metadata")
        if metadata is None:
            metadata = order["metadata"] = {}
        if isinstance(metadata, dict):  # if not, the check refuses it
            metadata.setdefault(key, moment)

    def _walk(self, value: Any, shape: Shape, path: tuple[str, ...], notes: list[Note], place: str = "") -> Any:
        if value is None:
            return None
        if self._values and path in self._values:
            value = self._mapped(value, path, notes)
        match shape.kind:
            case Kind.OBJECT if isinstance(value, dict):
                return self._object(value, shape, path, notes, place)
            case Kind.LIST if isinstance(value, list) and shape.entries is not None:
                entries = [
                    self._walk(entry, shape.entries, path, notes, f"{place}[{index}]")
                    for index, entry in enumerate(value)
                ]
                return [{} if entry is _NOTHING else entry for entry in entries]
            case Kind.TEXT:
                return self._text(value, shape, path, notes, place)
            case Kind.INTEGER | Kind.NUMBER:
                return self._number(value, shape, path, notes, place)
            case Kind.BOOLEAN if isinstance(value, str):
                return _BOOLEANS.get(value.lower(), value)
        return value

    def _object(self, value: dict[str, Any], shape: Shape, path: tuple[str, ...], notes: list[Note], place: str) -> Any:
        if shape.fields is None:
            if self._values:
                return {name: self._walk(inner, _ANY, (*path, name), notes) for name, inner in value.items()}
            return value
        fields: dict[str, Any] = {}
        unknown: dict[str, Any] = {}
        for name, inner in value.items():
            if (known := shape.fields.get(name)) is None:
                unknown[name] = inner
            else:
                at = f"{place}.{name}" if place else name
                normal = self._walk(inner, known, (*path, name), notes, at)
                if normal is not _NOTHING:
                    fields[name] = normal
        if unknown:
            return self._unknown.treat(fields, unknown, path, place, notes)
        return fields if fields or not value or not path else _NOTHING  # {} would be a customer without a name

    def _text(self, value: Any, shape: Shape, path: tuple[str, ...], notes: list[Note], place: str) -> Any:
        if isinstance(value, str):
            if shape.is_id and read_id(value, self.options.null_values, place) is None:
                notes.append(Note(f"{value!r} as an id taken for nothing", "null_values"))
                return _NOTHING
            return value
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and shape.choices is None:
            text = id_text(value)
            if text is None:
                raise InvalidOrderError(
                    f"{place} is the number {shown(value)}, whose digits are not certain: give it as text"
                )
            notes.append(Note(f"{'.'.join(path)} given as a number, written as text", "column_mapping"))
            return text
        return value

    def _number(self, value: Any, shape: Shape, path: tuple[str, ...], notes: list[Note], place: str) -> Any:
        if shape.is_amount and self.options.amount_unit == "major":
            try:
                return minor_units(value, self.options.amount_decimals)
            except ValueError as error:
                raise InvalidOrderError(f"{place} {error}") from None
        number = json_number(value) if isinstance(value, str) else None
        if number is None or (shape.kind is Kind.INTEGER and not isinstance(number, int)):
            return value
        notes.append(Note(f"{'.'.join(path)} given as text, read as a number", "column_mapping"))
        return number

    def _mapped(self, value: Any, path: tuple[str, ...], notes: list[Note]) -> Any:
        values = self._values[path]
        key = value if isinstance(value, str) else encode(value).decode()
        if key in values:
            return values[key]
        if "*" in values:
            notes.append(Note(f"{'.'.join(path)} mapped by '*'", "value_mapping"))
            return values["*"]
        return value

    def _type_metadata(self, order: dict[str, Any]) -> None:
        metadata = order.get("metadata")
        if self.options.metadata_schema and isinstance(metadata, dict):
            for key, kind in self.options.metadata_schema.items():
                if (value := metadata.get(key)) is not None:
                    try:
                        metadata[key] = typed(value, str(kind), self._formats)
                    except ValueError:
                        raise InvalidOrderError(
                            f"metadata.{key} must be of type {kind} (metadata_schema), got {shown(value)}"
                        ) from None

    def _check_traits(self, order: Order, given: dict[str, Any]) -> None:
        traits = order.traits
        if self.options.require_source_id and traits & Traits.NO_SOURCE_ID:
            raise InvalidOrderError(
                "has no source_id, so that it could neither be found again nor be distinguished from a repetition; "
                "map a column to source_id, or state with require_source_id=False that this is intended",
                (Note("order without source_id", "require_source_id"),),
            )
        if self.options.amount_mismatch == "reject" and traits & Traits.AMOUNT_MISMATCH:
            raise InvalidOrderError(
                f"amount {shown(given.get('amount'))} is not the sum of the items, which Voucherify would keep "
                "(amount_mismatch='reject')",
                (Note("order with an amount that is not the sum of its items", "amount_mismatch"),),
            )


class RefusedOrderError(InvalidOrderError):
    """
    An order that is not sent.

    :param given: The order as it was given, where that is not the whole record.
    :param was: Its position in an earlier import.
    """

    def __init__(self, reason: str, given: bytes | None, was: str | None, notes: tuple[Note, ...] = ()) -> None:
        super().__init__(reason, notes)
        self.given = given
        self.was = was


_KNOWN = frozenset({*(ORDER.fields or ()), "customer_id"})
_ANY = Shape(Kind.ANYTHING)
_NOTHING = object()
