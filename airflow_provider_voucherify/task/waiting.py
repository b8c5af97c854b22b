"""What operators and the sensor share: the connection, and the wait."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.exceptions import WaitTimeoutError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.task.time_limit import TimeLimit, longest_wait
from airflow_provider_voucherify.triggers.polling import PollingTrigger, Woken

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Seconds. A task that is woken within one loop of the scheduler is taken for one that ended without a word, which
# costs it a try (seen with Airflow 3.3.2); and a shorter wait ends before a task could be deferred and woken.
DEFER_FROM = 5.0


class VoucherifyTask:
    """What every operator and sensor has beside the operator of Airflow that it is."""

    ui_color = "#dfe6f5"
    voucherify_conn_id: str

    @cached_property
    def hook(self) -> VoucherifyHook:
        """The hook of the connection."""
        return VoucherifyHook(self.voucherify_conn_id)


class WaitingTask(VoucherifyTask):
    """What those have that wait for Voucherify, in the worker or deferred."""

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
        """Tell whether to wait in the triggerer: only what is long, and does not end soon at the deadline."""
        return self.deferrable and min(seconds, deadline - time.time()) >= DEFER_FROM

    def _sleep(self, seconds: float, deadline: float) -> bool:
        """Sleep in the worker, but not over the deadline; tell whether that has come."""
        left = deadline - time.time()
        time.sleep(max(0.0, min(seconds, left)))
        return seconds >= left

    def _hand_over(
        self,
        trigger: type[PollingTrigger],
        context: Context,
        *,
        deadline: float,
        handover: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        """Let a trigger wait, and give it what the task needs to go on afterwards."""
        known = {"deadline": deadline, "try_number": context["ti"].try_number}
        self.defer(  # type: ignore[attr-defined]  # of the operator that this is mixed into
            trigger=trigger(
                voucherify_conn_id=self.voucherify_conn_id,
                deadline=deadline,
                handover=(handover or {}) | known,
                **arguments,
            ),
            method_name="execute_complete",
            timeout=longest_wait(deadline),
        )

    def _is_of_an_earlier_try(self, woken: Woken, context: Context) -> bool:
        """Tell whether a task was woken with the event of the try before, as a retry is by Airflow 3.0."""
        return bool(woken.handover["try_number"] != context["ti"].try_number)
