"""What the triggers share: polling from an event loop, until a deadline, through a few bad polls."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Poll
from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

PATIENCE_IN_THREAD = 5.0


class Wake(StrEnum):
    """Why a trigger wakes its task."""

    READY = "ready"
    TIMEOUT = "timeout"
    FAILED = "failed"


class Woken(NamedTuple):
    """
    What the event of a trigger says.

    :param wake: Why the task is woken. A trigger that could not poll is no reason to fail: the task looks for itself.
    :param handover: What the task had handed over.
    :param failures: Polls without an answer, in a row, up to now.
    :param trouble: What was in the way of the last one, for people.
    :param calls: Calls that the trigger made.
    """

    wake: Wake
    handover: dict[str, Any]
    failures: int
    trouble: str
    calls: int


def woken(event: dict[str, Any] | None) -> Woken:
    """
    Read the event of a trigger.

    :param event: What the task was woken with.
    :raises VoucherifyError: if this is no event of ours.
    """
    try:
        told = event or {}
        return Woken(
            Wake(told["wake"]), dict(told["handover"]), int(told["failures"]), str(told["trouble"]), int(told["calls"])
        )
    except (KeyError, TypeError, ValueError):
        raise VoucherifyError(f"The task was woken by an event that is none of its trigger's: {event!r}.") from None


class PollingTrigger(BaseTrigger):
    """
    Polls Voucherify until there is something for the task to do.

    It does not judge: the woken task looks for itself, so that both modes of an operator end in the same
    result or error. Its arguments are JSON primitives and hold no secret.

    :param voucherify_conn_id: The connection.
    :param poll_interval: Seconds between two polls at most.
    :param wait: Seconds before the first poll; the next waits are twice, four times, … as long.
    :param deadline: When to give up, in seconds since the epoch: a restarted triggerer does not start anew.
    :param not_before: When to poll first, in seconds since the epoch; ``wait`` from now on by default.
    :param failures: Polls without an answer so far, in a row: the task makes the one that may be one too many.
    :param handover: What the task needs to go on; it comes back with the event. The ``kwargs`` of a deferral are
        made for this, but ``dag.test()`` of Airflow 3.3.2 drops them.
    """

    def __init__(
        self,
        *,
        voucherify_conn_id: str,
        poll_interval: float,
        wait: float,
        deadline: float,
        not_before: float | None = None,
        failures: int = 0,
        handover: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.voucherify_conn_id = voucherify_conn_id
        self.poll_interval = poll_interval
        self.wait = wait
        self.deadline = deadline
        self.not_before = time.time() + wait if not_before is None else not_before
        self.failures = failures
        self.handover = handover or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give class path and arguments."""
        cls = type(self)
        return f"{cls.__module__}.{cls.__qualname__}", self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return {
            "voucherify_conn_id": self.voucherify_conn_id,
            "poll_interval": self.poll_interval,
            "wait": self.wait,
            "deadline": self.deadline,
            "not_before": self.not_before,
            "failures": self.failures,
            "handover": self.handover,
        }

    @abstractmethod
    def _ready(self, client: Endpoints) -> bool:
        """Ask Voucherify whether the task has something to do."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll, and yield one event."""
        hook = VoucherifyHook(self.voucherify_conn_id, patience=PATIENCE_IN_THREAD)
        poll = Poll(self.poll_interval, first=self.wait, failures=self.failures)
        wake = await self._wait(hook, poll)
        yield TriggerEvent(
            {
                "wake": wake.value,
                "handover": self.handover,
                "failures": poll.failures,
                "trouble": poll.trouble,
                "calls": hook.calls,
            }
        )

    async def _wait(self, hook: VoucherifyHook, poll: Poll) -> Wake:
        wait = max(0.0, self.not_before - time.time())
        while time.time() + wait < self.deadline:
            await asyncio.sleep(wait)
            if poll.last_chance:
                return Wake.FAILED
            try:
                client = await hook.aget_conn()
                # that the task is wanted is a part of its look: the row of failures is for the task to end
                ready = await asyncio.to_thread(poll.look, partial(self._ready, client), partial=True)
            except Exception as error:  # noqa: BLE001 (the task looks for itself, and ends with what it meets)
                self.log.warning("The task has to look for itself. %s", error)
                return Wake.FAILED
            if ready:
                return Wake.READY
            if ready is not None:
                poll.failures = 0
            wait = poll.wait
        await asyncio.sleep(max(0.0, self.deadline - time.time()))
        return Wake.TIMEOUT
