"""Base classes of the operators: the connection, the wait, and the state that a retry resumes."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, BaseOperator, conf

from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.core.state_store import FileStateStore, NoStateStore, StateStore
from airflow_provider_voucherify.core.validation import check_switch, seconds_of
from airflow_provider_voucherify.exceptions import WaitTimeoutError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.task.state import TaskStateStore, name_of_try
from airflow_provider_voucherify.task.waiting import VoucherifyTask, WaitingTask
from airflow_provider_voucherify.triggers.base import EventStatus, PollEvent, PollingTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_voucherify.order_export import ExportJob
    from airflow_provider_voucherify.order_import import ImportJob
    from airflow_provider_voucherify.reconciliation import ReconcileJob


class VoucherifyOperator(VoucherifyTask, BaseOperator):
    """
    What the operators share: the connection.

    :param voucherify_conn_id: The connection. (templated)
    """

    def __init__(self, *, voucherify_conn_id: str = VoucherifyHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.voucherify_conn_id = voucherify_conn_id


class WaitingOperator(WaitingTask, VoucherifyOperator):
    """
    Base of the operators that wait for Voucherify, in the worker or deferred, and whose work a retry resumes.

    :param durable: Whether a retry, or the clearing of a failed task, resumes where the last try stopped.
    :param restart: Whether to ignore the state of an earlier DAG run; a retry in the same run resumes nevertheless.
    :param deferrable: Whether to wait in the triggerer, 5 seconds and more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, from the start of the try to its end in a
        :class:`~airflow_provider_voucherify.exceptions.WaitTimeoutError`. What runs at Voucherify continues.
    """

    poll_interval: float | timedelta

    def __init__(
        self,
        *,
        durable: bool = True,
        restart: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, switch in (("durable", durable), ("restart", restart), ("deferrable", deferrable)):
            check_switch(name, switch)
        self.durable = durable
        self.restart = restart
        self.deferrable = deferrable
        self.timeout = seconds_of("timeout", timeout)
        self._is_durable = False

    def _choose_state_store(self, context: Context, key: str, file: ObjectStoragePath | None) -> StateStore:
        """
        Choose where the state is saved: in Airflow's task state store (3.3 and newer), otherwise in a file.

        :param context: The context of the task, whose try becomes the owner.
        :param key: The key in the task state store.
        :param file: The file; None if there is no place for one.
        """
        if not self.durable:
            return NoStateStore()
        owner = name_of_try(context)
        if (store := context.get("task_state_store")) is not None:
            return TaskStateStore(store, key, owner)
        return NoStateStore() if file is None else FileStateStore(file.parent, file.name, owner=owner)

    def _pauses(self, job: ImportJob | ExportJob | ReconcileJob, deadline: float) -> Iterator[Pause]:
        """Drive a job to its end, which no request may exceed, and yield the waits that it needs."""
        self.hook.set_deadline(deadline)
        waiting_for = "Voucherify"
        try:
            while pause := job.advance():
                waiting_for = pause.reason
                yield pause
        except (AirflowTaskTimeout, WaitTimeoutError):
            raise self._timed_out(waiting_for) from None

    def _wait(
        self,
        pause: Pause,
        job: ImportJob | ExportJob | ReconcileJob,
        context: Context,
        deadline: float,
        trigger: type[PollingTrigger],
        **arguments: Any,
    ) -> None:
        """
        Wait in the worker, at most until the deadline; or defer, which ends this process.

        :raises QuotaError: if the quota would only allow the next call after the deadline.
        """
        if pause.quota_error is not None and pause.seconds > deadline - time.time():
            raise pause.quota_error
        if self._defers(pause.seconds, deadline):
            self._defer_to(
                trigger,
                context,
                deadline=deadline,
                resume_state={"state": job.state.to_json(), "waiting_for": pause.reason},
                poll_interval=seconds_of("poll_interval", self.poll_interval),
                wait=pause.seconds,
                failures=job.failures,
                **arguments,
            )
        try:
            is_over = self._sleep(pause.seconds, deadline)
        except AirflowTaskTimeout:
            raise self._timed_out(pause.reason) from None
        if is_over:
            raise self._timed_out(pause.reason)

    def _check_time(self, event: PollEvent) -> None:
        """Fail a task whose time limit was reached while it waited."""
        if event.status is EventStatus.TIMEOUT:
            raise self._timed_out(
                f"a response. {event.last_error}" if event.last_error else event.resume_state["waiting_for"]
            )

    @abstractmethod
    def _running_at_voucherify(self) -> list[str]:
        """List what was submitted to Voucherify and has not ended, as far as this process knows."""

    def on_kill(self) -> None:
        """Log what a kill does not stop. The state is safe: it was written before and after each request."""
        if running := self._running_at_voucherify():
            self.log.warning(
                "Killed. This continues at Voucherify, which cannot cancel it: %s. A retry %s.",
                ", ".join(running),
                "resumes it" if self._is_durable else "starts over, as no state is kept",
            )
        else:
            self.log.warning("Killed. Nothing of this task is running at Voucherify.")
