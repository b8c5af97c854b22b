"""Ids: numbers become digits where they are exact, markers for nothing are refused, and repetitions can be found."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from airflow_provider_voucherify.order_source.schema.check import MALFORMED, InvalidOrderError, Note, shown
from airflow_provider_voucherify.order_source.schema.order import NULL_MARKERS
from airflow_provider_voucherify.reporting.reject_files import read_line

MAX_EXACT_FLOAT = 2**53


def id_text(value: object) -> str | None:
    """
    Write an id as text: numbers become digits, if they are exact.

    :param value: An id as JSON has it.
    :return: None if it is neither text nor such a number.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    try:
        whole = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return str(whole) if whole == value and abs(whole) <= MAX_EXACT_FLOAT else None


def read_id(value: str, null_values: Sequence[str], place: str) -> str | None:
    """
    Read an id that is text.

    :param value: The id.
    :param null_values: The texts that stand for nothing.
    :param place: Where it is in the order, for messages.
    :return: None if it stands for nothing.
    :raises InvalidOrderError: if it is what other tools write for nothing, and not one of ``null_values``: one customer
        or product would be made of many.
    """
    if value in null_values:
        return None
    if value in NULL_MARKERS:
        raise InvalidOrderError(
            f"{place} is {shown(value)}, which other tools write for nothing; "
            f"null_values={[*null_values, value]!r} leaves it out",
            (Note(f"{value!r} as an id", "null_values"),),
        )
    return value


class SourceId(msgspec.Struct, gc=False):
    """What is read of an order, or of a line of a reject file, to find orders with the same ``source_id``."""

    source_id: str | int | float | None = None
    payload: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(SourceId).decode
decode_lines = msgspec.json.Decoder(SourceId).decode_lines


def source_id_of(body: bytes) -> str | None:
    """
    Find the ``source_id`` of an order, valid or not.

    :param body: Its JSON document, or a line of a reject file with it.
    :return: None if it has none, or one that would not be sent.
    """
    try:
        order = _decode(body)
    except MALFORMED:
        return None
    if order.payload and (line := read_line(body)):
        return source_id_of(bytes(line.payload))
    return as_sent(order.source_id)


def as_sent(source_id: object) -> str | None:
    """
    Write a ``source_id`` as it would be sent.

    :param source_id: As JSON has it.
    :return: None if it stands for nothing, or would be refused.
    """
    text = source_id if isinstance(source_id, str) else id_text(source_id)
    return None if text in NULL_MARKERS else text
