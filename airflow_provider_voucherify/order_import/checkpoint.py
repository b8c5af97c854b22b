"""The saved state of an import: one small JSON document, from which another process can resume."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from airflow_provider_voucherify.order_export.checkpoint import export_ids_of
from airflow_provider_voucherify.order_import.chunk import Cause
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.record_range import RecordRange, from_bits
from airflow_provider_voucherify.order_load.checkpoint import LoadCheckpoint, LoadState
from airflow_provider_voucherify.reporting.counts import LoadCounts
from airflow_provider_voucherify.reporting.summary import ImportSummary

MAX_ACTION_IDS = 100
MAX_UNVERIFIED = 60  # chunks of some 500 bytes: Airflow's task state store takes 64 KiB


class Submission(msgspec.Struct):
    """
    A chunk on its way: saved before it is posted, with its action as soon as that is known.

    :param number: The number of the chunk, which names its outcome files.
    :param record_range: The records that it covers.
    :param orders: The number of orders in its body.
    :param body_hash: A hash of the body, to recognise it.
    :param sent_at: When it was posted, in seconds since the epoch on Voucherify's clock.
    :param action_id: The async action that imports it; None while it is unknown whether it was accepted.
    :param searches: How often the action was searched for after the response was lost.
    :param request_id: The id of the request, if an error response named it.
    """

    number: int
    record_range: RecordRange
    orders: int
    body_hash: str
    sent_at: float
    action_id: str | None = None
    searches: int = 0
    request_id: str | None = None


class Unverified(msgspec.Struct, kw_only=True):
    """
    Orders of a chunk that has ended, of which it is unknown whether they were loaded until they are read back.

    :param submission: The chunk.
    :param only: Which of its orders are meant, a bit for each; all of them if None.
    :param unknown: Why it is unknown.
    :param failure: Why those that are not at Voucherify were not loaded.
    :param loaded: How many of them were loaded, as the result of the action says; None if it does not say.
    :param began_at: When the action was created, in seconds since the epoch; None if it is not known.
    :param reads: How often they were read back.
    """

    submission: Submission
    only: bytes | None = None
    unknown: Cause
    failure: Cause
    loaded: int | None = None
    began_at: float | None = None
    reads: int = 0

    def indexes(self) -> list[int]:
        """List which orders of the chunk are meant."""
        return list(range(self.submission.orders)) if self.only is None else from_bits(self.only)


class Checkpoint(LoadCheckpoint, kw_only=True):
    """
    What a resume needs.

    The cursor is at the first record that no chunk covers yet.

    :param source_read: Whether the source was read to its end.
    :param queue: What to send before reading on.
    :param resend_queue: What to send again at the end of the source, because it failed for a passing reason.
    :param in_flight: What was sent and has no outcome yet.
    :param unverified: What has ended and has to be read back.
    :param max_orders: The largest number of orders in a chunk, for the rest of the run.
    :param max_body_bytes: The largest body in bytes, for the rest of the run.
    :param bisections: Requests made to find the bad orders of refused chunks.
    :param last_split: The orders of the chunk that was halved last, and how many of its halves were accepted since.
    :param recent_action_ids: The last 100 actions, none of which is a lost one.
    :param foreign_action_ids: The last 100 actions that are proved to be those of others.
    """

    source_read: bool = False
    queue: list[RecordRange] = []
    resend_queue: list[RecordRange] = []
    in_flight: list[Submission] = []
    unverified: list[Unverified] = []
    max_orders: int
    max_body_bytes: int
    bisections: int = 0
    last_split: tuple[int, int] | None = None
    recent_action_ids: list[str] = []
    foreign_action_ids: list[str] = []

    def has_outcome(self, number: int) -> bool:
        """
        Return whether the outcome of a chunk is in the counters, or another chunk took over its orders.

        :param number: The number of the chunk.
        """
        return super().has_outcome(number) and all(sent.number != number for sent in self.in_flight)

    def of_finished(self) -> Self:
        """Return what is kept of it when the import has finished."""
        return type(self)(
            max_orders=self.max_orders,
            max_body_bytes=self.max_body_bytes,
            recent_action_ids=self.recent_action_ids[-1:],
        )

    def remember_action(self, action_id: str) -> None:
        """
        Add an action to the recent ones.

        :param action_id: The id of the action.
        """
        self.recent_action_ids = [*self.recent_action_ids, action_id][-MAX_ACTION_IDS:]

    def remember_foreign(self, action_id: str) -> None:
        """
        Add an action that is proved to belong to others.

        :param action_id: The id of the action.
        """
        self.foreign_action_ids = [*self.foreign_action_ids, action_id][-MAX_ACTION_IDS:]


class Counters(LoadCounts, kw_only=True):
    """
    The counts of an import, over all tries together.

    :param with_customer: Orders sent with a customer, who moves through segments.
    :param with_override: Orders sent with a product that overwrites the catalogue.
    :param chunks: Requests that Voucherify accepted.
    :param amount_given: The sum of the amounts of the orders that were sent, in the smallest currency unit.
    :param amount_loaded: That of the orders that were loaded.
    """

    with_customer: int = 0
    with_override: int = 0
    chunks: int = 0
    amount_given: int = 0
    amount_loaded: int = 0


class ImportState(LoadState, kw_only=True):
    """
    The document that is saved.

    The scheduler and the sender change the checkpoint, the outcomes and the sender the counters.

    :param action_ids: The first 100 actions; all of them if the import does not wait.
    :param action_seconds: The average processing time of an action; None before the first.
    :param export: The state of the export that reads orders back; None while there is none.
    """

    job: ClassVar[str] = "import"
    unreadable: ClassVar[str] = (
        "The state of the import cannot be read ({error}). It may be of another version of this provider: finish the "
        "import with that version, or start over with restart=True, which sends all orders."
    )

    finished: ImportSummary | None = None
    checkpoint: Checkpoint
    counters: Counters = msgspec.field(default_factory=Counters)
    action_ids: list[str] = []
    action_seconds: float | None = None
    export: dict[str, Any] | None = None

    @property
    def standing(self) -> str:
        """How far the import has come, as a part of a sentence."""
        return f"{super().standing}, {len(self.checkpoint.in_flight)} chunks are in flight"

    @property
    def export_ids(self) -> list[str]:
        """The exports that read orders back now."""
        return export_ids_of(self.export)

    @classmethod
    def start(
        cls, fingerprint: str, project: str, config: ImportConfig, *, run: str | None = None, restarted: bool = False
    ) -> Self:
        """
        Make the state of an import that starts.

        :param fingerprint: The source.
        :param project: The project of the connection.
        :param config: The options.
        :param run: The run that starts it.
        :param restarted: Whether it starts over, whatever was saved before.
        """
        return cls(
            fingerprint=fingerprint,
            project=project,
            run=run,
            restarted_by=run if restarted else None,
            checkpoint=Checkpoint(max_orders=config.chunk_size, max_body_bytes=config.max_body_bytes),
        )

    def limit_chunks(self, config: ImportConfig) -> None:
        """
        Limit the size of chunks by the options of this try. They stay smaller where Voucherify accepted less before.

        :param config: The options.
        """
        checkpoint = self.checkpoint
        checkpoint.max_orders = min(checkpoint.max_orders, config.chunk_size)
        checkpoint.max_body_bytes = min(checkpoint.max_body_bytes, config.max_body_bytes)

    def finish(self, summary: ImportSummary) -> Self:
        """
        Return what is kept of an import that is finished: enough to return the same result again.

        :param summary: The summary.
        """
        kept = super().finish(summary)
        kept.action_ids = self.action_ids
        return kept
