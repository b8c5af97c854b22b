"""The base of the triggers: poll from the event loop until a deadline, tolerating a few failures in a row."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Self

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_voucherify.api.polling import Poller
from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.triggers.shared_poll import Resource, shared_poll

LOG_INTERVAL = 30.0


class EventStatus(StrEnum):
    """Why a trigger resumes its task."""

    READY = "ready"
    TIMEOUT = "timeout"
    FAILED = "failed"


class PollEvent(NamedTuple):
    """
    The payload of a trigger's event.

    :param status: Why the task resumes. ``FAILED`` does not fail the task: it polls again by itself, and ends with the
        error that it meets.
    :param resume_state: What the task passed to the trigger.
    :param failures: Consecutive polls that failed up to now.
    :param last_error: The error of the last poll; empty if it succeeded.
    :param calls: API calls that the trigger made.
    :param quota: What the trigger knows of the quota.
    """

    status: EventStatus
    resume_state: dict[str, Any]
    failures: int
    last_error: str
    calls: int
    quota: dict[str, Any]

    @classmethod
    def parse(cls, event: dict[str, Any] | None) -> Self:
        """
        Validate the event that resumes a task.

        :param event: What Airflow passes to ``execute_complete``.
        :raises VoucherifyError: if it does not come from a trigger of this provider.
        """
        try:
            given = event or {}
            return cls(
                EventStatus(given["status"]),
                dict(given["resume_state"]),
                int(given["failures"]),
                str(given["last_error"]),
                int(given["calls"]),
                dict(given["quota"]),
            )
        except (KeyError, TypeError, ValueError):
            raise VoucherifyError(
                f"The task was resumed with an event that its trigger did not send: {event!r:.200}."
            ) from None


class Payload(dict[str, Any]):
    """The payload of an event as Airflow keeps it. Airflow logs it, too: without the state of the task."""

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.items() if name not in ("resume_state", "quota")}
        return repr(shown)


class PollingTrigger(BaseTrigger):
    """
    Poll Voucherify until the task has something to do.

    A trigger does not judge what it sees: the resumed task polls again, so that both modes of an operator end in the
    same result or error. Its arguments are JSON primitives without secrets.

    :param voucherify_conn_id: The connection.
    :param project: The project that it led to when the task began to wait; another one is not polled.
    :param poll_interval: The longest delay between two polls, in seconds.
    :param wait: The delay before the first poll, in seconds. It doubles after each poll.
    :param deadline: When to stop, in seconds since the epoch; a restarted triggerer keeps it.
    :param not_before: The time of the first poll, in seconds since the epoch; by default ``wait`` seconds from now.
    :param failures: Consecutive polls that failed before. The task makes the poll that may be one failure too many.
    :param resume_state: What the task needs to continue; it returns with the event. The ``kwargs`` of a deferral
        are made for this, but ``dag.test()`` of Airflow 3.3.2 drops them. The logs take from it what the task waits
        for, and what it has running at Voucherify even while it waits for something else, as for the quota.
    """

    resource: ClassVar[Resource]

    def __init__(
        self,
        *,
        voucherify_conn_id: str,
        project: str,
        poll_interval: float,
        wait: float,
        deadline: float,
        not_before: float | None = None,
        failures: int = 0,
        resume_state: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.voucherify_conn_id = voucherify_conn_id
        self.project = project
        self.poll_interval = poll_interval
        self.wait = wait
        self.deadline = deadline
        self.not_before = time.time() + wait if not_before is None else not_before
        self.failures = failures
        self.resume_state = resume_state or {}
        self._calls = 0
        self._ended_ids: set[str] = set()
        self._quota: dict[str, Any] = {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        cls = type(self)
        return f"{cls.__module__}.{cls.__qualname__}", self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return {
            "voucherify_conn_id": self.voucherify_conn_id,
            "project": self.project,
            "poll_interval": self.poll_interval,
            "wait": self.wait,
            "deadline": self.deadline,
            "not_before": self.not_before,
            "failures": self.failures,
            "resume_state": self.resume_state,
        }

    @property
    @abstractmethod
    def _ids(self) -> list[str]:
        """The ids that the task waits for."""

    @property
    @abstractmethod
    def _min_ended(self) -> int:
        """How many of them must have ended, so that the task has something to do."""

    @property
    def _running_ids(self) -> list[str]:
        return [object_id for object_id in self._ids if object_id not in self._ended_ids]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll together with the other triggers of the connection, and yield one event."""
        poller = Poller(self.poll_interval, first_delay=self.wait, failures=self.failures)
        log = asyncio.create_task(self._log_again_and_again())
        try:
            async with asyncio.timeout(max(0.0, self.deadline - time.time())):
                status = await self._wait(poller)
        except TimeoutError:
            status = EventStatus.TIMEOUT
        finally:
            log.cancel()
        event = PollEvent(status, self.resume_state, poller.failures, poller.last_error, self._calls, self._quota)
        yield TriggerEvent(Payload(event._asdict() | {"status": status.value}))

    async def on_kill(self) -> None:
        """Log what a kill of the deferred task does not stop (Airflow 3.3)."""
        waiting_for = [f"{self.resource.singular} {object_id}" for object_id in self._ids]
        running = [
            name
            for name in self.resume_state.get("running", waiting_for)
            if name.rpartition(" ")[2] not in self._ended_ids
        ]
        if not running:
            self.log.warning("Killed. Nothing of this task is running at Voucherify.")
            return
        self.log.warning(
            "Killed. This continues at Voucherify, which cannot cancel it: %s. A task that runs again resumes from its "
            "state, if it keeps one.",
            one_line(", ".join(running)),
        )

    async def _wait(self, poller: Poller) -> EventStatus:
        delay = max(0.0, self.not_before - time.time())
        while True:
            if poller.is_last_attempt:  # the task makes that attempt, and ends with its error
                await asyncio.sleep(delay)
                return EventStatus.FAILED
            if not self._ids:
                await asyncio.sleep(delay)
                return EventStatus.READY
            poll = shared_poll(self.voucherify_conn_id, self.resource, self.project)
            result = await poll.poll(self._running_ids, delay)
            self._calls += result.calls
            self._quota = result.quota or self._quota
            try:
                # partial: when the task is ready, its own requests complete this poll, and decide about the failures
                ended = poller.poll(result.ended, partial=True)
            except Exception as error:  # noqa: BLE001 (the task polls by itself, and ends with the error that it meets)
                self.log.warning("Polling failed; the task resumes and polls by itself. %s", error)
                return EventStatus.FAILED
            if ended is not None:
                self._ended_ids |= ended
                if len(self._ended_ids) >= self._min_ended:
                    return EventStatus.READY
                poller.reset_failures()
            delay = poller.delay

    async def _log_again_and_again(self) -> None:
        """Log what the task waits for, in its own log: the shared poll writes to none of them."""
        while True:
            waiting_for = self.resume_state.get("waiting_for") or self.resource.value
            count, running = len(self._ids), ", ".join(self._running_ids)
            ended = f"{len(self._ended_ids)} of {count} {self.resource.value} have ended, running: {running}"
            progress = f" ({ended})" if count else ""
            self.log.info("Waiting for %s", one_line(waiting_for + progress))
            await asyncio.sleep(LOG_INTERVAL)
