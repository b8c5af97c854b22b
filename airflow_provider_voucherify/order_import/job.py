"""The import of orders, from the duplicate check to the report."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import Any, Unpack

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.models import ORDERS_IMPORT, ActionStatus, AsyncAction
from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.exceptions import NotFoundError, QuotaError
from airflow_provider_voucherify.order_import.checkpoint import ImportState, Submission
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.lost_submissions import LostSubmissions
from airflow_provider_voucherify.order_import.outcomes import Outcomes, chunk_outcome
from airflow_provider_voucherify.order_import.report_page import report_page
from airflow_provider_voucherify.order_import.scheduler import Scheduler
from airflow_provider_voucherify.order_import.sender import Sender
from airflow_provider_voucherify.order_import.verification import Verification
from airflow_provider_voucherify.order_load.job import LoadJob, LoadJobOptions
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.reporting.chunk_log import ChunkLog
from airflow_provider_voucherify.reporting.summary import ImportSummary

FIRST_POLL = 1.0
WEIGHT_OF_LAST_ACTION = 0.3
MAX_DOUBLINGS = 10

log = logging.getLogger(__name__)


class ImportJob(LoadJob[ImportConfig, ImportState, ImportSummary]):
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
    :param state_store: Where the state is saved, before each request that changes something and after it. By default
        ``state.json`` under ``report_path``; without either, an import that is interrupted cannot resume.
    """

    _unfinished = "The import is not finished."
    _state_type = ImportState

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        config: ImportConfig = ImportConfig(),  # noqa: B008  # frozen
        **options: Unpack[LoadJobOptions],
    ) -> None:
        super().__init__(client, source, config, **options)
        self._chunk_log = ChunkLog(self._report_path)
        self._next_wait = min(FIRST_POLL, config.poll_seconds)
        self._verification: Verification | None = None

    @property
    def failures(self) -> int:
        """How many polls failed in a row up to now."""
        return max(super().failures, 0 if self._verification is None else self._verification.failures)

    @property
    def _facts(self) -> Facts:
        return self._client.transport.settings.facts

    def _start(self, fingerprint: str, project: str) -> ImportState:
        return ImportState.start(
            fingerprint, project, self._config.fitting(self._facts), run=self._run, restarted=self._restart
        )

    def _resume(self, state: ImportState) -> None:
        state.limit_chunks(self._config.fitting(self._facts))
        super()._resume(state)
        self._chunk_log.remove_unsaved(state.checkpoint.has_outcome)

    def _clear(self) -> None:
        super()._clear()
        self._chunk_log.clear()

    def _set_up(self, state: ImportState, rules: Rules) -> None:
        self._scheduler = Scheduler(self._source, state.checkpoint, rules)
        self._outcomes = Outcomes(
            state, self._report, self._chunk_log, self._config, self._facts, self._state_store.check, self._clock
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

    def _load(self) -> Pause | None:
        pause = self._step()
        self._save_now()
        return pause

    def _step(self) -> Pause | None:
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

    # report

    @property
    def _share(self) -> float | None:
        return self._scheduler.share_read

    @property
    def _in_flight(self) -> int:
        return len(self.state.checkpoint.in_flight)

    @property
    def _max_unknown(self) -> float:
        return super()._max_unknown if self._config.wait_for_completion else math.inf

    def _summarize(self, **results: Any) -> ImportSummary:
        counters = self.state.counters
        return ImportSummary(
            **results,
            with_customer=counters.with_customer,
            with_override=counters.with_override,
            chunks=counters.chunks,
            async_action_ids=self.state.action_ids,
        )

    def _write_report(self, summary: ImportSummary) -> None:
        self._chunk_log.merge()
        self._report.write_summary(summary.to_document(), self._page(summary))
        for count, effect in (
            (summary.with_customer, "had customers, who move through segments (customers)"),
            (summary.with_override, "had products that overwrite the catalogue (product_overrides)"),
        ):
            if count:
                log.warning("%s orders %s.", f"{count:,}", effect)

    def _page(self, summary: ImportSummary) -> str | None:
        if self._report_path is None:
            return None
        return report_page(summary, self.state, self._about(), self._client.transport.quota, self._report_path)

    def _finish(self) -> None:
        super()._finish()
        self._chunk_log.clear_parts()
