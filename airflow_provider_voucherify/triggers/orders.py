"""Watch the orders of a project, to run a DAG when some have changed."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import suppress
from typing import Any

from airflow.providers.common.compat.triggers import BaseEventTrigger
from airflow.triggers.base import TriggerEvent

from airflow_provider_voucherify.core.validation import check_number
from airflow_provider_voucherify.exceptions import QuotaError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.triggers.shared_poll import Resource, shared_poll

SHORTEST_INTERVAL = 1.0

log = logging.getLogger(__name__)


class OrdersChangedTrigger(BaseEventTrigger):
    """
    Send an event whenever orders were created or updated, for an ``AssetWatcher`` (Airflow 3).

    The event is ``{"changed_after", "changed_at", "total"}``: the newest change before and now, as Voucherify writes
    them, and how many orders there are. ``changed_after`` is None if what was there before is unknown.

    Nothing is lost while no triggerer runs: Airflow 3.3 keeps the newest change of the last event with the asset, older
    versions send an event at each start. An event may come twice, never not at all: one that was sent less than an
    interval before the triggerer stopped is sent again.

    All watchers of a connection poll together, by one call an interval, and two when there are new orders; within a
    tenth of the quota less the reserve. A poll that fails is logged and repeated: a watcher outlives an outage.

    :param voucherify_conn_id: The connection.
    :param poll_interval: Seconds between two polls.
    :raises ConfigurationError: if the interval is shorter than a second, or no number.
    """

    def __init__(self, voucherify_conn_id: str = VoucherifyHook.default_conn_name, poll_interval: float = 60.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        check_number("poll_interval", poll_interval, SHORTEST_INTERVAL, whole=False)
        self.voucherify_conn_id = voucherify_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        arguments = {"voucherify_conn_id": self.voucherify_conn_id, "poll_interval": self.poll_interval}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    def shared_stream_key(self) -> Hashable:
        """Share one stream among the watchers of a connection (Airflow 3.3)."""
        return "voucherify-orders", self.voucherify_conn_id, self.poll_interval

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """
        Yield the newest change of each poll, for ever.

        :param kwargs: The arguments of one of the watchers.
        """
        trigger, delay = cls(**kwargs), 0.0
        while True:
            result = await shared_poll(trigger.voucherify_conn_id, Resource.ORDERS).poll((), delay)
            delay = trigger.poll_interval
            if result.error is None:
                yield result.newest._asdict()
                continue
            if isinstance(result.error, QuotaError) and result.error.response.retry_at is not None:
                delay = max(delay, result.error.response.retry_at - time.time())
            log.warning(
                "Connection %r: the orders could not be polled, next attempt in %.0f s. %s",
                trigger.voucherify_conn_id, delay, result.error,
            )  # fmt: skip

    async def filter_shared_stream(self, shared_stream: AsyncIterator[dict[str, Any]]) -> AsyncIterator[TriggerEvent]:
        """
        Send an event for each change of the newest change.

        :param shared_stream: What :meth:`open_shared_stream` yields.
        """
        known, is_saved = await self._load(), True
        async for seen in shared_stream:
            if not is_saved:  # the event was handed over in the interval before
                await self._save(known)
                is_saved = True
            if seen != known and seen["total"]:
                before, known, is_saved = known, seen, False
                yield TriggerEvent({"changed_after": before.get("changed_at"), **seen})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll, and send events for ever; Airflow 3.3 calls the other methods instead."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    @property
    def _key(self) -> str:
        return f"voucherify_orders_{self.voucherify_conn_id}"

    @property
    def _store(self) -> Any:
        """Where Airflow keeps the state of the watched asset, if it does (3.3.2)."""
        store = getattr(self, "asset_state_store", None)
        return store if hasattr(store, "aget") else None

    async def _load(self) -> dict[str, Any]:
        """Return the newest change of the last event; empty if it is unknown."""
        if self._store is None:
            return {}
        try:
            return dict(await self._store.aget(self._key, default={}))
        except ValueError:
            self.log.warning("This trigger watches for several assets: it sends an event at each start.")
            return {}

    async def _save(self, known: dict[str, Any]) -> None:
        if self._store is not None:
            with suppress(ValueError):  # several assets
                await self._store.aset(self._key, known)
