"""The rate limit, which the live shop uses as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

DEFAULT_RESERVE = 0.2
FIRST_PROBE = 60.0
LAST_PROBE = 1800.0


class Quota:
    """
    What the rate headers of the answers say, and when the next call may be made.

    Voucherify blocks everybody, the live checkout included, when the limit is passed (documented). So calls
    stop while there is still a reserve, which is left to the others. Whether the period of the limit is a
    minute or an hour is not documented: where the headers do not name the time of the next call, a call is
    tried after one minute, then after two, four and so on, up to half an hour.

    :param reserve: Calls a period that are left to others: a share of the limit when below 1, a number of
        calls when 1 or above.
    :param clock: The time in seconds since the epoch.
    """

    def __init__(self, reserve: float = DEFAULT_RESERVE, clock: Callable[[], float] = time.time) -> None:
        if reserve < 0:
            raise ValueError(f"quota_reserve must not be negative, got {reserve}")
        self.reserve = reserve
        self.limit: int | None = None
        self.remaining: int | None = None
        self.retry_at: float | None = None
        self._clock = clock
        self._probe = FIRST_PROBE

    def observe(self, headers: Mapping[str, str], refused: bool = False) -> None:
        """
        Learn from the headers of an answer.

        :param headers: The headers, by case-insensitive name.
        :param refused: Whether the answer was a 429.
        """
        limit = _integer(headers.get("X-Rate-Limit-Limit"))
        remaining = _integer(headers.get("X-Rate-Limit-Remaining"))
        if limit is None and remaining is None and not refused:
            return
        self.limit = limit if limit is not None else self.limit
        self.remaining = remaining
        if not refused and not self._reserve_reached():
            self.retry_at = None
            self._probe = FIRST_PROBE
            return
        self.retry_at = self._next_call(headers)

    def seconds_to_wait(self) -> float:
        """Tell how many seconds the next call has to wait; 0.0 when it may be made now."""
        return 0.0 if self.retry_at is None else max(0.0, self.retry_at - self._clock())

    @property
    def reserved_calls(self) -> float:
        """The reserve in calls; 0.0 as long as a share of an unknown limit is meant."""
        return self.reserve if self.reserve >= 1 else self.reserve * (self.limit or 0)

    def _reserve_reached(self) -> bool:
        return self.remaining is not None and self.remaining <= self.reserved_calls

    def _next_call(self, headers: Mapping[str, str]) -> float:
        now = self._clock()
        if (after := _integer(headers.get("Retry-After"))) is not None:
            return now + after
        retry = _integer(headers.get("X-Rate-Limit-Retry"))
        if retry is not None and (wait := retry - server_time(headers, now)) > 0:
            return now + wait
        wait, self._probe = self._probe, min(self._probe * 2, LAST_PROBE)
        return now + wait


def _integer(text: str | None) -> int | None:
    """Read a header that should be a whole number; one that is not says nothing."""
    try:
        return int(float(text)) if text is not None else None
    except ValueError:
        return None


def server_time(headers: Mapping[str, str], now: float) -> float:
    """
    Tell what Voucherify's clock says, which need not be what ours says.

    :param headers: The headers of an answer just received.
    :param now: Our time, in seconds since the epoch.
    :return: The server's time; ours where the difference is below what ``Date`` can show.
    """
    try:
        server = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return now
    return server if abs(server - now) > 2 else now
