"""The base of the jobs that load orders, from the duplicate check to the report."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, Unpack

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.core.job import Job, JobOptions
from airflow_provider_voucherify.core.state_store import StateStore, state_file
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import StateError
from airflow_provider_voucherify.order_load.checkpoint import LoadState
from airflow_provider_voucherify.order_load.config import LoadConfig
from airflow_provider_voucherify.order_load.find_rules import find_rules
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.reporting.about import About
from airflow_provider_voucherify.reporting.progress import Progress
from airflow_provider_voucherify.reporting.reject_files import Report
from airflow_provider_voucherify.reporting.summary import LoadSummary

PROGRESS_INTERVAL = 30.0
RATE_POINTS = 10  # of the 60 of the timeline: enough to be steady, and few enough to follow a change

log = logging.getLogger(__name__)


ConfigT = TypeVar("ConfigT", bound=LoadConfig)
StateT = TypeVar("StateT", bound=LoadState)
SummaryT = TypeVar("SummaryT", bound=LoadSummary)


class LoadJobOptions(JobOptions, total=False):
    """What every job that loads orders takes beside its client, source and configuration: see :class:`LoadJob`."""

    report_path: StoragePath | None
    state_store: StateStore | None
    labels: Mapping[str, str] | None
    on_progress: Callable[[Progress], None]


class LoadJob(Job[StateT, SummaryT], Generic[ConfigT, StateT, SummaryT]):
    """
    Finds the outcome of each order of a source, in as many tries as it takes.

    The last step raises an :class:`~airflow_provider_voucherify.exceptions.OrdersNotLoadedError` if more orders were
    rejected or are unknown than the options tolerate.

    :param client: The API.
    :param source: The orders.
    :param config: The options.
    :param report_path: A folder for the orders that were not loaded, ``summary.json`` and ``report.html``.
    :param state_store: Where the state is saved. By default ``state.json`` under ``report_path``; without either, a job
        that is interrupted cannot resume.
    :param run: The name of this run. Another try of a run that finished returns its summary and sends nothing.
    :param labels: What else identifies the job in its report, such as its DAG and task.
    :param on_progress: Called with the progress before each pause and every 30 seconds.
    """

    _state_type: type[StateT]

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        config: ConfigT,
        *,
        report_path: StoragePath | None = None,
        state_store: StateStore | None = None,
        labels: Mapping[str, str] | None = None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        **options: Unpack[JobOptions],
    ) -> None:
        if state_store is None:
            state_store = state_file(report_path)
        super().__init__(client, config, state_store, **options)
        self._source = source
        self._config = config
        self._report_path = report_path
        self._report = Report(report_path, self._run)
        self._labels = labels
        self._on_progress = on_progress
        self._progress_at = self._clock()

    def _open(self) -> StateT:
        if self._report_path is not None:
            self._source.check_report_path(self._report_path)
        self._report.check_writable()
        fingerprint, project = self._source.fingerprint(), self._client.transport.settings.project
        state = self._state_type.load(self._state_store, fingerprint, project, run=self._run, restart=self._restart)
        if state is not None and state.finished is not None:
            log.info("This run has finished the %s before: nothing is sent again. %s", state.job, state.finished)
            self._summary = state.finished
            return state
        if state is not None:
            log.info("Resuming: %s.", state.standing)
            self._resume(state)
        else:
            state = self._start(fingerprint, project)
            self._clear()
            state.observations.mark(self._clock(), 0)
        self._count_calls_from(state.counters.api_calls)
        state.counters.api_calls = self._calls_made
        self._set_up(state, find_rules(self._source, self._config, state.checkpoint))
        return state

    def _advance(self) -> Pause | None:
        pause = self._load()
        if pause:
            self._report_progress(waiting_for=pause.reason)
        else:
            self._finish()
        return pause

    def progress(self) -> Progress:
        """Return how far the job has come."""
        state, counters = self.state, self.state.counters
        since, settled_then = state.observations.timeline[-RATE_POINTS:][0]
        return Progress(
            done=counters.settled,
            share=self._share,
            rate=(counters.settled - settled_then) / max(self._clock() - since, 0.001),
            read=state.checkpoint.cursor.number,
            failed=counters.rejected + counters.unknown,
            in_flight=self._in_flight,
            calls=counters.api_calls,
            calls_left=self._client.transport.quota.remaining,
        )

    @abstractmethod
    def _start(self, fingerprint: str, project: str) -> StateT:
        """Make the state of a job that starts."""

    def _resume(self, state: StateT) -> None:
        """Take up a state that was saved, and remove what was written and not saved any more."""
        self._report.remove_unsaved(state.checkpoint.has_outcome)

    def _clear(self) -> None:
        """Remove what an earlier job left under the report."""
        self._report.clear()

    @abstractmethod
    def _set_up(self, state: StateT, rules: Rules) -> None:
        """Make what works on the state, by the rules that decide which orders are sent."""

    @abstractmethod
    def _load(self) -> Pause | None:
        """Load what can be loaded now, and save the state."""

    @property
    @abstractmethod
    def _share(self) -> float | None:
        """The share of the source that is done, 0 to 1; None if its length is unknown."""

    @property
    @abstractmethod
    def _in_flight(self) -> int:
        """How many requests are on their way."""

    @property
    def _max_unknown(self) -> float:
        """How many orders may be unknown without an error."""
        return self._config.max_unknown

    @abstractmethod
    def _summarize(self, **results: Any) -> SummaryT:
        """
        Make the summary.

        :param results: The fields of :class:`~airflow_provider_voucherify.reporting.summary.LoadSummary`.
        """

    @abstractmethod
    def _write_report(self, summary: SummaryT) -> None:
        """Write the summary and the page of the report."""

    def _about(self) -> About:
        """Describe the job for its report."""
        settings, source = self._client.transport.settings, self._source
        return About.of(settings, source.name, source.options, self._config, run=self._run, labels=self._labels)

    # state and report

    def _save(self) -> None:
        self._save_now()
        if self._clock() - self._progress_at >= PROGRESS_INTERVAL:
            self._report_progress()

    def _save_now(self) -> None:
        self.state.counters.api_calls = self._calls_made
        self._state_store.save(self.state.to_json())

    def _report_progress(self, waiting_for: str = "") -> None:
        self._progress_at = self._clock()
        progress = self.progress()
        log.info("%s%s", progress, f"; waiting for {waiting_for}" if waiting_for else "")
        self._on_progress(progress)

    def _finish(self) -> None:
        state, counters = self.state, self.state.counters
        orders = state.checkpoint.cursor.number
        if counters.settled != orders:
            raise StateError(
                f"{orders} orders were read, but {counters.settled} have an outcome: {counters.loaded} loaded, "
                f"{counters.rejected} rejected, {counters.unknown} unknown. This is a defect of the provider: please "
                "report it."
            )
        summary = self._summarize(
            orders=orders,
            **counters.shared(),
            report_path=None if self._report_path is None else str(self._report_path),
            reasons=state.observations.failures,
            findings=state.checkpoint.findings.report(),
        )
        self._state_store.check()
        self._report.merge()
        self._write_report(summary)
        log.info("%s", summary)
        self._summary = summary
        summary.check(self._config.max_rejected, self._max_unknown)
        # not removed: a failure after this, as in post_execute or an XCom backend, must not send the orders again
        self._state_store.save(state.finish(summary).to_json())
