"""What the operators share: the connection, and the wait."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, ObjectStoragePath, conf

from airflow_provider_voucherify.api.errors import ConfigurationError, WaitTimeoutError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

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
    :param poll_interval: Seconds between two looks at most.
    :param timeout: Seconds, or a timedelta, from the start of the try to its end in a
        :class:`~airflow_provider_voucherify.api.errors.WaitTimeoutError`. What runs at Voucherify goes on.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30.0,
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.poll_interval = float(poll_interval)
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
        for name in ("poll_interval", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 seconds, got {getattr(self, name)}.")

    def _defers(self, seconds: float) -> bool:
        """Tell whether to wait in the triggerer."""
        return self.deferrable and seconds >= DEFER_FROM

    def _sleep(self, seconds: float, deadline: float, waiting_for: str) -> None:
        """Sleep in the worker, but not over the deadline."""
        left = deadline - time.time()
        if seconds >= left:
            time.sleep(max(0.0, left))
            raise self._timed_out(waiting_for)
        time.sleep(seconds)

    def _deadline(self) -> float:
        """Tell when a try that begins now has to end."""
        return time.time() + self._time_limit[0]

    def _timed_out(self, waiting_for: str) -> WaitTimeoutError:
        seconds, name = self._time_limit
        return WaitTimeoutError(f"Stopped after {seconds:.0f} s ({name}), waiting for {waiting_for}.")

    @property
    def _time_limit(self) -> tuple[float, str]:
        """The seconds of a try, and the parameter that says so. Airflow 3 forgets execution_timeout in a deferral."""
        limits = [(self.timeout, "timeout")]
        if self.execution_timeout:
            limits.append((self.execution_timeout.total_seconds(), "execution_timeout"))
        return min(limits)

    def on_kill(self) -> None:
        """Say what a kill does not end: Voucherify can cancel neither an import nor an export."""
        self.log.warning("Killed. What was handed to Voucherify goes on there.")
