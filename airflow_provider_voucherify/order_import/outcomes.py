"""The account of every order: what is settled, what is sent again, and what the report says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from airflow_provider_voucherify.order_import.checkpoint import KEPT_REASONS, ImportState, RecordRange, Submission
from airflow_provider_voucherify.order_import.chunk import Chunk
from airflow_provider_voucherify.order_import.scheduler import offset
from airflow_provider_voucherify.order_import.settlement import Settlement
from airflow_provider_voucherify.reporting.reject_files import Report

PASSING_REASONS = frozenset({"Internal error"})  # seen in the official example
OnUnknown = Literal["report", "resend"]


class Accounts:
    """
    Books what became of chunks.

    :param state: Where the counts are.
    :param report: Where the outcome of orders is written.
    :param max_resends: How often orders are sent again that failed for a passing reason ("Internal error").
    :param on_unknown: ``resend``: orders with a ``source_id`` are sent again instead of being unknown.
    :param clock: The time in seconds since the epoch.
    """

    def __init__(
        self, state: ImportState, report: Report, max_resends: int, on_unknown: OnUnknown, clock: Callable[[], float]
    ) -> None:
        self._state = state
        self._report = report
        self._max_attempts = 1 + max_resends
        self._on_unknown = on_unknown
        self._clock = clock

    def land(self, submission: Submission, chunk: Chunk, settlement: Settlement) -> None:
        """
        Book a chunk in flight.

        :param submission: Which one.
        :param chunk: Its orders.
        :param settlement: What became of them.
        """
        if submission.record_range.attempt < self._max_attempts:
            self._postpone(submission.record_range, chunk, settlement)
        if submission.record_range.doubtful:
            doubt = "sent before with unknown outcome, and now: "
            settlement.unknown |= {index: f"{doubt}{reason}" for index, reason in settlement.rejected.items()}
            settlement.rejected = {}
        self.settle(submission.number, chunk, settlement)
        self._state.in_flight.remove(submission)

    def settle(self, number: int, chunk: Chunk, settlement: Settlement) -> None:
        """
        Book a chunk.

        :param number: Of the chunk.
        :param chunk: Its orders, and those that were never sent.
        :param settlement: What became of them.
        """
        state = self._state
        superseded = chunk.superseded
        rejected = [*chunk.rejected, *(chunk.outcome(*entry) for entry in settlement.rejected.items())]
        unknown = [chunk.outcome(*entry) for entry in settlement.unknown.items()]
        self._report.write("rejected", number, rejected)
        self._report.write("unknown", number, unknown)
        self._report.write("superseded", number, superseded)
        state.loaded += settlement.loaded
        state.rejected += len(rejected) + len(superseded)
        state.superseded += len(superseded)
        state.unknown += len(unknown) + settlement.unwatched
        for outcome in (*rejected, *unknown):
            state.count_reason(outcome.reason)
        state.mark(self._clock())
        room = KEPT_REASONS - len(state.reasons)
        state.reasons += [str(outcome) for outcome in [*rejected, *unknown][:room]]

    def _postpone(self, record_range: RecordRange, chunk: Chunk, settlement: Settlement) -> None:
        """Take out of a settlement what is sent again in a last pass."""
        passing = [index for index, reason in settlement.rejected.items() if reason in PASSING_REASONS]
        doubtful = [index for index in settlement.unknown if chunk.source_ids[index] is not None]
        if self._on_unknown == "report":
            doubtful = []
        for indexes, doubt in ((passing, False), (doubtful, True)):
            if indexes:
                for index in indexes:
                    settlement.rejected.pop(index, None)
                    settlement.unknown.pop(index, None)
                places = sorted(offset(record_range, chunk.orders[index]) for index in indexes)
                self._state.later.append(record_range.again(places, doubt))
