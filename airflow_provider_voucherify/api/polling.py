"""Looking again and again, through a few failures, at the pace that the quota allows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_voucherify.exceptions import QuotaError, ServerError, TransportError

MAX_FAILURES = 5
FIRST_WAIT = 1.0
SHORTEST_QUOTA_WAIT = 1.0

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pause:
    """
    A wait that the caller has to make: nothing can be done before.

    :param seconds: How long.
    :param reason: What is waited for, for people.
    :param ids: The async actions or exports that are waited for; empty when it is something else.
    :param enough: How many of these must have ended before there is something to do; exports wait for all.
    """

    seconds: float
    reason: str
    ids: tuple[str, ...] = ()
    enough: int = 0


class Poll:
    """
    One look after the other, less and less often: no single bad one is the end.

    :param interval: Seconds between two looks at most.
    :param first: Seconds of the first wait; the next ones are twice, four times, … as long.
    :param failures: Looks without an answer so far, in a row.
    """

    def __init__(self, interval: float, *, first: float = FIRST_WAIT, failures: int = 0) -> None:
        self.interval = interval
        self.wait = min(first, interval)
        self.failures = failures
        self.trouble = ""

    @property
    def last_chance(self) -> bool:
        """Whether the next look without an answer is one too many."""
        return self.failures >= MAX_FAILURES - 1

    def look(self, what: Callable[[], T], *, partial: bool = False) -> T | None:
        """
        Look once. Afterwards ``wait`` says how many seconds to wait before the next look, and ``trouble`` what was in
        the way of this one.

        :param what: Asks Voucherify.
        :param partial: Whether there is more to look at: then an answer does not yet end a row of failures.
        :return: What it returns; None when there was no answer.
        :raises VoucherifyError: if the answer is an error that waiting does not change, or there was no answer
            too many times in a row.
        """
        self.trouble = ""
        try:
            seen = what()
        except QuotaError as refused:
            self.trouble = str(refused)
            self.wait = max(self.interval, (refused.response.retry_at or 0.0) - time.time())
            log.info("Looking again in %.0f s, when the quota allows it. %s", self.wait, refused)
            return None
        except (TransportError, ServerError) as error:
            self.trouble = str(error)
            self.wait = self.interval
            self.failures += 1
            log.warning("Looked %d time(s) in a row without an answer. %s", self.failures, error)
            if self.failures >= MAX_FAILURES:
                raise
            return None
        self.wait = min(self.wait * 2, self.interval)
        if not partial:
            self.failures = 0
        return seen

    def pause(self, ids: Iterable[str] = ()) -> Pause:
        """
        Tell how long to wait after a look without an answer.

        :param ids: What was looked at.
        """
        return Pause(self.wait, f"an answer. {self.trouble}", tuple(ids))

    def pause_for_quota(self, refused: QuotaError, now: float) -> Pause:
        """
        Tell how long to wait when the quota did not allow a call.

        :param refused: What Voucherify, or the reserve, said to it.
        :param now: The time in seconds since the epoch.
        """
        seconds = (refused.response.retry_at or now + self.interval) - now
        return Pause(max(SHORTEST_QUOTA_WAIT, seconds), f"the quota. {refused}")
