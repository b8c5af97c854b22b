"""Rate limits of the plans: calls per minute, hour and billing cycle (documented)."""

from __future__ import annotations

import math
import threading
import time
from typing import Literal

from msgspec import Struct

from airflow_provider_voucherify.emulator.errors import ResponseError
from airflow_provider_voucherify.emulator.options import EmulatorOptions, Plan

LimitType = Literal["api_calls", "bulk_api_calls", "api_calls_cycle", "webhook_calls"]

_MINUTE, _HOUR, _CYCLE = 60.0, 3600.0, 30 * 24 * 3600.0
# Documented. What the billing cycle of a sandbox allows is unknown, so it has none here.
_PLANS: dict[Plan, list[tuple[LimitType, int, float]]] = {
    "unlimited": [],
    "business": [("api_calls", 100, _MINUTE), ("api_calls_cycle", 100_000, _CYCLE)],
    "organization": [("api_calls", 2000, _MINUTE), ("api_calls_cycle", 300_000, _CYCLE)],
    "sandbox": [("api_calls", 100, _HOUR)],
}


class RatePeriod(Struct):
    """A count of calls within a period that starts with its first call (how Voucherify cuts periods is unknown).

    :param type: What ``X-Rate-Limit-Type`` says of it.
    :param limit: Calls in a period.
    :param period: Real seconds.
    """

    type: LimitType
    limit: int
    period: float
    used: int = 0
    end: float = 0.0

    def at(self, now: float) -> RatePeriod:
        """Start a new period if the last is over.

        :param now: Unix seconds.
        :return: Itself.
        """
        if now >= self.end:
            self.used, self.end = 0, now + self.period
        return self

    def headers(self) -> dict[str, str]:
        """Return the rate headers of a response; ``X-Rate-Limit-Retry`` in whole Unix seconds, rounded up."""
        return rate_headers(self.limit, self.limit - self.used, self.end)


class RateLimits:
    """Calls of the project against its plan. A refused call does not count.

    :param options: ``plan``, ``speed`` (periods are divided by it, header times are real) and ``bulk_limit``.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start a new period for every limit."""
        with self._lock:
            speed, bulk_limit = self._options.speed, self._options.bulk_limit
            self._api = [RatePeriod(kind, limit, period / speed) for kind, limit, period in _PLANS[self._options.plan]]
            self._bulk = [RatePeriod("bulk_api_calls", bulk_limit, _HOUR / speed)] if bulk_limit else []

    def take(self, *, bulk: bool) -> dict[str, str]:
        """Count a call.

        :param bulk: Whether it is an import; with a ``bulk_limit`` it counts as a bulk call and against no other limit.
        :raises ResponseError: 429 with the headers of the limit that is reached.
        :return: The rate headers of its response; none on the unlimited plan.
        """
        with self._lock:
            now = time.time()
            windows = [window.at(now) for window in (self._bulk if bulk and self._bulk else self._api)]
            for window in windows:
                if window.used >= window.limit:
                    raise limit_reached(window.type, window.limit, window.end)
            for window in windows:
                window.used += 1
            return windows[0].headers() if windows else {}


def rate_headers(limit: int, remaining: int, retry_at: float) -> dict[str, str]:
    """Return the rate headers of a response.

    :param limit: Calls in a period.
    :param remaining: Calls left in it.
    :param retry_at: Unix seconds when it ends.
    """
    return {
        "X-Rate-Limit-Limit": str(limit),
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Retry": str(math.ceil(retry_at)),
    }


def limit_reached(kind: LimitType, limit: int, retry_at: float) -> ResponseError:
    """Return the 429 of a limit (headers documented; key and message unknown).

    :param kind: Which limit.
    :param limit: Calls in a period.
    :param retry_at: Unix seconds when the next call can be made.
    :return: The error to raise.
    """
    headers = rate_headers(limit, 0, retry_at)
    headers["Retry-After"] = str(max(math.ceil(retry_at - time.time()), 1))
    headers["X-Rate-Limit-Type"] = kind
    details = f"Limit of {limit} {kind} has been reached"
    return ResponseError(429, "too_many_requests", "Too many requests", details, headers=headers)
