"""The endpoints of orders, async actions and exports as methods of the client and of the Airflow hook."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
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
from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DownloadLinkError,
    ListingError,
    PagingLimitError,
    TransportError,
)

if TYPE_CHECKING:
    # these import requests, which takes longer than all else here: a DAG file that is parsed needs none of it
    from airflow_provider_voucherify.api.download import Download
    from airflow_provider_voucherify.api.transport import Transport

PAGE_SIZE = 100
LAST_PAGE = 100
MAX_ACTION_PAGES = 1000  # they are never deleted (documented): more than any search here needs
OBJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
ORDER_FIELDS = (
    "id", "source_id", "created_at", "updated_at", "status", "amount", "discount_amount", "items_discount_amount",
    "total_discount_amount", "total_amount", "customer_id", "referrer_id", "metadata",
)  # fmt: skip

Json = Mapping[str, Any]
T = TypeVar("T")


class Endpoints(ABC):
    """
    The endpoints as methods over a :class:`~airflow_provider_voucherify.api.transport.Transport`.

    All of them raise :class:`~airflow_provider_voucherify.exceptions.TransportError` if there is no usable response,
    and the subclass of :class:`~airflow_provider_voucherify.exceptions.ApiError` for an error response. Idempotent
    requests are retried after passing failures; the others only if they were certainly not carried out.

    What is known of each endpoint, and how certain it is, is in ``docs/voucherify-api.md``.
    """

    @property
    @abstractmethod
    def transport(self) -> Transport:
        """The transport that sends the requests."""

    def create_order(self, order: Json | bytes) -> dict[str, Any]:
        """
        Create an order, or update the one with the same ``id`` or ``source_id`` (documented).

        :param order: The order. With an ``id`` or ``source_id`` the request is idempotent. Or its JSON document, which
            is not sent again if the response is lost: the caller can find out first whether it is in.
        :return: The order as Voucherify stores it.
        :raises TransportError: with ``sent=True`` if the order may be in and the response is lost.
        """
        upsert = not isinstance(order, bytes) and bool(order.get("id") or order.get("source_id"))
        return self._send("POST", "/v1/orders", dict[str, Any], order, idempotent=upsert)

    def get_order(self, order_id: str) -> dict[str, Any]:
        """
        Get an order.

        :param order_id: Its ``id`` or ``source_id``.
        """
        return self._get(f"/v1/orders/{_segment(order_id)}", dict[str, Any])

    def update_order(self, order_id: str, changes: Json | bytes) -> dict[str, Any]:
        """
        Update an order, and return it. Fields that are not given stay as they are (documented).

        :param order_id: Its ``id`` or ``source_id``.
        :param changes: The fields to change; or their JSON document, which is not sent again if the response is lost.
        """
        idempotent = not isinstance(changes, bytes)
        return self._send("PUT", f"/v1/orders/{_segment(order_id)}", dict[str, Any], changes, idempotent=idempotent)

    def list_orders(self, *, limit: int = 10, page: int = 1, sort_order: str | None = None) -> OrderPage:
        """
        Get one page of orders.

        :param limit: Orders per page, 1 to 100.
        :param page: The page, 1 to 100 (documented): a listing reaches 10,000 orders and no further.
        :param sort_order: ``created_at``, ``-created_at``, ``updated_at`` or ``-updated_at``.
        """
        return self._get("/v1/orders", OrderPage, limit=limit, page=page, order=sort_order)

    def iter_orders(self, *, sort_order: str | None = None) -> Iterator[dict[str, Any]]:
        """
        Iterate over the orders, page by page.

        :param sort_order: As in :meth:`list_orders`.
        :raises PagingLimitError: after the 10,000th order, if there are more: the API does not list them.
        :raises ListingError: if a page repeats the one before.
        """
        before: list[dict[str, Any]] = []
        for page in range(1, LAST_PAGE + 1):
            listed = self.list_orders(limit=PAGE_SIZE, page=page, sort_order=sort_order)
            if listed.orders and listed.orders == before:
                where = self._where("GET /v1/orders")
                raise ListingError(f"{where} returned the same orders as page {page - 1} and page {page}.")
            yield from listed.orders
            if len(listed.orders) < PAGE_SIZE:
                return
            before = listed.orders
        reached = LAST_PAGE * PAGE_SIZE
        if listed.total > reached:
            raise PagingLimitError(
                f"{self._where('GET /v1/orders')} lists {reached:,} of {listed.total:,} orders and no further. "
                "Export the orders to get all of them."
            )

    def import_orders(self, orders: Sequence[Json] | bytes, *, before_send: Callable[[], None] = lambda: None) -> str:
        """
        Import historical orders. To synchronise orders as they change, use :meth:`update_order` (documented).

        :param orders: At most 2000 orders (documented, may change), or their JSON array.
        :param before_send: Called right before each attempt to send it, after the wait for the quota.
        :return: The id of the async action that imports them. A DONE action does not mean that all orders were
            imported: see its ``failed_count``.
        :raises TransportError: with ``sent=True`` if the orders may have been accepted and the id is lost.
        """
        receipt = self._send(
            "POST", "/v1/orders/import", ImportReceipt, orders, idempotent=False, before_send=before_send
        )
        return _received_id(receipt.async_action_id, self._where("POST /v1/orders/import"))

    def create_order_export(
        self,
        *,
        fields: Sequence[str] | None = None,
        filters: Json | None = None,
        sort_order: str | None = None,
        before_send: Callable[[], None] = lambda: None,
    ) -> Export:
        """
        Request an export of orders, as :meth:`create_export` does.

        :param fields: See :data:`ORDER_FIELDS`, and ``metadata.X``; by default id, source_id and status (documented).
        :param filters: For example ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}``.
        :param sort_order: ``created_at``, ``updated_at`` or ``status``, with ``-`` before it for descending.
        :param before_send: Called right before each attempt to send it.
        """
        return self.create_export(
            "order", fields=fields, filters=filters, sort_order=sort_order, before_send=before_send
        )

    def get_async_action(self, async_action_id: str) -> AsyncAction:
        """
        Get an async action of any type, with its result once it has ended.

        :param async_action_id: Its id.
        :raises NotFoundError: if there is no such action.
        """
        return self._get(f"/v1/async-actions/{_object_id(async_action_id)}", AsyncAction)

    def list_async_actions(self, *, limit: int = PAGE_SIZE, end_date: datetime | None = None) -> AsyncActionPage:
        """
        Get the newest async actions in one call, without their results.

        :param limit: 1 to 100.
        :param end_date: Only actions that were scheduled before this moment.
        """
        before = end_date.astimezone(UTC).isoformat(timespec="milliseconds") if end_date else None
        return self._get(
            "/v1/async-actions", AsyncActionPage, limit=limit, end_date=before and before.replace("+00:00", "Z")
        )

    def iter_async_actions(self, *, exact: bool = True) -> Iterator[AsyncAction]:
        """
        Iterate over the async actions from the newest to the oldest, without their results, page by page.

        :param exact: Whether each page repeats the last action of the one before, as more may have been created in the
            same millisecond. Otherwise a page does so only if some of its actions share one: 1,000 take 10 calls then.
        :raises ListingError: if a page brings nothing new although there are more, or if the pages do not end.
        """
        seen: set[str] = set()
        where, page = self._where("GET /v1/async-actions"), self.list_async_actions()
        for _ in range(MAX_ACTION_PAGES):
            new = [action for action in page.async_actions if action.id not in seen]
            yield from new
            if not page.has_more:
                return
            oldest = new[-1].created_at if new else None
            if oldest is None:
                raise ListingError(f"{where} says that there are more actions, and its next page has no new ones.")
            seen.update(action.id for action in new)
            repeats = exact or len({action.created_at for action in page.async_actions}) < len(page.async_actions)
            page = self.list_async_actions(end_date=oldest + timedelta(milliseconds=repeats))
        raise ListingError(f"{where} does not end after {MAX_ACTION_PAGES:,} pages.")

    def find_async_actions(self, async_action_ids: Collection[str]) -> dict[str, AsyncAction]:
        """
        Find async actions among the newest ones, with one call for each 100 of them, without their results.

        :param async_action_ids: The ids.
        :return: Those that were found, by id; older ones are not, nor perhaps one of the same millisecond as another.
        """
        wanted: set[str] = set(async_action_ids)
        found: dict[str, AsyncAction] = {}
        for action in islice(self.iter_async_actions(exact=False), _pages_for(wanted) * PAGE_SIZE):
            if action.id in wanted:
                found[action.id] = action
                if len(found) == len(wanted):
                    break
        return found

    def poll_async_actions(self, async_action_ids: Collection[str]) -> list[AsyncAction]:
        """
        Get several async actions, with a single call as long as they are among the newest 100.

        :param async_action_ids: The ids. A single action comes with its result, several come without.
        :raises NotFoundError: if there is no such action.
        """
        found = self.find_async_actions(async_action_ids) if len(async_action_ids) > 1 else {}
        return [
            found[action_id] if action_id in found else self.get_async_action(action_id)
            for action_id in async_action_ids
        ]

    def create_export(
        self,
        exported_object: str,
        *,
        fields: Sequence[str] | None = None,
        filters: Json | None = None,
        sort_order: str | None = None,
        before_send: Callable[[], None] = lambda: None,
    ) -> Export:
        """
        Request an export.

        :param exported_object: ``order``, ``redemption`` or another kind (documented).
        :param fields: Its columns; by default few of them (documented).
        :param filters: Conditions by field, as in :meth:`create_order_export`.
        :param sort_order: A field, with ``-`` before it for descending.
        :param before_send: Called right before each attempt to send it, after the wait for the quota.
        :raises TransportError: with ``sent=True`` if the export may have been scheduled and its id is lost.
        """
        given = {"fields": list(fields) if fields else None, "filters": filters, "order": sort_order}
        body: Json = {"parameters": {name: value for name, value in given.items() if value}}
        path = "/v1/orders/export"
        if exported_object != "order":
            path, body = "/v1/exports", {"exported_object": exported_object, **body}
        export = self._send("POST", path, Export, body, idempotent=False, before_send=before_send)
        _received_id(export.id, self._where(f"POST {path}"))
        return export

    def get_export(self, export_id: str) -> Export:
        """
        Get an export; once it is DONE with the URL of its file, whose token soon expires.

        :param export_id: Its id.
        :raises NotFoundError: if there is no such export.
        """
        return self._get(f"/v1/exports/{_object_id(export_id)}", Export)

    def list_exports(self, *, limit: int = 10, page: int = 1, sort_order: str | None = None) -> ExportPage:
        """
        Get one page of exports.

        :param limit: Exports per page, 1 to 100.
        :param page: 1 to 100.
        :param sort_order: ``created_at`` or ``status``, with ``-`` before it for descending.
        """
        return self._get("/v1/exports", ExportPage, limit=limit, page=page, order=sort_order)

    def find_exports(self, export_ids: Collection[str]) -> dict[str, Export]:
        """
        Find exports among the newest ones, with one call for each 100 of them.

        :param export_ids: The ids.
        :return: Those that were found, by id; older ones are not.
        """
        wanted: set[str] = set(export_ids)
        found: dict[str, Export] = {}
        for page in range(1, min(_pages_for(wanted), LAST_PAGE) + 1):
            exports = self.list_exports(limit=PAGE_SIZE, page=page, sort_order="-created_at").exports
            found |= {export.id: export for export in exports if export.id in wanted}
            if len(found) == len(wanted) or len(exports) < PAGE_SIZE:
                break
        return found

    def delete_export(self, export_id: str) -> None:
        """
        Delete an export and its file.

        :param export_id: Its id.
        """
        self.transport.request("DELETE", f"/v1/exports/{_object_id(export_id)}", idempotent=True)

    def download_export(self, export_id: str, *, file: int = 0, link: str | None = None) -> Download:
        """
        Open the file of an export that is DONE. Close it after use, for example by ``with``.

        The token of its URL is short-lived, so a new URL is requested, and another one if the first is refused.

        :param export_id: The export.
        :param file: Which of its files, from 0, if the export is split.
        :param link: A URL of the file that was received just now, to be tried before a new one is requested.
        :return: The bytes as sent, perhaps compressed; see :class:`~airflow_provider_voucherify.api.download.Download`.
        :raises DownloadLinkError: if a new link is refused too.
        :raises TransportError: if the export has no such file (yet).
        """
        name = f"the file of export {export_id}" if file == 0 else f"file {file + 1} of export {export_id}"
        try:
            return self._open(export_id, file, name, link)
        except (AuthenticationError, DownloadLinkError):
            pass  # most likely the link has expired
        return self._open(export_id, file, name)

    def _open(self, export_id: str, file: int, name: str, link: str | None = None) -> Download:
        from airflow_provider_voucherify.api.download import open_download

        if link is not None:
            return open_download(self.transport, link, name)
        export = self.get_export(export_id)
        if file >= len(export.urls):
            raise TransportError(
                f"Export {export_id} is {one_line(export.status, 40)} and has {len(export.urls)} file(s): there is no "
                f"file {file + 1}.",
                sent=True,
            )
        return open_download(self.transport, export.urls[file], name)

    def _get(self, path: str, response: type[T], **params: Any) -> T:
        return self._request("GET", path, response, idempotent=True, params=params)

    def _send(self, method: str, path: str, response: type[T], body: Any, *, idempotent: bool, **options: Any) -> T:
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self._request(method, path, response, idempotent=idempotent, body=encoded, **options)

    def _request(self, method: str, path: str, response: type[T], **options: Any) -> T:
        where = self._where(f"{method} {path}")
        return _decode(lambda: self.transport.request(method, path, **options), response, where)

    def _where(self, request: str) -> str:
        return f"{request} with connection {self.transport.settings.name!r}"


def _pages_for(ids: Collection[str]) -> int:
    """Return how many pages to search for some objects: one more than they fill, as others come in between."""
    return 1 if len(ids) <= PAGE_SIZE else -(-len(ids) // PAGE_SIZE) + 1


def _segment(value: str) -> str:
    """Quote one segment of a path. An empty one, or one of dots, would call another endpoint."""
    if not value or value.strip(".") == "" or not value.isprintable():
        raise ConfigurationError(
            f"an id must not be {'empty' if not value else one_line(repr(value), 80)}: it cannot be part of a URL."
        )
    return quote(value, safe="")


def _object_id(value: str) -> str:
    """Check the id of an async action or export, which Voucherify makes of letters, digits, ``_`` and ``-``."""
    if isinstance(value, str) and OBJECT_ID.fullmatch(value):
        return value
    raise ConfigurationError(
        f"{one_line(repr(value), 80)} is not an id of Voucherify: it must not be empty and consists of letters, "
        "digits, '_' and '-'."
    )


def _received_id(value: str, request: str) -> str:
    if not OBJECT_ID.fullmatch(value):
        raise TransportError(f"{request}: the response has {one_line(repr(value), 80)} in place of an id.", sent=True)
    return value


def _decode(request: Callable[[], bytes], response: type[T], name: str) -> T:
    """Decode a response. No variable holds its body when an error is raised: it may contain the URL of a file."""
    try:
        return msgspec.json.decode(request(), type=response)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else one_line(error, 200)
    raise TransportError(
        f"{name}: the response is not one of Voucherify ({reason}). Check the host of the connection.", sent=True
    )
