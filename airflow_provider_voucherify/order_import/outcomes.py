"""Find and record the outcome of every order: loaded, rejected, unknown, or to be sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.models import ActionStatus, AsyncAction
from airflow_provider_voucherify.order_import.checkpoint import ImportState, Submission, Unverified
from airflow_provider_voucherify.order_import.chunk import Cause, Chunk
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.record_range import RecordRange, to_bits
from airflow_provider_voucherify.order_import.scheduler import offset
from airflow_provider_voucherify.order_source.schema.check import shown
from airflow_provider_voucherify.reporting.chunk_log import ChunkLine, ChunkLog, Counts
from airflow_provider_voucherify.reporting.reject_files import Outcome, OutcomeCode, Report

PASSING_REASONS = frozenset({"Internal error"})  # seen in the official example


@dataclass(kw_only=True)
class ChunkOutcome:
    """
    The outcome of every order of a chunk, by its index.

    :param loaded: How many were loaded.
    :param rejected: Which were certainly not loaded, and why.
    :param unknown: Of which it is unknown, and why.
    :param unwatched: How many were submitted without waiting for their outcome.
    :param failure: Why those of the unknown that are not at Voucherify were not loaded.
    :param unknown_loaded: How many of the unknown were loaded, as the result of the action says; None if it does not.
    :param action: The action that imported them; None if it is not known.
    """

    loaded: int = 0
    rejected: dict[int, Cause] = field(default_factory=dict)
    unknown: dict[int, Cause] = field(default_factory=dict)
    unwatched: int = 0
    failure: Cause | None = None
    unknown_loaded: int | None = None
    action: AsyncAction | None = None


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
    outcome = _attributed(action, chunk)
    outcome.action = action
    return outcome


def _attributed(action: AsyncAction, chunk: Chunk) -> ChunkOutcome:
    count = len(chunk.orders)
    message = str((action.result or {}).get("message") or "no message")
    if action.status == ActionStatus.FAILED and not action.done_count:
        reason = f"async action {action.id} is {action.status}: {message}"
        cause = Cause(reason, OutcomeCode.ACTION_FAILED, message in PASSING_REASONS)
        everything = dict.fromkeys(range(count), cause)
        if action.done_count == 0:
            return ChunkOutcome(rejected=everything)
        return ChunkOutcome(unknown=everything, failure=cause)

    reasons: dict[str, str] = {}
    failures: Counter[str] = Counter()
    for failure in action.failures:
        if failure.source_id is not None:
            reasons.setdefault(failure.source_id, failure.reason)
            failures[failure.source_id] += 1
    given = Counter(source_id for source_id in chunk.source_ids if source_id is not None)
    ambiguous_ids = {source_id for source_id, failed in failures.items() if failed < given[source_id]}
    rejected: dict[int, Cause] = {}
    ambiguous, unnamed = [], []
    for index, source_id in enumerate(chunk.source_ids):
        if source_id is None or source_id not in failures:
            unnamed.append(index)
        elif source_id in ambiguous_ids:
            ambiguous.append(index)
        else:
            rejected[index] = _failed([reasons[source_id]])

    anonymous = list(dict.fromkeys(failure.reason for failure in action.failures if failure.source_id is None))
    if action.done_count is None or action.done_count + action.failed_count != count:
        reason = (
            f"async action {action.id} is {action.status}, but its result does not account for its {count} orders: "
            f"{shown(action.result)}"
        )
        uncertain = dict.fromkeys(sorted([*ambiguous, *unnamed]), Cause(reason, OutcomeCode.AMBIGUOUS))
        return ChunkOutcome(rejected=rejected, unknown=uncertain, failure=_failed(anonymous or [reason]))
    failed_unnamed = action.failed_count - len(rejected) - sum(failures[source_id] for source_id in ambiguous_ids)
    if failed_unnamed == 0:
        reason = f"async action {action.id} names this source_id fewer times than there are orders with it"
        cause = Cause(reason, OutcomeCode.AMBIGUOUS)
        return ChunkOutcome(
            loaded=len(unnamed), rejected=rejected, unknown=dict.fromkeys(ambiguous, cause), failure=cause
        )
    failure_cause = _failed(anonymous or [message])
    if failed_unnamed == len(unnamed) and not ambiguous and action.done_count == 0:
        return ChunkOutcome(rejected=rejected | dict.fromkeys(unnamed, failure_cause))
    reason = (
        f"async action {action.id} counts {action.done_count} done and {action.failed_count} failed of {count} orders "
        f"and names {len(rejected)} of the failed: this one may be loaded or not ({'; '.join(anonymous) or message})"
    )
    return ChunkOutcome(
        rejected=rejected,
        unknown=dict.fromkeys(sorted([*ambiguous, *unnamed]), Cause(reason, OutcomeCode.AMBIGUOUS)),
        failure=failure_cause,
        unknown_loaded=None if ambiguous else action.done_count,
    )


def _failed(reasons: Sequence[str]) -> Cause:
    """Make the cause of orders that failed for one of some reasons, which pass only if all of them do."""
    return Cause("; ".join(reasons), OutcomeCode.FAILED, PASSING_REASONS.issuperset(reasons))


class Outcomes:
    """
    Records the outcome of chunks in the state and in the report.

    :param state: Has the counters, and the queues of what is sent again and of what is read back.
    :param report: Where orders that were not loaded are written.
    :param chunk_log: Where chunks are written.
    :param config: The options: ``max_resends``, ``on_unknown`` and ``wait_for_completion``.
    :param facts: What was measured of the project.
    :param check: Checks that this process still owns the state, before it writes to the report.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        state: ImportState,
        report: Report,
        chunk_log: ChunkLog,
        config: ImportConfig,
        facts: Facts,
        check: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._report = report
        self._chunk_log = chunk_log
        self._max_attempts = 1 + config.max_resends
        self._resends_unknown = config.resends_unknown(facts)
        self._verifies = config.verifies
        self._check = check
        self._clock = clock

    def record_submission(self, submission: Submission, chunk: Chunk, outcome: ChunkOutcome) -> None:
        """
        Record the outcome of a chunk in flight.

        :param submission: The chunk.
        :param chunk: Its orders.
        :param outcome: Their outcome.
        """
        self._check()
        record_range = submission.record_range
        amounts = chunk.amounts()
        if record_range.attempt == 1:
            self._state.counters.amount_given += sum(amounts)
        if not outcome.unwatched:
            self._add_loaded(range(len(chunk.orders)), amounts, outcome)
        resent = self._queue_resends(record_range, chunk, outcome)
        if record_range.doubtful:
            prefix = "sent before with unknown outcome, and now: "
            outcome.unknown |= {
                index: Cause(f"{prefix}{cause.reason}", OutcomeCode.AMBIGUOUS, cause.retryable)
                for index, cause in outcome.rejected.items()
            }
            outcome.rejected = {}
        self._log_chunk(submission, chunk, outcome, resent)
        if self._verifies and outcome.unknown:
            self._postpone(submission, chunk, outcome)
        self._record(
            submission.number, chunk, outcome, async_action_id=submission.action_id, attempt=record_range.attempt
        )
        self._state.checkpoint.in_flight.remove(submission)

    def record_verified(
        self, submission: Submission, chunk: Chunk, indexes: Iterable[int], outcome: ChunkOutcome
    ) -> None:
        """
        Record the outcome of orders of a chunk that were read back.

        :param submission: The chunk.
        :param chunk: Its orders.
        :param indexes: Those that were unknown.
        :param outcome: Their outcome.
        """
        self._check()
        self._add_loaded(indexes, chunk.amounts(), outcome)
        resent = self._queue_resends(submission.record_range, chunk, outcome)
        rejected = [chunk.outcome(*entry) for entry in outcome.rejected.items()]
        unknown = [chunk.outcome(*entry) for entry in outcome.unknown.items()]
        self._write(
            submission.number,
            rejected,
            unknown,
            async_action_id=submission.action_id,
            attempt=submission.record_range.attempt,
            part=self._state.checkpoint.take_number(),
        )
        if submission.action_id is not None:
            counts = Counts(loaded=outcome.loaded, rejected=len(rejected), resent=resent)
            self._chunk_log.write_verified(submission.number, counts)
        self._count(outcome.loaded, rejected, unknown)

    def record_unsent(self, number: int, chunk: Chunk) -> None:
        """
        Record the outcome of a chunk of which no record is sent.

        :param number: The number of the chunk.
        :param chunk: Its records, all of them invalid or superseded.
        """
        self._check()
        self._record(number, chunk, ChunkOutcome())

    def _record(self, number: int, chunk: Chunk, outcome: ChunkOutcome, **submitted: Any) -> None:
        superseded = chunk.superseded
        rejected = [*chunk.rejected, *(chunk.outcome(*entry) for entry in outcome.rejected.items())]
        unknown = [chunk.outcome(*entry) for entry in outcome.unknown.items()]
        self._write(number, rejected, unknown, **submitted)
        self._report.write("superseded", number, superseded)
        self._state.counters.superseded += len(superseded)
        self._state.counters.rejected += len(superseded)
        self._state.counters.unknown += outcome.unwatched
        self._count(outcome.loaded, rejected, unknown)

    def _write(self, number: int, rejected: list[Outcome], unknown: list[Outcome], **submitted: Any) -> None:
        self._report.write("rejected", number, rejected, **submitted)
        self._report.write("unknown", number, unknown, **submitted)

    def _count(self, loaded: int, rejected: list[Outcome], unknown: list[Outcome]) -> None:
        counters, observations = self._state.counters, self._state.observations
        counters.loaded += loaded
        counters.rejected += len(rejected)
        counters.unknown += len(unknown)
        observations.add_failures([*rejected, *unknown])
        observations.mark(self._clock(), counters.settled)

    def _add_loaded(self, indexes: Iterable[int], amounts: Sequence[int], outcome: ChunkOutcome) -> None:
        loaded = (index for index in indexes if index not in outcome.rejected and index not in outcome.unknown)
        self._state.counters.amount_loaded += sum(amounts[index] for index in loaded)

    def _postpone(self, submission: Submission, chunk: Chunk, outcome: ChunkOutcome) -> None:
        """Move from an outcome to the queue what is read back at the end: all that can be found there."""
        found_by_id = {index: cause for index, cause in outcome.unknown.items() if chunk.source_ids[index] is not None}
        outcome.unknown = {
            index: Cause(f"{cause.reason}; it has no source_id to be read back by", cause.code)
            for index, cause in outcome.unknown.items()
            if index not in found_by_id
        }
        if not found_by_id:
            return
        cause, action = next(iter(found_by_id.values())), outcome.action
        self._state.checkpoint.unverified.append(
            Unverified(
                submission=submission,
                only=None if len(found_by_id) == len(chunk.orders) else to_bits(list(found_by_id)),
                unknown=cause,
                failure=outcome.failure or cause,
                loaded=None if outcome.unknown else outcome.unknown_loaded,
                began_at=action.created_at.timestamp() if action and action.created_at else None,
            )
        )

    def _log_chunk(self, submission: Submission, chunk: Chunk, outcome: ChunkOutcome, resent: int) -> None:
        """Write the line of a chunk in the audit log, if an action imported it."""
        if submission.action_id is None:
            return
        action = outcome.action
        self._chunk_log.write(
            ChunkLine(
                chunk=submission.number,
                async_action_id=submission.action_id,
                request_id=action.request_id if action else submission.request_id,
                positions=chunk.positions(),
                orders=len(chunk.orders),
                bytes=chunk.size,
                body_hash=submission.body_hash,
                attempt=submission.record_range.attempt,
                sent=datetime.fromtimestamp(submission.sent_at, UTC),
                finished=action.updated_at if action else None,
                processing_time=action.processing_time if action else None,
                loaded=outcome.loaded,
                rejected=len(outcome.rejected),
                unknown=len(outcome.unknown) + outcome.unwatched,
                resent=resent,
            )
        )

    def _queue_resends(self, record_range: RecordRange, chunk: Chunk, outcome: ChunkOutcome) -> int:
        """Move from an outcome to the queue what is sent again at the end, and return how many orders that are."""
        if record_range.attempt >= self._max_attempts:
            return 0
        passing = [index for index, cause in outcome.rejected.items() if cause.retryable]
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
        return len(passing) + len(doubtful)
