"""The synchronisation of orders, from the duplicate check to the report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Unpack

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.order_load.job import LoadJob, LoadJobOptions
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.order_sync.calls import Calls
from airflow_provider_voucherify.order_sync.checkpoint import SyncState
from airflow_provider_voucherify.order_sync.config import SyncConfig
from airflow_provider_voucherify.order_sync.outcomes import Outcomes
from airflow_provider_voucherify.order_sync.pending_orders import PendingOrders
from airflow_provider_voucherify.order_sync.sent_orders import SentOrders
from airflow_provider_voucherify.reporting.html_report import html_report
from airflow_provider_voucherify.reporting.summary import SyncSummary

log = logging.getLogger(__name__)


class SyncJob(LoadJob[SyncConfig, SyncState, SyncSummary]):
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
    :param state_store: Where the state is saved: before ``max_concurrent_calls`` more calls are made, and at the end.
        By default ``state.json`` under ``report_path``; without either, a job that is interrupted cannot resume.
    :param failures: How many rounds of calls failed in a row before, in a trigger.
    :param sent_before: Orders that were sent lately: those that have not changed count as loaded without a call.
    :param on_change: Called before anything is sent, if some of ``sent_before`` have changed, with the others: whoever
        keeps them has to know now, as this job may end before it is finished.
    """

    _unfinished = "The synchronisation is not finished."
    _state_type = SyncState

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        config: SyncConfig = SyncConfig(),  # noqa: B008  # frozen
        *,
        sent_before: SentOrders | None = None,
        on_change: Callable[[SentOrders], None] = lambda _sent_before: None,
        **options: Unpack[LoadJobOptions],
    ) -> None:
        super().__init__(client, source, config, **options)
        self._sent_before = SentOrders() if sent_before is None else sent_before
        self._on_change = on_change

    def sent_orders(self) -> SentOrders:
        """
        Return what the next job need not send again: the last orders of this one, and what was sent before them.

        If an order was refused or is unknown, it is nothing: these orders have to be sent again. If an earlier try
        finished the job, it is what was sent before and has not changed.
        """
        sent, counters = SentOrders(), self.state.counters
        if not counters.settled:
            return self._sent_before
        if not counters.refused and not counters.unknown:
            sent.add(checked(self._source.read(), self._rules))
        return sent

    def _start(self, fingerprint: str, project: str) -> SyncState:
        restarted_by = self._run if self._restart else None
        return SyncState(fingerprint=fingerprint, project=project, run=self._run, restarted_by=restarted_by)

    def _set_up(self, state: SyncState, rules: Rules) -> None:
        self._rules = rules
        if len(self._sent_before) and self._sent_before.forget_changed(checked(self._source.scan(), rules)):
            self._on_change(self._sent_before)
        self._pending = PendingOrders(
            self._source, state.checkpoint, rules, self._config.preserve_order_by, self._sent_before
        )
        outcomes = Outcomes(state, self._report, self._state_store.check, self._clock)
        self._calls = Calls(
            self._client,
            self._pending,
            outcomes,
            self._poller,
            state.counters,
            self._config,
            self._save,
            self._state_store.check,
            self._clock,
        )

    def _load(self) -> Pause | None:
        self._save_now()
        try:
            return self._calls.make()
        except VoucherifyError:
            counters = self.state.counters
            log.warning(
                "Stopped at %s, the first order without an outcome: %d orders are loaded, %d rejected, %d unknown.",
                self._pending.first_position, counters.loaded, counters.rejected, counters.unknown,
            )  # fmt: skip
            raise

    @property
    def _share(self) -> float | None:
        return self._pending.share_settled

    @property
    def _in_flight(self) -> int:
        return self._calls.in_flight

    def _summarize(self, **results: Any) -> SyncSummary:
        order_ids = [order_id for _, order_id in sorted(self.state.order_ids)]
        return SyncSummary(**results, order_ids=order_ids, first_order=self.state.first_order)

    def _write_report(self, summary: SyncSummary) -> None:
        page = html_report(summary, self.state.observations, self._about())
        self._report.write_summary(summary.to_document(), page)
