"""The saved state of a synchronisation: one small JSON document, from which another process can resume."""

from __future__ import annotations

import logging
from typing import ClassVar

import msgspec

from airflow_provider_voucherify.order_load.checkpoint import LoadCheckpoint, LoadState
from airflow_provider_voucherify.reporting.counts import LoadCounts
from airflow_provider_voucherify.reporting.summary import LoadedOrder, SyncSummary

MAX_ORDER_IDS = 100

log = logging.getLogger(__name__)


class Checkpoint(LoadCheckpoint, kw_only=True):
    """
    What a resume needs. The cursor is at the first record that has no outcome yet.

    :param settled_beyond: Which of the records after it have one already, as offsets from it.
    """

    settled_beyond: list[int] = []


class Counters(LoadCounts, kw_only=True):
    """
    The counts of a synchronisation, over all tries together.

    :param refused: Of the rejected, those that Voucherify refused.
    """

    refused: int = 0


class SyncState(LoadState, kw_only=True):
    """
    The document that is saved.

    The pending orders change the checkpoint, and the outcomes the counters.

    :param order_ids: Voucherify's ids of the first 100 orders, as far as they are loaded, each after its number.
    :param first_order: The first order, if it was sent and is loaded.
    """

    job: ClassVar[str] = "synchronisation"
    unreadable: ClassVar[str] = (
        "The state of the synchronisation cannot be read ({error}). It may be of another version of this provider: "
        "finish with that version, or start over with restart=True, which sends all orders."
    )

    finished: SyncSummary | None = None
    checkpoint: Checkpoint = msgspec.field(default_factory=Checkpoint)
    counters: Counters = msgspec.field(default_factory=Counters)
    order_ids: list[tuple[int, str]] = []
    first_order: LoadedOrder | None = None

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
