"""The audit log of an import, and what it says of single orders."""

from __future__ import annotations

import hashlib

import pytest

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_source import open_source
from airflow_provider_voucherify.reporting import find_order, read_chunks
from airflow_provider_voucherify.reporting.chunk_log import PARTS_FOLDER, ChunkLine, ChunkLog
from tests.integration.order_import.test_order_import import counts, outcomes, prepare, run
from tests.orders import order, write_jsonl


@pytest.fixture(scope="module")
def emulator():
    with Emulator(speed=10_000) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(emulator):
    emulator.reset()
    emulator.clear_faults()


def orders_file(folder, count=300, bad=()):
    orders = [order(number) | ({"amount": "much"} if number in bad else {}) for number in range(count)]
    return write_jsonl(folder / "orders.jsonl", orders)


def test_each_chunk_has_a_line_with_all_that_is_known_of_it(emulator, tmp_path):
    source = open_source(paths=orders_file(tmp_path, bad=[10, 150]))
    emulator.add_fault("failed_rows", source_id="order-7", reason="Customer not found")
    emulator.add_fault("failed_rows", source_id="order-20", null_source_id=True, reason="Customer not found")
    emulator.add_fault("failed_rows", source_id="order-120", times=1)
    emulator.add_fault("failed_rows", source_id="order-210", times=1)
    summary = run(prepare(emulator, source, tmp_path / "report"))
    assert counts(summary) == (300, 296, 4, 0)
    lines = list(read_chunks(tmp_path / "report"))
    assert len(lines) == summary.chunks == 4
    sent = emulator.calls()["imports"]
    assert [(line.async_action_id, line.orders) for line in lines] == [
        (entry["async_action_id"], entry["orders"]) for entry in sent
    ]
    assert [line.positions for line in lines] == [
        "orders.jsonl:1-10, orders.jsonl:12-101",
        "orders.jsonl:102-150, orders.jsonl:152-202",
        "orders.jsonl:203-300",
        "orders.jsonl:121, orders.jsonl:211",
    ]
    told = [(line.chunk, line.attempt, line.loaded, line.rejected, line.unknown, line.resent) for line in lines]
    assert told == [(1, 1, 98, 2, 0, 0), (2, 1, 99, 0, 0, 1), (3, 1, 97, 0, 0, 1), (4, 2, 2, 0, 0, 0)]
    for line in lines:
        assert line.sent.timestamp() - 2 <= line.finished.timestamp()
        assert line.processing_time >= 0
        assert line.request_id.startswith("v-")
        assert line.bytes > 100 * line.orders
    first = (tmp_path / "orders.jsonl").read_bytes().splitlines(keepends=True)[:101]
    body = b"[" + b",".join(first[:10] + first[11:]) + b"]"
    assert lines[0].bytes == len(body)
    assert lines[0].body_hash == hashlib.sha256(body).hexdigest()[:16]
    assert not (tmp_path / "report" / PARTS_FOLDER).exists()
    rejected = {line["source_id"]: line for line in outcomes(tmp_path / "report" / "rejected")}
    told = {name: (line["code"], line["attempt"], line["async_action_id"]) for name, line in rejected.items()}
    assert told == {
        "order-7": ("failed", 1, lines[0].async_action_id),
        "order-10": ("invalid", 0, None),
        "order-20": ("not_found", 1, lines[0].async_action_id),
        "order-150": ("invalid", 0, None),
    }


def test_any_order_is_found_with_its_actions(emulator, tmp_path):
    source = open_source(paths=orders_file(tmp_path, bad=[10]))
    emulator.add_fault("failed_rows", source_id="order-7", reason="Customer not found")
    emulator.add_fault("failed_rows", source_id="order-120", times=1)
    report = tmp_path / "report"
    run(prepare(emulator, source, report))
    lines = list(read_chunks(report))

    def told(**order):
        trace = find_order(report, **order)
        return trace and (trace.outcome, trace.position, [chunk.async_action_id for chunk in trace.chunks])

    first, second = lines[0].async_action_id, lines[1].async_action_id
    assert told(position="orders.jsonl:8") == told(source_id="order-7") == ("rejected", "orders.jsonl:8", [first])
    assert told(position="orders.jsonl:1") == ("loaded", "orders.jsonl:1", [first])
    assert told(source_id="order-120", source=source) == (
        "loaded",
        "orders.jsonl:121",
        [second, lines[-1].async_action_id],
    )
    assert told(position="orders.jsonl:11") == ("rejected", "orders.jsonl:11", [])
    assert told(source_id="order-120") is told(position="orders.jsonl:301") is told(position="x") is None
    with pytest.raises(ValueError, match="either source_id or position"):
        find_order(report)


@pytest.mark.parametrize(
    ("positions", "inside", "outside"),
    [
        ("orders[0-9], orders[12]", ["orders[0]", "orders[9]", "orders[12]"], ["orders[10]", "orders[120]"]),
        ("a, b.jsonl:3-4, c.jsonl:7", ["a, b.jsonl:3", "c.jsonl:7"], ["b.jsonl:5", "c.jsonl:3"]),
        ("shop.parquet row 5-6", ["shop.parquet row 6", "shop.parquet row 6 (x.jsonl:9)"], ["shop.parquet row 56"]),
        ("shop.csv:2-9", ["shop.csv rows 4 to 7", "shop.csv:2"], ["shop.csv rows 10 to 12", "shop.csv"]),
        ("orders[4-9]", ["orders[4] to orders[7]"], ["orders[10] to orders[11]"]),
    ],
)
def test_positions_are_understood_in_each_form(positions, inside, outside):
    line = ChunkLine(
        chunk=1, async_action_id="aa", positions=positions, orders=1, bytes=1, body_hash="", attempt=1, sent=0
    )
    assert all(line.has(position) for position in inside)
    assert not any(line.has(position) for position in outside)


class Killed(BaseException):
    """Stands for a kill: no code of ours runs after it."""


@pytest.mark.parametrize("dies_at", range(1, 8))
def test_a_kill_right_after_a_part_was_written_leaves_one_line_a_chunk(emulator, tmp_path, monkeypatch, dies_at):
    written, write = [], ChunkLog._write

    def counted(self, name, content):
        write(self, name, content)
        written.append(name)
        if len(written) == dies_at:
            raise Killed

    monkeypatch.setattr(ChunkLog, "_write", counted)
    source = open_source(paths=orders_file(tmp_path, 60))
    emulator.add_fault("failed_rows", source_id="order-25", null_source_id=True, reason="Customer not found")
    report = tmp_path / "report"
    with pytest.raises(Killed):
        run(prepare(emulator, source, report, state_store=FileStateStore(report), chunk_size=10))
    summary = run(prepare(emulator, source, report, state_store=FileStateStore(report), chunk_size=10))
    assert counts(summary) == (60, 59, 1, 0)
    lines = list(read_chunks(report))
    assert sorted(line.async_action_id for line in lines) == sorted(
        entry["async_action_id"] for entry in emulator.calls()["imports"]
    )
    assert [
        sum(counted)
        for counted in zip(*((line.orders, line.loaded, line.rejected, line.unknown) for line in lines), strict=True)
    ] == [60, 59, 1, 0]
