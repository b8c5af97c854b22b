"""From records to the bodies of requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from airflow_provider_voucherify.order_import.order import InvalidOrderError, check
from airflow_provider_voucherify.order_import.source import Cursor, Record

MAX_ORDERS = 2000
MAX_BODY_BYTES = 8_000_000


@dataclass(frozen=True)
class Outcome:
    """
    An order that was not loaded, or of which nobody knows whether it was.

    :param position: Where it stands in the source.
    :param source_id: Its ``source_id``, if it has one.
    :param reason: Why.
    :param payload: The order as it was given.
    """

    position: str
    source_id: str | None
    reason: str
    payload: bytes = field(repr=False)


@dataclass
class Chunk:
    """
    Orders that go in one request, and the records of the same stretch of the source that cannot go.

    :param start: The place before its first record.
    :param end: The place behind its last record.
    """

    start: Cursor
    end: Cursor
    orders: list[Record] = field(default_factory=list)
    source_ids: list[str | None] = field(default_factory=list)
    invalid: list[Outcome] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many records of the source lie in it, good and bad."""
        return len(self.orders) + len(self.invalid)

    def body(self) -> bytes:
        """Build the JSON array: valid orders go into it as the bytes they came in."""
        return b"[" + b",".join([record.body for record in self.orders]) + b"]"

    def body_hash(self) -> str:
        """Tell what was sent from what would be sent."""
        return hashlib.sha256(self.body()).hexdigest()[:16]

    def outcome(self, index: int, reason: str) -> Outcome:
        """Say of one of its orders what became of it."""
        record = self.orders[index]
        return Outcome(record.position, self.source_ids[index], reason, record.body)


def chunks(
    records: Iterable[Record], start: Cursor, max_orders: int = MAX_ORDERS, max_body_bytes: int = MAX_BODY_BYTES
) -> Iterator[Chunk]:
    """
    Validate records and gather them into chunks.

    :param records: The records from ``start`` on.
    :param start: The place before the first of them.
    :param max_orders: Orders a chunk at most; 2000 is what the API takes (documented, may change).
    :param max_body_bytes: Bytes a body at most; an order that is larger by itself goes alone. What the API
        takes is unknown (10 MB is documented for vouchers).
    :return: Chunks that cover the records without gap, each with at least one record.
    """
    chunk, size = Chunk(start, start), 2
    for record in records:
        try:
            order = check(record.body)
        except InvalidOrderError as error:
            if chunk.records >= max_orders:  # bad records alone must not make a chunk without end
                yield chunk
                chunk, size = Chunk(chunk.end, chunk.end), 2
            chunk.invalid.append(Outcome(record.position, _source_id(record.body), str(error), record.body))
        else:
            grown = size + len(record.body) + 1
            if chunk.orders and (len(chunk.orders) >= max_orders or grown > max_body_bytes):
                yield chunk
                chunk, size = Chunk(chunk.end, chunk.end), 2
                grown = size + len(record.body) + 1
            chunk.orders.append(record)
            chunk.source_ids.append(order.source_id)
            size = grown
        chunk.end = record.after
    if chunk.records:
        yield chunk


def _source_id(body: bytes) -> str | None:
    """Find the ``source_id`` of an order that is not valid, if it can be found."""
    try:
        order = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    value = order.get("source_id") if isinstance(order, dict) else None
    return value if isinstance(value, str) else None
