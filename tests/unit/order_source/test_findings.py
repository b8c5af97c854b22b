"""What was left out, renamed or guessed in orders is counted once, with an example and the option that decides it."""

from __future__ import annotations

import msgspec

from airflow_provider_voucherify.order_source import SourceOptions, findings
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.findings import Finding, Findings
from airflow_provider_voucherify.order_source.schema.check import Note
from airflow_provider_voucherify.order_source.source import Cursor
from tests.unit.order_source import strategies as make

ITEM = {"source_id": "rose", "quantity": 2, "price": 5}


def found(source, counted: Findings | None = None, start: Cursor = Cursor()) -> list[Finding]:  # noqa: B008
    counted = counted or Findings()
    counted.watch(source.options)
    for _ in checked(source.read(start), findings=counted, first=start.number):
        pass
    return counted.table()


def test_orders_are_counted_by_what_is_missing_or_does_not_fit() -> None:
    orders = [
        {"source_id": "a", "amount": 10, "items": [ITEM], "customer": {"source_id": "c"}},
        {"source_id": "b", "amount": 10, "items": [ITEM]},
        {"source_id": "c", "amount": 9, "items": [ITEM]},
        {"source_id": "d", "amount": 9, "items": []},
    ]
    assert found(make.source(orders)) == [
        Finding("order without items", 1, "orders[3]", "column_mapping"),
        Finding("order without customer", 3, "orders[1]", "column_mapping"),
        Finding("order with an amount that is not the sum of its items", 1, "orders[2]", "amount_mismatch"),
    ]


def test_orders_that_are_read_again_are_counted_once() -> None:
    source = make.source([{"source_id": str(number), "created_at": "2023-05-01"} for number in range(10)])
    counted = Findings()
    first = found(source, counted)
    saved = msgspec.json.decode(msgspec.json.encode(counted), type=Findings)
    assert found(source, saved, list(source.read())[3].after) == first
    assert {finding.finding: finding.count for finding in first} == {
        "created_at left out: Voucherify sets the time of the import": 10,
        "order without items": 10,
        "order without customer": 10,
    }


def test_what_is_mapped_and_never_filled() -> None:
    mapping = {"shop": "metadata.shop", "no": "source_id"}
    source = make.source([{"no": "a"}, {"no": "b", "shop": None}], column_mapping=mapping, order_date_metadata_key="at")
    unfilled = [finding for finding in found(source) if finding.example == "all records"]
    assert unfilled == [
        Finding("column 'shop', mapped to metadata.shop, is never filled", 2, "all records", "column_mapping"),
        Finding("no order has a created_at to keep", 2, "all records", "order_date_metadata_key"),
    ]
    source = make.source([{"no": "a"}, {"no": "b", "shop": "x", "created_at": "2023-05-01"}], **vars_of(source.options))
    assert not [finding for finding in found(source) if finding.example == "all records"]


def vars_of(options: SourceOptions) -> dict:
    return {name: getattr(options, name) for name in ("column_mapping", "order_date_metadata_key")}


def test_findings_stay_few_and_short() -> None:
    counted = Findings()
    for number in range(1000):
        counted.note(Note(f"{number} {'x' * 1000}"), "here")
    table = counted.table()
    assert len(table) == findings.MAX_FINDINGS + 1
    assert table[-1] == Finding("further findings", 1000 - findings.MAX_FINDINGS, "here")
    assert len(msgspec.json.encode(counted)) < 40_000
