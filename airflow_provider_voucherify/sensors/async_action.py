"""Wait for async actions of any type."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_voucherify.api.models import ActionStatus, AsyncAction
from airflow_provider_voucherify.api.polling import Poller
from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.core.validation import check_number, check_switch
from airflow_provider_voucherify.exceptions import (
    AsyncActionFailedError,
    ConfigurationError,
    VoucherifyError,
    WaitTimeoutError,
)
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.links.dashboard import AsyncActionLink
from airflow_provider_voucherify.reporting.losses import Loss
from airflow_provider_voucherify.task.parameters import is_templated, listed, text_of
from airflow_provider_voucherify.task.waiting import WaitingTask
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.base import EventStatus

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SHOWN_FAILURES = 10
# A sensor polls once more when its time is over, as Airflow's own do: that poll may take this long.
LAST_POLL_SECONDS = 10.0


class AsyncActionSensor(WaitingTask, BaseSensorOperator):
    """
    Wait until async actions of any of the 22 types have ended, and fail if they did not succeed.

    A DONE action did not necessarily succeed: it can have failed records (seen in an official example), or the
    ``operation_status`` FAILED (documented). The result is one dict for one id and a list for a list:
    ``{"id", "type", "status", "operation_status", "done_count", "failed_count", "failures"}``, with the first
    10 failures. What is known of async actions is in ``docs/voucherify-api.md``.

    :param async_action_id: The id, or a list of ids. (templated)
    :param max_failed: The number of records that may fail in all actions together: a share of all records when below
        1, else a number. 0 by default.
    :param fail_on_failed: Whether an action whose status or operation status is FAILED fails the task.
    :param voucherify_conn_id: The connection. (templated)
    :param deferrable: Whether waits of 5 seconds and more take place in the triggerer; by default the value of
        ``[operators] default_deferrable``.
    :param poke_interval: Seconds between two polls; 30 by default. One call polls up to 100 actions.
    :raises AsyncActionFailedError: naming the actions and the first reasons.
    :raises ConfigurationError: if there is no id, or a parameter is not valid.
    """

    template_fields: Sequence[str] = ("async_action_id", "voucherify_conn_id")
    operator_extra_links = (AsyncActionLink(),)
    timeout_error = AirflowSensorTimeout

    def __init__(
        self,
        *,
        async_action_id: str | list[str],
        max_failed: float = 0,
        fail_on_failed: bool = True,
        voucherify_conn_id: str = VoucherifyHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float = 30.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        check_number("max_failed", max_failed, 0, whole=False)
        check_switch("fail_on_failed", fail_on_failed)
        check_switch("deferrable", deferrable)
        self.async_action_id = async_action_id
        self.max_failed = max_failed
        self.fail_on_failed = fail_on_failed
        self.voucherify_conn_id = voucherify_conn_id
        self.deferrable = deferrable
        if not is_templated(async_action_id):
            self._check_ids()

    @cached_property
    def _poller(self) -> Poller:
        return Poller(self.poke_interval, first_delay=self.poke_interval)

    @property
    def _ids(self) -> list[str]:
        return [text_of(action_id) for action_id in listed("async_action_id", self.async_action_id)]

    def _check_ids(self) -> None:
        if not self._ids or not all(isinstance(action_id, str) and action_id for action_id in self._ids):
            raise ConfigurationError(f"async_action_id must be an id or a list of ids, got {self.async_action_id!r}.")

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll all actions once."""
        actions = self._poller.poll(self._get_actions)
        if actions is None:
            return False
        ended = [action for action in actions if action.ended]
        self.log.info("%d of %d async actions have ended.", len(ended), len(actions))
        if len(ended) < len(actions):
            return False
        return PokeReturnValue(True, self._check(actions))

    def execute(self, context: Context) -> Any:
        """Wait in the worker or deferred, and return the results of the actions."""
        self._check_ids()
        AsyncActionLink().show(context, self.hook, self._ids[-1])
        deadline = self._time_limit.deadline()
        if self.deferrable:
            return self._end_or_defer(context, deadline)
        self.hook.set_deadline(deadline + LAST_POLL_SECONDS)
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowTaskTimeout, WaitTimeoutError):
            raise self._timeout_error() from None

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Poll the actions when the trigger has resumed the task, and continue to wait if they have not ended."""
        resumed = self._resume(event, context)
        if resumed is None:
            return self.execute(context)
        AsyncActionLink().show(context, self.hook, self._ids[-1])
        self._poller = Poller(self.poke_interval, first_delay=self.poke_interval, failures=resumed.failures)
        return self._end_or_defer(context, resumed.resume_state["deadline"], resumed.status is EventStatus.TIMEOUT)

    def _end_or_defer(self, context: Context, deadline: float, is_over: bool = False) -> Any:
        self.hook.set_deadline(max(deadline, time.time()) + LAST_POLL_SECONDS)
        try:
            while not (is_over and self._time_limit.name == "execution_timeout"):
                poked = self._poke_or_skip(context)
                if isinstance(poked, PokeReturnValue):
                    return poked.xcom_value
                if is_over:
                    break
                if self._defers(self._poller.delay, deadline):
                    self._defer(context, deadline)
                is_over = self._sleep(self._poller.delay, deadline)
        except (AirflowTaskTimeout, WaitTimeoutError):
            raise self._timeout_error() from None
        raise self._timeout_error()

    def _defer(self, context: Context, deadline: float) -> None:
        self._defer_to(
            AsyncActionTrigger,
            context,
            deadline=deadline,
            poll_interval=self.poke_interval,
            wait=self._poller.delay,
            failures=self._poller.failures,
            async_action_ids=self._ids,
            min_ended=len(self._ids),
        )

    def _poke_or_skip(self, context: Context) -> bool | PokeReturnValue:
        """Poke, and handle errors as ``silent_fail`` and ``never_fail`` do in the worker."""
        try:
            return self.poke(context)
        except WaitTimeoutError:
            raise
        except VoucherifyError as error:
            if self.silent_fail:
                self.log.warning("Sensor poke failed: %s", error)
                return False
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def _timeout_error(self) -> BaseException:
        """Make the error of a sensor that has waited too long: a skip with ``soft_fail`` or ``never_fail``."""
        error = self._timed_out(f"async actions {', '.join(self._ids)}")
        if isinstance(error, AirflowSensorTimeout) and (self.soft_fail or self.never_fail):
            return AirflowSkipException(str(error))
        return error

    def _get_actions(self) -> list[AsyncAction]:
        """Return the actions, with their results if all have ended."""
        actions = self.hook.get_conn().poll_async_actions(self._ids)
        if not all(action.ended for action in actions):
            return actions
        return [action if action.result else self.hook.get_conn().get_async_action(action.id) for action in actions]

    def _check(self, actions: list[AsyncAction]) -> Any:
        """Return the result of actions that have ended; raise if too much failed."""
        failed = [action for action in actions if _failed(action)] if self.fail_on_failed else []
        records = sum((action.done_count or 0) + action.failed_count for action in actions)
        failures = sum(action.failed_count for action in actions)
        loss = Loss(failures, f"of {records:,} records failed", "max_failed", self.max_failed)
        if failed or not loss.is_tolerated(records):
            bad = failed or [action for action in actions if action.failed_count]
            raise AsyncActionFailedError(
                f"With connection {self.voucherify_conn_id!r}: {len(failed)} of {len(actions)} async actions FAILED, "
                f"and {loss}:" + "".join(f"\n  {_describe(action)}" for action in bad[:SHOWN_FAILURES])
            )
        results = [_result(action) for action in actions]
        return results[0] if listed("async_action_id", self.async_action_id) == [self.async_action_id] else results


def _failed(action: AsyncAction) -> bool:
    return ActionStatus.FAILED in (action.status, action.operation_status)


def _describe(action: AsyncAction) -> str:
    status = f"{action.id} ({action.type}) is {action.status}"
    if action.operation_status:
        status += f", its operation {action.operation_status}"
    if message := (action.result or {}).get("message"):
        status += f": {one_line(message)}"
    reasons = [
        one_line(f"{failure.source_id or 'no source_id'}: {failure.reason}")
        for failure in action.failures[:SHOWN_FAILURES]
    ]
    return "; ".join([status, *reasons])


def _result(action: AsyncAction) -> dict[str, Any]:
    return {
        "id": action.id,
        "type": action.type,
        "status": action.status,
        "operation_status": action.operation_status,
        "done_count": action.done_count,
        "failed_count": action.failed_count,
        "failures": [
            {"source_id": failure.source_id, "reason": failure.reason} for failure in action.failures[:SHOWN_FAILURES]
        ],
    }
