"""Create and update single orders in Voucherify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.exceptions import ConfigurationError, InvalidRequestError, OrdersRefusedError
from airflow_provider_voucherify.operators._base import VoucherifyOperator
from airflow_provider_voucherify.task.parameters import JSON_FILES, from_json, is_templated

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SHOWN_REASONS = 5


class CreateOrderOperator(VoucherifyOperator):
    """
    Creates orders one by one, or updates those whose ``id`` or ``source_id`` exists (documented).

    This is the way of an on-going synchronisation: unlike an import it triggers events, distributions and
    earning rules. It takes one call an order; for history use :class:`ImportOrdersOperator`.

    The result is ``{"orders": n, "order_ids": [...]}`` with the first 100 ids.

    :param order: The order, or a list of orders, or the XCom of a task that returns them, or a ``.json`` file beside
        the DAG that has them. (templated)
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersRefusedError: after all were tried, if Voucherify refused some, with position, source_id and
        reason of the first.
    """

    template_fields: Sequence[str] = ("order", "voucherify_conn_id")
    template_fields_renderers = {"order": "json"}
    template_ext: Sequence[str] = JSON_FILES

    def __init__(self, *, order: Mapping[str, Any] | Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order
        if not is_templated(order):
            self._orders()

    def execute(self, context: Context) -> dict[str, Any]:
        """Create or update the orders."""
        orders = self._orders()
        ids, refused = [], []
        for index, order in enumerate(orders):
            try:
                ids.append(self.hook.create_order(order)["id"])
            except InvalidRequestError as error:
                refused.append(f"order[{index}] (source_id {order.get('source_id')}): {error}")
        self.log.info("%d orders are created or updated, %d refused.", len(ids), len(refused))
        if refused:
            raise OrdersRefusedError(
                f"Voucherify refused {len(refused)} of {len(orders)} orders; the others are in. The first:"
                + "".join(f"\n  {reason}" for reason in refused[:SHOWN_REASONS])
            )
        return {"orders": len(ids), "order_ids": ids[:100]}

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
