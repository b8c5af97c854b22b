"""Import and export on a real Airflow, and what happens to them there: kills, restarts, clears, timeouts."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.conftest import SECRET
from tests.system.shop import ImportJourney, Journey
from tests.system.task_run import TaskRun

LIMIT_OF_THE_STORE = 65_535


def each(journeys: Iterable[Journey], story: Callable[[Journey], None]) -> None:
    """Run all journeys at the same time, as each of them mostly waits."""
    journeys = list(journeys)
    with ThreadPoolExecutor(len(journeys)) as threads:
        ends = [threads.submit(story, journey) for journey in journeys]
    failures = []
    for journey, end in zip(journeys, ends, strict=True):
        if error := end.exception():
            error.add_note(f"in {journey}")
            failures.append(error)
    if failures:
        raise BaseExceptionGroup("Not all journeys ended well", failures)


def test_orders_arrive_and_the_state_can_be_read_on_the_way(set_out):
    def story(journey):
        journey.wait_for_the_middle()
        if journey.way == "deferred":
            journey.run.wait_for_state("deferred")
        stored = journey.run.stored
        key = f"order_{journey.direction}"
        assert set(stored) - {"progress"} == {key, f"{key}_owner"}
        text = json.dumps(stored)
        assert ("aa_" if journey.direction == "import" else "exp_") in text
        assert len(text) < LIMIT_OF_THE_STORE
        assert SECRET not in text
        journey.succeeds()
        assert journey.run.tries == 1

    each(set_out(), story)


@pytest.mark.parametrize("kill", [TaskRun.kill, TaskRun.kill_with_supervisor], ids=["process", "machine"])
def test_the_task_is_killed(set_out, kill):
    def story(journey):
        journey.wait_for_the_middle()
        kill(journey.run)
        journey.succeeds(goes_on=True)
        assert journey.run.tries == 2

    each(set_out(), story)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_triggerer_restarts_while_tasks_wait(airflow, set_out, number):
    journeys = set_out(ways=("deferred",))
    for journey in journeys:
        journey.run.wait_for_state("deferred")
    airflow.stop("triggerer", number)
    airflow.start("triggerer")

    def story(journey):
        journey.succeeds()
        assert journey.run.tries == 1

    each(journeys, story)


def test_a_task_that_has_not_ended_is_cleared(airflow, set_out):
    def story(journey):
        journey.wait_for_the_middle()
        journey.run.wait_for_state("running" if journey.way == "worker" else "deferred")
        if journey.way == "deferred":
            airflow.wait_for(lambda: "Waiting for " in journey.run.log(), 180, "its trigger runs")
        journey.run.clear()
        journey.succeeds(goes_on=True)
        if journey.way == "deferred":  # in the worker, a save of the state may fail before the task is killed
            assert "This continues at Voucherify" in journey.run.log(1)

    each(set_out(), story)


def test_a_successful_task_is_cleared_and_only_an_export_is_made_again(set_out):
    def story(journey):
        journey.succeeds()
        journey.run.clear()
        journey.succeeds(times=1 if isinstance(journey, ImportJourney) else 2)
        assert journey.run.tries == 2

    each(set_out(ways=("worker",), import_base_ms=100, export_base_ms=100), story)


def test_a_failed_task_is_cleared_and_goes_on(set_out):
    journeys = set_out("_once")
    for journey in journeys:
        if isinstance(journey, ImportJourney):
            journey.shop.emulator.add_fault("cycle_spent", route="POST /v1/orders/import", after=4)
        else:
            journey.shop.emulator.add_fault("plan_exceeded", route="GET /v1/exports/{exportId}")

    def story(journey):
        assert journey.run.wait_for_end() == "failed"
        reason = "limit api_calls_cycle" if isinstance(journey, ImportJourney) else "402"
        assert reason in journey.run.log()
        journey.shop.emulator.clear_faults()
        journey.run.clear()
        journey.run.wait_for_state("running")
        journey.succeeds(goes_on=True)
        assert journey.run.tries == 2

    each(journeys, story)


def test_execution_timeout_and_retry(set_out):
    def story(journey):
        journey.succeeds(goes_on=True)
        assert journey.run.tries > 1
        assert any(
            text in journey.run.log(1) for text in ("AirflowTaskTimeout", "Stopped after 15 s (execution_timeout)")
        )

    each(set_out("_cut_short"), story)
