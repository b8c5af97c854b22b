"""Compare the orders of a source with those that Voucherify has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.links.dashboard import ExportLink, publish_exports
from airflow_provider_voucherify.operators._base import WaitingOperator
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.reconciliation import ReconcileConfig, ReconcileJob
from airflow_provider_voucherify.reconciliation.checkpoint import STATE_FILE, ReconcileState
from airflow_provider_voucherify.reconciliation.config import check_compare
from airflow_provider_voucherify.task.lineage import file_asset, files, in_voucherify, lineage
from airflow_provider_voucherify.task.observability import report_labels
from airflow_provider_voucherify.task.order_source import OrderInput, ReadsOrders
from airflow_provider_voucherify.task.parameters import AnyPath, OptionalParameter, is_templated, takes_options

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Context
    from airflow.providers.openlineage.extractors import OperatorLineage


class ReconcileOrdersOperator(ReadsOrders, WaitingOperator):
    """
    Compares orders with those that Voucherify has: one export, joined with the source on ``source_id`` by DuckDB (the
    extra ``reconcile``), and line items of a random sample.

    What Voucherify changes by design is counted in ``by_design``, not as different: an ``amount`` that is the sum of
    the items, and metadata outside the schema that are kept as text (documented). ``created_at``, which becomes the
    time of the import (documented), is not compared. Orders that are at Voucherify and are invalid in the source are
    ``unchecked``, as are those without a ``source_id``. ``not_compared`` counts the orders whose customer or referrer
    the source names by a ``source_id``, which no export has (documented): that they have one is compared.

    The result is ``{"orders", "matched", "missing", "different", "extra", "unchecked", "repeated", "by_design",
    "not_compared", "items_sampled", "money", "export_ids", "api_calls", "report_path"}``, with the sums of the amounts
    by status on both sides in ``money``, and ``matched + missing + different + unchecked + repeated == orders``.

    :param report_path: A folder for ``missing/part-*.jsonl`` and ``different/part-*.jsonl``, which can be given to
        ``ImportOrdersOperator`` as ``orders_path`` with the same options of the source; ``by_design/`` (amounts
        alone), ``extra/`` and ``unchecked/``; and ``summary.json``. Mapped tasks need one each:
        ``…/{{ ti.map_index }}``. (templated)
    :param durable: Whether a retry resumes with the export of the last try. The state is saved in Airflow's task state
        store (3.3 and newer) or under ``report_path``. Once the reconciliation has finished, whatever it found, another
        try makes a fresh export.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param deferrable: Whether to wait in the triggerer, if a wait takes 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for the whole reconciliation; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersDifferError: if more orders are missing, different or unchecked than tolerated, naming the first.
    """

    template_fields: Sequence[str] = (
        *ReadsOrders.order_template_fields,
        "report_path",
        "compare",
        "window_start",
        "window_end",
        "voucherify_conn_id",
    )
    template_fields_renderers = {**ReadsOrders.order_template_renderers, "compare": "json"}
    template_ext: Sequence[str] = ReadsOrders.order_template_ext
    operator_extra_links = (ExportLink(),)
    state_type = ReconcileState
    state_key = "order_reconciliation"
    state_file = STATE_FILE

    compare: Sequence[str] | None
    window_start = OptionalParameter()
    window_end = OptionalParameter()

    @takes_options(OrderInput, SourceOptions, ReconcileConfig)
    def __init__(
        self, *, report_path: AnyPath | None = None, timeout: float | timedelta = timedelta(hours=6), **kwargs: Any
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.report_path = report_path
        self._check_order_input()
        if not is_templated(self.compare):
            check_compare(self.compare)

    def _job(self, context: Context, calls: int, **resume: Any) -> ReconcileJob:
        return ReconcileJob(
            self.hook.get_conn(),
            self._source(context),
            self._options(ReconcileConfig),
            report_path=self._folder,
            calls=calls,
            labels=report_labels(context),
            **resume,
        )

    def _publish(self, context: Context, state: ReconcileState) -> None:
        publish_exports(context, self.hook, state.export_ids)

    def _finish(self, context: Context, job: ReconcileJob) -> dict[str, Any]:
        return job.summary.to_xcom()

    def _asset(self, result: dict[str, Any]) -> Asset | None:
        return file_asset(result["report_path"]) if result["report_path"] else None

    def _lineage(self, result: dict[str, Any]) -> OperatorLineage[Any, Any]:
        compared = [*self._files(), in_voucherify(self.hook.transport.settings)]
        report = [files(result["report_path"])] if result["report_path"] else []
        return lineage(compared, report, self._queried())

    def _running_at_voucherify(self) -> list[str]:
        return [f"export {export_id}" for export_id in self._state.export_ids] if self._state else []
