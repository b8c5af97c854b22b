"""The base of the operators that load orders: dry run, report, metrics and progress."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_voucherify.core.validation import check_number, check_switch
from airflow_provider_voucherify.operators._base import WaitingOperator
from airflow_provider_voucherify.order_load.dry_run import DryRunResult
from airflow_provider_voucherify.reporting.progress import Progress
from airflow_provider_voucherify.task.lineage import lineage, loaded_orders
from airflow_provider_voucherify.task.observability import Telemetry
from airflow_provider_voucherify.task.order_source import ReadsOrders
from airflow_provider_voucherify.task.parameters import AnyPath, from_json, is_templated

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


class LoadOrdersOperator(ReadsOrders, WaitingOperator):
    """
    Base of the operators that load orders into Voucherify.

    :cvar metrics: What the names of its metrics have after ``voucherify.``.
    :param report_path: A folder for the orders that were not loaded, ``summary.json`` and ``report.html``. (templated)
    :param dry_run: Whether to read and check everything, and send nothing. (templated)
    :param cycle_calls_left: The calls left in the billing cycle: a dry run that needs more fails. (templated)
    """

    template_fields: Sequence[str] = (
        *ReadsOrders.order_template_fields, "report_path", "dry_run_only", "cycle_calls_left", "voucherify_conn_id",
    )  # fmt: skip
    template_fields_renderers = ReadsOrders.order_template_renderers
    template_ext: Sequence[str] = ReadsOrders.order_template_ext

    metrics: ClassVar[str]

    def __init__(
        self,
        *,
        report_path: AnyPath | None = None,
        dry_run: bool | str = False,
        cycle_calls_left: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not is_templated(dry_run):
            check_switch("dry_run", dry_run)
        self.report_path = report_path
        self._check_order_input()
        self.dry_run_only = dry_run  # dry_run is a method of every operator
        self.cycle_calls_left = cycle_calls_left
        self._telemetry: Telemetry | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the orders, or resume what an earlier try started."""
        dry_run = from_json("dry_run", self.dry_run_only)
        check_switch("dry_run", dry_run)
        return self._dry_run(context) if dry_run else super().execute(context)

    @abstractmethod
    def _check_orders(self, context: Context, cycle_calls_left: int | None) -> DryRunResult:
        """
        Read and check everything, and send nothing.

        :param context: The task.
        :param cycle_calls_left: The calls left in the billing cycle; None if unknown.
        """

    def _dry_run(self, context: Context) -> dict[str, Any]:
        calls_left = from_json("cycle_calls_left", self.cycle_calls_left)
        if calls_left is not None:
            check_number("cycle_calls_left", calls_left, 0)
        result = {"dry_run": True, **self._check_orders(context, calls_left).to_xcom()}
        self._push_parts(context, result)
        return result

    def _show(self, progress: Progress) -> None:
        if self._telemetry is not None:
            self._telemetry.show(progress)

    def _publish(self, context: Context, state: Any) -> None:
        if self._telemetry is None:
            self._telemetry = Telemetry(context, state.counters, self.metrics)
        self._telemetry.count(state.counters)

    def _finish(self, context: Context, job: Any) -> dict[str, Any]:
        if self._telemetry is not None:
            self._telemetry.clear()
        result: dict[str, Any] = job.summary.to_xcom()
        return result

    def _lineage(self, result: dict[str, Any]) -> OperatorLineage[Any, Any]:
        loaded = loaded_orders(self.hook.transport.settings, result["loaded"])
        return lineage(self._files(), [loaded], self._queried())
