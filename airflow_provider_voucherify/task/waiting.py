"""Wait for Voucherify in the worker or deferred, until a deadline: what operators and the sensor share."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_voucherify.exceptions import WaitTimeoutError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.triggers.base import PollEvent, PollingTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Seconds. Airflow 3.3.2 takes a task that resumes within one loop of the scheduler for one that ended silently, which
# costs it a try (observed); and a shorter wait is over before a task could be deferred and resumed.
MIN_DEFERRED_WAIT = 5.0
# How long after the deadline the scheduler ends a deferred task: only if no triggerer ended it at the deadline.
TRIGGER_TIMEOUT_MARGIN = timedelta(minutes=1)


class TimeLimit(NamedTuple):
    """
    The shorter of ``timeout`` and ``execution_timeout``, which Airflow 3 does not enforce while a task is deferred.

    :param seconds: Counted from the start of the try.
    :param name: The parameter that sets the limit.
    """

    seconds: float
    name: str

    @classmethod
    def of(cls, timeout: float, execution_timeout: timedelta | None) -> Self:
        """
        Choose the shorter limit.

        :param timeout: Seconds.
        :param execution_timeout: Airflow's own limit, if there is one.
        """
        limits = [cls(timeout, "timeout")]
        if execution_timeout:
            limits.append(cls(execution_timeout.total_seconds(), "execution_timeout"))
        return min(limits)

    def deadline(self) -> float:
        """Return when a try that starts now has to end, in seconds since the epoch."""
        return time.time() + self.seconds

    def error(self, waiting_for: str, kind: type[Exception]) -> BaseException:
        """
        Make the error of a try that exceeded the limit, without raising it.

        :param waiting_for: What the task waited for.
        :param kind: The class of the error. If ``execution_timeout`` sets the limit, Airflow's own class is used.
        """
        message = f"Stopped after {self.seconds:.0f} s ({self.name}), waiting for {waiting_for}."
        return AirflowTaskTimeout(message) if self.name == "execution_timeout" else kind(message)


def trigger_timeout(deadline: float) -> timedelta:
    """
    Return the ``timeout`` of a deferral, after which the scheduler ends it even if no triggerer runs.

    :param deadline: When the trigger ends the wait, in seconds since the epoch.
    """
    return timedelta(seconds=max(0.0, deadline - time.time())) + TRIGGER_TIMEOUT_MARGIN


class VoucherifyTask:
    """The connection of a task; a mixin of every operator and sensor."""

    ui_color = "#dfe6f5"
    voucherify_conn_id: str

    @cached_property
    def hook(self) -> VoucherifyHook:
        """The hook of the connection."""
        return VoucherifyHook(self.voucherify_conn_id)


class WaitingTask(VoucherifyTask):
    """A task that waits for Voucherify, in the worker or deferred, until its time limit."""

    deferrable: bool
    timeout: Any
    execution_timeout: timedelta | None
    timeout_error: type[Exception] = WaitTimeoutError

    @property
    def _time_limit(self) -> TimeLimit:
        return TimeLimit.of(self.timeout, self.execution_timeout)

    def _timed_out(self, waiting_for: str) -> BaseException:
        return self._time_limit.error(waiting_for, self.timeout_error)

    def _defers(self, seconds: float, deadline: float) -> bool:
        """Return whether to wait in the triggerer: only if the wait is long and the deadline is not close."""
        return self.deferrable and min(seconds, deadline - time.time()) >= MIN_DEFERRED_WAIT

    def _sleep(self, seconds: float, deadline: float) -> bool:
        """Sleep in the worker, at most until the deadline; return whether the deadline was reached."""
        left = deadline - time.time()
        time.sleep(max(0.0, min(seconds, left)))
        return seconds >= left

    def _defer_to(
        self,
        trigger: type[PollingTrigger],
        context: Context,
        *,
        deadline: float,
        resume_state: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        """Defer the task to a trigger, which returns ``resume_state`` when the task resumes."""
        project = self.hook.transport.settings.project
        known = {
            "project": project,
            "deadline": deadline,
            "try_number": context["ti"].try_number,
            "quota": self.hook.transport.quota.snapshot(),
        }
        self.defer(  # type: ignore[attr-defined]  # of the operator that this is mixed into
            trigger=trigger(
                voucherify_conn_id=self.voucherify_conn_id,
                project=project,
                deadline=deadline,
                resume_state=(resume_state or {}) | known,
                **arguments,
            ),
            method_name="execute_complete",
            timeout=trigger_timeout(deadline),
        )

    def _resume(self, event: dict[str, Any] | None, context: Context) -> PollEvent | None:
        """
        Parse the event of the trigger, and continue with what it knows of the quota.

        :return: The event; None if it belongs to the try before, as Airflow 3.0 resumes a retry with it.
        :raises ProjectChangedError: if the connection leads to another project now.
        :raises VoucherifyError: if the event does not come from a trigger of this provider.
        """
        resumed = PollEvent.parse(event)
        if resumed.resume_state["try_number"] != context["ti"].try_number:
            return None
        self.__dict__.pop("hook", None)  # in a process that has waited, too, the connection is read again
        self.hook.transport.settings.check_project(resumed.resume_state["project"])
        for snapshot in (resumed.resume_state.get("quota") or {}, resumed.quota):
            self.hook.restore_quota(snapshot)
        return resumed
