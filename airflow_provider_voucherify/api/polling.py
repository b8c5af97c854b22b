"""Poll with backoff within the quota, tolerating a bounded number of consecutive failures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_voucherify.exceptions import QuotaError, ServerError, TransportError, UnavailableError

MAX_FAILURES = 5
FIRST_DELAY = 1.0
SHORTEST_QUOTA_WAIT = 1.0

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pause:
    """
    A wait before a job can continue.

    :param seconds: How long to wait.
    :param reason: What the job waits for, for logs and error messages.
    :param async_action_ids: The async actions that the job waits for.
    :param min_ended: How many of these async actions must have ended before the job can continue.
    :param export_ids: The exports that the job waits for, all of them.
    :param quota_error: The error of the call that the quota did not allow, if that is what the job waits for.
    """

    seconds: float
    reason: str
    async_action_ids: tuple[str, ...] = ()
    min_ended: int = 0
    export_ids: tuple[str, ...] = ()
    quota_error: QuotaError | None = None


class Poller:
    """
    Poll with increasing delays, and tolerate a few failures in a row.

    :param interval: The longest delay between two polls, in seconds.
    :param first_delay: The first delay in seconds. It doubles after each poll, up to ``interval``.
    :param failures: Consecutive polls that failed before, for example in a trigger.
    """

    def __init__(self, interval: float, *, first_delay: float = FIRST_DELAY, failures: int = 0) -> None:
        self.interval = interval
        self._delay = min(first_delay, interval)
        self._failures = failures
        self._last_error = ""
        self._quota_error: QuotaError | None = None

    @property
    def delay(self) -> float:
        """Seconds to wait before the next poll."""
        return self._delay

    @property
    def failures(self) -> int:
        """The number of consecutive polls that failed."""
        return self._failures

    @property
    def last_error(self) -> str:
        """The error of the last poll; empty if it succeeded."""
        return self._last_error

    @property
    def is_last_attempt(self) -> bool:
        """Whether one more failure exceeds the tolerated number."""
        return self._failures >= MAX_FAILURES - 1

    def poll(self, request: Callable[[], T], *, partial: bool = False) -> T | None:
        """
        Send one request, and set ``delay``, ``failures`` and ``last_error`` by its outcome.

        :param request: Makes the calls of this poll.
        :param partial: Whether other requests belong to the same poll: success of this one alone does not reset
            ``failures``. Call :meth:`reset_failures` when all of them succeeded.
        :return: What ``request`` returns; None if it failed in a way that may pass.
        :raises VoucherifyError: if the error is permanent, or if too many polls failed in a row.
        """
        self._last_error, self._quota_error = "", None
        try:
            result = request()
        except QuotaError as error:
            self._last_error, self._quota_error = str(error), error
            self._delay = max(self.interval, (error.response.retry_at or 0.0) - time.time())
            log.info("The quota delays the next poll by %.0f s. %s", self._delay, error)
            return None
        except (TransportError, ServerError, UnavailableError) as error:
            self._last_error = str(error)
            self._delay = self.interval
            self._failures += 1
            log.warning("Poll failed, %d of at most %d times in a row. %s", self._failures, MAX_FAILURES, error)
            if self._failures >= MAX_FAILURES:
                raise
            return None
        self._delay = min(self._delay * 2, self.interval)
        if not partial:
            self.reset_failures()
        return result

    def reset_failures(self) -> None:
        """End a row of failures."""
        self._failures = 0

    def pause(self, export_ids: Iterable[str] = ()) -> Pause:
        """
        Make the pause after a failed poll.

        :param export_ids: The exports that were polled.
        """
        return Pause(
            self._delay, f"a response. {self._last_error}", export_ids=tuple(export_ids), quota_error=self._quota_error
        )

    def pause_for_quota(self, error: QuotaError, now: float) -> Pause:
        """
        Make the pause until the quota allows the next call.

        :param error: The error of the call that was not allowed.
        :param now: The current time in seconds since the epoch.
        """
        seconds = (error.response.retry_at or now + self.interval) - now
        return Pause(max(SHORTEST_QUOTA_WAIT, seconds), f"the quota. {error}", quota_error=error)
