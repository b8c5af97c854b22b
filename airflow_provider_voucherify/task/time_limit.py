"""How long a task may wait, and how it ends when that time is over."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import NamedTuple, Self

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

GRACE = timedelta(minutes=1)


def longest_wait(deadline: float) -> timedelta:
    """
    Tell when the scheduler ends the wait of a deferred task: if there is no triggerer, nobody else does.

    :param deadline: When a trigger ends it, in seconds since the epoch.
    """
    return timedelta(seconds=max(0.0, deadline - time.time())) + GRACE


class TimeLimit(NamedTuple):
    """
    The shorter of ``timeout`` and ``execution_timeout``, which Airflow 3 forgets while a task is deferred.

    :param seconds: From the start of the try.
    :param name: The parameter that says so.
    """

    seconds: float
    name: str

    @classmethod
    def of(cls, timeout: float, execution_timeout: timedelta | None) -> Self:
        """
        Choose the shorter one.

        :param timeout: Seconds.
        :param execution_timeout: Airflow's, if there is one.
        """
        limits = [cls(timeout, "timeout")]
        if execution_timeout:
            limits.append(cls(execution_timeout.total_seconds(), "execution_timeout"))
        return min(limits)

    def deadline(self) -> float:
        """Tell when a try that begins now has to end, in seconds since the epoch."""
        return time.time() + self.seconds

    def error(self, waiting_for: str, kind: type[Exception]) -> BaseException:
        """
        Make the error of a try that is over, not raised yet.

        :param waiting_for: What it waited for.
        :param kind: Its class, unless it is Airflow's time that is over: then the class is Airflow's.
        """
        message = f"Stopped after {self.seconds:.0f} s ({self.name}), waiting for {waiting_for}."
        return AirflowTaskTimeout(message) if self.name == "execution_timeout" else kind(message)
