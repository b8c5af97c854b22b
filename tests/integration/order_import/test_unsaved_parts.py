"""Reject files that were written right before a kill: no order is told twice, however the chunks are cut then."""

from __future__ import annotations

import itertools

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.reporting.reject_files import Report
from tests.integration.order_import.test_order_import import counts, outcomes, prepare, run
from tests.orders import order

ORDERS = 60
BAD = set(range(3, 60, 7)) | set(range(25, 50))
REFUSED = {5, 58}
UNNAMED = {11}


class Killed(BaseException):
    """Stands for a kill: no code of ours runs after it."""


class DyingStore(FileStateStore):
    """A state store that does not get to its save once a file of the report was written."""

    has_written = False

    def save(self, document):
        if self.has_written:
            raise Killed
        super().save(document)


def orders():
    for number in range(ORDERS):
        given = order(number) | ({"amount": "much"} if number in BAD else {})
        yield {name: value for name, value in given.items() if name != "source_id" or number not in UNNAMED}


def import_once(emulator, folder, monkeypatch, chunk_size, dies_at=0):
    """Import in chunks of a size; die before the save that follows on the n-th file of the report."""
    store, write, written = DyingStore(folder), Report.write, itertools.count(1)

    def counted(self, kind, number, outcomes, **options):
        write(self, kind, number, outcomes, **options)
        store.has_written |= bool(outcomes) and next(written) == dies_at

    monkeypatch.setattr(Report, "write", counted)
    job = prepare(emulator, list(orders()), folder, state_store=store, chunk_size=chunk_size, lost_request_timeout=0.05)
    try:
        return run(job)
    finally:
        monkeypatch.setattr(Report, "write", write)


def test_what_was_written_right_before_a_kill_is_told_once_though_chunks_are_smaller_then(tmp_path, monkeypatch):
    with Emulator(speed=100_000) as emulator:
        for dies_at in itertools.count(1):
            emulator.reset()
            emulator.clear_faults()
            for number in REFUSED:
                emulator.add_fault("rejected_order", source_id=f"order-{number}")
            # unknown when it is looked at first, and loaded after a kill
            emulator.add_fault("empty_result", times=1)
            folder = tmp_path / str(dies_at)
            try:
                import_once(emulator, folder, monkeypatch, 20, dies_at)
                break
            except Killed:
                summary = import_once(emulator, folder, monkeypatch, 7)
            told = {kind: [line["position"] for line in outcomes(folder / kind)] for kind in ("rejected", "unknown")}
            everything = [*told["rejected"], *told["unknown"]]
            assert len(everything) == len(set(everything)), dies_at
            assert counts(summary)[2:] == (len(told["rejected"]), len(told["unknown"])), dies_at
            assert {f"orders[{number}]" for number in BAD | REFUSED} <= set(everything)
    assert dies_at > 6  # each file was the last one once
