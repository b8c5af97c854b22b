"""Keep the rate limit, which the live shop uses as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

DEFAULT_RESERVE = 0.2
FIRST_PROBE = 60.0
LAST_PROBE = 1800.0
# A billing cycle is the longest period of a limit (documented); a time further away is not one.
LONGEST_WAIT = 366 * 86_400.0
CLOCK_TOLERANCE = 2.0


class Quota:
    """
    The calls that are left, from the rate headers of the responses.

    Voucherify blocks everybody, the live checkout included, when the limit is exceeded (documented). So calls stop
    while there is still a reserve, which is left to the others. Whether the period of the limit is a minute or an hour
    is unknown: if the headers do not say when the next call can be made, a call is tried after one minute, then after
    two, four and so on, up to half an hour.

    :param reserve: Calls of each period that are left to others: a share of the limit when below 1, else a number.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, reserve: float = DEFAULT_RESERVE, clock: Callable[[], float] = time.time) -> None:
        if not reserve >= 0:
            raise ValueError(f"quota_reserve must not be negative, got {reserve}")
        self.reserve = reserve
        self.limit: int | None = None
        self.remaining: int | None = None
        self.retry_at: float | None = None
        self._clock = clock
        self._probe = FIRST_PROBE
        self._lock = threading.Lock()

    def observe(self, headers: Mapping[str, str], refused: bool = False) -> None:
        """
        Learn from the headers of a response.

        :param headers: The headers, by case-insensitive name.
        :param refused: Whether the response is a 429.
        """
        limit = _count(headers.get("X-Rate-Limit-Limit"))
        remaining = _count(headers.get("X-Rate-Limit-Remaining"))
        if limit is None and remaining is None and not refused:
            return
        with self._lock:
            self.limit = limit if limit is not None else self.limit
            self.remaining = remaining
            if not refused and not self._reserve_reached():
                self.retry_at = None
                self._probe = FIRST_PROBE
                return
            self.retry_at = self._next_call(headers)

    def seconds_to_wait(self) -> float:
        """Return how many seconds the next call has to wait; 0.0 if it may be made now."""
        retry_at = self.retry_at
        return 0.0 if retry_at is None else max(0.0, retry_at - self._clock())

    @property
    def reserved_calls(self) -> float:
        """The reserve in calls; 0.0 as long as it is a share of an unknown limit."""
        return self.reserve if self.reserve >= 1 else self.reserve * (self.limit or 0)

    def _reserve_reached(self) -> bool:
        return self.remaining is not None and self.remaining <= self.reserved_calls

    def _next_call(self, headers: Mapping[str, str]) -> float:
        now = self._clock()
        if (wait := _retry_after(headers, now)) is not None:
            return now + wait
        retry = _count(headers.get("X-Rate-Limit-Retry"))
        if retry is not None and 0 < (seconds := retry - server_time(headers, now)) <= LONGEST_WAIT:
            return now + seconds
        probe, self._probe = self._probe, min(self._probe * 2, LAST_PROBE)
        return now + probe


def _count(text: str | None) -> int | None:
    """Parse a header that should be a whole number from 0; any other says nothing."""
    try:
        number = int(float(text)) if text is not None else -1
    except (ValueError, OverflowError):
        return None
    return number if number >= 0 else None


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Parse ``Retry-After``, seconds or a date; None if it is missing, in the past or further away than any period."""
    text = headers.get("Retry-After", "")
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = parsedate_to_datetime(text).timestamp() - server_time(headers, now)
        except (ValueError, OverflowError):
            return None
    return wait if 0 <= wait <= LONGEST_WAIT else None


def server_time(headers: Mapping[str, str], now: float) -> float:
    """
    Return the time on the server's clock, which may differ from ours.

    :param headers: The headers of a response that was just received.
    :param now: Our time, in seconds since the epoch.
    :return: The server's time; ours if the difference is below what ``Date`` can show.
    """
    try:
        server = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return now
    return server if abs(server - now) > CLOCK_TOLERANCE else now
