"""Keep Voucherify in step with the orders of a shop."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.operators._load import LoadOrdersOperator
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.order_source.dry_run import DryRunResult
from airflow_provider_voucherify.order_sync import SyncConfig, SyncJob, dry_run
from airflow_provider_voucherify.order_sync.checkpoint import SyncState
from airflow_provider_voucherify.task.order_source import OrderInput
from airflow_provider_voucherify.task.parameters import takes_options

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

RESULT = ("orders", "loaded", "rejected", "unknown", "api_calls", "report_path")


class SyncOrdersOperator(LoadOrdersOperator):
    """
    Creates and updates orders by a call each, many at the same time, as fast as the quota allows beside its reserve.

    Unlike an import, that triggers events, distributions and earning rules (documented). Orders that are gone from the
    source are not touched: a cancelled order is one with the status ``CANCELED`` (``value_mapping``). After a kill at
    most ``max_concurrent_calls`` orders are sent once more, whose events may come twice.

    The result is ``{"orders", "loaded", "rejected", "unknown", "api_calls", "report_path"}``, with ``loaded + rejected
    + unknown == orders``.

    :param report_path: A folder for the orders that were not loaded, ``rejected/part-*.jsonl`` and
        ``unknown/part-*.jsonl``, each with position, source_id, reason and payload; ``summary.json`` and
        ``report.html``. Without it, the first of each part are in the log. Mapped tasks need one each:
        ``…/{{ ti.map_index }}``. (templated)
    :param durable: Whether a retry, or the clearing of a failed task, resumes where the last try stopped. The state is
        saved in Airflow's task state store (3.3 and newer) or under ``report_path``. Once all orders have an outcome,
        another try in the same run, a cleared one too, sends nothing and returns the same result; the next run starts
        over.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param dry_run: Read and check everything, send nothing, and report what would be sent, and what it would cost and
        take. What would be rejected is written to ``dry_run/`` under ``report_path``.
    :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them: a dry run that needs more
        fails. (templated)
    :param deferrable: Whether to wait for the quota in the triggerer, if that takes 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for all orders; 1 day by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersNotLoadedError: if more orders are rejected or unknown than tolerated, with the first reasons.
    """

    state_type = SyncState
    state_key = "order_sync"
    metrics = "sync"

    @takes_options(OrderInput, SourceOptions, SyncConfig)
    def __init__(
        self,
        *,
        report_path: str | None = None,
        dry_run: bool = False,
        cycle_calls_left: int | str | None = None,
        timeout: float | timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            report_path=report_path, dry_run=dry_run, cycle_calls_left=cycle_calls_left, timeout=timeout, **kwargs
        )

    def _job(self, context: Context, calls: int, **resume: Any) -> SyncJob:
        self._telemetry = None  # counts from the state that the job opens
        return SyncJob(
            self.hook,
            self._source(context),
            self._options(SyncConfig),
            report_path=self._folder,
            calls=calls,
            on_progress=self._show,
            **resume,
        )

    def _finish(self, context: Context, job: SyncJob) -> dict[str, Any]:
        result = super()._finish(context, job)
        return {name: result[name] for name in RESULT}

    def _check_orders(self, context: Context, cycle_calls_left: int | None) -> DryRunResult:
        return dry_run(
            self.hook,
            self._source(context),
            self._options(SyncConfig),
            report_path=self._folder,
            cycle_calls_left=cycle_calls_left,
        )

    def _running_at_voucherify(self) -> list[str]:
        return []  # a call that was sent ends by itself, and is made again if the state does not have its outcome
