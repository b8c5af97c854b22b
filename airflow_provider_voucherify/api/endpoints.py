"""Every endpoint of orders, async actions and exports, once: for the client and for the Airflow hook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from airflow_provider_voucherify.api.models import (
    AsyncAction,
    AsyncActionPage,
    Export,
    ExportPage,
    ImportReceipt,
    OrderPage,
)
from airflow_provider_voucherify.api.repeat import Repeat
from airflow_provider_voucherify.exceptions import AuthenticationError, PagingLimitError, TransportError

if TYPE_CHECKING:
    # these load requests, which takes longer than all else here: a DAG file that is parsed needs none of it
    from airflow_provider_voucherify.api.download import Download
    from airflow_provider_voucherify.api.transport import Transport

PAGE_SIZE = 100
LAST_PAGE = 100
ORDER_FIELDS = (
    "id",
    "source_id",
    "created_at",
    "updated_at",
    "status",
    "amount",
    "discount_amount",
    "items_discount_amount",
    "total_discount_amount",
    "total_amount",
    "customer_id",
    "referrer_id",
    "metadata",
)

Json = Mapping[str, Any]
T = TypeVar("T")


class Endpoints(ABC):
    """
    The endpoints as methods over a :class:`~.transport.Transport`.

    All of them raise :class:`~.errors.TransportError` when no answer comes, and the subclass of
    :class:`~.errors.ApiError` for the answer when it is an error. Requests that change nothing the second
    time are repeated after a failure; the others only when they were certainly not carried out.
    """

    @property
    @abstractmethod
    def transport(self) -> Transport:
        """What sends the requests."""

    # orders

    def create_order(self, order: Json) -> dict[str, Any]:
        """
        Create an order, or update the one with the same ``id`` or ``source_id`` (documented).

        :param order: The order. With an ``id`` or ``source_id`` the request is safe to repeat.
        :return: The order as Voucherify keeps it.
        """
        upsert = bool(order.get("id") or order.get("source_id"))
        return self._send("POST", "/v1/orders", dict[str, Any], order, Repeat.SAFE if upsert else Repeat.IF_REFUSED)

    def get_order(self, order_id: str) -> dict[str, Any]:
        """
        Get an order.

        :param order_id: Its ``id`` or ``source_id``.
        """
        return self._get(f"/v1/orders/{_part(order_id)}", dict[str, Any])

    def update_order(self, order_id: str, changes: Json) -> dict[str, Any]:
        """
        Change an order; what is not given stays as it is (documented).

        :param order_id: Its ``id`` or ``source_id``.
        :param changes: The fields to change.
        :return: The order as Voucherify keeps it now.
        """
        return self._send("PUT", f"/v1/orders/{_part(order_id)}", dict[str, Any], changes, Repeat.SAFE)

    def list_orders(self, *, limit: int = 10, page: int = 1, order: str | None = None) -> OrderPage:
        """
        Get one page of orders.

        :param limit: Orders a page, 1 to 100.
        :param page: The page, 1 to 100 (documented): a listing reaches 10,000 orders and no further.
        :param order: ``created_at``, ``-created_at``, ``updated_at`` or ``-updated_at``.
        """
        return self._get("/v1/orders", OrderPage, limit=limit, page=page, order=order)

    def iter_orders(self, *, order: str | None = None) -> Iterator[dict[str, Any]]:
        """
        Go through the orders page by page.

        :param order: As in :meth:`list_orders`.
        :raises PagingLimitError: after the 10,000th order, when there are more: the API lists no further.
        """
        for page in range(1, LAST_PAGE + 1):
            answer = self.list_orders(limit=PAGE_SIZE, page=page, order=order)
            yield from answer.orders
            if len(answer.orders) < PAGE_SIZE:
                return
        reached = LAST_PAGE * PAGE_SIZE
        if answer.total > reached:
            raise PagingLimitError(
                f"GET /v1/orders lists {reached:,} of {answer.total:,} orders and no further. "
                "Export the orders to get all of them."
            )

    def import_orders(self, orders: Sequence[Json] | bytes) -> str:
        """
        Hand in historical orders. For an on-going synchronisation use :meth:`update_order` (documented).

        :param orders: At most 2000 orders (documented, and may change), or their JSON array.
        :return: The id of the async action that imports them. That it ends DONE does not say that all orders
            went in: see ``failed_count`` of the action.
        :raises TransportError: with ``sent=True`` when the orders may have been taken and the id is lost.
        """
        return self._send("POST", "/v1/orders/import", ImportReceipt, orders, Repeat.IF_REFUSED).async_action_id

    def create_order_export(
        self,
        *,
        fields: Sequence[str] | None = None,
        filters: Json | None = None,
        order: str | None = None,
    ) -> Export:
        """
        Ask for an export of orders.

        :param fields: See :data:`ORDER_FIELDS`, and ``metadata.X``; by default id, source_id and status (documented).
        :param filters: ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}`` and the like.
        :param order: ``created_at``, ``updated_at`` or ``status``, with ``-`` before it for descending.
        :return: The export, SCHEDULED.
        :raises TransportError: with ``sent=True`` when the export may have been scheduled and its id is lost.
        """
        given = {"fields": list(fields) if fields else None, "filters": filters, "order": order}
        parameters = {name: value for name, value in given.items() if value}
        return self._send("POST", "/v1/orders/export", Export, {"parameters": parameters}, Repeat.IF_REFUSED)

    # async actions

    def get_async_action(self, async_action_id: str) -> AsyncAction:
        """Get an async action of any type, with its result once it ended."""
        return self._get(f"/v1/async-actions/{_part(async_action_id)}", AsyncAction)

    def list_async_actions(self, *, limit: int = PAGE_SIZE, end_date: datetime | None = None) -> AsyncActionPage:
        """
        Get the latest async actions in one call, without results.

        :param limit: 1 to 100.
        :param end_date: Only actions scheduled before this moment.
        """
        before = end_date.astimezone(UTC).isoformat(timespec="milliseconds") if end_date else None
        return self._get(
            "/v1/async-actions", AsyncActionPage, limit=limit, end_date=before and before.replace("+00:00", "Z")
        )

    def poll_async_actions(self, async_action_ids: Collection[str]) -> list[AsyncAction]:
        """
        Get where several actions stand, with one call as long as they are among the latest 100.

        :param async_action_ids: The actions. One alone comes with its result, several come without.
        :raises NotFoundError: if there is no such action.
        """
        listed: dict[str, AsyncAction] = {}
        if len(async_action_ids) > 1:
            listed = {action.id: action for action in self.list_async_actions().async_actions}
        return [
            listed[action_id] if action_id in listed else self.get_async_action(action_id)
            for action_id in async_action_ids
        ]

    # exports

    def get_export(self, export_id: str) -> Export:
        """Get an export; once it is DONE with the URL of its file, whose token soon expires."""
        return self._get(f"/v1/exports/{_part(export_id)}", Export)

    def list_exports(self, *, limit: int = 10, page: int = 1, order: str | None = None) -> ExportPage:
        """
        Get one page of exports of every kind.

        :param limit: Exports a page, 1 to 100.
        :param page: 1 to 100.
        :param order: ``created_at`` or ``status``, with ``-`` before it for descending.
        """
        return self._get("/v1/exports", ExportPage, limit=limit, page=page, order=order)

    def delete_export(self, export_id: str) -> None:
        """Delete an export and its file."""
        self.transport.request("DELETE", f"/v1/exports/{_part(export_id)}", repeat=Repeat.SAFE)

    def download_export(self, export_id: str, *, file: int = 0) -> Download:
        """
        Open the file of an export that is DONE. Close it after use, as by ``with``.

        The token of its URL is short-lived, so the URL is got afresh, and once more where it expired on the way.

        :param export_id: The export.
        :param file: Which of its files, from 0, where the export was split.
        :return: The bytes as sent, perhaps compressed; see :class:`~.download.Download`.
        :raises TransportError: if the export has no such file (yet).
        """
        try:
            return self.transport.download(self._export_url(export_id, file))
        except AuthenticationError:
            return self.transport.download(self._export_url(export_id, file))

    def _export_url(self, export_id: str, file: int) -> str:
        export = self.get_export(export_id)
        if file >= len(export.urls):
            raise TransportError(
                f"Export {export_id} is {export.status} and has {len(export.urls)} file(s): none number {file + 1}.",
                sent=True,
            )
        return export.urls[file]

    def _get(self, path: str, answer: type[T], **params: Any) -> T:
        body = self.transport.request("GET", path, repeat=Repeat.SAFE, params=params)
        return _decode(body, answer, f"GET {path}")

    def _send(self, method: str, path: str, answer: type[T], body: Any, repeat: Repeat) -> T:
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        told = self.transport.request(method, path, repeat=repeat, body=encoded)
        return _decode(told, answer, f"{method} {path}")


def _part(value: str) -> str:
    """Quote one part of a path; an empty one would call another endpoint."""
    if not value:
        raise ValueError("an id must not be empty")
    return quote(value, safe="")


def _decode(body: bytes, answer: type[T], request: str) -> T:
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        raise TransportError(
            f"{request}: the answer is none that Voucherify would give ({error}). Check the host of the connection.",
            sent=True,
        ) from error
