"""Triggers of one connection poll together, and none of them blocks another."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.async_actions import Step
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.triggers import shared_poll
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.base import EventStatus, PollEvent
from airflow_provider_voucherify.triggers.export import ExportTrigger
from tests.airflow_home import connection
from tests.unit.api.raw_server import RawServer

ACTIONS, ACTION = "GET /v1/async-actions", "GET /v1/async-actions/{asyncActionId}"
TOKEN = "POST /v1/oauth/token"
EXPORTS, EXPORT = "GET /v1/exports", "GET /v1/exports/{exportId}"


def project_of(conn_id) -> str:
    return VoucherifyHook(conn_id).transport.settings.project


def trigger_of(*action_ids, wait=0.05, deadline=30.0, conn_id="voucherify_default", poll_interval=0.2):
    return AsyncActionTrigger(
        voucherify_conn_id=conn_id,
        project=project_of(conn_id),
        poll_interval=poll_interval,
        wait=wait,
        deadline=time.time() + deadline,
        async_action_ids=list(action_ids),
        min_ended=len(action_ids),
        resume_state={"try_number": 1},
    )


async def event_of(trigger) -> PollEvent:
    async for event in trigger.run():
        return PollEvent.parse(event.payload)
    raise AssertionError("no event")


def run(*triggers) -> list[PollEvent]:
    async def together():
        events = await asyncio.gather(*map(event_of, triggers))
        await asyncio.sleep(0)
        return events

    return asyncio.run(together())


def wait_until(seen) -> None:
    until = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.02)


def seeded(emulator, count, **fields):
    return [emulator.seed_action(type="ORDERS.IMPORT", status="DONE", **fields) for _ in range(count)]


def create_together(emulator, count):
    """Let so many of the actions at a time have been created in the same millisecond."""
    moment = f"'2026-01-01T00:' || printf('%02d:%02d.000Z', seq / {count} / 60, seq / {count} % 60)"
    with emulator.project.database.transaction() as connection:
        connection.execute(f"UPDATE async_actions SET created_at = {moment}")


def test_a_thousand_triggers_take_ten_calls_a_poll(emulator):
    ids = seeded(emulator, 1000)
    create_together(emulator, 1)
    events = run(*(trigger_of(action_id, wait=1.0) for action_id in ids))
    assert {event.status for event in events} == {EventStatus.READY}
    assert emulator.calls()["calls"] == {ACTIONS: 10}
    assert sum(event.calls for event in events) == 10


def test_actions_of_one_millisecond_are_found_in_the_first_poll(emulator):
    ids = seeded(emulator, 250)
    create_together(emulator, 3)
    events = run(*(trigger_of(action_id, wait=1.0, poll_interval=30.0) for action_id in ids))
    assert {event.status for event in events} == {EventStatus.READY}
    assert emulator.calls()["calls"] == {ACTIONS: 3}


def test_what_no_listing_shows_is_requested_in_turn(emulator):
    ids = sorted(seeded(emulator, 15, after_seconds=600_000))
    seeded(emulator, 100)
    emulator.project.actions.show(ids[-1], Step(status="DONE"), None)
    trigger = trigger_of(*ids)
    trigger.min_ended = 1
    (event,) = run(trigger)
    assert event.status is EventStatus.READY


def test_all_exports_are_polled_with_one_call(emulator):
    with VoucherifyHook().get_conn() as client:
        ids = [client.create_order_export().id for _ in range(5)]
    triggers = [
        ExportTrigger(
            voucherify_conn_id="voucherify_default",
            project=project_of("voucherify_default"),
            poll_interval=0.5,
            wait=0.5,
            deadline=time.time() + 30,
            export_ids=[export_id],
        )
        for export_id in ids
    ]
    assert {event.status for event in run(*triggers)} == {EventStatus.READY}
    calls = emulator.calls()["calls"]
    assert EXPORT not in calls
    assert calls[EXPORTS] <= 3


def test_each_trigger_ends_when_its_own_actions_have_ended(emulator):
    soon, late = seeded(emulator, 1)[0], seeded(emulator, 1, after_seconds=60_000)[0]
    first, second = run(trigger_of(soon), trigger_of(late, deadline=1.0))
    assert (first.status, second.status) == (EventStatus.READY, EventStatus.TIMEOUT)


def test_an_action_that_does_not_exist_is_left_to_its_task(emulator):
    (known,) = seeded(emulator, 1)
    events = run(trigger_of("aa_nowhere"), trigger_of(known))
    assert [event.status for event in events] == [EventStatus.READY] * 2


def test_a_cancelled_trigger_leaves_the_others_alone(emulator):
    soon, late = seeded(emulator, 1, after_seconds=0.5)[0], seeded(emulator, 1, after_seconds=60_000)[0]

    async def one_cancelled():
        cancelled = asyncio.create_task(event_of(trigger_of(late)))
        other = asyncio.create_task(event_of(trigger_of(soon)))
        await asyncio.sleep(0.2)
        cancelled.cancel()
        event = await other
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.sleep(shared_poll.LINGER + 0.5)
        return event, dict(shared_poll._polls[asyncio.get_running_loop()])

    event, left = asyncio.run(one_cancelled())
    assert event.status is EventStatus.READY
    assert left == {}


def test_a_connection_that_is_edited_meanwhile_is_read_again(emulator, monkeypatch):
    (action_id,) = seeded(emulator, 1, after_seconds=60_000)

    def calls(route):
        return emulator.calls()["calls"].get(route, 0)

    async def edited():
        waiting = asyncio.create_task(event_of(trigger_of(action_id)))
        await asyncio.to_thread(wait_until, lambda: calls(ACTION))
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator, oauth=True))
        await asyncio.to_thread(wait_until, lambda: calls(TOKEN))
        before = calls(ACTION)
        await asyncio.to_thread(wait_until, lambda: calls(ACTION) > before + 1)
        waiting.cancel()

    asyncio.run(edited())
    assert calls(TOKEN) == 1


def test_a_connection_to_another_project_is_not_polled(emulator, monkeypatch):
    with Emulator(speed=200, app_token="another-secret") as other:
        (action_id,) = seeded(other, 1)
        trigger = trigger_of(action_id)
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(other))
        (event,) = run(trigger)
        assert event.status is EventStatus.FAILED
        assert emulator.calls()["calls"] == other.calls()["calls"] == {}


@contextmanager
def hanging_connections(monkeypatch, count):
    """Connections to a server that accepts a request and never responds."""
    with RawServer([60.0]) as server:
        for number in range(count):
            uri = f"voucherify://app{number}:secret@{server.url[7:]}/http"
            monkeypatch.setenv(f"AIRFLOW_CONN_HANGING_{number}", uri)
        yield [f"hanging_{number}" for number in range(count)]


def test_servers_that_hang_delay_nobody_else(emulator, monkeypatch):
    monkeypatch.setattr(shared_poll, "RESPONSE_TIMEOUT", 3.0)
    (action_id,) = seeded(emulator, 1)

    async def beside(hanging):
        waits = [asyncio.create_task(event_of(trigger_of("aa_1", conn_id=name, deadline=1.5))) for name in hanging]
        await asyncio.sleep(0.3)
        begin = time.monotonic()
        event = await event_of(trigger_of(action_id))
        healthy = time.monotonic() - begin
        timed_out = await asyncio.gather(*waits)
        return event, healthy, timed_out, time.monotonic() - begin

    with hanging_connections(monkeypatch, 40) as hanging:
        event, healthy, timed_out, whole = asyncio.run(beside(hanging))
    assert event.status is EventStatus.READY
    assert {event.status for event in timed_out} == {EventStatus.TIMEOUT}
    assert healthy < 10  # one hanging response alone takes 3 s, and forty of them two minutes
    assert whole < 20


def test_polling_takes_a_tenth_of_what_the_quota_allows(monkeypatch):
    with Emulator(plan="business") as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator))
        ids = seeded(emulator, 300, after_seconds=60_000)
        run(*(trigger_of(action_id, deadline=6.0, poll_interval=0.1) for action_id in ids))
        # 3 or 4 calls a poll, and 8 calls a minute: the second poll is due after more than 20 s
        assert 3 <= emulator.calls()["total"] <= 4
        assert emulator.calls()["refused"] == 0


def test_polling_for_different_things_shares_that_tenth(monkeypatch):
    with Emulator(plan="business", export_base_ms=60_000) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator))
        with VoucherifyHook().get_conn() as client:
            export_id = client.create_order_export().id
        (action_id,) = seeded(emulator, 1, after_seconds=60_000)
        conn_id = "voucherify_default"
        common = {"voucherify_conn_id": conn_id, "project": project_of(conn_id), "poll_interval": 0.1, "wait": 0.1}
        exporting = ExportTrigger(export_ids=[export_id], deadline=time.time() + 8.0, **common)
        run(trigger_of(action_id, deadline=8.0, poll_interval=0.1), exporting)
        # 8 calls a minute: one each at once, the next after 7.5 s and more
        assert 2 <= emulator.calls()["total"] - 1 <= 3
        assert emulator.calls()["refused"] == 0


def test_a_token_is_never_passed_to_airflow_from_a_thread(emulator, monkeypatch):
    """On Airflow 3.0 and 3.1 that ends the triggerer."""
    from airflow_provider_voucherify.hooks import voucherify

    def forbidden(secret):
        raise AssertionError("Airflow was called")

    monkeypatch.setattr(voucherify, "mask_secret", forbidden)
    monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator, oauth=True))
    (action_id,) = seeded(emulator, 1)
    (event,) = run(trigger_of(action_id))
    assert event.status is EventStatus.READY
    assert emulator.calls()["calls"][TOKEN] == 1


def test_what_a_trigger_knows_of_the_quota_goes_to_its_task(monkeypatch):
    with Emulator(plan="business") as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator))
        (action_id,) = seeded(emulator, 1)
        (event,) = run(trigger_of(action_id))
    assert event.quota["limit"] == 100
    assert event.quota["remaining"] == 99


@pytest.mark.parametrize(
    ("ids", "resume_state", "told"),
    [
        (["aa_1", "aa_2"], {}, "cannot cancel it: async action aa_1, async action aa_2."),
        ([], {}, "Nothing of this task is running"),
        ([], {"running": ["5 orders without a response yet"]}, "cannot cancel it: 5 orders without a response yet."),
    ],
)
def test_a_kill_says_what_continues_at_voucherify(emulator, ids, resume_state, told, log):
    trigger = trigger_of(*ids)
    trigger.resume_state |= resume_state
    asyncio.run(trigger.on_kill())
    assert told in log()


def test_a_kill_does_not_name_what_has_ended(emulator, log):
    (ended,), (running,) = seeded(emulator, 1), seeded(emulator, 1, after_seconds=600_000)
    trigger = trigger_of(ended, running)

    async def killed():
        waiting = asyncio.create_task(event_of(trigger))
        await asyncio.to_thread(wait_until, lambda: len(trigger._ended_ids) == 1)
        waiting.cancel()
        await trigger.on_kill()

    asyncio.run(killed())
    assert f"cannot cancel it: async action {running}." in log()
