"""From records to the bodies of requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from airflow_provider_voucherify.order_source.schema.order import (
    CheckedOrder,
    InvalidOrderError,
    SupersededOrderError,
    check,
    source_id_of,
)
from airflow_provider_voucherify.order_source.schema.side_effects import Rules
from airflow_provider_voucherify.order_source.source import Cursor, Record
from airflow_provider_voucherify.reporting.reject_files import Outcome, read_line

MAX_ORDERS = 2000
MAX_BODY_BYTES = 8_000_000

NO_RULES = Rules()


@dataclass
class Chunk:
    """
    Orders that go in one request, and the records of the same record_range of the source that do not go.

    :param start: The place before its first record.
    :param end: The place behind its last record.
    :param orders: The records whose orders go.
    :param bodies: The orders as they go.
    :param source_ids: Their ``source_id``.
    :param invalid: The records that do not go, those that are superseded included.
    :param with_customer: How many orders go with a customer or referrer, who will move through segments.
    :param with_override: How many go with a product or SKU that overrides the catalogue.
    """

    start: Cursor
    end: Cursor
    orders: list[Record] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    source_ids: list[str | None] = field(default_factory=list)
    invalid: list[Outcome] = field(default_factory=list)
    with_customer: int = 0
    with_override: int = 0

    @property
    def records(self) -> int:
        """How many records of the source lie in it."""
        return len(self.orders) + len(self.invalid)

    @property
    def rejected(self) -> list[Outcome]:
        """The records that do not go because something is wrong with them."""
        return [outcome for outcome in self.invalid if not outcome.superseded]

    @property
    def superseded(self) -> list[Outcome]:
        """The records that gave way to another order with their ``source_id``."""
        return [outcome for outcome in self.invalid if outcome.superseded]

    def body(self) -> bytes:
        """Build the JSON array: orders that need no change go into it as the bytes they came in."""
        if not self.bodies:
            return b"[]"
        parts = [b"[" + self.bodies[0], *self.bodies[1:]]
        parts[-1] += b"]"
        return b",".join(parts)

    def body_hash(self) -> str:
        """Tell what was sent from what would be sent."""
        return hashlib.sha256(self.body()).hexdigest()[:16]

    def outcome(self, index: int, reason: str) -> Outcome:
        """Say of one of its orders what became of it."""
        record = self.orders[index]
        return Outcome(record.position, self.source_ids[index], reason, record.body.strip())


def chunks(
    records: Iterable[Record],
    start: Cursor,
    max_orders: int = MAX_ORDERS,
    max_body_bytes: int = MAX_BODY_BYTES,
    rules: Rules = NO_RULES,
) -> Iterator[Chunk]:
    """
    Validate records and gather them into chunks.

    :param records: The records from ``start`` on.
    :param start: The place before the first of them.
    :param max_orders: Orders a chunk at most; 2000 is what the API takes (documented, may change).
    :param max_body_bytes: Bytes a body at most; an order that is larger by itself goes alone. What the API
        takes is unknown (10 MB is documented for vouchers).
    :param rules: What to do with orders beyond what the API says.
    :return: Chunks that cover the records without gap, each with at least one record.
    """
    duplicates = iter(()) if rules.duplicates is None else rules.duplicates.since(start.number)
    duplicate = next(duplicates, None)
    chunk, size, last = Chunk(start, start), 2, None
    sends_customers, sends_overrides = rules.customers == "send", rules.product_overrides == "send"
    alters = not (sends_customers and sends_overrides)
    order: CheckedOrder
    for record in records:
        outcome, body = None, record.body
        try:
            while duplicate is not None and duplicate.number <= record.number:
                passed, duplicate = duplicate, next(duplicates, None)
                if passed.number == record.number:
                    raise passed.reason
            if record.error is not None:
                raise InvalidOrderError(record.error)
            conversion = record.origin.conversion
            if conversion is not None:
                record = _order_in(record)
                order = check(body := conversion(record.body))
            elif record.sound is not None:
                order = record.sound
            else:
                order = given = check(body)
                if given.payload and (inner := _order_in(record)) is not record:
                    record, body = inner, inner.body
                    order = check(body)
            if alters:
                body = rules.apply(order, body)
        except InvalidOrderError as error:
            outcome = _invalid(record, error)
        if outcome is None:
            full = chunk.orders and (len(chunk.orders) >= max_orders or size + len(body) + 1 > max_body_bytes)
        else:
            full = chunk.records >= max_orders  # bad records alone must not make a chunk without end
        if full and last is not None:
            chunk.end = last.after
            yield chunk
            chunk, size = Chunk(chunk.end, chunk.end), 2
        if outcome is None:
            chunk.orders.append(record)
            chunk.bodies.append(body)
            chunk.source_ids.append(order.source_id)
            size += len(body) + 1
            customer, override = order.effects
            if customer and sends_customers:
                chunk.with_customer += 1
            if override and sends_overrides:
                chunk.with_override += 1
        else:
            chunk.invalid.append(outcome)
        last = record
    if last is not None:
        chunk.end = last.after
        yield chunk


def _order_in(record: Record) -> Record:
    """Take the order out of a line of a former import, if it is one."""
    if b'"payload"' not in record.body or (line := read_line(record.body)) is None:
        return record
    return msgspec.structs.replace(record, body=bytes(line.payload), was=line.position)


def _invalid(record: Record, error: InvalidOrderError) -> Outcome:
    superseded = isinstance(error, SupersededOrderError)
    return Outcome(record.position, source_id_of(record.body), str(error), record.body.strip(), superseded)
