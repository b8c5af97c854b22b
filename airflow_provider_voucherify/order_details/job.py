"""Whole orders from the API to the published tables, resuming wherever an earlier try stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Unpack

import msgspec

from airflow_provider_voucherify.api.endpoints import LAST_PAGE, PAGE_SIZE, Endpoints
from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.core.job import Job, JobOptions
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.core.storage import check_writable
from airflow_provider_voucherify.exceptions import PagingLimitError
from airflow_provider_voucherify.order_details.beyond import OrdersByIds
from airflow_provider_voucherify.order_details.checkpoint import DetailsState, open_state
from airflow_provider_voucherify.order_details.config import DetailsConfig
from airflow_provider_voucherify.order_details.listing import Listing
from airflow_provider_voucherify.order_details.order_times import time_of
from airflow_provider_voucherify.order_details.result import DetailsResult
from airflow_provider_voucherify.order_details.spool import Spool
from airflow_provider_voucherify.order_export.sink.atomic import OutputPath
from airflow_provider_voucherify.order_export.window import MILLISECOND, iso

log = logging.getLogger(__name__)


class DetailsJob(Job[DetailsState, DetailsResult]):
    """
    Read the whole orders of a window, and publish them as tables.

    Each page is kept in a spool beside the output and recorded in the state, so that a job that resumes reads the pages
    that are left. :meth:`run` does all of it; to wait otherwise than by sleeping, call :meth:`advance` until it returns
    None.

    A step raises a :class:`~airflow_provider_voucherify.exceptions.PagingLimitError` if the window has more orders than
    the listing reaches and ``max_calls`` allows, and an
    :class:`~airflow_provider_voucherify.exceptions.ExportFileError` if an order is not as the API documents it.

    :param client: The API.
    :param output: The folder of the tables: a path of ``pathlib``, ``upath`` or Airflow's ``ObjectStoragePath``.
    :param config: The window, the tables and the options.
    :param state_store: Keeps the state. It is cleared when all is published. By default nothing is kept.
    """

    _unfinished = "The order details are not finished."

    def __init__(
        self,
        client: Endpoints,
        output: OutputPath,
        config: DetailsConfig,
        *,
        state_store: StateStore | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        super().__init__(client, config, state_store, **options)
        self._output = output
        self._config = config
        self._window = config.window
        self._spool = Spool(output, config.window_name, config.window)
        self._by_ids: OrdersByIds | None = None

    def _open(self) -> DetailsState:
        check_writable(self._output, "output_path")
        project = self._client.transport.settings.project
        state = open_state(self._state_store, self._config, project, run=self._run, restart=self._restart)
        if not self._spool.load(state.spooled):
            log.warning("The orders that were read before are gone from %s: starting over.", self._output)
            state = DetailsState(fingerprint=state.fingerprint, restarted_by=state.restarted_by)
        if not state.spooled:
            self._spool.clear()
        self._count_calls_from(state.api_calls)
        return state

    def _advance(self) -> Pause | None:
        pause = self._read_beyond() if self.state.is_beyond else self._read_listing()
        if pause is not None:
            self._save()
            return pause
        self._publish()
        return None

    @property
    def failures(self) -> int:
        """How many calls failed in a row up to now."""
        return self._poller.failures if self._by_ids is None else self._by_ids.failures

    def _read_listing(self) -> Pause | None:
        state = self.state
        listing = Listing(self._client, self._window, state.position, self._spool.count_seen)
        while not listing.is_done:
            page = self._poller.poll(listing.read)
            if page is None:
                return self._poller.pause()
            self._window.check_over(datetime.fromtimestamp(self._server_time(), UTC))
            if listing.needs_probe(page):
                last = self._poller.poll(lambda: listing.read(LAST_PAGE))
                if last is None:
                    return self._poller.pause()
                if not listing.reaches(last):
                    return self._go_beyond(listing.reach)
            if not listing.take(page, self._keep):
                return self._go_beyond(listing.reach)
            self._save()
        return None

    def _go_beyond(self, reach: datetime | None) -> Pause | None:
        reason = f"The window has more orders than the listing reaches, which is {LAST_PAGE * PAGE_SIZE:,}"
        if self._config.max_calls is None:
            raise PagingLimitError(f"{reason}. {self._fitting_window(reach)} max_calls allows to read them one by one.")
        log.warning("%s: their ids are exported, and they are read one by one.", reason)
        self.state.is_beyond = True
        self._save()
        return self._read_beyond()

    def _fitting_window(self, reach: datetime | None) -> str:
        if reach is None:
            return "No window fits: by updated_at, the listing begins with the orders that never changed."
        start, end = reach + MILLISECOND + self._config.lookback, self._window.end
        if start >= end:
            return "No window fits that ends so early."
        return f"A window with window_start={iso(start)!r} and window_end={iso(end)!r} fits."

    def _read_beyond(self) -> Pause | None:
        if self._by_ids is None:
            self._by_ids = OrdersByIds(
                self._client, self._config, self.state, self._state_store, self._spool, self._poller, self._clock
            )
        return self._by_ids.read(self._keep, self._save, self._calls_made)

    def _keep(self, orders: Sequence[dict[str, Any]]) -> int:
        """Spool the orders that are in the window and were not there before, and note those that changed after it."""
        state = self.state
        new: list[dict[str, Any]] = []
        later: list[dict[str, Any]] = []
        for order in orders:
            moment = time_of(order["id"], order.get("created_at"), order.get("updated_at"))
            if moment >= self._window.start and not self._spool.has(order["id"], moment):
                (new if moment < self._window.end else later).append(order)
        if new or later:
            self._state_store.check()
            self._spool.write(state.spooled, new, later)
            state.spooled += 1
        return len(new)

    def _save(self) -> None:
        state = self.state
        state.api_calls = self._calls_made
        self._state_store.save(state.to_json())

    def _publish(self) -> None:
        from airflow_provider_voucherify.order_details.publish import Tables

        state = self.state
        tables = Tables(self._output, self._config)
        self._state_store.check()
        results, unknown_fields = tables.publish(self._spool, state.spooled, state.export_ids)
        if unknown_fields:
            log.warning("The API has fields that the tables lack: %s.", ", ".join(unknown_fields))
        self._summary = DetailsResult(
            path=str(self._output),
            rows=len(self._spool),
            bytes=sum(table.bytes for table in results.values()),
            parquet_files=sum(table.parquet_files for table in results.values()),
            tables=results,
            manifest_path=str(tables.manifest),
            window=msgspec.to_builtins(self._window),
            unknown_fields=unknown_fields,
            changed_since=state.changed_since,
            export_ids=state.export_ids,
            api_calls=self._calls_made,
        )
        self._state_store.clear()
        self._spool.clear()
