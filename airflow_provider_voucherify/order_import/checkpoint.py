"""How far an import has come: one small JSON document, from which another process can go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import msgspec

from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import SourceChangedError, VoucherifyError
from airflow_provider_voucherify.order_import.chunk import MAX_BODY_BYTES, MAX_ORDERS
from airflow_provider_voucherify.order_source.duplicates import FoundDuplicates
from airflow_provider_voucherify.order_source.source import Cursor
from airflow_provider_voucherify.reporting.observations import Observations

KEPT_IDS = 100
KEPT_REASONS = 10
KEPT_KINDS = 20
KEPT_POINTS = 60
OTHER_REASONS = "other reasons"


class RecordRange(msgspec.Struct):
    """
    Records that go together: a chunk on its way, or what is left of one that was refused or has to be sent again.

    :param start: The place before the first of them.
    :param span: How many records of the source there are from there on.
    :param only: Which of them are meant, a bit for each; all of them where there is none.
    :param attempt: How often their orders are being sent.
    :param doubtful: Whether an earlier attempt may have loaded them: then a failure does not say that they are not in.
    """

    start: Cursor
    span: int
    only: bytes | None = None
    attempt: int = 1
    doubtful: bool = False

    def offsets(self) -> list[int]:
        """List which of the records are meant, counted from the start."""
        if self.only is None:
            return list(range(self.span))
        bits = int.from_bytes(self.only, "little")
        return [offset for offset in range(self.span) if bits >> offset & 1]

    def part(self, offsets: Iterable[int]) -> RecordRange:
        """Take some of the records, counted from the start."""
        bits = sum(1 << offset for offset in offsets)
        only = bits.to_bytes((self.span + 7) // 8, "little")
        return msgspec.structs.replace(self, only=only)

    def again(self, offsets: Iterable[int], doubtful: bool) -> RecordRange:
        """Take some of the records to be sent once more."""
        part = self.part(offsets)
        return msgspec.structs.replace(part, attempt=self.attempt + 1, doubtful=self.doubtful or doubtful)


class Submission(msgspec.Struct):
    """
    A chunk on its way: written down before it is posted, its action as soon as it is known.

    :param number: The number of the chunk; its outcome files bear it.
    :param record_range: The records that it covers.
    :param orders: Orders in its body.
    :param body_hash: Hash of the body, to know it again.
    :param sent_at: Seconds since the epoch, on Voucherify's clock.
    :param action_id: The async action that imports it; None while nobody knows whether it was taken.
    :param looks: How often the action was looked for after the answer was lost.
    """

    number: int
    record_range: RecordRange
    orders: int
    body_hash: str
    sent_at: float
    action_id: str | None = None
    looks: int = 0


class ImportState(msgspec.Struct, kw_only=True):
    """
    The state_store of an import.

    :param fingerprint: Which source this is about.
    :param restarted_by: The run that began it anew, if one did.
    :param cursor: The first record that no chunk covers yet.
    :param read: Whether there is none.
    :param queue: What is to be sent before the cursor goes on.
    :param later: What is to be sent again when the source is at its end, because it failed for a passing reason.
    :param in_flight: What was sent and is not settled.
    :param max_orders: Orders a chunk, for the rest of the run.
    :param max_body_bytes: Bytes a body, for the rest of the run.
    :param superseded: Of the rejected, those that gave way to another order with their ``source_id``, as wanted.
    :param with_customer: Orders sent with a customer, who will move through segments.
    :param with_override: Orders sent with a product that overrides the catalogue.
    :param duplicates: What the check for repeated ``source_id``s found, if that is little enough to be kept here.
    :param chunks: Requests that Voucherify took.
    :param bisections: Requests made to find the bad orders of a refused one.
    :param api_calls: Calls made, by all tries together.
    :param last_split: Orders of the chunk that was cut in half last, and how many halves were taken since.
    :param action_seconds: Average processing time of an action, as far as seen.
    :param action_ids: The first 100 actions.
    :param recent_ids: The last 100 actions, which are known when a lost one is looked for.
    :param reasons: The first losses, for the message.
    :param reason_counts: How many orders were lost for which reason: the first 20 reasons, and all others.
    :param timeline: How many orders had an outcome when (seconds since the epoch): some 60 points of the whole.
    """

    fingerprint: str
    restarted_by: str | None = None
    cursor: Cursor = Cursor()
    read: bool = False
    queue: list[RecordRange] = []
    later: list[RecordRange] = []
    in_flight: list[Submission] = []
    max_orders: int = MAX_ORDERS
    max_body_bytes: int = MAX_BODY_BYTES
    next_number: int = 1
    loaded: int = 0
    rejected: int = 0
    unknown: int = 0
    superseded: int = 0
    with_customer: int = 0
    with_override: int = 0
    duplicates: FoundDuplicates | None = None
    chunks: int = 0
    bisections: int = 0
    last_split: tuple[int, int] | None = None
    api_calls: int = 0
    action_seconds: float | None = None
    action_ids: list[str] = []
    recent_ids: list[str] = []
    reasons: list[str] = []
    reason_counts: dict[str, int] = {}
    timeline: list[tuple[float, int]] = []

    @property
    def settled(self) -> int:
        """How many orders have an outcome."""
        return self.loaded + self.rejected + self.unknown

    def take_number(self) -> int:
        """Number a chunk."""
        number = self.next_number
        self.next_number += 1
        return number

    def count_reason(self, reason: str) -> None:
        """Count a loss."""
        known = reason in self.reason_counts or len(self.reason_counts) < KEPT_KINDS
        reason = reason if known else OTHER_REASONS
        self.reason_counts[reason] = self.reason_counts.get(reason, 0) + 1

    def mark(self, now: float) -> None:
        """Note how far it is, now; of a long import ever fewer points are kept."""
        if len(self.timeline) >= KEPT_POINTS:
            self.timeline = self.timeline[::2]
        points = self.timeline
        span = points[-1][0] - points[0][0] if points else 0.0
        if len(points) > 1 and now - points[-2][0] < span / KEPT_POINTS:
            points[-1] = (now, self.settled)
        else:
            points.append((now, self.settled))

    def remember(self, action_id: str) -> None:
        """Keep the id of an action, as far as there is room for it."""
        if len(self.action_ids) < KEPT_IDS:
            self.action_ids.append(action_id)
        self.recent_ids = [*self.recent_ids, action_id][-KEPT_IDS:]

    def observations(self) -> Observations:
        """Collect what the report shows beside the counts."""
        return Observations(failures=self.reasons, reasons=self.reason_counts, timeline=self.timeline)

    def to_json(self) -> dict[str, Any]:
        """Give the document."""
        # not to_builtins: it leaves tuples, which Airflow's task store does not take
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """
        Read the document.

        :raises VoucherifyError: if it is none of ours.
        """
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise VoucherifyError(
                f"The state of the import cannot be read ({error}); it may be of another version of this provider. "
                "Finish the import with that version, or start afresh."
            ) from error


def open_state(
    state_store: StateStore, fingerprint: str, *, restart: str | None, max_orders: int, max_body_bytes: int
) -> tuple[ImportState, bool]:
    """
    Go on with the import that the state store knows, or begin one.

    :param state_store: Where the state is kept.
    :param fingerprint: The source of the orders.
    :param restart: Begin anew, whatever the state store knows, and note this name of the run for it: under the same
        name the next try goes on. None to go on with any run.
    :param max_orders: Orders a chunk; less where Voucherify took less before.
    :param max_body_bytes: Bytes a body, alike.
    :return: The state, and whether it is that of an import that was begun before.
    :raises SourceChangedError: if that import was of another source.
    """
    document = state_store.load()
    state = None if document is None else ImportState.from_json(document)
    if state is None or (restart and (state.restarted_by != restart or state.fingerprint != fingerprint)):
        fresh = ImportState(
            fingerprint=fingerprint, max_orders=max_orders, max_body_bytes=max_body_bytes, restarted_by=restart
        )
        return fresh, False
    if state.fingerprint != fingerprint:
        raise SourceChangedError(
            f"This import was begun with {state.fingerprint!r} and cannot go on with {fingerprint!r}: which orders of "
            f"it are in is not known any more. {state.settled} orders have an outcome, {len(state.in_flight)} chunks "
            "are in flight. Give it the same orders again, or begin anew with restart=True, which sends all of them."
        )
    state.max_orders = min(state.max_orders, max_orders)
    state.max_body_bytes = min(state.max_body_bytes, max_body_bytes)
    return state, True
