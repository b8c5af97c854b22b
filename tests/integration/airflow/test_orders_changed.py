"""A watcher sends an event for each change of the orders, and loses none while no triggerer runs."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.triggers import orders
from airflow_provider_voucherify.triggers.orders import OrdersChangedTrigger
from tests.orders import order

LIST, CREATE = "GET /v1/orders", "POST /v1/orders"
WITHIN = 10.0


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    monkeypatch.setattr(orders, "SHORTEST_INTERVAL", 0.0)


class Store(dict):
    """The state store of one asset, as Airflow 3.3 gives it to a trigger."""

    async def aget(self, key, default=None):
        return self.get(key, default)

    async def aset(self, key, value):
        self[key] = value


class StoreOfSeveral:
    """The state store of a trigger that watches for several assets."""

    async def aget(self, key, default=None):
        raise ValueError("several assets")

    aset = aget


class Watcher:
    """A trigger that runs, until the end of its ``async with`` block."""

    def __init__(self, store=None, poll_interval=0.1):
        self._trigger = OrdersChangedTrigger(poll_interval=poll_interval)
        self._trigger.asset_state_store = store
        self._events = asyncio.Queue()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self):
        async for event in self._trigger.run():
            self._events.put_nowait(event.payload)

    async def event(self):
        return await asyncio.wait_for(self._events.get(), WITHIN)

    async def is_silent(self):
        await asyncio.sleep(0.5)
        return self._events.empty()


async def change(number, **fields):
    """Create or update an order, and return its times."""

    def call():
        with VoucherifyHook().get_conn() as client:
            return client.create_order(order(number) | fields)

    changed = await asyncio.to_thread(call)
    return changed["updated_at"] or changed["created_at"]


@pytest.mark.parametrize("store", [None, Store(), StoreOfSeveral()], ids=["none", "one asset", "several"])
def test_each_creation_and_each_update_is_an_event(emulator, store):
    async def story():
        async with Watcher(store) as watcher:
            assert await watcher.is_silent()
            created = await change(1)
            assert await watcher.event() == {"changed_after": None, "changed_at": created, "total": 1}
            assert await watcher.is_silent()
            updated = await change(1, status="CANCELED")
            assert await watcher.event() == {"changed_after": created, "changed_at": updated, "total": 1}
            another = await change(2)
            assert await watcher.event() == {"changed_after": updated, "changed_at": another, "total": 2}
            assert await watcher.is_silent()

    asyncio.run(story())


def test_a_change_is_not_lost_while_no_triggerer_runs(emulator):
    store = Store()

    async def story():
        first = await change(1)
        async with Watcher(store) as watcher:
            assert (await watcher.event())["changed_at"] == first
            assert await watcher.is_silent()
        async with Watcher(store) as watcher:
            assert await watcher.is_silent()
        second = await change(1, status="CANCELED")
        async with Watcher(store) as watcher:
            assert await watcher.event() == {"changed_after": first, "changed_at": second, "total": 1}
        async with Watcher() as watcher:  # where nothing is kept
            assert await watcher.event() == {"changed_after": None, "changed_at": second, "total": 1}

    asyncio.run(story())


def test_an_event_that_may_not_have_arrived_is_sent_again(emulator):
    store = Store()

    async def story():
        await change(1)
        async with Watcher(store, poll_interval=60.0) as watcher:
            event = await watcher.event()
        assert store == {}
        async with Watcher(store) as watcher:
            assert await watcher.event() == event

    asyncio.run(story())


def test_watchers_of_a_connection_poll_together_with_one_call(emulator):
    async def story():
        watchers = [Watcher(poll_interval=5.0) for _ in range(100)]
        await change(1)
        for watcher in watchers:
            await watcher.__aenter__()
        for watcher in watchers:
            assert (await watcher.event())["total"] == 1
            await watcher.__aexit__()

    asyncio.run(story())
    assert emulator.calls()["calls"] == {CREATE: 1, LIST: 2}


def test_a_watcher_outlives_an_outage(emulator, caplog):
    emulator.add_fault("plan_exceeded", route=LIST, times=3)

    async def story():
        async with Watcher() as watcher:
            await change(1)
            assert (await watcher.event())["total"] == 1

    asyncio.run(story())
    assert "the orders could not be polled, next attempt in" in caplog.text


def test_watchers_share_a_stream_by_connection_and_interval():
    keys = {OrdersChangedTrigger(*arguments).shared_stream_key() for arguments in [("a", 60), ("a", 60), ("b", 60)]}
    assert len(keys) == 2


def test_an_interval_that_makes_no_sense_is_refused(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="poll_interval must be at least 1, got 0"):
        OrdersChangedTrigger(poll_interval=0)
