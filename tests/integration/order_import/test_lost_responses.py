"""Chunks whose response is lost: whose import is whose is proved, and never taken from likeness."""

from __future__ import annotations

import pytest

from airflow_provider_voucherify.emulator import Emulator
from tests.integration.order_import.test_order_import import IMPORT, client_of, counts, outcomes, posts, prepare, run
from tests.orders import order


@pytest.fixture
def emulator():
    with Emulator(speed=1000) as running:
        yield running


def numbered(start, count):
    return [order(number) for number in range(start, start + count)]


def nameless(start, count):
    return [{name: value for name, value in each.items() if name != "source_id"} for each in numbered(start, count)]


def stored(emulator):
    return emulator.count_orders()


def test_an_import_of_another_of_the_same_size_is_not_taken_for_ours(emulator):
    emulator.add_fault("server_error", route=IMPORT)
    job = prepare(emulator, numbered(0, 100))
    assert "response was lost" in job.advance().reason
    client_of(emulator).import_orders(numbered(1000, 100))
    summary = run(job)
    assert counts(summary) == (100, 100, 0, 0)
    assert stored(emulator) == 200
    assert posts(emulator) == 3


def test_ours_is_found_beside_one_of_another_of_the_same_size(emulator):
    job = prepare(emulator, numbered(0, 100))
    client_of(emulator).import_orders(numbered(1000, 100))
    emulator.add_fault("response_lost", route=IMPORT)
    assert "response was lost" in job.advance().reason
    client_of(emulator).import_orders(numbered(2000, 100))
    summary = run(job)
    assert counts(summary) == (100, 100, 0, 0)
    assert stored(emulator) == 300
    assert posts(emulator) == 3


def test_orders_that_cannot_be_read_back_are_unknown_beside_an_import_of_another(emulator, tmp_path):
    emulator.add_fault("server_error", route=IMPORT)
    job = prepare(emulator, nameless(0, 10), tmp_path)
    job.advance()
    client_of(emulator).import_orders(nameless(1000, 10))
    summary = run(job)
    assert counts(summary) == (10, 0, 0, 10)
    assert (
        "nothing proves whether any of these async actions imported it: aa_"
        in outcomes(tmp_path / "unknown")[0]["reason"]
    )
    assert posts(emulator) == 2


def test_orders_that_cannot_be_read_back_are_sent_again_where_nobody_else_imports(emulator):
    emulator.add_fault("server_error", route=IMPORT)
    summary = run(prepare(emulator, nameless(0, 10)))
    assert counts(summary) == (10, 10, 0, 0)
    assert stored(emulator) == 10


def test_an_import_of_another_with_other_counts_is_never_ours(emulator):
    emulator.add_fault("server_error", route=IMPORT)
    job = prepare(emulator, nameless(0, 10))
    job.advance()
    client_of(emulator).import_orders(nameless(1000, 9))
    assert counts(run(job)) == (10, 10, 0, 0)
    assert stored(emulator) == 19


@pytest.mark.parametrize(("on_unknown", "expected"), [("report", (200, 0, 0, 200)), ("verify", (200, 199, 1, 0))])
def test_two_lost_chunks_of_one_size_are_not_confused(emulator, on_unknown, expected):
    emulator.add_fault("response_lost", route=IMPORT, times=2)
    emulator.add_fault("failed_rows", source_id="order-60", null_source_id=True, reason="Customer not found")
    # the first, of which an order failed, looks like the second: its other orders were written at the same time
    assert counts(run(prepare(emulator, numbered(0, 200), on_unknown=on_unknown))) == expected
    assert stored(emulator) == 199
    assert emulator.calls()["repeated_imports"] == 0


def test_failures_that_name_our_orders_prove_that_it_is_ours(emulator):
    emulator.add_fault("response_lost", route=IMPORT)
    emulator.add_fault("failed_rows", source_id="order-7")
    summary = run(prepare(emulator, numbered(0, 10), max_resends=0))
    assert counts(summary) == (10, 9, 1, 0)
    assert posts(emulator) == 1


def test_two_imports_of_one_project_side_by_side_are_told(emulator, caplog):
    jobs = [prepare(emulator, numbered(1000 * place, 500)) for place in (1, 2)]
    for job in jobs:
        job.advance()
    assert [counts(run(job)) for job in jobs] == [(500, 500, 0, 0)] * 2
    assert "Another import of orders is running in this project" in caplog.text


def test_two_imports_of_one_project_side_by_side_are_both_right(emulator):
    for after in (1, 4, 6):
        emulator.add_fault("server_error", route=IMPORT, after=after)
        emulator.add_fault("response_lost", route=IMPORT, after=after + 1)
    jobs = [prepare(emulator, numbered(1000 * place, 500)) for place in (1, 2)]
    running = list(jobs)
    while running:
        running = [job for job in running if job.advance()]
    assert [counts(job.summary) for job in jobs] == [(500, 500, 0, 0)] * 2
    assert stored(emulator) == 1000
    assert emulator.calls()["repeated_imports"] == 0


def test_others_are_sent_while_a_lost_one_may_still_arrive(emulator):
    emulator.add_fault("server_error", route=IMPORT)
    job = prepare(emulator, numbered(0, 300), lost_request_timeout=60)
    for _ in range(3):
        job.advance()
    assert posts(emulator) == 3
    assert len([sent for sent in job.state.checkpoint.in_flight if sent.action_id is None]) == 1


def test_a_request_that_arrives_late_is_not_sent_twice(emulator):
    emulator.add_fault("late", route=IMPORT, seconds=0.6)
    summary = run(prepare(emulator, numbered(0, 300), lost_request_timeout=3))
    assert counts(summary) == (300, 300, 0, 0)
    assert posts(emulator) == 3
    assert emulator.calls()["repeated_imports"] == 0


def test_an_action_that_is_visible_late_is_waited_for(emulator):
    emulator.add_fault("visible_late", seconds=0.5)
    summary = run(prepare(emulator, numbered(0, 50), lost_request_timeout=10))
    assert counts(summary) == (50, 50, 0, 0)
    assert posts(emulator) == 1


def test_a_result_that_cannot_be_read_is_unknown_and_reported(emulator, tmp_path):
    emulator.add_fault("empty_result")
    summary = run(prepare(emulator, numbered(0, 50), tmp_path, on_unknown="report"))
    assert counts(summary) == (50, 0, 0, 50)
    assert "does not account for its 50 orders" in outcomes(tmp_path / "unknown")[0]["reason"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_locked_project_is_not_a_bad_order(emulator, times):
    emulator.add_fault("locked", route=IMPORT, times=times)
    job = prepare(emulator, numbered(0, 64), chunk_size=64)
    assert counts(run(job)) == (64, 64, 0, 0)
    assert stored(emulator) == 64


def test_the_import_of_another_that_appears_with_a_server_error_is_not_ours(emulator):
    emulator.add_fault("foreign_import", route=IMPORT)
    emulator.add_fault("server_error", route=IMPORT)
    summary = run(prepare(emulator, numbered(0, 100)))
    assert summary.loaded == 100
    found = client_of(emulator)
    assert all(found.get_order(f"order-{number}") for number in (0, 50, 99))
