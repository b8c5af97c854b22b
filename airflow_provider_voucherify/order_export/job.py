"""An export from the request to the published files, resuming wherever an earlier try stopped."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Unpack

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import Export, ExportStatus
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.job import Job, JobOptions
from airflow_provider_voucherify.core.lost_requests import exports_since
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import (
    ExportFailedError,
    NotFoundError,
    QuotaError,
    ServerError,
    TooFewRowsError,
    TransportError,
)
from airflow_provider_voucherify.order_export.checkpoint import ExportState, open_state
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.result import ExportResult
from airflow_provider_voucherify.order_export.sink.layout import Output, OutputPath
from airflow_provider_voucherify.order_export.window_parts import OVERLAP_MS, ExportPart

MAX_SEARCHES = 2
MAX_LOST_IN_A_ROW = 3
MAX_GONE = 3
VISIBLE_SECONDS = 60.0  # how long after its request an export may still be unknown to the API
SEARCH_WAIT = 2.0

log = logging.getLogger(__name__)


class ExportJob(Job[ExportState, ExportResult]):
    """
    Request exports, wait for them and publish what they bring.

    :meth:`run` does all of it. To wait otherwise than by sleeping, call :meth:`advance` until it returns None::

        while pause := job.advance():
            time.sleep(pause.seconds)
        result = job.summary

    A step raises an :class:`~airflow_provider_voucherify.exceptions.ExportFailedError` if an export ends in ERROR and
    its window cannot be split any more; the last one raises an error and publishes nothing if a file is not what was
    asked for, rows are bad, or there are too few.

    :param client: The API.
    :param request: The orders and columns.
    :param output: The Parquet file, or a folder if ``max_rows_per_file`` or ``partition_by`` is set: a path of
        ``pathlib``, ``upath`` or Airflow's ``ObjectStoragePath``.
    :param config: The options.
    :param state_store: Keeps the state, before each request that changes something and after it, so that another job
        resumes. It is cleared when all is published. By default nothing is kept.
    :param first_poll: Seconds from the request of the exports to their first poll, at most ``poll_interval``: a wait
        saves calls. By default they are polled at once.
    :raises ConfigurationError: if request, output and options do not fit together.
    """

    _unfinished = "The export is not finished."

    def __init__(
        self,
        client: Endpoints,
        request: ExportRequest,
        output: OutputPath,
        config: ExportConfig = ExportConfig(),  # noqa: B008  # frozen
        *,
        state_store: StateStore | None = None,
        first_poll: float | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        super().__init__(client, config, state_store, **options)
        self._waits_first = first_poll is not None
        if first_poll is not None:
            self._poller = Poller(config.poll_seconds, first_delay=first_poll, failures=self._poller.failures)
        self._request = config.apply_to(request)
        self._config = config
        self._output = Output.of(output, request, config)
        self._ended: dict[str, Export] = {}
        self._lost_in_a_row = 0
        self._gone = 0

    def _open(self) -> ExportState:
        self._output.check_writable()
        project = self._client.transport.settings.project
        return open_state(self._state_store, self._request, project, run=self._run, restart=self._restart)

    def _advance(self) -> Pause | None:
        state = self.state
        if len(state.export_ids) < len(state.parts):
            if pause := self._request_parts():
                return pause
            if self._waits_first:
                return self._pause_for(state.export_ids)
        # pyarrow takes half a second to load: only a job that downloads needs it
        from airflow_provider_voucherify.order_export.download import download_to_parquet

        try:
            if pause := self._poll():
                return pause
            self._summary = download_to_parquet(
                self._client, state.parts, self._request, self._output, self._config, ended=self._ended
            )
        except NotFoundError as error:
            self._gone += 1
            if self._gone >= MAX_GONE:
                raise
            log.warning("An export is gone, and is requested again. %s", error)
            self._forget(state.parts)
            return Pause(0.0, "exports to be requested again")
        except TooFewRowsError:
            self._forget(state.parts)
            raise
        self._state_store.clear()
        return None

    def _request_parts(self) -> Pause | None:
        if not self._client.transport.server_clock.is_known:
            # a lost request is searched for by its time on Voucherify's clock; and wrong keys fail here
            poller = Poller(self._poller.interval)
            if poller.poll(lambda: self._client.list_exports(limit=1)) is None:
                return poller.pause()
        if (window := self._request.window) is not None:
            window.check_over(datetime.fromtimestamp(self._server_time(), UTC))
        for part in self.state.parts:
            if part.export_id is None and (pause := self._request_part(part)):
                return pause
        return None

    def _request_part(self, part: ExportPart) -> Pause | None:
        if part.sent_at is None:
            part.overlap_ms = OVERLAP_MS[self._client.transport.settings.facts.bounds_included]
        request = part.request(self._request, self._output.day_fields)
        if part.sent_at is not None:
            exports = exports_since(self._client, part.sent_at, self.state.export_ids)
            if found := next(filter(request.is_request_of, exports), None):
                self._accept(part, found.id)
                return None
            part.searches += 1
            if part.searches < MAX_SEARCHES:
                self._save()
                return Pause(SEARCH_WAIT, "an export whose response was lost")

        def save_as_sent() -> None:
            part.sent_at, part.searches = self._server_time(), 0
            self._save()

        try:
            self._accept(part, request.submit(self._client, save_as_sent))
        except QuotaError as error:
            self._forget([part])
            return self._poller.pause_for_quota(error, self._clock())
        except (TransportError, ServerError) as error:
            if isinstance(error, TransportError) and not error.sent:
                self._forget([part])
                raise
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
                raise
            log.warning("An export was requested, but the response was lost. Searching for it. %s", error)
            return Pause(0.0, "an export whose response was lost")
        return None

    def _accept(self, part: ExportPart, export_id: str) -> None:
        part.export_id = export_id
        self._lost_in_a_row = 0
        self._save()
        log.info("Export %s has %s.", export_id, part)

    def _poll(self) -> Pause | None:
        """Poll which exports have ended."""
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
        self._ended |= {export.id: export for export in exports if export.ended}
        waiting = [export.id for export in exports if not export.ended]
        return self._pause_for(waiting) if waiting else None

    def _pause_for(self, export_ids: list[str]) -> Pause:
        return Pause(self._poller.delay, f"export {', '.join(export_ids)}", export_ids=tuple(export_ids))

    def _pending(self) -> list[Export]:
        return [self._export_of(part) for part in self.state.parts if part.export_id not in self._ended]

    def _export_of(self, part: ExportPart) -> Export:
        """Get the export of a part. One that was only just requested may not be visible yet."""
        export_id = part.export_id or ""
        try:
            return self._client.get_export(export_id)
        except NotFoundError:
            if part.sent_at is None or self._server_time() - part.sent_at >= VISIBLE_SECONDS:
                raise
            log.info("Export %s was requested, but is not visible yet.", export_id)
            return Export(id=export_id, status=ExportStatus.SCHEDULED, exported_object=self._request.exported_object)

    def _split(self, part: ExportPart) -> None:
        halves = part.window.halves() if part.window else None
        splits = self.state.splits
        if halves is None or splits >= self._config.max_window_splits:
            export_id = part.export_id
            self._forget([part])
            after = f", after {splits} splits of its window" if splits else ""
            raise ExportFailedError(
                f"Export {export_id} ended in ERROR at Voucherify, which does not say why{after}. A retry of the task "
                "requests a new one."
            )
        log.warning("Export %s ended in ERROR: its window is split in half.", part.export_id)
        self.state.splits += 1
        place = self.state.parts.index(part)
        self.state.parts[place : place + 1] = [ExportPart(window=half, time_fields=part.time_fields) for half in halves]

    def _forget(self, parts: list[ExportPart]) -> None:
        for part in parts:
            part.export_id, part.sent_at, part.searches = None, None, 0
        self._save()

    def _save(self) -> None:
        self._state_store.save(self.state.to_json())
