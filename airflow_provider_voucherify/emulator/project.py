"""One Voucherify project: its data, its queue, its limits and faults, and what runs in the background."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from airflow_provider_voucherify.emulator.async_actions import AsyncActions, SeededAction
from airflow_provider_voucherify.emulator.auth import Authentication
from airflow_provider_voucherify.emulator.call_log import CallLog
from airflow_provider_voucherify.emulator.database import Database
from airflow_provider_voucherify.emulator.downloads import DownloadTokens
from airflow_provider_voucherify.emulator.export_kinds import add_rows
from airflow_provider_voucherify.emulator.exports import Exports, FileUrl
from airflow_provider_voucherify.emulator.fault_types import Fault
from airflow_provider_voucherify.emulator.faults import Faults
from airflow_provider_voucherify.emulator.ids import new_id
from airflow_provider_voucherify.emulator.import_queue import ImportQueue
from airflow_provider_voucherify.emulator.limits import RateLimits
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.orders import Orders
from airflow_provider_voucherify.emulator.seed import seed

ExportRows = Mapping[str, Iterable[Mapping[str, Any]]]
_log = logging.getLogger(__name__)


class Project:
    """The state of an emulated project, shared by all endpoints.

    :param options: How it behaves.
    :param faults: Faults armed from the start, and again after a reset.
    :param routes: Labels of the routes that faults may name.
    :param url: Makes the URL of an exported file.
    :param export_rows: Rows of exports by kind, other than orders, to start with.
    :raises ValueError: if the database cannot be used or a fault names an unknown route or a row an unknown field.
    """

    def __init__(
        self,
        options: EmulatorOptions,
        faults: Iterable[Fault],
        routes: Sequence[str],
        url: FileUrl,
        export_rows: ExportRows,
    ) -> None:
        self.options = options
        self.faults = Faults(routes)
        self._first_faults = list(faults)
        self._arm_first_faults()
        self.database = Database(options.db)
        self.call_log = CallLog()
        self.limits = RateLimits(options)
        self.authentication = Authentication(options)
        self.download_tokens = DownloadTokens(options.download_token_seconds)
        self.orders = Orders(self.database, options)
        self.actions = AsyncActions(self.database, options.speed)
        self.imports = ImportQueue(self.database, options, self.actions, self.faults, self.call_log)
        self.exports = Exports(self.database, options, self.faults, url, self.spawn)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._background: set[Future[None]] = set()
        self._ending = asyncio.Event()
        self._first_rows = {kind: list(rows) for kind, rows in export_rows.items()}
        try:
            self._fill()
        except ValueError:
            self.database.close()
            raise

    def start(self) -> None:
        """Start processing imports and exports, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self.spawn(self.imports.run())
        self.exports.resume()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background; may be called from any thread.

        :param coroutine: What to run; an error that it does not handle goes to the log.
        """
        if self._loop is None:
            raise RuntimeError("The project has not been started")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        with self._lock:
            self._background.add(future)
        future.add_done_callback(self._forget)

    async def pause(self, seconds: float) -> bool:
        """Wait, but not for longer than the emulator runs.

        :param seconds: Real seconds.
        :return: Whether the emulator still runs.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return not self._ending.is_set()

    def end_pauses(self) -> None:
        """End all pauses, so that the requests in them are served before the emulator stops; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    def seed_action(self, action: SeededAction) -> str:
        """Make an async action that goes through given statuses.

        :param action: Its type and statuses.
        :raises ValueError: if it has neither status nor steps, or both.
        :return: Its id.
        """
        steps = action.timeline()
        with self.database.transaction() as connection:
            action_id = self.actions.add(connection, action.type, new_id("v-"))
            if steps[0].after_seconds == 0:
                self.actions.set(connection, action_id, steps[0])
        self.spawn(self.actions.play(action_id, steps))
        return action_id

    def reset(self) -> None:
        """Restore the initial state: no data, tokens or counts, full quota, the initial faults."""
        self.stop()
        self.database.clear()
        self._fill()
        self.authentication.reset()
        self.limits.reset()
        self.faults.clear()
        self._arm_first_faults()
        self.call_log.reset()
        self.spawn(self.imports.run())

    def add_export_rows(self, kind: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Add rows that exports of a kind have.

        :param kind: Kind of export, other than ``order``.
        :param rows: Values by field.
        :raises ValueError: if the kind or a field is unknown.
        :return: Number of rows.
        """
        with self.database.transaction() as connection:
            return add_rows(connection, kind, rows)

    def _fill(self) -> None:
        with self.database.transaction() as connection:
            empty = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM orders)").fetchone()[0]
            if self.options.seed and empty:
                seed(connection, self.options)
            for kind, rows in self._first_rows.items():
                add_rows(connection, kind, rows)

    def stop(self) -> None:
        """Cancel what runs in the background."""
        with self._lock:
            running = list(self._background)
        for future in running:
            future.cancel()
        self.database.interrupt()

    def _arm_first_faults(self) -> None:
        for fault in self._first_faults:
            self.faults.add(fault)

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._background.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            _log.error("A background task of the emulator failed", exc_info=error)
