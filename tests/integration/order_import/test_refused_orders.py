"""Orders that only Voucherify knows to be bad are found, told, and go in once they are corrected."""

from __future__ import annotations

import json
import random
import time

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_source.open_source import open_source
from tests.integration.order_import.test_order_import import Saved, client_of, counts, outcomes, prepare, run
from tests.orders import order, write_jsonl

ORDERS = 100_000
BAD = sorted(random.Random(37).sample(range(ORDERS), 37))
REASON = "Property .items[0].initial_quantity cannot be lower than 1"


@pytest.mark.slow
def test_37_bad_orders_in_a_hundred_thousand(tmp_path):
    path = write_jsonl(tmp_path / "orders.jsonl", (order(number) for number in range(ORDERS)))
    with Emulator(import_base_ms=0, import_order_ms=0) as emulator:
        for number in BAD:
            emulator.add_fault("rejected_order", source_id=f"order-{number}", details=REASON)
        summary = run(
            prepare(emulator, open_source(paths=path), tmp_path / "first", chunk_size=2000, max_bisections=1000)
        )
        assert counts(summary) == (ORDERS, ORDERS - 37, 37, 0)
        assert emulator.count_orders() == ORDERS - 37
        assert summary.api_calls == emulator.calls()["total"]
        print(f"{summary.api_calls} calls, {emulator.calls()['calls']}")
        # a request for each half, all the way down, for each bad order; and the 50 chunks, their results, some polls
        assert summary.api_calls < 2 * 11 * 37 + 2 * 11 * 37 + 200
        rejected = outcomes(tmp_path / "first" / "rejected")
        assert sorted(entry["position"] for entry in rejected) == sorted(f"orders.jsonl:{number + 1}" for number in BAD)
        assert {entry["reason"] for entry in rejected} == {f"Invalid payload: {REASON}"}
        assert [entry["payload"] for entry in rejected] == [order(int(entry["source_id"][6:])) for entry in rejected]

        emulator.clear_faults()
        corrected = write_jsonl(tmp_path / "corrected.jsonl", map(json.dumps, rejected))
        summary = run(prepare(emulator, open_source(paths=corrected), tmp_path / "second"))
        assert counts(summary) == (37, 37, 0, 0)
        assert emulator.count_orders() == ORDERS
        client = client_of(emulator)
        for number in BAD:
            stored = client.get_order(f"order-{number}")
            assert (stored["amount"], stored["metadata"]["row"]) == (order(number)["amount"], number)


def test_a_bisection_is_logged_once_for_a_chunk(caplog):
    with Emulator(speed=1000) as emulator:
        for number in (5, 40, 70):
            emulator.add_fault("rejected_order", source_id=f"order-{number}", details=REASON)
        run(prepare(emulator, [order(number) for number in range(128)], chunk_size=64))
    logged = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert len(logged) == 2
    assert "Chunk 1 was refused: its 64 orders, orders[0] to orders[63], are sent again in halves" in logged[0]
    assert "with at most 500 requests more" in logged[0]
    assert REASON in logged[0]
    assert "its 64 orders, orders[64] to orders[127], " in logged[1]


def test_a_bisection_leaves_the_reserve_of_the_quota_to_others(tmp_path):
    with Emulator(plan="sandbox") as emulator:
        emulator.add_fault("rejected_order", source_id="order-*", details=REASON)
        job = prepare(emulator, [order(number) for number in range(64)], tmp_path, state_store=Saved())
        while not (pause := job.advance()).quota_error:
            time.sleep(min(pause.seconds, 0.05))
        report, checkpoint = emulator.calls(), job.state.checkpoint
    assert (report["total"], report["refused"]) == (80, 0)  # of 100, of which 20 are left to others
    assert pause.seconds > 3500
    # no order is lost: each is refused by itself, or still to be sent
    waiting = sum(len(record_range.offsets()) for record_range in checkpoint.queue)
    assert 64 - waiting == len(outcomes(tmp_path / "rejected")) > 20
