"""What the operators share: the connection, and the wait."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, BaseOperator, ObjectStoragePath, conf

from airflow_provider_voucherify.api.errors import ConfigurationError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.parameters import check_switches, seconds_of
from airflow_provider_voucherify.time_limit import TimeLimit, longest_wait
from airflow_provider_voucherify.triggers.polling import PollingTrigger, Wake, Woken

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Seconds. A task that is woken within one loop of the scheduler is taken for one that ended without a word, which
# costs it a try (seen with Airflow 3.3.2); and a shorter wait ends before a task could be deferred and woken.
DEFER_FROM = 5.0


def storage_path(parameter: str, path: str) -> ObjectStoragePath:
    """
    Open the file system of a path.

    :param parameter: Which parameter it is, for the error.
    :param path: The path.
    :raises ConfigurationError: if no provider that is installed knows its scheme.
    """
    try:
        opened = ObjectStoragePath(path)
        opened.fs  # noqa: B018 - what is missing shows here
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{parameter} {path}: {error}. Its file system comes with a provider of Airflow, which has to be where the "
            "task runs: s3:// with apache-airflow-providers-amazon[s3fs], gs:// with apache-airflow-providers-google, "
            "abfs:// with apache-airflow-providers-microsoft-azure."
        ) from error
    return opened


class Pause(Protocol):
    """A wait that a job needs."""

    @property
    def reason(self) -> str:
        """What is waited for."""


P = TypeVar("P", bound=Pause)
P_co = TypeVar("P_co", bound=Pause, covariant=True)


class Job(Protocol[P_co]):
    """An import or export, as the engines run it."""

    def advance(self) -> P_co | None:
        """Do what can be done now, and tell how long to wait then."""


class VoucherifyOperator(BaseOperator):
    """
    What the operators share: the connection.

    :param voucherify_conn_id: The connection. (templated)
    """

    ui_color = "#dfe6f5"

    def __init__(self, *, voucherify_conn_id: str = VoucherifyHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.voucherify_conn_id = voucherify_conn_id

    @cached_property
    def hook(self) -> VoucherifyHook:
        """The hook of the connection."""
        return VoucherifyHook(self.voucherify_conn_id)


class WaitingOperator(VoucherifyOperator):
    """
    What the operators share that wait for Voucherify, in the worker or deferred.

    :param deferrable: Whether to wait in the triggerer, 5 seconds and more. By default as
        ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds, or a timedelta, between two looks at most.
    :param timeout: Seconds, or a timedelta, from the start of the try to its end in a
        :class:`~airflow_provider_voucherify.api.errors.WaitTimeoutError`. What runs at Voucherify goes on.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 30.0,
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_switches(deferrable=deferrable)
        self.deferrable = deferrable
        self.poll_interval = seconds_of("poll_interval", poll_interval)
        self.timeout = seconds_of("timeout", timeout)
        self._is_durable = False

    def _defers(self, seconds: float, deadline: float) -> bool:
        """Tell whether to wait in the triggerer: only what is long, and does not end soon at the deadline."""
        return self.deferrable and min(seconds, deadline - time.time()) >= DEFER_FROM

    def _pauses(self, job: Job[P]) -> Iterator[P]:
        """Drive a job to its end, and give the waits that it needs."""
        waiting_for = "Voucherify"
        try:
            while pause := job.advance():
                waiting_for = pause.reason
                yield pause
        except AirflowTaskTimeout:
            raise self._time_limit.error(waiting_for) from None

    def _sleep(self, seconds: float, deadline: float, waiting_for: str) -> None:
        """Sleep in the worker, but not over the deadline."""
        left = deadline - time.time()
        try:
            time.sleep(max(0.0, min(seconds, left)))
        except AirflowTaskTimeout:
            raise self._time_limit.error(waiting_for) from None
        if seconds >= left:
            raise self._time_limit.error(waiting_for)

    @property
    def _time_limit(self) -> TimeLimit:
        return TimeLimit.of(self.timeout, self.execution_timeout)

    def _hand_over(
        self,
        trigger: type[PollingTrigger],
        context: Context,
        *,
        deadline: float,
        waiting_for: str,
        handover: dict[str, Any],
        **arguments: Any,
    ) -> None:
        """Let a trigger wait, and give it what the task needs to go on afterwards."""
        self.defer(
            trigger=trigger(
                voucherify_conn_id=self.voucherify_conn_id,
                poll_interval=self.poll_interval,
                deadline=deadline,
                handover=handover
                | {"deadline": deadline, "waiting_for": waiting_for, "try_number": context["ti"].try_number},
                **arguments,
            ),
            method_name="execute_complete",
            timeout=longest_wait(deadline),
        )

    def _check_time(self, woken: Woken) -> None:
        """End a task whose time was over before there was anything to do."""
        if woken.wake is Wake.TIMEOUT:
            waiting_for = f"an answer. {woken.trouble}" if woken.trouble else woken.handover["waiting_for"]
            raise self._time_limit.error(waiting_for)

    @abstractmethod
    def _handed_over(self) -> list[str]:
        """Name what was handed to Voucherify and is not over, as far as this process knows."""

    def on_kill(self) -> None:
        """Say what a kill does not end. The state is safe: it was written before and after each request."""
        if handed_over := self._handed_over():
            self.log.warning(
                "Killed. This goes on at Voucherify, which cannot cancel it: %s. A retry %s.",
                ", ".join(handed_over),
                "takes it up" if self._is_durable else "begins anew, as no state is kept",
            )
        else:
            self.log.warning("Killed. Nothing of this task goes on at Voucherify.")
