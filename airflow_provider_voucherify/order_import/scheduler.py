"""What is sent next: from the source, and again what was put back or failed for a passing reason."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.order_import.checkpoint import ImportState, RecordRange, Submission
from airflow_provider_voucherify.order_import.chunk import NO_RULES, Chunk, chunks
from airflow_provider_voucherify.order_source.schema.side_effects import Rules
from airflow_provider_voucherify.order_source.source import Record, Source

MAX_LATER = 100

log = logging.getLogger(__name__)


class Scheduler:
    """
    Gives chunks, and knows in the state which ones are still to be given.

    :param source: The orders.
    :param state: Where to go on; moved on as chunks are taken, but not saved.
    :param rules: What to do with orders beyond what the API says.
    """

    def __init__(self, source: Source, state: ImportState, rules: Rules = NO_RULES) -> None:
        self._source = source
        self._state = state
        self._rules = rules
        self._reader: Iterator[Chunk] | None = None

    @property
    def more(self) -> bool:
        """Whether there may be something to send."""
        return bool(self._state.queue or self._state.later) or not self._state.read

    @property
    def share(self) -> float | None:
        """Which share of the source was read; None where nobody can tell."""
        cursor = self._state.cursor
        return self._source.share(cursor) if cursor.number else 0.0

    def take(self) -> tuple[RecordRange, Chunk] | None:
        """Take what is sent next: what was put back, then the source, then what failed for a passing reason."""
        state = self._state
        if state.read or len(state.later) > MAX_LATER:
            state.queue += state.later
            state.later = []
        if state.queue:
            record_range = state.queue.pop(0)
            chunk = next(self._read(record_range, state.max_orders, state.max_body_bytes))
            taken = offsets(record_range, chunk)
            if rest := sorted(set(record_range.offsets()) - set(taken)):
                state.queue.insert(0, record_range.part(rest))
                record_range = record_range.part(taken)
            return record_range, chunk
        if state.read:
            return None
        chunk_of_source = self._take_from_source()
        if chunk_of_source is None:
            state.read = True
            return self.take() if state.later else None
        state.cursor = chunk_of_source.end
        return RecordRange(chunk_of_source.start, chunk_of_source.records), chunk_of_source

    def chunk_of(self, submission: Submission) -> Chunk:
        """
        Read the orders of a chunk again, rather than hold them while it is on its way.

        :raises VoucherifyError: if they are not those that were sent.
        """
        chunk = next(self._read(submission.record_range, submission.record_range.span, 2**63))
        if chunk.body_hash() != submission.body_hash:
            raise VoucherifyError(
                f"{self._source.name} changed while it was imported: the orders of chunk {submission.number}, from "
                f"record {submission.record_range.start.number + 1} on, are not those that were sent."
            )
        return chunk

    def halve(self, record_range: RecordRange, chunk: Chunk) -> None:
        """
        Give a refused chunk again, next, in two halves.

        :param record_range: The records that it covers.
        :param chunk: Its orders.
        """
        places = offsets(record_range, chunk)
        second_half = offset(record_range, chunk.orders[len(chunk.orders) // 2])
        parts = [place for place in places if place < second_half], [place for place in places if place >= second_half]
        self._state.queue[:0] = [record_range.part(part) for part in parts]
        self._state.last_split = (len(chunk.orders), 0)

    def learn(self, orders: int) -> None:
        """
        A chunk was taken. Where both halves of a refused one are, that was not for a bad order: the limit was lowered.

        :param orders: Its orders.
        """
        state = self._state
        if state.last_split is not None:
            refused, taken = state.last_split
            state.last_split = (refused, taken + 1) if taken == 0 else None
            if taken and refused <= state.max_orders:
                self.shrink(max(orders, refused - orders), state.max_body_bytes, f"{refused} orders were refused.")

    def shrink(self, max_orders: int, max_body_bytes: int, why: str) -> None:
        """Give smaller chunks from now on."""
        state = self._state
        state.max_orders = max(1, min(state.max_orders, max_orders))
        state.max_body_bytes = max(2, min(state.max_body_bytes, max_body_bytes))
        self._reader = None
        log.warning("Chunks have at most %d orders from now on: %s", state.max_orders, why)

    def _take_from_source(self) -> Chunk | None:
        state = self._state
        if self._reader is None:
            records = self._source.read(state.cursor)
            self._reader = chunks(records, state.cursor, state.max_orders, state.max_body_bytes, self._rules)
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
    """Tell which record of a record_range this is."""
    return record.number - record_range.start.number


def offsets(record_range: RecordRange, chunk: Chunk) -> list[int]:
    """Tell which records of a record_range a chunk has taken, good and bad: the first ones."""
    return record_range.offsets()[: chunk.records]
