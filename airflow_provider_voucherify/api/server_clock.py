"""Keep the time of Voucherify's clock from its Date headers, independently of the local clock."""

from __future__ import annotations

import time
from collections.abc import Mapping

from airflow_provider_voucherify.api.rate_headers import server_time

# what the Date headers of several servers may differ by; more than that is a computer that slept
JITTER = 30.0


class ServerClock:
    """
    The time on Voucherify's clock: that of the first ``Date`` header, and the seconds that have passed since then.

    The seconds are those of the monotonic clock, so that adjusting the local clock changes nothing, and small
    differences between ``Date`` headers do not distort a measured duration. A large difference sets it again.
    """

    def __init__(self) -> None:
        self._started: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether there was a response to learn from."""
        return self._started is not None

    def at(self, moment: float) -> float:
        """
        Convert a time on our clock to the one on Voucherify's; return it unchanged before the first response.

        :param moment: The time in seconds since the epoch.
        """
        ahead = 0.0 if self._started is None else self._started + time.monotonic() - time.time()
        return moment + ahead

    def observe(self, headers: Mapping[str, str]) -> None:
        """
        Learn from a response.

        :param headers: Its headers, just received.
        """
        started = server_time(headers, time.time()) - time.monotonic()
        if self._started is None or abs(started - self._started) > JITTER:
            self._started = started
