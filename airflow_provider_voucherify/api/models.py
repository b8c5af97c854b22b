"""The answers of the API as typed structs. Unknown fields are ignored: the API may add some at any time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

ORDERS_IMPORT = "ORDERS.IMPORT"


class ActionStatus(StrEnum):
    """Where an async action stands (documented)."""

    ENQUEUED = "ENQUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    FAILED = "FAILED"


class ExportStatus(StrEnum):
    """Where an export stands (documented)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    ERROR = "ERROR"


class Failure(msgspec.Struct, frozen=True):
    """
    One record that an async action could not process.

    :param source_id: Whose failure it is: the ``source_id`` or, for vouchers, the code. The official example
        of an order import has none, so a failure may be nobody's.
    :param reason: Why, in the words of the API.
    """

    source_id: str | None
    reason: str


class AsyncAction(msgspec.Struct, kw_only=True):
    """
    One of the 22 kinds of asynchronous operation; an order import is an ``ORDERS.IMPORT``.

    :param processing_time: Milliseconds that the processing took.
    :param progress: Per cent, 0 to 100.
    :param result: Present once the action ended, and only when it is got by its id.
    """

    id: str
    type: str
    status: str
    operation_status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    request_id: str | None = None
    processing_time: int | None = None
    progress: int | None = None
    result: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether the action is DONE or FAILED. DONE is not success: see ``failed_count``."""
        return self.status in (ActionStatus.DONE, ActionStatus.FAILED)

    @property
    def done_count(self) -> int | None:
        """Records processed, or None where the API does not say."""
        return (self.result or {}).get("done_count")

    @property
    def failed_count(self) -> int:
        """Records that failed: the count of the API, or the length of its list where that is longer."""
        return max((self.result or {}).get("failed_count") or 0, len(self.failures))

    @property
    def failures(self) -> list[Failure]:
        """The failures of the result, whose list is named ``failed`` or ``errors``, depending on the type."""
        result = self.result or {}
        listed = result.get("failed") or result.get("errors") or []
        if isinstance(listed, dict):  # the schema says object, the example says array
            listed = [listed]
        return [
            Failure(
                source_id=item.get("source_id") or item.get("code") or None,
                reason=str(item.get("reason") or item.get("message") or "no reason given"),
            )
            for item in listed
        ]


class AsyncActionPage(msgspec.Struct, kw_only=True):
    """Up to 100 actions, the latest first, without their results (documented)."""

    async_actions: list[AsyncAction] = []
    has_more: bool = False


class Export(msgspec.Struct, kw_only=True):
    """An export and, once it is DONE, where its file lies. The URL carries a token: never log it."""

    id: str
    status: str
    exported_object: str
    created_at: datetime | None = None
    parameters: dict[str, Any] = {}
    result: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether the export is DONE or ended in ERROR."""
        return self.status in (ExportStatus.DONE, ExportStatus.ERROR)

    @property
    def urls(self) -> list[str]:
        """
        The files of the export: one, or several where a very large export is split.

        That an export can be split is told by older documents, not how: a list ``urls`` or a list as ``url``
        are both accepted.
        """
        result = self.result or {}
        urls = result.get("urls") or result.get("url") or []
        return [urls] if isinstance(urls, str) else list(urls)

    def __repr__(self) -> str:
        return f"Export(id={self.id!r}, status={self.status!r}, exported_object={self.exported_object!r})"


class ExportPage(msgspec.Struct, kw_only=True):
    """One page of exports."""

    exports: list[Export] = []
    total: int = 0


class OrderPage(msgspec.Struct, kw_only=True):
    """One page of orders; each order is the dict that the API answered, with every field it has."""

    orders: list[dict[str, Any]] = []
    total: int = 0


class ImportReceipt(msgspec.Struct):
    """The answer to an import that was accepted."""

    async_action_id: str


class AccessToken(msgspec.Struct):
    """An OAuth 2.0 token, valid for ``expires_in`` seconds (900, documented)."""

    access_token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"AccessToken(expires_in={self.expires_in})"
