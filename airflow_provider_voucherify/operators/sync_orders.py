"""Keep Voucherify in step with the orders of a shop."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec

from airflow_provider_voucherify.core.validation import seconds_of
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.operators._load import LoadOrdersOperator
from airflow_provider_voucherify.order_load.dry_run import DryRunResult
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.order_sync import SyncConfig, SyncJob, dry_run
from airflow_provider_voucherify.order_sync.checkpoint import SyncState
from airflow_provider_voucherify.order_sync.sent_orders import SentOrders
from airflow_provider_voucherify.task.observability import report_labels
from airflow_provider_voucherify.task.order_source import OrderInput
from airflow_provider_voucherify.task.parameters import AnyPath, OptionsT, takes_options
from airflow_provider_voucherify.task.watermark import Watermark

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_voucherify.order_source.query.source import QuerySource

RESULT = ("orders", "loaded", "rejected", "unknown", "api_calls", "report_path")


class SyncOrdersOperator(LoadOrdersOperator):
    """
    Creates and updates orders by a call each, many at the same time, as fast as the quota allows beside its reserve.

    Unlike an import, that triggers events, distributions and earning rules (documented). Orders that are gone from the
    source are not touched: a cancelled order is one with the status ``CANCELED`` (``value_mapping``). After a kill at
    most ``max_concurrent_calls`` orders are sent once more, whose events may come twice.

    With ``watermark_column`` it sends what has changed since the last successful run::

        SyncOrdersOperator(
            task_id="sync_orders",
            sql="SELECT … FROM orders WHERE updated_at >= '{{ watermark }}' ORDER BY updated_at",
            watermark_column="updated_at",
            …
        )

    The highest value of the column is kept in the variable ``voucherify_watermark_<dag_id>_<task_id>`` of Airflow once
    all orders have an outcome within the tolerances: a run that fails or is skipped is made up for by the next one. It
    takes ``max_active_runs=1`` and a task that is not mapped.

    The result is ``{"orders", "loaded", "rejected", "unknown", "api_calls", "report_path", "watermark"}``, with
    ``loaded + rejected + unknown == orders``.

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
        take. What would be rejected is written to ``dry_run/`` under ``report_path``. (templated)
    :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them: a dry run that needs more
        fails. (templated)
    :param watermark_column: The column of ``sql`` that says when an order has changed, for ``{{ watermark }}``. It is
        left out of the orders, unless ``column_mapping`` has it.
    :param watermark_lookback: How much is read again, as changes may be committed later than others with a higher
        value: seconds or a timedelta, 5 minutes by default. Of these orders, those whose content was sent last time
        count as loaded without a call; it is remembered of the last 2,000 orders that were read.
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
        report_path: AnyPath | None = None,
        dry_run: bool | str = False,
        cycle_calls_left: int | str | None = None,
        watermark_column: str | None = None,
        watermark_lookback: float | timedelta = timedelta(minutes=5),
        timeout: float | timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            report_path=report_path, dry_run=dry_run, cycle_calls_left=cycle_calls_left, timeout=timeout, **kwargs
        )
        if watermark_column is not None and self.sql is None:
            raise ConfigurationError("watermark_column is for orders that are given as sql.")
        self.watermark_column = watermark_column
        self.watermark_lookback = seconds_of("watermark_lookback", watermark_lookback)
        self._changed: Source | None = None

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render the templates, in which ``{{ watermark }}`` is the time from which to read on."""
        if self.watermark_column is not None:
            lookback = timedelta(seconds=self.watermark_lookback)
            context["watermark"] = Watermark.load(context).start(lookback)  # type: ignore[typeddict-unknown-key]
        super().render_template_fields(context, jinja_env)

    def _job(self, context: Context, calls: int, **resume: Any) -> SyncJob:
        self._telemetry = None  # counts from the state that the job opens
        self._changed = self._source(context)
        watermark = Watermark() if self.watermark_column is None else Watermark.load(context)
        return SyncJob(
            self.hook.get_conn(),
            self._changed,
            self._options(SyncConfig),
            report_path=self._folder,
            calls=calls,
            labels=report_labels(context),
            on_progress=self._show,
            sent_before=SentOrders(watermark.sent),
            on_change=lambda sent: msgspec.structs.replace(watermark, sent=sent.to_text()).save(context),
            **resume,
        )

    def _finish(self, context: Context, job: SyncJob) -> dict[str, Any]:
        result = super()._finish(context, job)
        return {**{name: result[name] for name in RESULT}, "watermark": self._advance_watermark(context, job)}

    def _advance_watermark(self, context: Context, job: SyncJob) -> str | None:
        """Keep how far this run has come, and return it; None without a watermark."""
        if self.watermark_column is None or self._changed is None:
            return None
        watermark = Watermark.load(context)
        highest = cast("QuerySource", self._changed).highest(self.watermark_column)
        if highest is not None:
            watermark = watermark.advanced(highest, job.sent_orders().to_text())
            watermark.save(context)
        return watermark.value

    def _options(self, group: type[OptionsT]) -> OptionsT:
        options = super()._options(group)
        if isinstance(options, SourceOptions) and self.watermark_column is not None:
            mapping = {self.watermark_column: None, **(options.column_mapping or {})}
            return msgspec.structs.replace(options, column_mapping=mapping)
        return options

    def _check_orders(self, context: Context, cycle_calls_left: int | None) -> DryRunResult:
        return dry_run(
            self.hook.get_conn(),
            self._source(context),
            self._options(SyncConfig),
            report_path=self._folder,
            cycle_calls_left=cycle_calls_left,
        )

    def _running_at_voucherify(self) -> list[str]:
        return []  # a call that was sent ends by itself, and is made again if the state does not have its outcome
