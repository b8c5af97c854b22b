"""The import of orders, from the duplicate check to the report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import ORDERS_IMPORT, ActionStatus, AsyncAction
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.state_store import FileStateStore, NoStateStore, ResumedStateStore, StateStore
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import NotFoundError, QuotaError, StateError
from airflow_provider_voucherify.order_import.checkpoint import ImportState, Submission
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.lost_submissions import LostSubmissions
from airflow_provider_voucherify.order_import.outcomes import Outcomes, chunk_outcome
from airflow_provider_voucherify.order_import.report_page import report_page
from airflow_provider_voucherify.order_import.scheduler import Scheduler
from airflow_provider_voucherify.order_import.sender import Sender
from airflow_provider_voucherify.order_import.verification import Verification
from airflow_provider_voucherify.order_source.find_rules import find_rules
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.reporting.about import About
from airflow_provider_voucherify.reporting.chunk_log import ChunkLog
from airflow_provider_voucherify.reporting.progress import Progress
from airflow_provider_voucherify.reporting.reject_files import Report
from airflow_provider_voucherify.reporting.summary import ImportSummary

FIRST_POLL = 1.0
WEIGHT_OF_LAST_ACTION = 0.3
PROGRESS_INTERVAL = 30.0
MAX_DOUBLINGS = 10
RATE_POINTS = 10  # of the 60 of the timeline: enough to be steady, and few enough to follow a change

log = logging.getLogger(__name__)


class ImportJob:
    """
    Imports the orders of a source, and finds the outcome of each.

    Call :meth:`run`, or drive the job yourself and wait in your own way::

        job = ImportJob(client, open_source(paths="orders.jsonl"), report_path=Path("report"))
        while pause := job.advance():
            time.sleep(pause.seconds)
        print(job.summary.loaded)

    :param client: The API.
    :param source: The orders.
    :param config: The options.
    :param report_path: A folder for the orders that were not loaded, ``summary.json`` and ``report.html``.
    :param state_store: Where the state is saved, before each request that changes something and after it. By default
        ``state.json`` under ``report_path``; without either, an import that is interrupted cannot resume.
    :param run: The name of this run. Another try of a run that finished returns its summary and sends nothing.
    :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
    :param resume_from: A document of the state to resume from if the store has none, such as one that a trigger held.
    :param failures: How many polls failed in a row before, in a trigger.
    :param calls: How many calls were made elsewhere for this import, in a trigger.
    :param labels: What else identifies the import in its report, such as its DAG and task.
    :param on_progress: Called with the progress before each pause and every 30 seconds.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        config: ImportConfig = ImportConfig(),  # noqa: B008  # frozen
        *,
        report_path: StoragePath | None = None,
        state_store: StateStore | None = None,
        run: str | None = None,
        restart: bool = False,
        resume_from: dict[str, Any] | None = None,
        failures: int = 0,
        calls: int = 0,
        labels: Mapping[str, str] | None = None,
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
        self._chunk_log = ChunkLog(report_path)
        self._state_store = state_store if resume_from is None else ResumedStateStore(state_store, resume_from)
        self._run = run
        self._restart = restart
        self._calls_elsewhere = calls
        self._labels = labels
        self._on_progress = on_progress
        self._clock = clock
        self._poller = Poller(config.poll_seconds, failures=failures)
        self._next_wait = min(FIRST_POLL, config.poll_seconds)
        self._progress_at = clock()
        self._verification: Verification | None = None
        self._state: ImportState | None = None
        self._summary: ImportSummary | None = None

    def open(self) -> ImportState:
        """
        Load the state of the import to resume, or start one. :meth:`advance` does this by itself.

        :raises ConfigurationError: if ``report_path`` cannot be written, or has the orders in it, or lies among them.
        :raises SourceChangedError: if the import to resume was of another source.
        :raises ProjectChangedError: if it was of another project.
        :raises StateError: if the saved state is missing or cannot be read.
        """
        if self._state is not None:
            return self._state
        if self._report_path is not None:
            self._source.check_report_path(self._report_path)
        self._report.check_writable()
        fingerprint, project = self._source.fingerprint(), self._client.transport.settings.project
        state = ImportState.load(self._state_store, fingerprint, project, run=self._run, restart=self._restart)
        if state is not None and state.finished is not None:
            log.info("This run has finished the import before: nothing is sent again. %s", state.finished)
            self._summary = state.finished
            self._state = state
            return state
        if state is not None:
            state.limit_chunks(self._config)
            log.info(
                "Resuming: %d orders have an outcome, %d chunks are in flight.",
                state.counters.settled, len(state.checkpoint.in_flight),
            )  # fmt: skip
            self._report.remove_unsaved(state.checkpoint.has_outcome)
            self._chunk_log.remove_unsaved(state.checkpoint.has_outcome)
        else:
            state = ImportState.start(fingerprint, project, self._config, run=self._run, restarted=self._restart)
            self._report.clear()
            self._chunk_log.clear()
            state.observations.mark(self._clock(), 0)
        state.counters.api_calls += self._calls_elsewhere
        self._calls_counted = self._client.transport.calls
        rules = find_rules(self._source, self._config, state.checkpoint)
        self._scheduler = Scheduler(self._source, state.checkpoint, rules)
        self._outcomes = Outcomes(
            state, self._report, self._chunk_log, self._config, self._state_store.check, self._clock
        )
        self._lost_submissions = LostSubmissions(
            self._client, state.checkpoint, self._scheduler, self._config.lost_request_seconds, self._clock
        )
        self._sender = Sender(
            self._client,
            state,
            self._scheduler,
            self._outcomes,
            self._lost_submissions,
            self._config,
            self._save,
            self._clock,
        )
        self._verification = Verification(
            self._client,
            state,
            self._scheduler,
            self._outcomes,
            self._config,
            self._state_store,
            self._save,
            self._clock,
            self._poller.failures,
        )
        self._state = state
        return state

    def run(self) -> ImportSummary:
        """
        Import all orders, sleeping while Voucherify works.

        :return: The summary.
        :raises OrdersNotLoadedError: if more orders were rejected or are unknown than the options tolerate.
        :raises VoucherifyError: if the import cannot continue. The saved state says exactly where it stands.
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
        :raises VoucherifyError: if the import cannot continue. The saved state says exactly where it stands.
        """
        self.open()
        if self._summary is not None:
            return None
        pause = self._advance()
        self._save_now()
        if pause:
            self._report_progress(waiting_for=pause.reason)
        else:
            self._finish()
        return pause

    @property
    def state(self) -> ImportState:
        """The state of the import."""
        return self.open()

    @property
    def failures(self) -> int:
        """How many polls failed in a row up to now."""
        return max(self._poller.failures, 0 if self._verification is None else self._verification.failures)

    @property
    def summary(self) -> ImportSummary:
        """
        The summary of the import.

        :raises RuntimeError: if it is not finished.
        """
        if self._summary is None:
            raise RuntimeError("The import is not finished.")
        return self._summary

    def _advance(self) -> Pause | None:
        checkpoint = self.state.checkpoint
        try:
            ended = self._poller.poll(self._ended_submissions, partial=True) if checkpoint.in_flight else []
            if ended is None:
                return self._poller.pause()
            # first the next chunks, then the results: Voucherify's queue is never empty meanwhile
            self._sender.fill(ended=len(ended))
            if self._poller.poll(partial(self._fetch_results, ended)) is None:
                return self._poller.pause()
            if not checkpoint.in_flight:
                self._sender.fill(ended=0)
            if not checkpoint.in_flight and self._verification is not None and checkpoint.unverified:
                return self._verification.advance() or Pause(0.0, "what is to be sent again")
        except QuotaError as error:
            return self._poller.pause_for_quota(error, self._clock())
        if lost := self._sender.lost:
            doublings = min(MAX_DOUBLINGS, *(submission.searches for submission in lost))
            return Pause(min(self._poller.interval, 2.0**doublings), "an import whose response was lost")
        return self._pause_for_actions() if checkpoint.in_flight else None

    def _ended_submissions(self) -> list[Submission]:
        """List the chunks whose actions have ended, with one call for all of them."""
        self._sender.find_lost()
        submissions = {sent.action_id: sent for sent in self.state.checkpoint.in_flight if sent.action_id}
        if len(submissions) < 2:
            return list(submissions.values())
        actions = self._client.list_async_actions().async_actions
        self._lost_submissions.report_foreign(actions)
        running = {action.id for action in actions if not action.ended}
        return [submission for action_id, submission in submissions.items() if action_id not in running]

    def _fetch_results(self, ended: list[Submission]) -> bool:
        for submission in ended:
            action = self._result(submission)
            if action.ended:
                self._learn_processing_time(action.processing_time)
                chunk = self._scheduler.chunk_of(submission)
                self._outcomes.record_submission(submission, chunk, chunk_outcome(action, chunk))
                self._save()
        return True

    def _result(self, submission: Submission) -> AsyncAction:
        """Get the action of a chunk; one that is not visible yet counts as enqueued, for a bounded time."""
        action_id = submission.action_id or ""
        try:
            return self._client.get_async_action(action_id)
        except NotFoundError as error:
            hidden = self._lost_submissions.may_still_arrive(submission.sent_at)
            status = ActionStatus.ENQUEUED if hidden else ActionStatus.FAILED
            return AsyncAction(id=action_id, type=ORDERS_IMPORT, status=status, result={"message": str(error)})

    # waiting

    def _learn_processing_time(self, milliseconds: float | None) -> None:
        state = self.state
        if milliseconds:
            seconds, average = milliseconds / 1000, state.action_seconds
            weight = 1.0 if average is None else WEIGHT_OF_LAST_ACTION
            state.action_seconds = weight * seconds + (1 - weight) * (average or 0.0)
        self._next_wait = min(FIRST_POLL, self._poller.interval)

    def _pause_for_actions(self) -> Pause:
        """Wait for the actions in flight; for half of them if there is more to send."""
        in_flight, action_seconds = self.state.checkpoint.in_flight, self.state.action_seconds
        min_ended = max(1, len(in_flight) // 2) if self._sender.sends_more else len(in_flight)
        if action_seconds is None:
            seconds, self._next_wait = self._next_wait, self._next_wait * 2
        else:
            seconds = max(action_seconds * min_ended, FIRST_POLL)
        return Pause(
            seconds=min(seconds, self._poller.interval),
            reason=f"{len(in_flight)} imports in flight",
            async_action_ids=tuple(submission.action_id for submission in in_flight if submission.action_id),
            min_ended=min_ended,
        )

    # state and report

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

    def progress(self) -> Progress:
        """Return how far the import has come."""
        state, counters = self.state, self.state.counters
        since, settled_then = state.observations.timeline[-RATE_POINTS:][0]
        return Progress(
            done=counters.settled,
            share=self._scheduler.share_read,
            rate=(counters.settled - settled_then) / max(self._clock() - since, 0.001),
            read=state.checkpoint.cursor.number,
            failed=counters.rejected + counters.unknown,
            in_flight=len(state.checkpoint.in_flight),
            calls=counters.api_calls,
            calls_left=self._client.transport.quota.remaining,
        )

    def _page(self, summary: ImportSummary) -> str | None:
        if self._report_path is None:
            return None
        settings, source = self._client.transport.settings, self._source
        about = About.of(settings, source.name, source.options, self._config, run=self._run, labels=self._labels)
        return report_page(summary, self.state, about, self._client.transport.quota, self._report_path)

    def _finish(self) -> None:
        state, counters, config = self.state, self.state.counters, self._config
        orders = state.checkpoint.cursor.number
        if counters.settled != orders:
            raise StateError(
                f"{orders} orders were read, but {counters.settled} have an outcome: {counters.loaded} loaded, "
                f"{counters.rejected} rejected, {counters.unknown} unknown. This is a defect of the provider: please "
                "report it."
            )
        summary = ImportSummary(
            orders=orders,
            loaded=counters.loaded,
            rejected=counters.rejected,
            unknown=counters.unknown,
            superseded=counters.superseded,
            with_customer=counters.with_customer,
            with_override=counters.with_override,
            chunks=counters.chunks,
            async_action_ids=state.action_ids,
            api_calls=counters.api_calls,
            report_path=None if self._report_path is None else str(self._report_path),
            reasons=state.observations.failures,
            findings=state.checkpoint.findings.report(),
        )
        self._state_store.check()
        self._chunk_log.merge()
        self._report.write_summary(summary.to_document(), self._page(summary))
        for count, effect in (
            (summary.with_customer, "had customers, who move through segments (customers)"),
            (summary.with_override, "had products that overwrite the catalogue (product_overrides)"),
        ):
            if count:
                log.warning("%d orders %s.", count, effect)
        log.info("%s", summary)
        self._summary = summary
        summary.check(config.max_rejected, config.max_unknown if config.wait_for_completion else orders)
        # not removed: a failure after this, as in post_execute or an XCom backend, must not send the orders again
        self._state_store.save(state.finish(summary).to_json())
        self._chunk_log.clear_parts()
