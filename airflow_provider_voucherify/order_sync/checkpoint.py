"""The saved state of a synchronisation: one small JSON document, from which another process can resume."""

from __future__ import annotations

import logging
from typing import ClassVar, Self

import msgspec

from airflow_provider_voucherify.core.job_state import RunState
from airflow_provider_voucherify.order_source.duplicates import FoundDuplicates
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.source import Cursor
from airflow_provider_voucherify.reporting.observations import Observations
from airflow_provider_voucherify.reporting.summary import SyncSummary

MAX_ORDER_IDS = 100

log = logging.getLogger(__name__)


class Checkpoint(msgspec.Struct, kw_only=True):
    """
    What a resume needs.

    :param cursor: The first record that has no outcome yet.
    :param settled_beyond: Which of the records after it have one already, as offsets from it.
    :param next_number: The number of the next file of outcomes.
    :param duplicates: What the duplicate check found, if that is small enough to be kept here.
    :param findings: What was found out about the orders read up to now, each record counted once.
    """

    cursor: Cursor = Cursor()
    settled_beyond: list[int] = []
    next_number: int = 1
    duplicates: FoundDuplicates | None = None
    findings: Findings = msgspec.field(default_factory=Findings)

    def has_outcome(self, number: int) -> bool:
        """
        Return whether the outcomes in a file are in the counters.

        :param number: The number of the file.
        """
        return number < self.next_number


class Counters(msgspec.Struct, kw_only=True):
    """
    The counts of a synchronisation, over all tries together.

    :param loaded: Orders that Voucherify created or updated.
    :param rejected: Orders that were certainly not loaded.
    :param unknown: Orders of which it is unknown.
    :param superseded: Of the rejected, those that were left out in favour of another order with their ``source_id``.
    :param refused: Of the rejected, those that Voucherify refused.
    :param api_calls: Calls made.
    """

    loaded: int = 0
    rejected: int = 0
    unknown: int = 0
    superseded: int = 0
    refused: int = 0
    api_calls: int = 0

    @property
    def settled(self) -> int:
        """The number of orders that have an outcome."""
        return self.loaded + self.rejected + self.unknown


class SyncState(RunState, kw_only=True):
    """
    The document that is saved.

    :param checkpoint: What a resume needs; changed by the window.
    :param counters: Counts; changed by the outcomes.
    :param observations: What the report shows.
    :param order_ids: Voucherify's ids of the first 100 orders, as far as they are loaded, each after its number.
    """

    job: ClassVar[str] = "synchronisation"
    unreadable: ClassVar[str] = (
        "The state of the synchronisation cannot be read ({error}). It may be of another version of this provider: "
        "finish with that version, or start over with restart=True, which sends all orders."
    )

    finished: SyncSummary | None = None
    checkpoint: Checkpoint = msgspec.field(default_factory=Checkpoint)
    counters: Counters = msgspec.field(default_factory=Counters)
    observations: Observations = msgspec.field(default_factory=Observations)
    order_ids: list[tuple[int, str]] = []

    def finish(self, summary: SyncSummary) -> Self:
        """
        Return what is kept of a synchronisation that is finished: enough to return the same result again.

        :param summary: The summary.
        """
        return type(self)(
            fingerprint=self.fingerprint,
            project=self.project,
            run=self.run,
            restarted_by=self.restarted_by,
            finished=summary,
        )

    def is_resumed_by(self, fingerprint: str, project: str, run: str | None, restart: bool) -> bool:
        """
        Return whether a try continues with this state, or starts a new one.

        A run that was cut off is not resumed by the next one if that has other orders: what had changed is read again
        as long as no run succeeds, and sending an order twice does no harm (``source_id``, documented).

        :param fingerprint: The source of the try.
        :param project: The project of its connection.
        :param run: The name of its run; None if it has none, as in a script.
        :param restart: Whether it starts over, whatever was saved by another run.
        """
        is_other_run = run is not None and self.run != run
        if self.finished is None and is_other_run and self.fingerprint != fingerprint:
            log.warning(
                "Run %s did not finish: %d of its orders have an outcome. This run has other orders and starts over.",
                self.run, self.counters.settled,
            )  # fmt: skip
            return False
        return super().is_resumed_by(fingerprint, project, run, restart)
