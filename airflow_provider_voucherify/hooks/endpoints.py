"""The endpoints of the API as methods of the hook, with results that XCom can keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from airflow_provider_voucherify.api.client import VoucherifyClient
    from airflow_provider_voucherify.api.download import Download
    from airflow_provider_voucherify.api.models import Export

Json = Mapping[str, Any]


class PlainEndpoints(ABC):
    """
    Each method calls the one of its name in :class:`~airflow_provider_voucherify.api.endpoints.Endpoints`, where its
    parameters and errors are described. Results are dicts, lists and texts, times are in ISO 8601; and those that are
    exports lack the URL of the file, as its token is a secret.
    """

    @abstractmethod
    def get_conn(self) -> VoucherifyClient:
        """Return the client."""

    def create_order(self, order: Json) -> dict[str, Any]:
        """Create an order, or update the one with the same ``id`` or ``source_id``; return it as it is stored."""
        return self.get_conn().create_order(order)

    def get_order(self, order_id: str) -> dict[str, Any]:
        """Get an order by its ``id`` or ``source_id``."""
        return self.get_conn().get_order(order_id)

    def update_order(self, order_id: str, changes: Json) -> dict[str, Any]:
        """Update an order; return it as it is stored now."""
        return self.get_conn().update_order(order_id, changes)

    def list_orders(self, *, limit: int = 10, page: int = 1, sort_order: str | None = None) -> dict[str, Any]:
        """Get one page of orders, ``{"orders": [...], "total": n}``."""
        return _plain(self.get_conn().list_orders(limit=limit, page=page, sort_order=sort_order))

    def import_orders(self, orders: Sequence[Json]) -> str:
        """Import historical orders; return the id of the async action."""
        return self.get_conn().import_orders(orders)

    def create_order_export(
        self, *, fields: Sequence[str] | None = None, filters: Json | None = None, sort_order: str | None = None
    ) -> dict[str, Any]:
        """Request an export of orders; return it with its ``id``."""
        return _without_url(self.get_conn().create_order_export(fields=fields, filters=filters, sort_order=sort_order))

    def create_export(
        self,
        exported_object: str,
        *,
        fields: Sequence[str] | None = None,
        filters: Json | None = None,
        sort_order: str | None = None,
    ) -> dict[str, Any]:
        """Request an export of any kind; return it with its ``id``."""
        client = self.get_conn()
        return _without_url(
            client.create_export(exported_object, fields=fields, filters=filters, sort_order=sort_order)
        )

    def get_async_action(self, async_action_id: str) -> dict[str, Any]:
        """Get an async action, with its ``result`` once it has ended."""
        return _plain(self.get_conn().get_async_action(async_action_id))

    def list_async_actions(self, *, limit: int = 100, end_date: datetime | None = None) -> dict[str, Any]:
        """Get the newest async actions, ``{"async_actions": [...], "has_more": …}``."""
        return _plain(self.get_conn().list_async_actions(limit=limit, end_date=end_date))

    def get_export(self, export_id: str) -> dict[str, Any]:
        """Get an export; :meth:`download_export` gets its file."""
        return _without_url(self.get_conn().get_export(export_id))

    def list_exports(self, *, limit: int = 10, page: int = 1, sort_order: str | None = None) -> dict[str, Any]:
        """Get one page of exports, ``{"exports": [...], "total": n}``."""
        listed = self.get_conn().list_exports(limit=limit, page=page, sort_order=sort_order)
        return {"exports": [_without_url(export) for export in listed.exports], "total": listed.total}

    def delete_export(self, export_id: str) -> None:
        """Delete an export and its file."""
        self.get_conn().delete_export(export_id)

    def download_export(self, export_id: str, *, file: int = 0) -> Download:
        """Open the file of an export that is DONE, as a stream, perhaps compressed (see its ``encoding``). Close it."""
        return self.get_conn().download_export(export_id, file=file)


def _plain(result: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(result)
    return plain


def _without_url(export: Export) -> dict[str, Any]:
    return {name: value for name, value in _plain(export).items() if name != "result"}
