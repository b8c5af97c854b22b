"""The stream of checked orders: each record as it is to be sent, or why it is not sent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from airflow_provider_voucherify.order_source.duplicates import Duplicate
from airflow_provider_voucherify.order_source.findings import EMPTY_ROW, Findings
from airflow_provider_voucherify.order_source.mapping.normalizer import RefusedOrderError
from airflow_provider_voucherify.order_source.rules import NO_RULES, Rules
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError, Note, ScatteredOrderError
from airflow_provider_voucherify.order_source.schema.order import CheckedOrder, Traits, traits_of
from airflow_provider_voucherify.order_source.source import Record

BLOCK_RECORDS = 100
BLOCK_BYTES = 1 << 20


class CheckedRecord(NamedTuple):
    """
    A record after its check.

    :param record: The record. If it is a line of a reject file, the order in it has taken its place.
    :param body: The JSON document to send.
    :param source_id: The ``source_id`` of the order, if it has one and is sent.
    :param traits: What is known of the order as it is sent, as bits of :class:`Traits`; 0 if it is not.
    :param error: Why it is not sent; None if it is.
    """

    record: Record
    body: bytes
    source_id: str | None
    traits: int
    error: InvalidOrderError | None = None


class CheckedBlock(NamedTuple):
    """
    Records after their check, all of which are sent as they are.

    :param records: The records, of one file.
    :param bodies: The JSON documents to send.
    :param source_ids: The ``source_id`` of each order, if it has one.
    :param traits: What is known of each order, as bits of :class:`Traits`.
    :param size: The bytes of all bodies.
    """

    records: list[Record]
    bodies: list[bytes]
    source_ids: list[str | None]
    traits: list[int]
    size: int

    def singles(self) -> Iterator[CheckedRecord]:
        """Return the records one by one."""
        return map(CheckedRecord, self.records, self.bodies, self.source_ids, self.traits)


def checked(
    records: Iterable[Record], rules: Rules = NO_RULES, findings: Findings | None = None, first: int = 0
) -> Iterator[CheckedRecord]:
    """
    Check records one after the other.

    :param records: The records of a source.
    :param rules: What to do with orders beyond what the API demands.
    :param findings: Where findings are counted: each record once, however often it is read.
    :param first: How many records of the source lie before the first one.
    :return: Each record, checked.
    """
    for part in checked_blocks(records, rules, findings, first):
        if isinstance(part, CheckedRecord):
            yield part
        else:
            yield from part.singles()


def checked_blocks(
    records: Iterable[Record], rules: Rules = NO_RULES, findings: Findings | None = None, first: int = 0
) -> Iterator[CheckedRecord | CheckedBlock]:
    """
    Check records as :func:`checked` does, and return many at once where nothing about them is unusual.

    :param records: The records of a source.
    :param rules: What to do with orders beyond what the API demands.
    :param findings: Where findings are counted.
    :param first: How many records of the source lie before the first one.
    :return: All records in their order, in blocks or by themselves.
    """
    duplicates = _UpcomingDuplicates(rules, first)
    records, wanted = iter(records), 1  # few at first: it is not known how large they are
    while taken := list(islice(records, wanted)):
        bodies = [record.body for record in taken]
        size = sum(map(len, bodies))
        wanted = min(2 * wanted, BLOCK_RECORDS, max(1, BLOCK_BYTES * len(taken) // max(1, size)))
        block = None
        if not rules.alter and duplicates.next_number > taken[-1].number:
            block = _check_block(taken, bodies, size, findings)
        if block is None:
            for record in taken:
                yield _check(record, rules, duplicates.reason(record.number), findings)
        else:
            yield block


def _check_block(
    records: list[Record], bodies: list[bytes], size: int, findings: Findings | None
) -> CheckedBlock | None:
    """Check records at once; return None if one of them has to be checked by itself."""
    origin = records[0].origin
    normalize = origin.normalize
    if normalize.changes or origin is not records[-1].origin:
        return None
    for record in records:
        if record.error is not None:
            return None
    if findings is not None and findings.through > records[0].number:
        return None
    orders: Sequence[CheckedOrder]
    if records[0].sound is None:
        orders = given = normalize.orders_as_given(bodies)
        traits = traits_of(given)
    else:  # then all of a table are
        orders = [record.sound for record in records if record.sound is not None]
        traits = [order.traits for order in orders]
    if len(orders) < len(records):
        return None
    kinds = set(traits)
    if any(map(normalize.doubts, kinds)):
        return None
    if findings is not None:
        _count_block(findings, records, traits, kinds)
    return CheckedBlock(records, bodies, [order.source_id for order in orders], traits, size)


def _count_block(findings: Findings, records: list[Record], traits: list[int], kinds: set[int]) -> None:
    findings.through = records[-1].number + 1
    for kind in sorted(kinds, key=traits.index):
        if kind & Traits.COUNTED:
            findings.count(kind, records[traits.index(kind)].position, traits.count(kind))
    for record in records:
        if findings.unfilled:
            findings.see(record.body)
        if record.empty_rows:
            findings.note(EMPTY_ROW, record.position, record.empty_rows)
    for note in records[0].origin.notes:
        findings.note(note, records[0].position, len(records))


def _check(
    record: Record, rules: Rules, duplicate: InvalidOrderError | None, findings: Findings | None
) -> CheckedRecord:
    notes: tuple[Note, ...] = ()
    body, error = record.body, None
    order: CheckedOrder | None = None
    try:
        if duplicate is not None:
            raise duplicate
        if record.error is not None:
            raise InvalidOrderError(record.error)
        normalize, order = record.origin.normalize, record.sound
        if order is None or normalize.changes or normalize.doubts(order.traits):
            body, order, notes, given, was = normalize(record.body)
            if given is not None:
                record = msgspec.structs.replace(record, body=given, was=was)
        if rules.alter:
            body = rules.apply(order, body)
    except InvalidOrderError as invalid:
        order, error = None, invalid
        if isinstance(invalid, ScatteredOrderError):  # so that the part is not imported as if it were whole
            record = msgspec.structs.replace(record, body=b'{"part_of_an_order":' + record.body + b"}")
        if isinstance(invalid, RefusedOrderError) and invalid.given is not None:
            record = msgspec.structs.replace(record, body=invalid.given, was=invalid.was)
        notes = invalid.notes
    source_id, traits = (None, 0) if order is None else (order.source_id, order.traits & rules.traits_sent)
    if findings is not None and record.number >= findings.through:
        _count(findings, record, body, traits, notes)
    return CheckedRecord(record, body, source_id, traits, error)


def _count(findings: Findings, record: Record, body: bytes, traits: int, notes: tuple[Note, ...]) -> None:
    findings.through = record.number + 1
    if traits & Traits.COUNTED:
        findings.count(traits, record.position)
    if findings.unfilled:
        findings.see(body)
    if record.empty_rows:
        findings.note(EMPTY_ROW, record.position, record.empty_rows)
    for note in (*record.origin.notes, *notes):
        findings.note(note, record.position)


class _UpcomingDuplicates:
    """
    The records to come that repeat a ``source_id`` and do not count.

    :param rules: Have the duplicates of the source.
    :param first: How many records of the source lie before the first one that is asked for.
    """

    def __init__(self, rules: Rules, first: int) -> None:
        self._duplicates = iter(()) if rules.duplicates is None else rules.duplicates.since(first)
        self._next: Duplicate | None = None
        self._advance()

    def _advance(self) -> None:
        self._next = next(self._duplicates, None)
        self.next_number = sys.maxsize if self._next is None else self._next.number

    def reason(self, number: int) -> InvalidOrderError | None:
        """
        Return why a record does not count; None if it does.

        :param number: How many records lie before it, ascending from call to call.
        """
        while self.next_number < number:
            self._advance()
        return self._next.reason if self._next is not None and self.next_number == number else None
