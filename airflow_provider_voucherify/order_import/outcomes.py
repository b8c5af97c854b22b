"""Find and record the outcome of every order: loaded, rejected, unknown, or to be sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_voucherify.api.models import ActionStatus, AsyncAction
from airflow_provider_voucherify.order_import.checkpoint import ImportState, RecordRange, Submission
from airflow_provider_voucherify.order_import.chunk import Chunk
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.scheduler import offset
from airflow_provider_voucherify.order_source.schema.check import shown
from airflow_provider_voucherify.reporting.reject_files import Report

PASSING_REASONS = frozenset({"Internal error"})  # seen in the official example


@dataclass(kw_only=True)
class ChunkOutcome:
    """
    The outcome of every order of a chunk, by its index.

    :param loaded: How many were loaded.
    :param rejected: Which were certainly not loaded, and why.
    :param unknown: Of which it is unknown, and why.
    :param unwatched: How many were submitted without waiting for their outcome.
    """

    loaded: int = 0
    rejected: dict[int, str] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)
    unwatched: int = 0


def chunk_outcome(action: AsyncAction, chunk: Chunk) -> ChunkOutcome:
    """
    Attribute the result of an async action to the orders of its chunk.

    A failure is attributed to an order by its ``source_id``. The official example has a failure without one: then the
    orders that were not named are unknown, unless the counts say that all of them failed. The same holds where one
    ``source_id`` stands for several orders and only some of them failed, and where the counts do not add up to the
    chunk. See "Async actions" in ``docs/voucherify-api.md``.

    :param action: The action, ended, with its result.
    :param chunk: What it imported.
    """
    count = len(chunk.orders)
    message = str((action.result or {}).get("message") or "no message")
    if action.status == ActionStatus.FAILED and not action.done_count:
        everything = dict.fromkeys(range(count), f"async action {action.id} is {action.status}: {message}")
        return ChunkOutcome(rejected=everything) if action.done_count == 0 else ChunkOutcome(unknown=everything)

    reasons: dict[str, str] = {}
    failures: Counter[str] = Counter()
    for failure in action.failures:
        if failure.source_id is not None:
            reasons.setdefault(failure.source_id, failure.reason)
            failures[failure.source_id] += 1
    given = Counter(source_id for source_id in chunk.source_ids if source_id is not None)
    ambiguous_ids = {source_id for source_id, failed in failures.items() if failed < given[source_id]}
    rejected: dict[int, str] = {}
    ambiguous, unnamed = [], []
    for index, source_id in enumerate(chunk.source_ids):
        if source_id is None or source_id not in failures:
            unnamed.append(index)
        elif source_id in ambiguous_ids:
            ambiguous.append(index)
        else:
            rejected[index] = reasons[source_id]

    if action.done_count is None or action.done_count + action.failed_count != count:
        reason = (
            f"async action {action.id} is {action.status}, but its result does not account for its {count} orders: "
            f"{shown(action.result)}"
        )
        uncertain = sorted([*ambiguous, *unnamed])
        return ChunkOutcome(rejected=rejected, unknown=dict.fromkeys(uncertain, reason))
    failed_unnamed = action.failed_count - len(rejected) - sum(failures[source_id] for source_id in ambiguous_ids)
    if failed_unnamed == 0:
        reason = f"async action {action.id} names this source_id fewer times than there are orders with it"
        return ChunkOutcome(loaded=len(unnamed), rejected=rejected, unknown=dict.fromkeys(ambiguous, reason))
    anonymous = next((failure.reason for failure in action.failures if failure.source_id is None), message)
    if failed_unnamed == len(unnamed) and not ambiguous and action.done_count == 0:
        return ChunkOutcome(rejected=rejected | dict.fromkeys(unnamed, anonymous))
    reason = (
        f"async action {action.id} counts {action.done_count} done and {action.failed_count} failed of {count} orders "
        f"and names {len(rejected)} of the failed: this one may be loaded or not ({anonymous})"
    )
    return ChunkOutcome(rejected=rejected, unknown=dict.fromkeys(sorted([*ambiguous, *unnamed]), reason))


class Outcomes:
    """
    Records the outcome of chunks in the state and in the report.

    :param state: Has the counters, and the queue of what is sent again.
    :param report: Where orders that were not loaded are written.
    :param config: The options: ``max_resends`` and ``on_unknown``.
    :param check: Checks that this process still owns the state, before it writes to the report.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        state: ImportState,
        report: Report,
        config: ImportConfig,
        check: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._report = report
        self._max_attempts = 1 + config.max_resends
        self._resends_unknown = config.on_unknown == "resend"
        self._check = check
        self._clock = clock

    def record_submission(self, submission: Submission, chunk: Chunk, outcome: ChunkOutcome) -> None:
        """
        Record the outcome of a chunk in flight.

        :param submission: The chunk.
        :param chunk: Its orders.
        :param outcome: Their outcome.
        """
        record_range = submission.record_range
        if record_range.attempt < self._max_attempts:
            self._queue_resends(record_range, chunk, outcome)
        if record_range.doubtful:
            prefix = "sent before with unknown outcome, and now: "
            outcome.unknown |= {index: f"{prefix}{reason}" for index, reason in outcome.rejected.items()}
            outcome.rejected = {}
        self.record(submission.number, chunk, outcome, submission.action_id, record_range.attempt)
        self._state.checkpoint.in_flight.remove(submission)

    def record(
        self,
        number: int,
        chunk: Chunk,
        outcome: ChunkOutcome,
        async_action_id: str | None = None,
        attempt: int = 0,
    ) -> None:
        """
        Record the outcome of a chunk.

        :param number: The number of the chunk.
        :param chunk: Its orders, and the records that were never sent.
        :param outcome: The outcome of its orders.
        :param async_action_id: The async action that imported it, if it was sent.
        :param attempt: How often its orders were sent, this time included; 0 if they were not sent.
        """
        counters, observations = self._state.counters, self._state.observations
        superseded = chunk.superseded
        rejected = [*chunk.rejected, *(chunk.outcome(*entry) for entry in outcome.rejected.items())]
        unknown = [chunk.outcome(*entry) for entry in outcome.unknown.items()]
        if rejected or unknown or superseded:
            self._check()
        self._report.write("rejected", number, rejected, async_action_id=async_action_id, attempt=attempt)
        self._report.write("unknown", number, unknown, async_action_id=async_action_id, attempt=attempt)
        self._report.write("superseded", number, superseded)
        counters.loaded += outcome.loaded
        counters.rejected += len(rejected) + len(superseded)
        counters.superseded += len(superseded)
        counters.unknown += len(unknown) + outcome.unwatched
        observations.add_failures([*rejected, *unknown])
        observations.mark(self._clock(), counters.settled)

    def _queue_resends(self, record_range: RecordRange, chunk: Chunk, outcome: ChunkOutcome) -> None:
        """Move from an outcome to the queue what is sent again at the end."""
        passing = [index for index, reason in outcome.rejected.items() if reason in PASSING_REASONS]
        doubtful = [index for index in outcome.unknown if chunk.source_ids[index] is not None]
        if not self._resends_unknown:
            doubtful = []
        for indexes, is_doubtful in ((passing, False), (doubtful, True)):
            if indexes:
                for index in indexes:
                    outcome.rejected.pop(index, None)
                    outcome.unknown.pop(index, None)
                places = sorted(offset(record_range, chunk.orders[index]) for index in indexes)
                self._state.checkpoint.resend_queue.append(record_range.for_resend(places, is_doubtful))
