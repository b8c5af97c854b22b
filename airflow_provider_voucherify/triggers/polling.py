"""What the triggers share: polling from an event loop, until a deadline, through a few bad polls."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from enum import StrEnum
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.errors import VoucherifyError
from airflow_provider_voucherify.api.polling import Poll
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

PATIENCE_IN_THREAD = 5.0


class Wake(StrEnum):
    """Why a trigger wakes its task."""

    READY = "ready"
    TIMEOUT = "timeout"
    FAILED = "failed"


def woken(event: dict[str, Any] | None) -> tuple[Wake, dict[str, Any]]:
    """
    Read the event of a trigger.

    :param event: What the task was woken with.
    :return: Why, and what the task had handed over. A trigger that could not poll is no reason to fail: the task
        looks for itself.
    :raises VoucherifyError: if this is no event of ours.
    """
    try:
        told = event or {}
        return Wake(told["wake"]), dict(told["handover"])
    except (KeyError, TypeError, ValueError):
        raise VoucherifyError(f"The task was woken by an event that is none of its trigger's: {event!r}.") from None


class PollingTrigger(BaseTrigger):
    """
    Polls Voucherify until there is something for the task to do.

    It does not judge: the woken task looks for itself, so that both modes of an operator end in the same
    result or error. Its arguments are JSON primitives and hold no secret.

    :param voucherify_conn_id: The connection.
    :param poll_interval: Seconds between two polls.
    :param deadline: When to give up, in seconds since the epoch: a restarted triggerer does not start anew.
    :param not_before: When to poll first, in seconds since the epoch.
    :param handover: What the task needs to go on; it comes back with the event. The ``kwargs`` of a deferral are
        made for this, but ``dag.test()`` of Airflow 3.3.2 drops them.
    """

    def __init__(
        self,
        *,
        voucherify_conn_id: str,
        poll_interval: float,
        deadline: float,
        not_before: float = 0.0,
        handover: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.voucherify_conn_id = voucherify_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.not_before = not_before
        self.handover = handover or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give class path and arguments."""
        cls = type(self)
        return f"{cls.__module__}.{cls.__qualname__}", self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return {
            "voucherify_conn_id": self.voucherify_conn_id,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "not_before": self.not_before,
            "handover": self.handover,
        }

    @abstractmethod
    def _ready(self, client: Endpoints) -> bool:
        """Ask Voucherify whether the task has something to do."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll, and yield one event."""
        hook = VoucherifyHook(self.voucherify_conn_id, patience=PATIENCE_IN_THREAD)
        poll = Poll(self.poll_interval)
        wait = max(0.0, self.not_before - time.time())
        while time.time() + wait < self.deadline:
            await asyncio.sleep(wait)
            try:
                client = await hook.aget_conn()
                ready = await asyncio.to_thread(poll.look, partial(self._ready, client))
            except VoucherifyError as error:
                self.log.warning("The task has to look for itself. %s", error)
                yield self._event(Wake.FAILED)
                return
            if ready:
                yield self._event(Wake.READY)
                return
            wait = poll.wait
        await asyncio.sleep(max(0.0, self.deadline - time.time()))
        yield self._event(Wake.TIMEOUT)

    def _event(self, wake: Wake) -> TriggerEvent:
        return TriggerEvent({"wake": wake.value, "handover": self.handover})
