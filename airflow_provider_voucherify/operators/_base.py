"""Base classes of the operators: the connection, the wait, and the state that a retry resumes."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, BaseOperator, conf

from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.assets import asset_of
from airflow_provider_voucherify.core.job_state import JobState
from airflow_provider_voucherify.core.state_store import (
    STATE_FILE,
    FileStateStore,
    KeptStateStore,
    NoStateStore,
    StateStore,
)
from airflow_provider_voucherify.core.validation import check_switch, seconds_of
from airflow_provider_voucherify.exceptions import WaitTimeoutError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.task.lineage import in_voucherify, lineage
from airflow_provider_voucherify.task.observability import publish_events
from airflow_provider_voucherify.task.parameters import OptionalParameter, storage_path
from airflow_provider_voucherify.task.state import TaskStateStore, name_of_try
from airflow_provider_voucherify.task.waiting import VoucherifyTask, WaitingTask
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.base import EventStatus, PollEvent, PollingTrigger
from airflow_provider_voucherify.triggers.export import ExportTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Context, ObjectStoragePath
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_voucherify.core.job import Job


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
    Base of the operators that drive a job, wait for Voucherify in the worker or deferred, and whose work a retry
    resumes.

    :cvar state_type: The state of the job.
    :cvar state_key: Its key in Airflow's task state store.
    :cvar state_file: The name of its file, under the folder of the report.
    :param durable: Whether a retry, or the clearing of a failed task, resumes where the last try stopped.
    :param restart: Whether to ignore the state of an earlier DAG run; a retry in the same run resumes nevertheless.
    :param deferrable: Whether to wait in the triggerer, 5 seconds and more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, from the start of the try to its end in a
        :class:`~airflow_provider_voucherify.exceptions.WaitTimeoutError`. What runs at Voucherify continues.
    """

    state_type: ClassVar[type[JobState]]
    state_key: ClassVar[str]
    state_file: ClassVar[str] = STATE_FILE

    report_path = OptionalParameter()
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
        self._state: Any = None
        self._result: dict[str, Any] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Do the work, or resume what an earlier try started."""
        return self._drive(context, self._state_store(context), self._time_limit.deadline(), restart=self.restart)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume where the task was deferred."""
        resumed = self._resume(event, context)
        if resumed is None:
            return self.execute(context)
        state_store = self._state_store(context)
        document = state_store.load() or resumed.resume_state["state"]
        self._publish(context, self.state_type.from_json(document))
        self._check_time(resumed)
        return self._drive(
            context,
            state_store,
            resumed.resume_state["deadline"],
            resume_from=document,
            failures=resumed.failures,
            calls=resumed.calls,
        )

    def _drive(
        self, context: Context, state_store: StateStore, deadline: float, *, calls: int = 0, **resume: Any
    ) -> dict[str, Any]:
        self._is_durable = not isinstance(state_store, NoStateStore)
        self.hook.set_deadline(deadline)
        with KeptStateStore(state_store) as kept:
            job = self._advance(context, deadline, calls, state_store=kept, run=context["run_id"], **resume)
            self._result = self._finish(context, job)
            self._push_parts(context, self._result)
            if self.outlets:  # an asset needs all providers, which takes its time
                publish_events(context, self.outlets, self._asset(self._result), self._event(self._result))
        return self._result

    def _advance(self, context: Context, deadline: float, calls: int, **resume: Any) -> Job[Any, Any]:
        """Do the job, and return it when it is finished."""
        waiting_for = "Voucherify"
        try:
            job = self._job(context, calls, **resume)
            self._state = job.open()
            self._publish(context, self._state)
            while pause := job.advance():
                waiting_for = pause.reason
                self._publish(context, self._state)
                self._wait(pause, job, context, deadline)
        except (AirflowTaskTimeout, WaitTimeoutError):  # the former at any line: Airflow raises it from a signal
            raise self._timed_out(waiting_for) from None
        finally:
            if self._state is not None:
                self._publish(context, self._state)
        return job

    @abstractmethod
    def _job(self, context: Context, calls: int, **resume: Any) -> Job[Any, Any]:
        """
        Make the job of the parameters.

        :param context: The task.
        :param calls: How many calls a trigger made for it.
        :param resume: Where its state is saved, the run, and what it resumes from.
        """

    @abstractmethod
    def _publish(self, context: Context, state: Any) -> None:
        """
        Show what is known of the job meanwhile: ids at Voucherify as XComs and links, metrics.

        :param context: The task.
        :param state: The state of the job.
        """

    @abstractmethod
    def _finish(self, context: Context, job: Any) -> dict[str, Any]:
        """
        Return the result of the task.

        :param context: The task.
        :param job: The job, which has ended.
        """

    def _push_parts(self, context: Context, result: dict[str, Any]) -> None:
        """Push each part of the result as an XCom of its own, so that other tasks can take ``task.output["path"]``."""
        for name, value in result.items() if self.do_xcom_push else ():
            if value is not None:  # which Airflow 3.0 refuses: multiple_outputs would fail there
                context["ti"].xcom_push(key=name, value=value)

    def _asset(self, result: dict[str, Any]) -> Asset | None:
        """Return what the task has updated: by default the orders in Voucherify."""
        return asset_of(self.hook.transport.settings)

    def _event(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what the events of its assets say of the result: by default numbers and paths."""
        return {name: value for name, value in result.items() if isinstance(value, int | str)}

    def _lineage(self, result: dict[str, Any]) -> OperatorLineage[Any, Any]:
        """Describe inputs and outputs for OpenLineage: by default the orders in Voucherify are written."""
        return lineage(outputs=[in_voucherify(self.hook.transport.settings)])

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Describe inputs and outputs for OpenLineage, if its provider is installed."""
        return None if self._result is None else self._lineage(self._result)

    @property
    def _folder(self) -> ObjectStoragePath | None:
        """The folder of the report."""
        return storage_path("report_path", self.report_path) if self.report_path is not None else None

    def _state_file(self, context: Context) -> ObjectStoragePath | None:
        """Return the file of the state where Airflow has no task state store; None if there is no place for one."""
        return None if self._folder is None else self._folder / self.state_file

    def _state_store(self, context: Context) -> StateStore:
        """Choose where the state is saved: in Airflow's task state store (3.3 and newer), otherwise in a file."""
        if not self.durable:
            return NoStateStore()
        owner = name_of_try(context)
        if (store := context.get("task_state_store")) is not None:
            return TaskStateStore(store, self.state_key, owner)
        if (file := self._state_file(context)) is not None:
            return FileStateStore(file.parent, file.name, owner=owner)
        self.log.warning(
            "There is no place for the state of this task: a retry will start over. Give a report_path, or use "
            "Airflow 3.3 or newer; durable=False states that this is intended."
        )
        return NoStateStore()

    def _wait(self, pause: Pause, job: Job[Any, Any], context: Context, deadline: float) -> None:
        """
        Wait in the worker, at most until the deadline; or defer, which ends this process.

        :raises QuotaError: if the quota would only allow the next call after the deadline.
        """
        if pause.quota_error is not None and pause.seconds > deadline - time.time():
            raise pause.quota_error
        if self._defers(pause.seconds, deadline):
            trigger, arguments = _trigger_of(pause)
            self._defer_to(
                trigger,
                context,
                deadline=deadline,
                resume_state={
                    "state": job.state.to_json(),
                    "waiting_for": pause.reason,
                    "running": self._running_at_voucherify(),
                },
                poll_interval=seconds_of("poll_interval", self.poll_interval),
                wait=pause.seconds,
                failures=job.failures,
                **arguments,
            )
        if self._sleep(pause.seconds, deadline):
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


def _trigger_of(pause: Pause) -> tuple[type[PollingTrigger], dict[str, Any]]:
    """Choose the trigger for a wait, with its arguments; one without ids waits for the time alone."""
    if pause.export_ids:
        return ExportTrigger, {"export_ids": list(pause.export_ids)}
    ids = {"async_action_ids": list(pause.async_action_ids), "min_ended": pause.min_ended}
    return AsyncActionTrigger, ids
