"""Find the ``source_id`` of orders without checking them, for the search for repeated ones."""

from __future__ import annotations

import msgspec

from airflow_provider_voucherify.order_source.schema.check import MALFORMED, id_text
from airflow_provider_voucherify.order_source.schema.order import NULL_MARKERS
from airflow_provider_voucherify.reporting.reject_files import read_line


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
