"""Orders whose outcome is unknown are read back by an export, and each is called what it is."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import VoucherifyError
from tests.integration.order_import.test_order_import import (
    IMPORT,
    Saved,
    client_of,
    counts,
    outcomes,
    posts,
    prepare,
    run,
)
from tests.orders import order

EXPORT = "POST /v1/orders/export"
POLL = "GET /v1/exports/{exportId}"
ACTION = "GET /v1/async-actions/{asyncActionId}"


@pytest.fixture
def emulator():
    with Emulator(speed=10_000) as running:
        yield running


def numbered(count):
    return [order(number) for number in range(count)]


def exports(emulator):
    return emulator.calls()["calls"].get(EXPORT, 0)


def test_nameless_failures_are_told_from_what_was_loaded(emulator, tmp_path):
    emulator.add_fault("failed_rows", source_id="order-?50", null_source_id=True, reason="Customer not found")
    emulator.add_fault("failed_rows", source_id="order-77", reason="Customer not found")
    summary = run(prepare(emulator, numbered(400), tmp_path))
    assert counts(summary) == (400, 396, 4, 0)
    assert emulator.count_orders() == 396
    rejected = {line["source_id"]: line for line in outcomes(tmp_path / "rejected")}
    assert set(rejected) == {"order-77", "order-150", "order-250", "order-350"}
    line = rejected["order-150"]
    assert line["reason"] == "Customer not found: not loaded, as an export shows"
    assert (line["code"], line["chunk"], line["attempt"], line["retryable"]) == ("not_found", 2, 1, False)
    assert line["async_action_id"] == summary.async_action_ids[1]
    assert not (tmp_path / "unknown").exists()
    assert exports(emulator) == 1


def test_what_failed_for_a_passing_reason_is_sent_again_in_one_request(emulator):
    emulator.add_fault("failed_rows", every=100, times=5, null_source_id=True)
    summary = run(prepare(emulator, numbered(500)))
    assert counts(summary) == (500, 500, 0, 0)
    assert emulator.count_orders() == 500
    assert (posts(emulator), exports(emulator)) == (6, 1)


@pytest.mark.slow
def test_fifty_chunks_take_at_most_ten_calls_more(tmp_path):
    """What failed is sent again in one request; one order of it fails once more, and is read back, too."""
    calls = []
    for faulty in (False, True):
        with Emulator(speed=1000, export_base_ms=300_000) as emulator:
            if faulty:
                emulator.add_fault("failed_rows", every=200, null_source_id=True)
            job = prepare(emulator, numbered(10_000), tmp_path / str(faulty), chunk_size=200, poll_interval=1.0)
            summary = job.run()
            assert counts(summary)[1:] == ((10_000, 0, 0) if not faulty else (9_999, 1, 0))
            assert emulator.count_orders() == summary.loaded
            calls.append(summary.api_calls)
    assert (exports(emulator), emulator.calls()["calls"][POLL]) == (2, 2)  # each was waited for, and polled once
    assert calls[1] - calls[0] <= 10


@pytest.mark.parametrize("loaded", [0.0, 0.5])
def test_what_a_failed_action_did_not_load_is_sent_again(emulator, loaded):
    emulator.add_fault("action_failed", loaded=loaded)
    summary = run(prepare(emulator, numbered(300)))
    assert counts(summary) == (300, 300, 0, 0)
    assert emulator.count_orders() == 300
    assert exports(emulator) == 2  # without counts, nothing but a second look proves what is missing


def test_a_result_that_cannot_be_read_is_no_reason_to_know_nothing(emulator):
    emulator.add_fault("empty_result", route=ACTION)
    emulator.add_fault("failed_rows", source_id="order-7", reason="Customer not found")
    summary = run(prepare(emulator, numbered(50)))
    assert counts(summary) == (50, 49, 1, 0)
    assert posts(emulator) == 1


def test_facts_make_resending_safe_and_limits_known(emulator):
    emulator.add_fault("empty_result", route=ACTION, times=1)
    facts = Facts(answers={"import_mode": "upsert", "import_limit": 30, "body_limit": 10**9})
    summary = run(prepare(emulator, numbered(50), facts=facts))
    assert counts(summary) == (50, 50, 0, 0)
    assert emulator.count_orders() == 50
    assert (posts(emulator), exports(emulator)) == (3, 0)  # two chunks, and one of them again
    assert [import_["orders"] for import_ in emulator.calls()["imports"]][:2] == [30, 20]


def test_a_lost_submission_without_proof_is_settled(emulator, tmp_path):
    emulator.add_fault("response_lost", route=IMPORT)
    emulator.add_fault("failed_rows", source_id="order-3", null_source_id=True, reason="Customer not found")
    summary = run(prepare(emulator, numbered(10), tmp_path))
    assert counts(summary) == (10, 9, 1, 0)
    assert emulator.count_orders() == 9
    # whose the action is was open: what it did not load was sent again, alone
    assert posts(emulator) == 2
    (line,) = outcomes(tmp_path / "rejected")
    assert (line["source_id"], line["code"], line["attempt"]) == ("order-3", "failed", 2)


def test_orders_without_a_source_id_stay_unknown(emulator, tmp_path):
    orders = numbered(50)
    for given in orders[:3]:
        del given["source_id"]
    emulator.add_fault("failed_rows", source_id="order-9", null_source_id=True, reason="Customer not found")
    summary = run(prepare(emulator, orders, tmp_path))
    assert counts(summary) == (50, 46, 1, 3)
    assert "has no source_id to be read back by" in outcomes(tmp_path / "unknown")[0]["reason"]
    assert exports(emulator) == 2


def test_orders_that_were_there_before_are_told_by_their_values_and_times(emulator, tmp_path):
    client = client_of(emulator)
    for number in (1, 2, 3):
        client.create_order(order(number) | ({"status": "PAID"} if number == 2 else {}))
    time.sleep(0.01)
    for number in (1, 2):
        emulator.add_fault("failed_rows", source_id=f"order-{number}", null_source_id=True, reason="Customer not found")
    emulator.add_fault("empty_result", route=ACTION)
    summary = run(prepare(emulator, numbered(20), tmp_path))
    # 1 is there as given, and nobody can say whether the import wrote it; 2 has another status; 3 was written
    assert counts(summary) == (20, 18, 1, 1)
    assert [line["source_id"] for line in outcomes(tmp_path / "rejected")] == ["order-2"]
    unknown = outcomes(tmp_path / "unknown")
    assert [line["source_id"] for line in unknown] == ["order-1"]
    assert "was at Voucherify before this import with the same status and amount" in unknown[0]["reason"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"name": "failed_rows", "source_id": "order-2", "null_source_id": True, "reason": "Bad"}, (4, 3, 1, 0)),
        ({"name": "empty_result", "route": ACTION}, (4, 0, 0, 4)),
    ],
    ids=["counted", "without counts"],
)
def test_orders_without_a_value_to_compare_are_loaded_if_the_counts_say_so(emulator, tmp_path, fault, expected):
    """What was written since might have been written by anybody: nothing in it is what was given."""
    client = client_of(emulator)
    for number in range(4):
        client.create_order(order(number))
    time.sleep(0.01)
    emulator.add_fault(**fault)
    orders = [{"source_id": f"order-{number}", "metadata": {"version": 2}} for number in range(4)]
    assert counts(run(prepare(emulator, orders, tmp_path))) == expected
    unknown = outcomes(tmp_path / "unknown")
    assert all("written at Voucherify since this import began, without a status" in line["reason"] for line in unknown)


def test_repeated_source_ids_are_told_by_their_values(emulator):
    twice = [order(1) | {"amount": 5, "items": []}, order(1) | {"amount": 7, "items": []}]
    emulator.add_fault("failed_rows", source_id="order-9", null_source_id=True, reason="Customer not found")
    summary = run(prepare(emulator, [*twice, *numbered(20)[2:]]))
    assert summary.unknown == 1
    assert (summary.loaded, summary.rejected) == (18, 1)


def test_more_chunks_than_the_state_holds_are_read_back_early(emulator, monkeypatch):
    for module in ("sender", "verification"):
        monkeypatch.setattr(f"airflow_provider_voucherify.order_import.{module}.MAX_UNVERIFIED", 4, raising=False)
    emulator.add_fault("failed_rows", source_id="order-*5", null_source_id=True, reason="Customer not found")
    saved = Saved()
    summary = run(prepare(emulator, numbered(300), chunk_size=20, max_in_flight=2, state_store=saved))
    assert counts(summary) == (300, 270, 30, 0)
    assert exports(emulator) >= 3
    assert max(len(json.loads(state)["checkpoint"]["unverified"]) for state in saved) <= 6


@pytest.mark.parametrize("fault", ["response_lost", "server_error_after"])
def test_an_export_whose_response_is_lost_is_searched_for(emulator, fault):
    emulator.add_fault(fault, route=EXPORT)
    emulator.add_fault("failed_rows", source_id="order-9", null_source_id=True, reason="Customer not found")
    summary = run(prepare(emulator, numbered(50)))
    assert counts(summary) == (50, 49, 1, 0)
    assert exports(emulator) == 1


def test_an_export_that_fails_again_and_again_leaves_the_orders_unknown(emulator, tmp_path):
    emulator.add_fault("export_error", times=0)
    emulator.add_fault("failed_rows", source_id="order-9", null_source_id=True)
    summary = run(prepare(emulator, numbered(50), tmp_path))
    assert counts(summary) == (50, 0, 0, 50)
    assert "ended in ERROR at Voucherify" in outcomes(tmp_path / "unknown")[0]["reason"]
    assert exports(emulator) == 3


def test_it_resumes_from_every_state_that_was_saved(emulator, tmp_path):
    emulator.add_fault("failed_rows", source_id="order-?5", null_source_id=True, reason="Customer not found")
    saved = Saved()
    orders = numbered(100)
    assert counts(run(prepare(emulator, orders, state_store=saved, chunk_size=20))) == (100, 91, 9, 0)
    states = [json.loads(state) for state in saved if '"unverified":' in state]
    later = [state for state in states if state["checkpoint"]["unverified"] and not state["checkpoint"]["in_flight"]]
    assert len(later) > 5
    before = posts(emulator), exports(emulator)
    for number, state in enumerate(later):
        if state["export"] is None:
            continue
        folder = tmp_path / str(number)
        summary = run(prepare(emulator, orders, folder, resume_from=state, chunk_size=20))
        assert counts(summary) == (100, 91, 9, 0), state
    assert (posts(emulator), exports(emulator)) == before


def test_a_changed_option_leaves_them_unknown(emulator):
    saved = Saved()
    emulator.add_fault("failed_rows", source_id="order-9", null_source_id=True)
    emulator.add_fault("locked", route=EXPORT, times=0)
    with pytest.raises(VoucherifyError):
        run(prepare(emulator, numbered(50), state_store=saved))
    summary = run(prepare(emulator, numbered(50), resume_from=saved.load(), on_unknown="report"))
    assert counts(summary) == (50, 0, 0, 50)
