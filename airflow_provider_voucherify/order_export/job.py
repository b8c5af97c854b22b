"""An export from the first request to the published files, going on wherever an earlier try stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from airflow_provider_voucherify.api.endpoints import LAST_PAGE, PAGE_SIZE, Endpoints
from airflow_provider_voucherify.api.models import Export, ExportStatus
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import (
    ExportFailedError,
    NotFoundError,
    QuotaError,
    ServerError,
    TransportError,
)
from airflow_provider_voucherify.order_export.checkpoint import ExportState
from airflow_provider_voucherify.order_export.download import ExportResult, download_to_parquet
from airflow_provider_voucherify.order_export.request import ExportRequest, OnBadValue
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window import Part, Window

MAX_SPLITS = 16
MAX_LOOKS = 2
MAX_LOST = 3
MAX_GONE = 3
LOOK_WAIT = 2.0
CLOCK_TOLERANCE = timedelta(seconds=5)

log = logging.getLogger(__name__)


class ExportJob:
    """
    Asks for exports, waits for them and publishes what they bring.

    Drive it by calling :meth:`advance` until it returns None, waiting in between as it says::

        while pause := job.advance():
            time.sleep(pause.seconds)
        result = job.result()

    :param client: The API.
    :param request: What the author asks for.
    :param window: Of which span of time.
    :param state: Where to go on.
    :param state_store: Keeps the state: before each request that changes something, and after it.
    :param output: Where the rows go.
    :param on_bad_value: What becomes of a row that does not fit its columns.
    :param max_splits: How often windows whose export ends in ERROR are split in half at most, in all.
    :param poll_interval: Seconds between two looks at most.
    :param failures: Looks without an answer that were made before, in a row.
    :param clock: The time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        request: ExportRequest,
        window: Window | None,
        state: ExportState,
        state_store: StateStore,
        output: Output,
        *,
        on_bad_value: OnBadValue = "fail",
        max_splits: int = MAX_SPLITS,
        poll_interval: float = 30.0,
        failures: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self._result: ExportResult | None = None
        self._client = client
        self._request = request
        self._window = window
        self._state_store = state_store
        self._output = output
        self._on_bad_value: OnBadValue = on_bad_value
        self._max_splits = max_splits
        self._poller = Poller(poll_interval, failures=failures)
        self._clock = clock
        self._done: set[str] = set()
        self._lost = 0
        self._gone = 0

    def advance(self) -> Pause | None:
        """
        Do what can be done now.

        :return: How long to wait for what; None when all is published.
        :raises ConfigurationError: if the window is not over.
        :raises ExportFailedError: if an export ends in ERROR and its window cannot be split any more.
        :raises VoucherifyError: as :func:`~.export.download_to_parquet`, or if Voucherify refuses the export.
        """
        if len(self.state.export_ids) < len(self.state.parts) and (pause := self._ask_for_all()):
            return pause
        try:
            if pause := self._look():
                return pause
            self._result = download_to_parquet(
                self._client,
                self.state.parts,
                self._request,
                self._output,
                window=self._window,
                on_bad_value=self._on_bad_value,
            )
        except NotFoundError as error:
            self._gone += 1
            if self._gone >= MAX_GONE:
                raise
            log.warning("An export is gone, and is asked for anew. %s", error)
            self._forget(self.state.parts)
            return Pause(0.0, "exports to be asked for anew")
        return None

    @property
    def failures(self) -> int:
        """Looks without an answer, in a row, up to now."""
        return self._poller.failures

    def result(self) -> ExportResult:
        """Tell what was published, once :meth:`advance` has returned None."""
        if self._result is None:
            raise RuntimeError("the export is not over")
        return self._result

    def _ask_for_all(self) -> Pause | None:
        self._output.check()
        if self._client.transport.server_offset is None:
            # a lost answer is looked for by the time of its request, on Voucherify's clock; and wrong keys show here
            poller = Poller(self._poller.interval)
            if poller.poll(lambda: self._client.list_exports(limit=1)) is None:
                return poller.pause()
        if self._window is not None:
            self._window.check_over(datetime.fromtimestamp(self._now(), UTC))
        for part in self.state.parts:
            if part.export_id is None and (pause := self._ask(part)):
                return pause
        return None

    def _now(self) -> float:
        return self._clock() + (self._client.transport.server_offset or 0.0)

    def _ask(self, part: Part) -> Pause | None:
        request = part.request(self._request)
        if part.sent_at is not None:
            if found := self._find(part, request):
                self._accept(part, found.id)
                return None
            part.looks += 1
            if part.looks < MAX_LOOKS:
                self._save()
                return Pause(LOOK_WAIT, "an export whose answer was lost")
        part.sent_at, part.looks = self._now(), 0
        self._save()
        try:
            self._accept(part, request.submit(self._client))
        except QuotaError as refused:
            self._forget([part])
            return self._poller.pause_for_quota(refused, self._clock())
        except (TransportError, ServerError) as error:
            if isinstance(error, TransportError) and not error.sent:
                self._forget([part])
                raise
            self._lost += 1
            if self._lost >= MAX_LOST:
                raise
            log.warning("An export was asked for and the answer is lost; looking for it. %s", error)
            return Pause(0.0, "an export whose answer was lost")
        return None

    def _accept(self, part: Part, export_id: str) -> None:
        part.export_id = export_id
        self._lost = 0
        self._save()
        log.info("Export %s brings %s.", export_id, part)

    def _find(self, part: Part, request: ExportRequest) -> Export | None:
        """Look for an export whose answer was lost: any that asks for the same since then brings the same."""
        since = datetime.fromtimestamp(part.sent_at or 0.0, UTC) - CLOCK_TOLERANCE
        for page in range(1, LAST_PAGE + 1):
            exports = self._client.list_exports(limit=PAGE_SIZE, page=page, sort_order="-created_at").exports
            for export in exports:
                if export.created_at is None or export.created_at < since:
                    return None
                if export.id not in self.state.export_ids and request.is_asked_by(export):
                    return export
            if len(exports) < PAGE_SIZE:
                return None
        return None

    def _look(self) -> Pause | None:
        """See which exports have ended."""
        exports = self._poller.poll(self._pending)
        if exports is None:
            return self._poller.pause(self.state.export_ids)
        failed = {export.id for export in exports if export.status == ExportStatus.ERROR}
        if failed:
            for part in [part for part in self.state.parts if part.export_id in failed]:
                self._split(part)
            self._save()
            self._poller = Poller(self._poller.interval)
            return Pause(0.0, "the halves of a window")
        self._done.update(export.id for export in exports if export.ended)
        waiting = tuple(export.id for export in exports if not export.ended)
        return Pause(self._poller.delay, f"export {', '.join(waiting)}", waiting) if waiting else None

    def _pending(self) -> list[Export]:
        return [
            self._client.get_export(export_id) for export_id in self.state.export_ids if export_id not in self._done
        ]

    def _split(self, part: Part) -> None:
        halves = part.window.halves() if part.window else None
        if halves is None or self.state.splits >= self._max_splits:
            export_id = part.export_id
            self._forget([part])
            splits = f", after {self.state.splits} splits of its window" if self.state.splits else ""
            raise ExportFailedError(
                f"Export {export_id} ended in ERROR at Voucherify, which does not say why{splits}. A retry of the task "
                "asks for it anew."
            )
        log.warning("Export %s ended in ERROR: its window is split in half.", part.export_id)
        self.state.splits += 1
        place = self.state.parts.index(part)
        self.state.parts[place : place + 1] = [Part(window=half, by=part.by) for half in halves]

    def _forget(self, parts: list[Part]) -> None:
        for part in parts:
            part.export_id, part.sent_at, part.looks = None, None, 0
        self._save()

    def _save(self) -> None:
        self._state_store.save(self.state.to_json())
