"""What a job observes while it runs, for its report: the first failures, their reasons, and the progress over time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.reporting.reject_files import Outcome

MAX_FAILURES = 10
MAX_REASONS = 20
MAX_POINTS = 60
MAX_FAILURE = 500  # characters, as of a reason: Airflow's task state store takes 64 KiB
MAX_REASON = 200
OTHER_REASONS = "other reasons"


class Observations(msgspec.Struct, kw_only=True):
    """
    What a report shows beside the counts, bounded however long the job runs and whatever ids and reasons say.

    :param failures: The first orders that were rejected or are unknown, as text.
    :param reasons: How many orders failed for which reason: the first 20 reasons, cut to a line, and
        all others together.
    :param timeline: How many orders had an outcome at which time (seconds since the epoch), at some 60 points.
    """

    failures: list[str] = []
    reasons: dict[str, int] = {}
    timeline: list[tuple[float, int]] = []

    def add_failures(self, outcomes: Sequence[Outcome]) -> None:
        """
        Count orders that were rejected or are unknown.

        :param outcomes: The orders.
        """
        for outcome in outcomes:
            reason = one_line(outcome.reason, MAX_REASON)
            if reason not in self.reasons and len(self.reasons) >= MAX_REASONS:
                reason = OTHER_REASONS
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.failures += [one_line(outcome, MAX_FAILURE) for outcome in outcomes[: MAX_FAILURES - len(self.failures)]]

    def mark(self, now: float, settled: int) -> None:
        """
        Add a point to the timeline. The longer the job runs, the further apart are the points that are kept.

        :param now: The time in seconds since the epoch.
        :param settled: How many orders have an outcome.
        """
        if len(self.timeline) >= MAX_POINTS:
            self.timeline = self.timeline[::2]
        points = self.timeline
        span = points[-1][0] - points[0][0] if points else 0.0
        if len(points) > 1 and now - points[-2][0] < span / MAX_POINTS:
            points[-1] = (now, settled)
        else:
            points.append((now, settled))
