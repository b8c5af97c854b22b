"""The stream of checked orders: each record as it is to be sent, or why it is not sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from airflow_provider_voucherify.order_source.findings import EMPTY_ROW, Findings
from airflow_provider_voucherify.order_source.mapping.normalize import RefusedOrderError
from airflow_provider_voucherify.order_source.rules import NO_RULES, Rules
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError, Note, ScatteredOrderError
from airflow_provider_voucherify.order_source.schema.order import CheckedOrder, Facts
from airflow_provider_voucherify.order_source.source import Record


class CheckedRecord(NamedTuple):
    """
    A record after its check.

    :param record: The record. If it is a line of a reject file, the order in it has taken its place.
    :param body: The JSON document to send.
    :param order: What is known of the order; None if it is not sent.
    :param error: Why it is not sent; None if it is.
    """

    record: Record
    body: bytes
    order: CheckedOrder | None
    error: InvalidOrderError | None = None


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
    duplicates = iter(()) if rules.duplicates is None else rules.duplicates.since(first)
    duplicate = next(duplicates, None)
    alters = rules.alter
    for record in records:
        notes: tuple[Note, ...] = ()
        body, error = record.body, None
        order: CheckedOrder | None = None
        try:
            while duplicate is not None and duplicate.number <= record.number:
                passed, duplicate = duplicate, next(duplicates, None)
                if passed.number == record.number:
                    raise passed.reason
            if record.error is not None:
                raise InvalidOrderError(record.error)
            normalize, order = record.origin.normalize, record.sound
            if order is None or normalize.changes or normalize.doubts(order.facts):
                body, order, notes, given, was = normalize(record.body)
                if given is not None:
                    record = msgspec.structs.replace(record, body=given, was=was)
            if alters:
                body = rules.apply(order, body)
        except InvalidOrderError as invalid:
            order, error = None, invalid
            if isinstance(invalid, ScatteredOrderError):  # so that the part is not imported as if it were whole
                record = msgspec.structs.replace(record, body=b'{"part_of_an_order":' + record.body + b"}")
            if isinstance(invalid, RefusedOrderError) and invalid.given is not None:
                record = msgspec.structs.replace(record, body=invalid.given, was=invalid.was)
            notes = invalid.notes
        if findings is not None and record.number >= findings.through:
            _count(findings, record, body, order, notes)
        yield CheckedRecord(record, body, order, error)


def _count(
    findings: Findings, record: Record, body: bytes, order: CheckedOrder | None, notes: tuple[Note, ...]
) -> None:
    findings.through = record.number + 1
    if order is not None:
        if facts := order.facts & Facts.COUNTED:
            findings.count(facts, record.position)
        if findings.unfilled:
            findings.see(body)
    if record.empty_rows:
        findings.note(EMPTY_ROW, record.position, record.empty_rows)
    for note in (*record.origin.notes, *notes):
        findings.note(note, record.position)
