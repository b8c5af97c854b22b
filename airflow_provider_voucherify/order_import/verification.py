"""
Read back orders whose outcome is unknown, and prove of each whether it was loaded.

An export of what was written since the import began shows most of them. What it does not show was not loaded if the
counts of the async action say the same: as many orders are there as it counts done. Where the counts do not confirm
that, a second export, of all orders, also shows those that were there before the import.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.core.lost_requests import SEARCH_MARGIN
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import ExportFailedError, ExportFileError
from airflow_provider_voucherify.order_export import ExportConfig, ExportJob, ExportRequest
from airflow_provider_voucherify.order_export.checkpoint import ExportStateStore
from airflow_provider_voucherify.order_export.window import iso
from airflow_provider_voucherify.order_import.checkpoint import ImportState, Unverified
from airflow_provider_voucherify.order_import.chunk import Cause, Chunk
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.found_orders import FIELDS, FoundOrders
from airflow_provider_voucherify.order_import.outcomes import ChunkOutcome, Outcomes
from airflow_provider_voucherify.order_import.scheduler import Scheduler
from airflow_provider_voucherify.reporting.reject_files import OutcomeCode

MAX_FAILED_EXPORTS = 3
FIRST_POLL = 3.0

log = logging.getLogger(__name__)


class Presence(Enum):
    """What reading back says of an order."""

    LOADED = "loaded"
    ABSENT = "absent"
    OUTDATED = "outdated"  # there, with other values, and not written since the import began
    SAME_BEFORE = "same_before"  # there with the values given, and not written since
    UNCOMPARED_BEFORE = "uncompared_before"  # there with values that cannot be compared, and not written since
    CHANGED = "changed"  # there before, and written since with other values
    WRITTEN = "written"  # written since, with values that cannot be compared


WRITTEN_SINCE = {True: Presence.LOADED, False: Presence.CHANGED, None: Presence.WRITTEN}
WRITTEN_BEFORE = {True: Presence.SAME_BEFORE, False: Presence.OUTDATED, None: Presence.UNCOMPARED_BEFORE}
UNCLEAR = {
    Presence.SAME_BEFORE: "it was at Voucherify before this import with the same status and amount",
    Presence.UNCOMPARED_BEFORE: "it was at Voucherify before this import, without a status and an amount to compare",
    Presence.CHANGED: "it was at Voucherify before this import, and was changed since to another status or amount",
    Presence.WRITTEN: "it was written at Voucherify since this import began, without a status and an amount to compare",
}


class Verification:
    """
    Reads back the orders of chunks whose outcome is unknown.

    :param client: The API.
    :param state: Has the queue of what is read back, and the state of the export.
    :param scheduler: Reads the orders of a chunk again.
    :param outcomes: Records what is found.
    :param config: The options.
    :param state_store: Where the state is saved.
    :param save: Saves the state.
    :param clock: Returns the time in seconds since the epoch.
    :param failures: How many polls failed in a row before.
    """

    def __init__(
        self,
        client: Endpoints,
        state: ImportState,
        scheduler: Scheduler,
        outcomes: Outcomes,
        config: ImportConfig,
        state_store: StateStore,
        save: Callable[[], None],
        clock: Callable[[], float],
        failures: int,
    ) -> None:
        self._client = client
        self._state = state
        self._scheduler = scheduler
        self._outcomes = outcomes
        self._config = config
        self._state_store = ExportStateStore(state, state_store)
        self._save = save
        self._clock = clock
        self._failures = failures
        self._failed_exports = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._export: ExportJob | None = None

    @property
    def failures(self) -> int:
        """How many polls of the export failed in a row up to now; 0 while there is none."""
        return 0 if self._export is None else self._export.failures

    def advance(self) -> Pause | None:
        """
        Do all that can be done now.

        :return: What to wait for; None when every order that was read back has its outcome or is sent again.
        :raises VoucherifyError: as an export does.
        """
        while unverified := self._state.checkpoint.unverified:
            if not self._config.verifies:  # the options have changed since an earlier try
                self._give_up("on_unknown")
                break
            try:
                if pause := self._read(first=min(entry.reads for entry in unverified) == 0):
                    return pause
            except (ExportFailedError, ExportFileError) as error:
                self._close()
                self._state.export = None
                self._failed_exports += 1
                if self._failed_exports >= MAX_FAILED_EXPORTS:
                    self._give_up(str(error))
                    break
                log.warning("Orders could not be read back, and are exported again. %s", error)
                return Pause(self._config.poll_seconds, "another export of what is read back")
        return None

    def _read(self, *, first: bool) -> Pause | None:
        """Export, and find the outcome of what was read back least."""
        if self._export is None or self._folder is None:
            self._folder = tempfile.TemporaryDirectory()
            self._export = ExportJob(
                self._client,
                self._request(first=first),
                Path(self._folder.name) / "found.parquet",
                ExportConfig(poll_interval=self._config.poll_seconds),
                state_store=self._state_store,
                first_poll=FIRST_POLL,
                failures=self._failures,
                clock=self._clock,
            )
            log.info(
                "Reading back the orders of %d chunks whose outcome is unknown, by an export of %s.",
                len(self._state.checkpoint.unverified), "what was written since" if first else "all orders",
            )  # fmt: skip
        if pause := self._export.advance():
            return pause
        with FoundOrders(Path(self._folder.name) / "found.parquet") as found:
            # the oldest last: the window of the export, which begins with it, stays the same in a resume
            for entry in self._pending(first=first):
                self._verify(entry, found)
                if not self._pending(first=first):
                    self._state.export = None
                self._save()
        self._close()
        self._failures = 0
        return None

    def _close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = self._export = None

    def _pending(self, *, first: bool) -> list[Unverified]:
        """List what this export decides about, the newest first."""
        entries = [entry for entry in self._state.checkpoint.unverified if not first or entry.reads == 0]
        return sorted(entries, key=lambda entry: -entry.submission.sent_at)

    def _request(self, *, first: bool) -> ExportRequest:
        if not first:
            return ExportRequest(fields=FIELDS)
        since = datetime.fromtimestamp(self._pending(first=True)[-1].submission.sent_at, UTC) - SEARCH_MARGIN
        written = {"conditions": {"$after": [iso(since)]}}
        return ExportRequest(fields=FIELDS, filters={"created_at": written, "updated_at": written, "junction": "or"})

    def _verify(self, entry: Unverified, found: FoundOrders) -> None:
        chunk = self._scheduler.chunk_of(entry.submission)
        outcome = self._outcome(entry, chunk, found)
        if outcome is None:
            entry.reads += 1
            return
        self._outcomes.record_verified(entry.submission, chunk, entry.indexes(), outcome)
        self._state.checkpoint.unverified.remove(entry)

    def _outcome(self, entry: Unverified, chunk: Chunk, found: FoundOrders) -> ChunkOutcome | None:
        """Find the outcome of the orders of a chunk; None if an export of all orders has to decide."""
        given = Counter(chunk.source_ids)
        presences = {
            index: self._presence(entry, chunk, index, found, is_only=given[chunk.source_ids[index]] == 1)
            for index in entry.indexes()
        }
        loaded = sum(presence is Presence.LOADED for presence in presences.values())
        written = sum(presence is Presence.WRITTEN for presence in presences.values())
        if written and loaded + written == entry.loaded:  # then the action wrote them
            loaded = entry.loaded
            presences |= {index: Presence.LOADED for index in presences if presences[index] is Presence.WRITTEN}
        is_confirmed = loaded == entry.loaded
        if entry.reads == 0 and loaded < len(presences) and not is_confirmed:
            return None
        outcome = ChunkOutcome(loaded=loaded)
        contradicts = entry.loaded is not None and loaded + _there(presences) < entry.loaded
        for index, presence in presences.items():
            if presence is Presence.LOADED:
                continue
            if presence in UNCLEAR and not is_confirmed:
                outcome.unknown[index] = Cause(f"{entry.unknown.reason}; {UNCLEAR[presence]}", entry.unknown.code)
            elif contradicts:
                reason = f"{entry.unknown.reason}; fewer of its orders are at Voucherify than it counts done"
                outcome.unknown[index] = Cause(reason, entry.unknown.code)
            else:
                outcome.rejected[index] = self._missing(entry)
        return outcome

    def _presence(self, entry: Unverified, chunk: Chunk, index: int, found: FoundOrders, *, is_only: bool) -> Presence:
        order = found.find(chunk.source_ids[index] or "")
        if order is None:
            return Presence.ABSENT
        since, is_exact = _since(entry)
        has_values = order.has_values_of(chunk.bodies[index])
        if order.created_at >= since and is_exact and is_only and self._config.on_duplicate is not None:
            return Presence.LOADED
        return (WRITTEN_SINCE if order.written_at >= since else WRITTEN_BEFORE)[has_values]

    def _missing(self, entry: Unverified) -> Cause:
        reason = f"{entry.failure.reason}: not loaded"
        return Cause(f"{reason}, as an export shows", OutcomeCode.NOT_FOUND, entry.failure.retryable)

    def _give_up(self, why: str) -> None:
        for entry in list(self._state.checkpoint.unverified):
            chunk = self._scheduler.chunk_of(entry.submission)
            cause = Cause(f"{entry.unknown.reason}; it is not read back ({why})", entry.unknown.code)
            unknown = dict.fromkeys(entry.indexes(), cause)
            self._outcomes.record_verified(entry.submission, chunk, unknown, ChunkOutcome(unknown=unknown))
            self._state.checkpoint.unverified.remove(entry)
            self._save()


def _since(entry: Unverified) -> tuple[float, bool]:
    """Return when the orders of a chunk can have been written first, and whether that is Voucherify's own time."""
    if entry.began_at is not None:
        return entry.began_at, True
    return entry.submission.sent_at - SEARCH_MARGIN.total_seconds(), False


def _there(presences: dict[int, Presence]) -> int:
    return sum(presence in UNCLEAR for presence in presences.values())
