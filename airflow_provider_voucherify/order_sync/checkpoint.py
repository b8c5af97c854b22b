"""The saved state of a synchronisation: one small JSON document, from which another process can resume."""

from __future__ import annotations

import logging
from typing import ClassVar, Self

import msgspec

from airflow_provider_voucherify.core.job_state import RunState
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import SourceChangedError
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
        return type(self)(fingerprint=self.fingerprint, run=self.run, restarted_by=self.restarted_by, finished=summary)


def load_state(
    state_store: StateStore, fingerprint: str, *, run: str | None = None, restart: bool = False
) -> tuple[SyncState, bool]:
    """
    Load the state of the synchronisation to resume, or make that of a new one.

    A run that was cut off is not resumed by the next one if that has other orders: what had changed is read again as
    long as no run succeeds, and sending an order twice does no harm (``source_id``, documented).

    :param state_store: Where the state is saved.
    :param fingerprint: The source of the orders.
    :param run: The name of the run; None if it has none, as in a script.
    :param restart: Whether to start over, whatever was saved by another run; the next try of the same run resumes.
    :return: The state, and whether it is that of a synchronisation to resume.
    :raises SourceChangedError: if that one was of another source in the same run.
    :raises StateError: if the saved document is not the state of a synchronisation.
    """
    document = state_store.claim(restart=restart)
    state = None if document is None else SyncState.from_json(document)
    if state is None or not state.is_resumed_by(fingerprint, run, restart):
        return SyncState(fingerprint=fingerprint, run=run, restarted_by=run if restart else None), False
    if state.finished is None and state.fingerprint != fingerprint:
        if run is not None and state.run != run:
            log.warning(
                "Run %s did not finish: %d of its orders have an outcome. This run has other orders and starts over.",
                state.run, state.counters.settled,
            )  # fmt: skip
            return SyncState(fingerprint=fingerprint, run=run), False
        raise SourceChangedError(
            f"This synchronisation was started with {state.fingerprint!r} and cannot resume with {fingerprint!r}: it "
            f"is not known any more which of its orders are in. {state.counters.settled} orders have an outcome. Give "
            "it the same orders again, or start over with restart=True, which sends all of them."
        )
    state.run = run
    return state, True
