"""Create and update a few orders in Voucherify."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError, OrdersRefusedError
from airflow_provider_voucherify.operators._base import WaitingOperator
from airflow_provider_voucherify.order_source import SourceOptions, open_source
from airflow_provider_voucherify.order_source.options import AmountUnit
from airflow_provider_voucherify.order_source.schema.order import ID_PREFIX
from airflow_provider_voucherify.order_sync import SyncConfig, SyncJob
from airflow_provider_voucherify.order_sync.checkpoint import SyncState
from airflow_provider_voucherify.order_sync.config import SyncMode
from airflow_provider_voucherify.reporting.losses import first_of
from airflow_provider_voucherify.task.observability import report_labels
from airflow_provider_voucherify.task.parameters import (
    JSON_FILES,
    AnyPath,
    OptionalParameter,
    from_json,
    is_templated,
    text_of,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

ANY_NUMBER = float("inf")


class FewOrdersOperator(WaitingOperator):
    """
    Base of the operators that send orders that a task has at hand.

    :cvar mode: Whether orders that do not exist are created.
    :param amount_unit: ``major`` turns amounts such as 12.34 into 1234.
    :param report_path: A folder for the orders that are refused. (templated)
    :param timeout: Seconds, or a timedelta, for all orders.
    """

    state_type = SyncState
    poll_interval = SyncConfig().poll_seconds
    template_ext: Sequence[str] = JSON_FILES

    mode: ClassVar[SyncMode]

    def __init__(
        self,
        *,
        amount_unit: AmountUnit | None = None,
        report_path: AnyPath | None = None,
        timeout: float | timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        SourceOptions.check_option("amount_unit", amount_unit)
        self.amount_unit = amount_unit
        self.report_path = report_path

    @abstractmethod
    def _orders(self) -> Sequence[Mapping[str, Any]]:
        """Return the orders to send."""

    def _job(self, context: Context, calls: int, **resume: Any) -> SyncJob:
        return SyncJob(
            self.hook.get_conn(),
            open_source(self._orders(), require_source_id=False, amount_unit=self.amount_unit),
            SyncConfig(mode=self.mode, max_rejected=ANY_NUMBER, max_unknown=ANY_NUMBER),
            report_path=self._folder,
            calls=calls,
            labels=report_labels(context),
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
                f"With connection {self.voucherify_conn_id!r}: {refused} of {summary.orders} orders were refused"
                f"{unknown}; the others are in.{where} {first_of(summary.reasons)}"
            )
        return {"orders": summary.orders, "order_ids": summary.order_ids}

    def _running_at_voucherify(self) -> list[str]:
        return []  # as in a synchronisation


class CreateOrderOperator(FewOrdersOperator):
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
    state_key = "order_create"
    mode = "upsert"

    def __init__(self, *, order: Mapping[str, Any] | Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order
        if not is_templated(order):
            self._orders()

    def _orders(self) -> Sequence[Mapping[str, Any]]:
        return _objects("order", self.order)


class UpdateOrderOperator(FewOrdersOperator):
    """
    Changes an order, or a few of them with a call each; what is not given stays as it is (documented).

    The result is ``{"id", "source_id", "status"}`` of the order with ``order_id``; without that it is
    ``{"orders": n, "order_ids": [...]}`` with the ids of the first 100 orders.

    :param order_id: The ``id`` or ``source_id`` of the order; None where ``changes`` have it. (templated)
    :param changes: The fields to change. Without ``order_id`` a list of such objects, or one, each with the ``id`` or
        ``source_id`` of its order. Or the XCom of a task that returns them, or a ``.json`` file beside the DAG that
        has them. (templated)
    :param amount_unit: ``major`` turns amounts such as 12.34 into 1234, exactly; by default they are in the smallest
        currency unit.
    :param report_path: A folder for the orders that are refused, as they do not exist, for one: ``rejected/`` and
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

    template_fields: Sequence[str] = ("order_id", "changes", "report_path", "voucherify_conn_id")
    template_fields_renderers = {"changes": "json"}
    state_key = "order_update"
    mode = "update"

    order_id = OptionalParameter()

    def __init__(
        self,
        *,
        order_id: str | None = None,
        changes: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.order_id = order_id
        self.changes = changes
        if not is_templated([order_id, changes]):
            self._orders()

    def _orders(self) -> Sequence[Mapping[str, Any]]:
        if self.order_id is None:
            return _objects("changes", self.changes)
        order_id = text_of(self.order_id)
        if not order_id or not isinstance(order_id, str):
            raise ConfigurationError(f"order_id must be the id or source_id of an order, got {order_id!r}.")
        changes = from_json("changes", self.changes)
        if not isinstance(changes, Mapping):
            raise ConfigurationError(f"changes must be an object, got {changes!r:.80}.")
        name = "id" if order_id.startswith(ID_PREFIX) else "source_id"
        if changes.get(name, order_id) != order_id:
            raise ConfigurationError(f"changes have the {name} {changes[name]!r}, but order_id is {order_id!r}.")
        return [{**changes, name: order_id}]

    def _finish(self, context: Context, job: SyncJob) -> dict[str, Any]:
        result, order = super()._finish(context, job), job.summary.first_order
        return result if self.order_id is None or order is None else msgspec.to_builtins(order)


def _objects(parameter: str, value: Any) -> Sequence[Mapping[str, Any]]:
    """Read a parameter that is an order or a list of orders."""
    given = from_json(parameter, value)
    orders = [given] if isinstance(given, Mapping) else given
    if not isinstance(orders, list | tuple):
        raise ConfigurationError(f"{parameter} must be an order or a list of orders, got {given!r:.80}.")
    for index, order in enumerate(orders):
        if not isinstance(order, Mapping):
            raise ConfigurationError(f"{parameter}[{index}] must be an object, got {order!r:.80}.")
    return orders
