"""Keep the rate limit, which the live shop and other processes use as well."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_voucherify.api.project_limit import FIRST_PROBE, ProjectLimit
from airflow_provider_voucherify.api.rate_headers import count_in, retry_after, server_time

DEFAULT_RESERVE = 0.2
LAST_PROBE = 1800.0
# A billing cycle is the longest period of a limit (documented); a time further away is not one.
LONGEST_WAIT = 366 * 86_400.0
# The periods of the documented limits, in seconds.
PERIODS = (60.0, 3600.0)
# How long the calls of others are remembered, in seconds: about two of the shortest periods; and how long they are
# taken to have made none before anything is known of them.
RATE_MEMORY = 120.0
RATE_PRIOR = 5.0
# The share of what is left above the reserve that the expected calls of others may take from us.
MAX_MARGIN = 0.5
QUOTA_JITTER = 0.1
MAX_JITTER = 5.0
# Seconds over which many processes spread their first calls at most: half of the shortest period.
MAX_SPREAD = 30.0
# The share of the calls beside the reserve that polling for many may use at most.
POLLING_SHARE = 0.1
# Two responses name the end of the same period within so many seconds.
SAME_RESET = 2
# How many times the calls of others our own have to be to count as most of them.
MOST = 3
# The share of a period after which all calls are made that are spread over it: its end is only known to the second.
SPREAD = 0.97
# The share of the contenders of one period that is expected in the next.
CONTENDERS_KEPT = 0.7
FIRST_CALL_WAIT = 0.1
FIRST_CALL_TIMEOUT = 10.0
# What the process that continues a task has to know.
SNAPSHOT = (
    "limit",
    "remaining",
    "retry_at",
    "resets_at",
    "period",
    "others_per_second",
    "others_observed",
    "contenders",
    "observed_at",
)


class Quota:
    """
    Decide when the next call may be made, by the rate headers of the responses.

    Voucherify blocks everybody, the live checkout included, when the limit is exceeded (documented). So calls stop
    while there is still a reserve, which is left to the others, and slow down while there is only a margin for what
    other processes are expected to use until the limit resets: that is learned from how fast the remaining calls
    decrease beside our own. Then each process takes its turn, as seldom as there seem to be others, so that the reserve
    holds with many of them that know nothing of each other. Where most calls of a period are our own, and the others
    need no more than the reserve, as a shop does, they use that: only our own calls count then.

    Whether the period of the limit is a minute or an hour is unknown: if the headers do not say when the next call can
    be made, a call is tried after one minute, then after two, four and so on, up to half an hour.

    As long as nothing is known, and after each reset, one call is made first and the others wait for its response. The
    first calls of many processes are spread over a part of the new period.

    :param reserve: Calls of each period that are left to others: a share of the limit when below 1, else a number.
    :param clock: Returns the time in seconds since the epoch.
    :param project: What is known of the limit; shared by all clients of a project.
    :param jitter: The longest random addition to a wait, as a share of it and at most 5 seconds or, with many
        processes, half a minute, so that they do not call all at once; 0.0 for none.
    """

    def __init__(
        self,
        reserve: float = DEFAULT_RESERVE,
        clock: Callable[[], float] = time.time,
        *,
        project: ProjectLimit | None = None,
        jitter: float = 0.0,
    ) -> None:
        if not reserve >= 0:
            raise ValueError(f"quota_reserve must not be negative, got {reserve}")
        self.reserve = reserve
        self._clock = clock
        self._project = project or ProjectLimit()
        self._jitter = jitter

    @property
    def limit(self) -> int | None:
        """Calls of a period, if known."""
        return self._project.limit

    @property
    def remaining(self) -> int | None:
        """Calls that were left when the last response was sent, if known."""
        return self._project.remaining

    @property
    def retry_at(self) -> float | None:
        """When the next call can be made, in seconds since the epoch; None if it can be made now."""
        return self._project.retry_at

    @property
    def reserved_calls(self) -> float:
        """The reserve in calls; 0.0 as long as it is a share of an unknown limit."""
        return self.reserve if self.reserve >= 1 else self.reserve * (self.limit or 0)

    @property
    def calls_per_second(self) -> float | None:
        """The calls that the limit allows beside the reserve, on average; None if the limit is unknown."""
        if self.limit is None:
            return None
        return max(0.0, self.limit - self.reserved_calls) / (self._project.period or FIRST_PROBE)

    @property
    def call_interval(self) -> float:
        """
        The seconds from one call to the next that spread the calls left evenly over the rest of the period.

        It is 0.0 as long as nothing is known, and where :meth:`begin_call` decides alone.
        """
        project = self._project
        with project.lock:
            if project.remaining is None or project.resets_at is None:
                return 0.0
            until_reset = project.resets_at - self._clock()
            spare = project.remaining - project.in_flight - self.reserved_calls - self._margin(until_reset)
            spare = max(spare, self._own_share(project.remaining, until_reset, project.in_flight))
            seconds = until_reset - (1 - SPREAD) * project.period
            return max(0.0, seconds / spare) if spare > 0 else 0.0

    def begin_call(self) -> float:
        """
        Begin a call if it may be made now. :meth:`end_call` must follow.

        :return: 0.0 if the call may be made; else how many seconds to wait before the next attempt to begin it.
        """
        project, now = self._project, self._clock()
        with project.lock:
            if wait := self._wait(now):
                return wait
            if not project.is_known:
                if project.in_flight and now - project.first_call_at < FIRST_CALL_TIMEOUT:
                    return FIRST_CALL_WAIT
                project.first_call_at = now
            project.in_flight += 1
            project.begun.period = project.period_number
            project.own_calls += 1
            return 0.0

    def end_call(self) -> None:
        """End a call, after its response was observed or when there is none."""
        with self._project.lock:
            self._project.in_flight = max(0, self._project.in_flight - 1)

    def seconds_to_wait(self) -> float:
        """Return how many seconds the next call has to wait; 0.0 if it may be made now."""
        with self._project.lock:
            return self._wait(self._clock())

    def seconds_to_poll(self) -> float:
        """Return how many seconds the next poll for many has to wait, so that all of them use a tenth at most."""
        return max(0.0, self._project.next_poll_at - self._clock())

    def account_poll(self, calls: int) -> None:
        """
        Delay the next poll for many, of whatever they wait for, by the calls that one took.

        :param calls: How many calls were made.
        """
        if rate := self.calls_per_second:
            with self._project.lock:
                next_poll_at = max(self._project.next_poll_at, self._clock())
                self._project.next_poll_at = next_poll_at + calls / (POLLING_SHARE * rate)

    def observe(self, headers: Mapping[str, str], refused: bool = False) -> None:
        """
        Learn from the headers of a response.

        :param headers: The headers, by case-insensitive name.
        :param refused: Whether the response is a 429.
        """
        limit = count_in(headers, "X-Rate-Limit-Limit")
        remaining = count_in(headers, "X-Rate-Limit-Remaining")
        project, now = self._project, self._clock()
        with project.lock:
            project.is_known = True
            if limit is None and remaining is None and not refused:
                return
            if not refused and getattr(project.begun, "period", project.period_number) < project.period_number:
                return  # a slow response, which knows nothing of this period
            project.limit = limit if limit is not None else project.limit
            reset = count_in(headers, "X-Rate-Limit-Retry")
            left = 0.0 if reset is None else reset - server_time(headers, now)
            project.resets_at = now + left if 0 < left <= LONGEST_WAIT else None
            if remaining is not None and project.remaining is not None and _is_same(reset, project.reset):
                remaining = min(remaining, project.remaining)  # a later response overtook this one
            project.reset = reset
            project.period = max(project.period, left) if project.resets_at else project.period
            self._learn_of_others(remaining, now)
            project.remaining, project.observed_at = remaining, now
            project.own_calls = max(0, project.in_flight - 1)  # they may be counted only in the next response
            project.draw = random.random()  # noqa: S311 - not a secret
            may_call = remaining is None or remaining > self.reserved_calls
            if not refused and (may_call or self._own_share(remaining or 0, left, max(0, project.in_flight - 1)) > 0):
                project.retry_at, project.probe = None, FIRST_PROBE
                return
            wait = retry_after(headers, now, LONGEST_WAIT)
            if wait is None and project.resets_at is not None:
                wait = project.resets_at - now
            if wait is None:
                wait, project.probe = project.probe, min(project.probe * 2, LAST_PROBE)
            project.retry_at = now + wait + project.draw * self._spread(wait)

    def snapshot(self) -> dict[str, Any]:
        """Return what is known as JSON primitives, for the process that continues this task."""
        with self._project.lock:
            return {name: getattr(self._project, name) for name in SNAPSHOT}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """
        Use what another process knew, unless this one knows better.

        :param snapshot: What :meth:`snapshot` returned there.
        """
        project = self._project
        observed_at = snapshot.get("observed_at")
        with project.lock:
            if observed_at is None or (project.observed_at or 0.0) >= observed_at:
                return
            for name, value in snapshot.items():
                if name in ProjectLimit.__dataclass_fields__:
                    setattr(project, name, value)
            project.is_known = True

    def _learn_of_others(self, remaining: int | None, now: float) -> None:
        """Update what others do, from one response to the next in the same period, or from its start."""
        project = self._project
        still_in_flight = max(0, project.in_flight - 1)
        before = project.remaining
        if remaining is not None and before is not None and before - remaining < -still_in_flight:
            before, project.period_calls = None, 0  # the limit was reset in between
            project.period_number += 1
        project.period_calls += 1
        if remaining is None or project.limit is None:
            return
        ours, used = project.period_calls + still_in_flight, project.limit - remaining
        project.contenders = max(project.usual_contenders, used / ours)
        if before is not None and project.observed_at is not None:
            seconds = now - project.observed_at
            # below zero where responses overtake each other: over several of them that balances
            others = before - remaining - (project.own_calls - still_in_flight)
        elif project.resets_at is not None:
            left = project.resets_at - now
            seconds = next((period for period in PERIODS if period + SAME_RESET > left), left) - left
            others = max(0, used - ours)
        else:
            return
        if seconds > 0:
            project.others_observed = min(project.others_observed + seconds, RATE_MEMORY)
            weight = min(1.0, seconds / (project.others_observed + RATE_PRIOR))
            project.others_per_second += weight * (others / seconds - project.others_per_second)

    def _own_share(self, remaining: int, until_reset: float, in_flight: int) -> float:
        """
        Return how many calls are left to us of the limit less the reserve, if others use no more than the reserve.

        It is 0.0 unless most calls of the period are our own, as those of one process at most can be: beside others
        that do the same, each leaves the whole reserve.
        """
        project = self._project
        if project.limit is None or project.resets_at is None:
            return 0.0
        ours = project.period_calls + in_flight
        others = max(0, project.limit - remaining - ours)
        if others * MOST > ours or others + self._margin(until_reset) > self.reserved_calls:
            return 0.0
        return max(0.0, project.limit - self.reserved_calls - ours)

    def _margin(self, until_reset: float) -> float:
        """Return how many calls to leave to what others are expected to use until the limit resets."""
        project = self._project
        expected = max(0.0, project.others_per_second) * max(until_reset, 0.0)
        # after a reset each of the others makes a call that knows nothing of ours
        expected += project.usual_contenders - 1.0
        return min(expected, MAX_MARGIN * ((project.limit or 0) - self.reserved_calls))

    def _spread(self, wait: float) -> float:
        """Return over how many seconds after a reset all processes spread their first calls."""
        if not self._jitter:
            return 0.0
        rate = self.calls_per_second
        all_in_turn = (self._project.contenders - 1.0) / rate if rate else 0.0
        return max(min(wait * self._jitter, MAX_JITTER), min(all_in_turn, MAX_SPREAD))

    def _wait(self, now: float) -> float:
        project = self._project
        if project.retry_at is not None:
            if now < project.retry_at:
                return project.retry_at - now
            self._reset()
        elif project.resets_at is not None and now >= project.resets_at:
            self._reset()
        if project.remaining is None or project.observed_at is None:
            return 0.0
        spare = project.remaining - project.in_flight - self.reserved_calls
        resets_at = project.resets_at or project.observed_at + FIRST_PROBE
        if self._own_share(project.remaining, resets_at - now, project.in_flight) > 0:
            return 0.0
        if spare <= 0:  # the responses of calls in flight may show that there is more
            return FIRST_CALL_WAIT if project.in_flight else max(FIRST_CALL_WAIT, resets_at - now)
        margin = self._margin(resets_at - project.observed_at)
        if spare > margin or margin <= 0:
            return 0.0
        if project.in_flight:
            return FIRST_CALL_WAIT
        # each in its turn, so that all together use what is left until the reset
        interval = (resets_at - project.observed_at) / spare * project.contenders
        draw = 0.5 + project.draw if self._jitter else 1.0
        turn = min(project.observed_at + interval * draw, resets_at + project.draw * self._spread(resets_at - now))
        return max(0.0, turn - now)

    def _reset(self) -> None:
        """Know nothing of the new period but what others usually do in it."""
        project = self._project
        project.retry_at = project.resets_at = None
        project.remaining = project.observed_at = None
        project.own_calls = project.period_calls = 0
        project.period_number += 1
        project.usual_contenders = max(1.0, project.contenders * CONTENDERS_KEPT)
        project.is_known = False


def _is_same(reset: int | None, other: int | None) -> bool:
    """Return whether two times at which a limit resets are the end of the same period."""
    return reset is not None and other is not None and abs(reset - other) < SAME_RESET
