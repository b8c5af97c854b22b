"""Import historical orders into Voucherify."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.links.dashboard import AsyncActionLink, ExportLink, publish_exports
from airflow_provider_voucherify.operators._load import LoadOrdersOperator
from airflow_provider_voucherify.order_import import DryRunResult, ImportConfig, ImportJob, dry_run
from airflow_provider_voucherify.order_import.checkpoint import ImportState
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.task.observability import report_labels
from airflow_provider_voucherify.task.order_source import OrderInput
from airflow_provider_voucherify.task.parameters import AnyPath, takes_options

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ImportOrdersOperator(LoadOrdersOperator):
    """
    Imports historical orders in chunks, and finds the outcome of each.

    For an ongoing synchronisation use :class:`SyncOrdersOperator`: an import triggers no events, and ``created_at``
    becomes the time of the import (documented).

    The result is ``{"orders", "loaded", "rejected", "unknown", "superseded", "with_customer", "with_override",
    "chunks", "async_action_ids", "api_calls", "report_path", "findings"}``, with ``loaded + rejected + unknown ==
    orders``, the ids of the first 100 actions, and the number of findings about the orders: what was left out, renamed,
    guessed or seems wrong, listed in the log, ``summary.json`` and ``report.html``.

    :param report_path: A folder for the orders that were not loaded, ``rejected/part-*.jsonl`` and
        ``unknown/part-*.jsonl``, each with position, source_id, reason and payload; ``summary.json`` and
        ``report.html``. Without it, the first of each chunk are in the log. Mapped tasks need one each:
        ``…/{{ ti.map_index }}``. (templated)
    :param durable: Whether a retry, or the clearing of a failed task, resumes where the last try stopped. The state is
        saved in Airflow's task state store (3.3 and newer) or under ``report_path``. Once the import has finished,
        another try in the same run, a cleared one too, sends nothing and returns the same result; the next run starts
        a new import.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param dry_run: Read and check everything, send nothing, and report what an import would send, cost and take. What
        would be rejected is written to ``dry_run/`` under ``report_path``. (templated)
    :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them: a dry run that needs more
        fails. (templated)
    :param deferrable: Whether to wait in the triggerer, if a wait takes 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for the whole import; 7 days by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersNotLoadedError: if more orders are rejected or unknown than tolerated, with the first reasons.
    """

    operator_extra_links = (AsyncActionLink(), ExportLink())
    state_type = ImportState
    state_key = "order_import"
    metrics = "import"

    @takes_options(OrderInput, SourceOptions, ImportConfig)
    def __init__(
        self,
        *,
        report_path: AnyPath | None = None,
        dry_run: bool | str = False,
        cycle_calls_left: int | str | None = None,
        timeout: float | timedelta = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            report_path=report_path, dry_run=dry_run, cycle_calls_left=cycle_calls_left, timeout=timeout, **kwargs
        )

    def _job(self, context: Context, calls: int, **resume: Any) -> ImportJob:
        self._telemetry = None  # counts from the state that the job opens
        return ImportJob(
            self.hook.get_conn(),
            self._source(context),
            self._options(ImportConfig),
            report_path=self._folder,
            calls=calls,
            labels=report_labels(context),
            on_progress=self._show,
            **resume,
        )

    def _publish(self, context: Context, state: ImportState) -> None:
        context["ti"].xcom_push(key="async_action_ids", value=state.action_ids)
        if recent := state.checkpoint.recent_action_ids:
            AsyncActionLink().show(context, self.hook, recent[-1])
        publish_exports(context, self.hook, state.export_ids)
        super()._publish(context, state)

    def _check_orders(self, context: Context, cycle_calls_left: int | None) -> DryRunResult:
        return dry_run(
            self.hook.get_conn(),
            self._source(context),
            self._options(ImportConfig),
            report_path=self._folder,
            cycle_calls_left=cycle_calls_left,
        )

    def _running_at_voucherify(self) -> list[str]:
        submissions = self._state.checkpoint.in_flight if self._state else []
        exports = [f"export {export_id}" for export_id in self._state.export_ids] if self._state else []
        return exports + [
            f"async action {submission.action_id}"
            if submission.action_id
            else f"{submission.orders} orders without a response yet"
            for submission in submissions
        ]
