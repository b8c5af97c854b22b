"""Processes of one project that know nothing of each other, and a shop beside them, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from requests.structures import CaseInsensitiveDict

from airflow_provider_voucherify.api.quota import QUOTA_JITTER, Quota

from .clock import NOW, Clock

LIMIT, PERIOD = 100, 60.0
SHOP_CALLS = 15
STARTUP = 2.0
LATENCY = 0.2


@dataclass
class Simulation:
    """
    Slots that start one process after the other, each of which makes some calls as soon as its quota allows.

    :param slots: How many processes run at a time.
    :param calls: How many calls each of them makes.
    :param seed: Of what is random.
    """

    slots: int
    calls: int
    seed: int
    clock: Clock = field(default_factory=Clock)
    made: int = 0
    shop_refused: int = 0
    _used: int = 0
    _resets_at: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, minutes: float) -> Simulation:
        """Let time pass."""
        random.seed(self.seed)
        for _ in range(self.slots):
            self._after(random.uniform(0, STARTUP), self._start)
        self._after(random.uniform(0, PERIOD / SHOP_CALLS), self._shop)
        while self._events[0][0] < NOW + 60 * minutes:
            self.clock.now, _, happen = heapq.heappop(self._events)
            happen()
        return self

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.clock.now + seconds, next(self._numbers), happen))

    def _take(self) -> tuple[bool, CaseInsensitiveDict[str]]:
        """Count a call; return whether it is let through, and the headers of its response."""
        if self.clock.now >= self._resets_at:
            self._used, self._resets_at = 0, self.clock.now + PERIOD
        passes = self._used < LIMIT
        self._used += passes
        return passes, CaseInsensitiveDict(
            {
                "X-Rate-Limit-Limit": str(LIMIT),
                "X-Rate-Limit-Remaining": str(LIMIT - self._used),
                "X-Rate-Limit-Retry": str(math.ceil(self._resets_at)),
            }
        )

    def _shop(self) -> None:
        passes, _ = self._take()
        self.shop_refused += not passes
        self._after(60 / SHOP_CALLS, self._shop)

    def _start(self) -> None:
        quota = Quota(clock=self.clock, jitter=QUOTA_JITTER)
        left = self.calls

        def call() -> None:
            if wait := quota.begin_call():
                self._after(wait, call)
            else:
                self._after(LATENCY * random.random(), arrive)

        def arrive() -> None:
            passes, headers = self._take()
            self.made += passes
            self._after(LATENCY * random.random(), lambda: respond(passes, headers))

        def respond(passes: bool, headers: CaseInsensitiveDict[str]) -> None:
            nonlocal left
            quota.observe(headers, refused=not passes)
            quota.end_call()
            left -= passes
            if left:
                call()
            else:
                self._after(STARTUP * random.uniform(0.7, 1.3), self._start)

        call()
