"""Create and update single orders in Voucherify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.exceptions import ConfigurationError, OrdersRefusedError
from airflow_provider_voucherify.operators._base import VoucherifyOperator, WaitingOperator
from airflow_provider_voucherify.order_source import SourceOptions, open_source
from airflow_provider_voucherify.order_source.options import AmountUnit
from airflow_provider_voucherify.order_sync import SyncConfig, SyncJob
from airflow_provider_voucherify.order_sync.checkpoint import SyncState
from airflow_provider_voucherify.task.parameters import JSON_FILES, from_json, is_templated

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SHOWN_REASONS = 5
ANY_NUMBER = float("inf")


class CreateOrderOperator(WaitingOperator):
    """
    Creates a few orders, or updates those whose ``id`` or ``source_id`` exists (documented), with a call each.

    Unlike an import that triggers events, distributions and earning rules. For what changes in a shop again and again
    use :class:`SyncOrdersOperator`, which reads files, tables and queries; for history :class:`ImportOrdersOperator`.

    The result is ``{"orders": n, "order_ids": [...]}`` with the ids of the first 100 orders.

    :param order: The order, or a list of orders, or the XCom of a task that returns them, or a ``.json`` file beside
        the DAG that has them. (templated)
    :param amount_unit: ``major`` turns amounts such as 12.34 into 1234, exactly; by default they are in the smallest
        currency unit.
    :param report_path: A folder for the orders that are refused, ``rejected/part-*.jsonl`` and
        ``unknown/part-*.jsonl``, each with position, source_id, reason and payload. (templated)
    :param durable: Whether a retry resumes where the last try stopped. The state is saved in Airflow's task state store
        (3.3 and newer) or under ``report_path``.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param deferrable: Whether to wait for the quota in the triggerer, if that takes 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for all orders; 1 hour by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersRefusedError: after all were tried, if some were refused, with position, source_id and reason of the
        first.
    """

    template_fields: Sequence[str] = ("order", "report_path", "voucherify_conn_id")
    template_fields_renderers = {"order": "json"}
    template_ext: Sequence[str] = JSON_FILES
    state_type = SyncState
    state_key = "order_create"
    poll_interval = SyncConfig().poll_seconds

    def __init__(
        self,
        *,
        order: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        amount_unit: AmountUnit | None = None,
        report_path: str | None = None,
        timeout: float | timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        SourceOptions.check_option("amount_unit", amount_unit)
        self.order = order
        self.amount_unit = amount_unit
        self.report_path = report_path
        if not is_templated(order):
            self._orders()

    def _job(self, context: Context, calls: int, **resume: Any) -> SyncJob:
        return SyncJob(
            self.hook,
            open_source(self._orders(), require_source_id=False, amount_unit=self.amount_unit),
            SyncConfig(max_rejected=ANY_NUMBER, max_unknown=ANY_NUMBER),
            report_path=self._folder,
            calls=calls,
            **resume,
        )

    def _publish(self, context: Context, state: SyncState) -> None:
        """Publish nothing: the result has all."""

    def _finish(self, context: Context, job: SyncJob) -> dict[str, Any]:
        summary = job.summary
        if refused := summary.rejected + summary.unknown:
            unknown = f" (of {summary.unknown} it is unknown)" if summary.unknown else ""
            where = f" All of them are under {summary.report_path}." if summary.report_path else ""
            raise OrdersRefusedError(
                f"{refused} of {summary.orders} orders were refused{unknown}; the others are in.{where} The first:"
                + "".join(f"\n  {reason}" for reason in summary.reasons[:SHOWN_REASONS])
            )
        return {"orders": summary.orders, "order_ids": summary.order_ids}

    def _running_at_voucherify(self) -> list[str]:
        return []  # as in a synchronisation

    def _orders(self) -> Sequence[Mapping[str, Any]]:
        given = from_json("order", self.order)
        orders = [given] if isinstance(given, Mapping) else given
        if not isinstance(orders, list | tuple):
            raise ConfigurationError(f"order must be an order or a list of orders, got {given!r:.80}.")
        for index, order in enumerate(orders):
            if not isinstance(order, Mapping):
                raise ConfigurationError(f"order[{index}] must be an object, got {order!r:.80}.")
        return orders


class UpdateOrderOperator(VoucherifyOperator):
    """
    Changes an order; what is not given stays as it is (documented).

    The result is ``{"id", "source_id", "status"}``.

    :param order_id: Its ``id`` or ``source_id``. (templated)
    :param changes: The fields to change, or a ``.json`` file beside the DAG that has them. (templated)
    :param voucherify_conn_id: The connection. (templated)
    """

    template_fields: Sequence[str] = ("order_id", "changes", "voucherify_conn_id")
    template_fields_renderers = {"changes": "json"}
    template_ext: Sequence[str] = JSON_FILES

    def __init__(self, *, order_id: str, changes: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order_id = order_id
        self.changes = changes
        if not is_templated([order_id, changes]):
            self._changes()

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the order."""
        changes = self._changes()
        order = self.hook.update_order(self.order_id, changes)
        self.log.info("Order %s is updated: %s.", self.order_id, ", ".join(changes))
        return {key: order.get(key) for key in ("id", "source_id", "status")}

    def _changes(self) -> Mapping[str, Any]:
        if not self.order_id or not isinstance(self.order_id, str):
            raise ConfigurationError(f"order_id must be the id or source_id of an order, got {self.order_id!r}.")
        changes = from_json("changes", self.changes)
        if not isinstance(changes, Mapping):
            raise ConfigurationError(f"changes must be an object, got {changes!r:.80}.")
        return changes
