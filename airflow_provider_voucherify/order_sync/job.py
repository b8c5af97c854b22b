"""The synchronisation of orders, from the duplicate check to the report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.state_store import FileStateStore, NoStateStore, ResumedStateStore, StateStore
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import StateError, VoucherifyError
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.find_rules import find_rules
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.order_sync.calls import Calls
from airflow_provider_voucherify.order_sync.checkpoint import SyncState
from airflow_provider_voucherify.order_sync.config import SyncConfig
from airflow_provider_voucherify.order_sync.outcomes import Outcomes
from airflow_provider_voucherify.order_sync.sent_orders import SentOrders
from airflow_provider_voucherify.order_sync.window import Window
from airflow_provider_voucherify.reporting.html_report import html_report
from airflow_provider_voucherify.reporting.progress import Progress
from airflow_provider_voucherify.reporting.reject_files import Report
from airflow_provider_voucherify.reporting.summary import SyncSummary

PROGRESS_INTERVAL = 30.0
RATE_POINTS = 10  # of the 60 of the timeline, as in an import

log = logging.getLogger(__name__)


class SyncJob:
    """
    Sends each order of a source by a call of its own, many at the same time, and finds the outcome of each.

    Unlike an import, that triggers events, distributions and earning rules (documented). An order that is gone from
    the source is not touched. Call :meth:`run`, or drive the job yourself and wait in your own way::

        job = SyncJob(client, open_source(paths="changed.jsonl"), report_path=Path("report"))
        while pause := job.advance():
            time.sleep(pause.seconds)
        print(job.summary.loaded)

    :param client: The API.
    :param source: The orders.
    :param config: The options.
    :param report_path: A folder for the orders that were not loaded, ``summary.json`` and ``report.html``.
    :param state_store: Where the state is saved: before ``max_concurrent_calls`` more calls are made, and at the end.
        By default ``state.json`` under ``report_path``; without either, a job that is interrupted cannot resume.
    :param run: The name of this run. Another try of a run that finished returns its summary and sends nothing.
    :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
    :param resume_from: A document of the state to resume from if the store has none, such as one that a trigger held.
    :param failures: How many rounds of calls failed in a row before, in a trigger.
    :param calls: How many calls were made elsewhere for this job, in a trigger.
    :param sent_before: Orders that were sent lately: those that have not changed count as loaded without a call.
    :param on_progress: Called with the progress before each pause and every 30 seconds.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        config: SyncConfig = SyncConfig(),  # noqa: B008  # frozen
        *,
        report_path: StoragePath | None = None,
        state_store: StateStore | None = None,
        run: str | None = None,
        restart: bool = False,
        resume_from: dict[str, Any] | None = None,
        failures: int = 0,
        calls: int = 0,
        sent_before: SentOrders | None = None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if state_store is None:
            state_store = NoStateStore() if report_path is None else FileStateStore(report_path)
        self._client = client
        self._source = source
        self._config = config
        self._report_path = report_path
        self._report = Report(report_path, run)
        self._state_store = state_store if resume_from is None else ResumedStateStore(state_store, resume_from)
        self._run = run
        self._restart = restart
        self._calls_elsewhere = calls
        self._sent_before = sent_before or SentOrders()
        self._on_progress = on_progress
        self._clock = clock
        self._poller = Poller(config.poll_seconds, failures=failures)
        self._progress_at = clock()
        self._state: SyncState | None = None
        self._summary: SyncSummary | None = None

    def open(self) -> SyncState:
        """
        Load the state of the job to resume, or start one. :meth:`advance` does this by itself.

        :raises ConfigurationError: if ``report_path`` cannot be written, or has the orders in it, or lies among them.
        :raises SourceChangedError: if the job to resume was of another source.
        :raises ProjectChangedError: if it was of another project.
        :raises StateError: if the saved state is missing or cannot be read.
        """
        if self._state is not None:
            return self._state
        if self._report_path is not None:
            self._source.check_report_path(self._report_path)
        self._report.check_writable()
        fingerprint, project = self._source.fingerprint(), self._client.transport.settings.project
        state = SyncState.load(self._state_store, fingerprint, project, run=self._run, restart=self._restart)
        if state is not None and state.finished is not None:
            log.info("This run has finished before: nothing is sent again. %s", state.finished)
            self._summary = state.finished
            self._state = state
            return state
        if state is not None:
            log.info("Resuming: %d orders have an outcome.", state.counters.settled)
            self._report.remove_unsaved(state.checkpoint.has_outcome)
        else:
            restarted_by = self._run if self._restart else None
            state = SyncState(fingerprint=fingerprint, project=project, run=self._run, restarted_by=restarted_by)
            self._report.clear()
            state.observations.mark(self._clock(), 0)
        state.counters.api_calls += self._calls_elsewhere
        self._calls_counted = self._client.transport.calls
        self._rules = find_rules(self._source, self._config, state.checkpoint)
        self._window = Window(
            self._source, state.checkpoint, self._rules, self._config.preserve_order_by, self._sent_before
        )
        outcomes = Outcomes(state, self._report, self._state_store.check, self._clock)
        self._calls = Calls(
            self._client, self._window, outcomes, self._poller, state.counters, self._config, self._save, self._clock
        )
        self._state = state
        return state

    def run(self) -> SyncSummary:
        """
        Send all orders, sleeping while the quota does not allow it.

        :return: The summary.
        :raises OrdersNotLoadedError: if more orders were rejected or are unknown than the options tolerate.
        :raises VoucherifyError: if the job cannot continue. The saved state says exactly where it stands.
        """
        while pause := self.advance():
            time.sleep(pause.seconds)
        return self.summary

    def advance(self) -> Pause | None:
        """
        Do all that can be done now.

        :return: What to wait for; None when every order has its outcome and the report is written.
        :raises FencedError: if another process has claimed the state since, such as the retry of this task.
        :raises OrdersNotLoadedError: if more orders were rejected or are unknown than the options tolerate.
        :raises VoucherifyError: if the job cannot continue. The saved state says exactly where it stands.
        """
        self.open()
        if self._summary is not None:
            return None
        self._save_now()
        try:
            pause = self._calls.make()
        except VoucherifyError:
            counters = self.state.counters
            log.warning(
                "Stopped at %s, the first order without an outcome: %d orders are loaded, %d rejected, %d unknown.",
                self._window.first_position, counters.loaded, counters.rejected, counters.unknown,
            )  # fmt: skip
            raise
        if pause:
            self._report_progress(waiting_for=pause.reason)
        else:
            self._finish()
        return pause

    @property
    def state(self) -> SyncState:
        """The state of the job."""
        return self.open()

    @property
    def failures(self) -> int:
        """How many rounds of calls failed in a row up to now."""
        return self._poller.failures

    @property
    def summary(self) -> SyncSummary:
        """
        The summary.

        :raises RuntimeError: if the job is not finished.
        """
        if self._summary is None:
            raise RuntimeError("The synchronisation is not finished.")
        return self._summary

    def sent_orders(self) -> SentOrders:
        """
        Return what the next job need not send again: the last orders of this one, and what was sent before them.

        If an order was refused or is unknown, it is nothing: these orders have to be sent again. The same holds for a
        job that an earlier try finished.
        """
        sent, counters = SentOrders(), self.state.counters
        if counters.settled and not counters.refused and not counters.unknown:
            sent.add(checked(self._source.read(), self._rules))
        return sent

    def progress(self) -> Progress:
        """Return how far the job has come."""
        state, counters = self.state, self.state.counters
        since, settled_then = state.observations.timeline[-RATE_POINTS:][0]
        return Progress(
            done=counters.settled,
            share=self._window.share_settled,
            rate=(counters.settled - settled_then) / max(self._clock() - since, 0.001),
            read=state.checkpoint.cursor.number,
            failed=counters.rejected + counters.unknown,
            in_flight=self._calls.in_flight,
            calls=counters.api_calls,
            calls_left=self._client.transport.quota.remaining,
        )

    def _save(self) -> None:
        self._save_now()
        if self._clock() - self._progress_at >= PROGRESS_INTERVAL:
            self._report_progress()

    def _save_now(self) -> None:
        calls = self._client.transport.calls
        self.state.counters.api_calls += calls - self._calls_counted
        self._calls_counted = calls
        self._state_store.save(self.state.to_json())

    def _report_progress(self, waiting_for: str = "") -> None:
        self._progress_at = self._clock()
        progress = self.progress()
        log.info("%s%s", progress, f"; waiting for {waiting_for}" if waiting_for else "")
        self._on_progress(progress)

    def _finish(self) -> None:
        state, counters, config = self.state, self.state.counters, self._config
        orders = state.checkpoint.cursor.number
        if counters.settled != orders:
            raise StateError(
                f"{orders} orders were read, but {counters.settled} have an outcome: {counters.loaded} loaded, "
                f"{counters.rejected} rejected, {counters.unknown} unknown. This is a defect of the provider: please "
                "report it."
            )
        summary = SyncSummary(
            orders=orders,
            loaded=counters.loaded,
            rejected=counters.rejected,
            unknown=counters.unknown,
            superseded=counters.superseded,
            order_ids=[order_id for _, order_id in sorted(state.order_ids)],
            api_calls=counters.api_calls,
            report_path=None if self._report_path is None else str(self._report_path),
            reasons=state.observations.failures,
            findings=state.checkpoint.findings.report(),
        )
        self._state_store.check()
        self._report.write_summary(summary.to_document(), html_report(summary, state.observations))
        log.info("%s", summary)
        self._summary = summary
        summary.check(config.max_rejected, config.max_unknown)
        # not removed: a failure after this, as in post_execute or an XCom backend, must not send the orders again
        self._state_store.save(state.finish(summary).to_json())
