"""How long to wait for imports."""

from __future__ import annotations

from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.order_import.checkpoint import ImportState

FIRST_POLL = 1.0
WEIGHT_OF_THE_LAST = 0.3


class Pace:
    """
    Learns how long imports take, and how long to wait for those in flight.

    :param state: Which these are, and what was learned.
    :param poll_interval: Seconds between two looks at most; the processing times seen make it less.
    """

    def __init__(self, state: ImportState, poll_interval: float) -> None:
        self._state = state
        self._poll_interval = poll_interval
        self._next_wait = min(FIRST_POLL, poll_interval)

    def learn(self, processing_time: float | None) -> None:
        """
        An import has ended.

        :param processing_time: Its milliseconds, if Voucherify tells them.
        """
        if processing_time:
            seconds, before = processing_time / 1000, self._state.action_seconds
            share = 1.0 if before is None else WEIGHT_OF_THE_LAST
            self._state.action_seconds = share * seconds + (1 - share) * (before or 0.0)
        self._next_wait = min(FIRST_POLL, self._poll_interval)

    def pause(self, *, more: bool) -> Pause:
        """
        Tell how long to wait for the imports in flight.

        :param more: Whether there is more to send: then half of them will do.
        """
        submissions = self._state.in_flight
        enough = max(1, len(submissions) // 2) if more else len(submissions)
        if self._state.action_seconds is None:
            seconds, self._next_wait = self._next_wait, self._next_wait * 2
        else:
            seconds = max(self._state.action_seconds * enough, FIRST_POLL)
        return Pause(
            seconds=min(seconds, self._poll_interval),
            reason=f"{len(submissions)} imports in flight",
            ids=tuple(submission.action_id for submission in submissions if submission.action_id),
            min_ended=enough,
        )
