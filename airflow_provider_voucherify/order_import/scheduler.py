"""Choose what to send next: from the source, and again what was put back or failed for a passing reason."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

from airflow_provider_voucherify.exceptions import SourceChangedError
from airflow_provider_voucherify.order_import.checkpoint import Checkpoint, Submission
from airflow_provider_voucherify.order_import.chunk import Chunk, chunks
from airflow_provider_voucherify.order_import.record_range import RecordRange, merged
from airflow_provider_voucherify.order_source.rules import NO_RULES, Rules
from airflow_provider_voucherify.order_source.source import Record, Source

MAX_RESEND_QUEUE = 100
UNLIMITED = 2**63

log = logging.getLogger(__name__)


class Scheduler:
    """
    Hands out chunks, and keeps in the checkpoint which ones are still to be handed out.

    :param source: The orders.
    :param checkpoint: Where to resume. It advances as chunks are taken, but is not saved here.
    :param rules: What to do with orders beyond what the API demands.
    """

    def __init__(self, source: Source, checkpoint: Checkpoint, rules: Rules = NO_RULES) -> None:
        self._source = source
        self._checkpoint = checkpoint
        self._rules = rules
        self._reader: Iterator[Chunk] | None = None

    @property
    def has_more(self) -> bool:
        """Whether there may be something to send."""
        checkpoint = self._checkpoint
        return bool(checkpoint.queue or checkpoint.resend_queue) or not checkpoint.source_read

    @property
    def share_read(self) -> float | None:
        """The share of the source that was read, 0 to 1; None if its length is unknown."""
        cursor = self._checkpoint.cursor
        return self._source.share(cursor) if cursor.number else 0.0

    def take(self) -> tuple[RecordRange, Chunk] | None:
        """
        Take what to send next: what was put back, then the source, then what failed for a passing reason.

        :return: The records and their orders; None if there is nothing left to send.
        """
        checkpoint = self._checkpoint
        if checkpoint.source_read or len(checkpoint.resend_queue) > MAX_RESEND_QUEUE:
            checkpoint.queue += merged(checkpoint.resend_queue)
            checkpoint.resend_queue = []
        if checkpoint.queue:
            record_range = checkpoint.queue.pop(0)
            chunk = next(self._read(record_range, checkpoint.max_orders, checkpoint.max_body_bytes))
            taken = offsets(record_range, chunk)
            if rest := sorted(set(record_range.offsets()) - set(taken)):
                checkpoint.queue.insert(0, record_range.subset(rest))
                record_range = record_range.subset(taken)
            return record_range, chunk
        if checkpoint.source_read:
            return None
        chunk_of_source = self._take_from_source()
        if chunk_of_source is None:
            checkpoint.source_read = True
            return self.take() if checkpoint.resend_queue else None
        checkpoint.cursor = chunk_of_source.end
        return RecordRange(chunk_of_source.start, chunk_of_source.records), chunk_of_source

    def chunk_of(self, submission: Submission) -> Chunk:
        """
        Read the orders of a chunk again, instead of holding them in memory while it is on its way.

        :param submission: The chunk.
        :raises SourceChangedError: if they are not those that were sent.
        """
        record_range = submission.record_range
        chunk = next(self._read(record_range, record_range.span, UNLIMITED))
        if chunk.body_hash() != submission.body_hash:
            raise SourceChangedError(
                f"{self._source.name} changed while it was imported: the orders of chunk {submission.number}, from "
                f"record {record_range.start.number + 1} on, are not those that were sent."
            )
        return chunk

    def put_back(self, record_range: RecordRange) -> None:
        """
        Hand out records again, next.

        :param record_range: The records.
        """
        self._checkpoint.queue.insert(0, record_range)

    def halve(self, record_range: RecordRange, chunk: Chunk) -> None:
        """
        Hand out a refused chunk again, next, in two halves.

        :param record_range: The records that it covers.
        :param chunk: Its orders.
        """
        taken = offsets(record_range, chunk)
        middle = offset(record_range, chunk.orders[len(chunk.orders) // 2])
        halves = [place for place in taken if place < middle], [place for place in taken if place >= middle]
        self._checkpoint.queue[:0] = [record_range.subset(half) for half in halves]
        self._checkpoint.last_split = (len(chunk.orders), 0)

    def end_split(self) -> None:
        """Stop watching the halves of the last refused chunk: its bad order is found."""
        self._checkpoint.last_split = None

    def learn_from_acceptance(self, orders: int) -> None:
        """
        Lower the limit of orders if both halves of a refused chunk are accepted: then no bad order was the cause.

        :param orders: The number of orders in the chunk that was accepted.
        """
        checkpoint = self._checkpoint
        if checkpoint.last_split is not None:
            refused, accepted = checkpoint.last_split
            checkpoint.last_split = (refused, accepted + 1) if accepted == 0 else None
            if accepted and refused <= checkpoint.max_orders:
                self.shrink(max(orders, refused - orders), checkpoint.max_body_bytes, f"{refused} orders were refused.")

    def shrink(self, max_orders: int, max_body_bytes: int, reason: str) -> None:
        """
        Make smaller chunks for the rest of the run.

        :param max_orders: The largest number of orders.
        :param max_body_bytes: The largest body in bytes.
        :param reason: Why, for the log.
        """
        checkpoint = self._checkpoint
        checkpoint.max_orders = max(1, min(checkpoint.max_orders, max_orders))
        checkpoint.max_body_bytes = max(2, min(checkpoint.max_body_bytes, max_body_bytes))
        self._reader = None
        log.warning("From now on a chunk has at most %d orders: %s", checkpoint.max_orders, reason)

    def _take_from_source(self) -> Chunk | None:
        checkpoint = self._checkpoint
        if self._reader is None:
            records = self._source.read(checkpoint.cursor)
            limits = checkpoint.max_orders, checkpoint.max_body_bytes
            checkpoint.findings.watch(self._source.options)
            self._reader = chunks(records, checkpoint.cursor, *limits, self._rules, checkpoint.findings)
        try:
            return next(self._reader, None)
        except Exception:
            self._reader = None  # a generator that raised would seem to be at its end
            raise

    def _read(self, record_range: RecordRange, max_orders: int, max_body_bytes: int) -> Iterator[Chunk]:
        wanted = record_range.offsets()
        records: Iterator[Record] = itertools.islice(self._source.read(record_range.start), record_range.span)
        if len(wanted) < record_range.span:
            chosen = set(wanted)
            records = (record for offset, record in enumerate(records) if offset in chosen)
        return chunks(records, record_range.start, max_orders, max_body_bytes, self._rules)


def offset(record_range: RecordRange, record: Record) -> int:
    """Return which record of a range a record is, counted from its start."""
    return record.number - record_range.start.number


def offsets(record_range: RecordRange, chunk: Chunk) -> list[int]:
    """Return which records of a range a chunk has, good and bad: the first ones."""
    return record_range.offsets()[: chunk.records]
