"""Check records and gather them into chunks, the bodies of requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_load.invalid_orders import invalid_outcome
from airflow_provider_voucherify.order_source.checked_records import CheckedBlock, CheckedRecord, checked_blocks
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.rules import NO_RULES, Rules
from airflow_provider_voucherify.order_source.schema.item_amounts import given_order
from airflow_provider_voucherify.order_source.schema.order import Traits
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record
from airflow_provider_voucherify.reporting.reject_files import Outcome, OutcomeCode


class Cause(msgspec.Struct, frozen=True):
    """
    Why an order was not loaded, or why it is unknown whether it was.

    :param reason: The reason, for people.
    :param code: What kind of failure it is.
    :param retryable: Whether importing the order again, unchanged, may succeed.
    """

    reason: str
    code: OutcomeCode
    retryable: bool = False


@dataclass
class Chunk:
    """
    Orders that are sent in one request, and the records between them that are not sent.

    :param start: The place before its first record.
    :param end: The place after its last record.
    :param orders: The records whose orders are sent.
    :param bodies: The orders as they are sent.
    :param source_ids: Their ``source_id``.
    :param invalid: The records that are not sent, superseded ones included.
    :param with_customer: How many orders are sent with a customer or referrer, who moves through segments.
    :param with_override: How many are sent with a product or SKU that overwrites the catalogue.
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
        """The number of records of the source that it covers."""
        return len(self.orders) + len(self.invalid)

    @property
    def rejected(self) -> list[Outcome]:
        """The records that are not sent because they are invalid."""
        return [outcome for outcome in self.invalid if not outcome.superseded]

    @property
    def superseded(self) -> list[Outcome]:
        """The records left out in favour of another order with their ``source_id``."""
        return [outcome for outcome in self.invalid if outcome.superseded]

    def add(self, record: Record, body: bytes, source_id: str | None, traits: int) -> None:
        """
        Add an order that is sent.

        :param record: The record.
        :param body: The order as it is sent.
        :param source_id: Its ``source_id``.
        :param traits: What is known of it, as bits of :class:`Traits`.
        """
        self.orders.append(record)
        self.bodies.append(body)
        self.source_ids.append(source_id)
        self.with_customer += bool(traits & Traits.CUSTOMER)
        self.with_override += bool(traits & Traits.OVERRIDE)

    def add_block(self, block: CheckedBlock) -> None:
        """
        Add orders that are sent.

        :param block: The orders.
        """
        self.orders += block.records
        self.bodies += block.bodies
        self.source_ids += block.source_ids
        for kind in set(block.traits):
            if kind & (Traits.CUSTOMER | Traits.OVERRIDE):
                count = block.traits.count(kind)
                self.with_customer += count * bool(kind & Traits.CUSTOMER)
                self.with_override += count * bool(kind & Traits.OVERRIDE)

    @property
    def size(self) -> int:
        """The size of the body in bytes."""
        return sum(map(len, self.bodies)) + len(self.bodies) + 1

    def body(self) -> bytes:
        """Build the JSON array. Orders that need no change are sent as the bytes they were read as."""
        if not self.bodies:
            return b"[]"
        parts = [b"[" + self.bodies[0], *self.bodies[1:]]
        parts[-1] += b"]"
        return b",".join(parts)

    def body_hash(self) -> str:
        """Hash the body, to recognise it when it is read again."""
        return hashlib.sha256(self.body()).hexdigest()[:16]

    def amounts(self) -> list[int]:
        """List the amounts of the orders, in the smallest currency unit; 0 where none is given."""
        return [0 if (order := given_order(body)) is None else order.total for body in self.bodies]

    def positions(self) -> str:
        """Name the orders in the source, for the audit log: ``orders.jsonl:1-4, orders.jsonl:6-2000``."""
        ranges: list[tuple[Origin, int, int]] = []
        for record in self.orders:
            end = record.line + 1 if record.next_file >= 0 else max(record.next_line, record.line + 1)
            if ranges and ranges[-1][0] == record.origin and ranges[-1][2] == record.line:
                ranges[-1] = (record.origin, ranges[-1][1], end)
            else:
                ranges.append((record.origin, record.line, end))
        return ", ".join(origin.range(first, end - 1) for origin, first, end in ranges)

    def outcome(self, index: int, cause: Cause) -> Outcome:
        """
        Make the outcome of one of its orders that was not loaded.

        :param index: Which of the orders.
        :param cause: Why it was not loaded, or why that is unknown.
        """
        record = self.orders[index]
        return Outcome(
            record.position,
            self.source_ids[index],
            cause.reason,
            record.body.strip(),
            code=cause.code,
            retryable=cause.retryable,
        )


def chunks(
    records: Iterable[Record],
    start: Cursor,
    max_orders: int = ImportConfig().chunk_size,
    max_body_bytes: int = ImportConfig().max_body_bytes,
    rules: Rules = NO_RULES,
    findings: Findings | None = None,
) -> Iterator[Chunk]:
    """
    Check records and gather them into chunks.

    :param records: The records from ``start`` on.
    :param start: The place before the first of them.
    :param max_orders: The largest number of orders in a chunk.
    :param max_body_bytes: The largest body in bytes. An order that is larger by itself is sent alone.
    :param rules: What to do with orders beyond what the API demands.
    :param findings: Where findings about the orders are counted, each record once.
    :return: Chunks that cover the records without a gap, each with at least one record.
    """
    chunk, size, last = Chunk(start, start), 2, None
    for part in checked_blocks(records, rules, findings, start.number):
        if isinstance(part, CheckedBlock):
            bytes_of_block = part.size + len(part.bodies)
            if len(chunk.orders) + len(part.bodies) <= max_orders and size + bytes_of_block <= max_body_bytes:
                chunk.add_block(part)
                size += bytes_of_block
                last = part.records[-1]
                continue
        singles = [part] if isinstance(part, CheckedRecord) else part.singles()
        for record, body, source_id, traits, error in singles:
            if error is None:
                full = chunk.orders and (len(chunk.orders) >= max_orders or size + len(body) + 1 > max_body_bytes)
            else:
                full = chunk.records >= max_orders  # bad records alone must not make a chunk without end
            if full and last is not None:
                chunk.end = last.after
                yield chunk
                chunk, size = Chunk(chunk.end, chunk.end), 2
            if error is None:
                chunk.add(record, body, source_id, traits)
                size += len(body) + 1
            else:
                chunk.invalid.append(invalid_outcome(record, error))
            last = record
    if last is not None:
        chunk.end = last.after
        yield chunk
