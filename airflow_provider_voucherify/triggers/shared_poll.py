"""Poll for all triggers of one connection together: one request per interval, whatever the number of triggers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import AsyncAction, Export
from airflow_provider_voucherify.exceptions import NotFoundError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

if TYPE_CHECKING:
    from airflow_provider_voucherify.api.client import VoucherifyClient

# Seconds that one response may take: a server that hangs must not hold up what else polls it.
RESPONSE_TIMEOUT = 30.0
# How often one request of a poll is tried: a poll that fails is repeated by those that wait for it.
ATTEMPTS = 2
# Seconds that a poll without triggers is kept: between two polls of a trigger it has none for a moment.
LINGER = 1.0
# Objects per poll that no listing shows any more and that are requested one by one.
MAX_SINGLE_REQUESTS = 10

log = logging.getLogger(__name__)


class Resource(StrEnum):
    """The kind of resource that triggers wait for."""

    ASYNC_ACTIONS = "async actions"
    EXPORTS = "exports"
    ORDERS = "orders"

    @property
    def singular(self) -> str:
        """The name of one of them."""
        return self.value.removesuffix("s")


class NewestChange(NamedTuple):
    """
    The newest change of any order.

    :param changed_at: When it was, as Voucherify writes it; None if there are no orders.
    :param total: How many orders there are.
    """

    changed_at: str | None = None
    total: int = 0


@dataclass
class PollResult:
    """
    What one poll found.

    :param ended_ids: The ids that have ended, or do not exist.
    :param newest: The newest change of an order, if orders were polled.
    :param error: Why the poll failed, if it did.
    :param calls: API calls to account to this trigger: those of a shared poll are accounted to one of its triggers.
    :param quota: What is known of the quota, for the process that continues the task.
    """

    ended_ids: set[str] = field(default_factory=set)
    newest: NewestChange = field(default_factory=NewestChange)
    error: Exception | None = None
    calls: int = 0
    quota: dict[str, Any] = field(default_factory=dict)

    def ended(self) -> set[str]:
        """
        Return the ids that have ended.

        :raises VoucherifyError: if the poll failed.
        """
        if self.error is not None:
            raise self.error
        return self.ended_ids


@dataclass(eq=False)
class _Waiter:
    ids: frozenset[str]
    due: float
    future: asyncio.Future[PollResult]


_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, Resource, str | None], SharedPoll]] = (
    WeakKeyDictionary()
)


def shared_poll(voucherify_conn_id: str, resource: Resource, project: str | None = None) -> SharedPoll:
    """
    Return the poll that all triggers of a connection share in this event loop.

    :param voucherify_conn_id: The connection.
    :param resource: What the triggers wait for.
    :param project: The project that it led to when they began to wait; None for whichever it leads to.
    """
    polls = _polls.setdefault(asyncio.get_running_loop(), {})
    key = voucherify_conn_id, resource, project
    if key not in polls:
        polls[key] = SharedPoll(*key, on_end=lambda: polls.pop(key, None))
    return polls[key]


class SharedPoll:
    """
    Serve all triggers of a connection with the same requests.

    A poll takes place when the first of them is due, and brings the others their result early. The time between two
    polls is stretched so that all polling of a project uses at most a tenth of the calls that the quota allows beside
    the reserve. The requests run in one thread of their own, so that a server that hangs delays no other connection.
    The poll ends when nobody waits.

    :param voucherify_conn_id: The connection. It is read again for each poll, as it may be edited meanwhile.
    :param resource: What the triggers wait for.
    :param project: The project that it has to lead to; None for whichever it leads to.
    :param on_end: Called when the poll ends.
    """

    def __init__(
        self, voucherify_conn_id: str, resource: Resource, project: str | None, on_end: Callable[[], object]
    ) -> None:
        self._voucherify_conn_id = voucherify_conn_id
        self._resource = resource
        self._project = project
        self._on_end = on_end
        self._waiters: set[_Waiter] = set()
        self._changed = asyncio.Event()
        self._newest = NewestChange()
        self._client: VoucherifyClient | None = None
        self._task: asyncio.Task[None] | None = None

    async def poll(self, ids: Collection[str], delay: float) -> PollResult:
        """
        Wait for the next poll that asks for some objects.

        :param ids: Their ids.
        :param delay: How many seconds it may take until the poll; it may come earlier, for another trigger.
        :return: What it found of these objects, or its error.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(frozenset(ids), loop.time() + delay, loop.create_future())
        self._waiters.add(waiter)
        self._changed.set()
        if self._task is None:
            self._task = loop.create_task(self._run())
        try:
            return await waiter.future
        finally:
            self._waiters.discard(waiter)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1, thread_name_prefix="voucherify-poll")
        try:
            while await self._has_waiters():
                due = min(waiter.due for waiter in self._waiters) - loop.time()
                seconds = max(due, self._client.transport.quota.seconds_to_poll() if self._client else 0.0)
                if seconds <= 0:
                    await self._poll_once(executor)
                else:
                    await self._wait_for_change(seconds)
        finally:
            self._on_end()
            executor.shutdown(wait=False, cancel_futures=True)
            if self._client is not None:
                self._client.transport.close()
            for waiter in self._waiters:  # only if this task was cancelled, as at the end of the event loop
                waiter.future.cancel()

    async def _has_waiters(self) -> bool:
        if not self._waiters:
            await self._wait_for_change(LINGER)
        return bool(self._waiters)

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def _poll_once(self, executor: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        waiters = list(self._waiters)
        ids = frozenset[str]().union(*(waiter.ids for waiter in waiters))
        try:
            client = await self._connect()
        except Exception as error:  # noqa: BLE001 (each trigger decides what its error means)
            self._deliver(waiters, PollResult(error=error))
            return
        transport, calls_before = client.transport, client.transport.calls
        try:
            result = await loop.run_in_executor(executor, partial(self._request, client, ids))
        except Exception as error:  # noqa: BLE001
            result = PollResult(error=error)
        result.calls, result.quota = transport.calls - calls_before, transport.quota.snapshot()
        transport.quota.account_poll(result.calls)
        self._deliver(waiters, result)

    def _request(self, client: VoucherifyClient, ids: Collection[str]) -> PollResult:
        """Make the requests of a poll, in a thread."""
        if self._resource is Resource.ORDERS:
            self._newest = find_newest_change(client, self._newest)
            return PollResult(newest=self._newest)
        ended = find_ended(client, self._resource, ids)
        log.debug("%d of %d %s have ended.", len(ended), len(ids), self._resource.value)
        return PollResult(ended)

    def _deliver(self, waiters: list[_Waiter], result: PollResult) -> None:
        calls = result.calls
        for waiter in waiters:
            self._waiters.discard(waiter)
            if not waiter.future.done():  # its trigger may have been cancelled meanwhile
                waiter.future.set_result(replace(result, ended_ids=result.ended_ids & waiter.ids, calls=calls))
                calls = 0

    async def _connect(self) -> VoucherifyClient:
        hook = VoucherifyHook(self._voucherify_conn_id, max_quota_wait=0.0)
        settings = await hook.aget_settings()
        if self._project is not None:
            settings.check_project(self._project)
        if self._client is None or self._client.transport.settings != settings:
            if self._client is not None:
                self._client.transport.close()
            self._client = await hook.aget_client(settings, response_timeout=RESPONSE_TIMEOUT, attempts=ATTEMPTS)
            self._newest = NewestChange()
        return self._client


def find_ended(client: Endpoints, resource: Resource, ids: Collection[str]) -> set[str]:
    """
    Ask Voucherify which objects have ended.

    :param client: The client.
    :param resource: What they are.
    :param ids: Their ids.
    :return: The ids of those that have ended, or do not exist: the task meets that error by itself.
    """
    found: dict[str, AsyncAction | Export | None] = {}
    get: Callable[[str], AsyncAction | Export]
    if resource is Resource.ASYNC_ACTIONS:
        get = client.get_async_action
        found |= client.find_async_actions(ids) if len(ids) > 1 else {}
    else:
        get = client.get_export
        found |= client.find_exports(ids) if len(ids) > 1 else {}
    missing = sorted(set(ids) - found.keys())
    # others at each poll: those that take long must not keep the rest from being requested at all
    for object_id in random.sample(missing, min(len(missing), MAX_SINGLE_REQUESTS)):
        try:
            found[object_id] = get(object_id)
        except NotFoundError:
            found[object_id] = None
    return {object_id for object_id, found_object in found.items() if found_object is None or found_object.ended}


def find_newest_change(client: Endpoints, before: NewestChange) -> NewestChange:
    """
    Ask Voucherify for the newest change of any order, by one call; by two if there are more orders than before.

    An order that was never updated may have no ``updated_at`` (seen in recorded responses), and is expected to be
    sorted after all that have one (unknown).

    :param client: The client.
    :param before: What was found before.
    """
    page = client.list_orders(limit=1, sort_order="-updated_at")
    times = [before.changed_at, *(order.get("updated_at") for order in page.orders)]
    if page.total != before.total:
        times += [order.get("created_at") for order in client.list_orders(limit=1, sort_order="-created_at").orders]
    return NewestChange(max((time for time in times if time), default=None), page.total)
