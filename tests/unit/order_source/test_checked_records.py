"""Records that are checked in blocks come out as if each were checked by itself."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.order_source import checked_records
from airflow_provider_voucherify.order_source.checked_records import (
    CheckedBlock,
    CheckedRecord,
    checked,
    checked_blocks,
)
from airflow_provider_voucherify.order_source.duplicates import Duplicates, find_duplicates
from airflow_provider_voucherify.order_source.findings import Finding, Findings
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Source
from tests.unit.order_source import strategies as make

unusual = st.sampled_from(
    [
        {"source_id": "u", "ammount": 1},
        {"source_id": "u", "amount": -1},
        {"source_id": "u", "amount": "12"},
        {"source_id": "u", "created_at": "2023-05-01"},
        {"source_id": "u", "customer": {"source_id": "NULL"}},
        {"source_id": "u", "items": [{"product": {"override": True}}]},
        {"amount": 1.5},
        {"source_id": "u", "metadata": {"x": "é" * 600}},
    ]
)


def outcome(source: Source, block: int, rules: dict[str, str]) -> tuple[list[Any], list[Finding]]:
    found = Findings()
    found.watch(source.options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checked_records, "BLOCK_RECORDS", block)
        duplicates = Duplicates(source, find_duplicates(source, "last"))
        records = checked(source.read(), Rules(duplicates=duplicates, **rules), found)
        return [
            (each.record.position, each.body, each.source_id, each.traits, str(each.error)) for each in records
        ], found.table()


@settings(max_examples=100, deadline=None)
@given(
    orders=st.lists(make.orders | unusual, max_size=30),
    kind=st.sampled_from(["jsonl", "json with indents", "list"]),
    customers=st.sampled_from(["send", "send", "strip", "reject"]),
    mapped=st.booleans(),
)
@example(
    orders=[{"ammount": 1}, {"amount": 0, "customer": {"source_id": "c"}}, {}],
    kind="jsonl",
    customers="send",
    mapped=False,
)
def test_blocks_change_nothing(orders: list[dict], kind: str, customers: str, mapped: bool) -> None:
    options = {"column_mapping": {"nowhere": "metadata.nowhere"}} if mapped else {}
    with tempfile.TemporaryDirectory() as folder:
        given_orders = {"orders": orders} if kind == "list" else {"paths": make.FILES[kind](Path(folder), orders)}
        source = make.source(**given_orders, negative_amounts="reject", **options)
        assert outcome(source, 40, {"customers": customers}) == outcome(source, 1, {"customers": customers})


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_orders_with_nothing_unusual_are_checked_in_blocks(tmp_path: Path, kind: str) -> None:
    orders = [{"source_id": str(number), "amount": number} for number in range(500)]
    orders[300]["amount"] = "text"
    parts = list(checked_blocks(make.source(paths=make.FILES[kind](tmp_path, orders[:300])).read()))
    assert all(isinstance(part, CheckedBlock) for part in parts)
    assert len(parts) < 20
    if kind != "parquet":
        parts = list(checked_blocks(make.source(paths=make.FILES[kind](tmp_path, orders)).read()))
        assert 0 < sum(isinstance(part, CheckedRecord) for part in parts) <= checked_records.BLOCK_RECORDS


def test_blocks_of_large_orders_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked_records, "BLOCK_BYTES", 1000)
    orders = [{"source_id": str(number), "metadata": {"x": "y" * 400}} for number in range(50)]
    blocks = list(checked_blocks(make.source(orders).read()))
    assert max(len(block.records) for block in blocks) == 2
    assert [json.loads(body)["source_id"] for block in blocks for body in block.bodies] == [str(n) for n in range(50)]
