"""The responses of the API as typed structs. Unknown fields are ignored: the API may add some at any time."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

ORDERS_IMPORT = "ORDERS.IMPORT"


class ActionStatus(StrEnum):
    """The status of an async action (documented)."""

    ENQUEUED = "ENQUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    FAILED = "FAILED"


class ExportStatus(StrEnum):
    """The status of an export (documented)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    ERROR = "ERROR"


class Failure(msgspec.Struct, frozen=True):
    """
    One record that an async action could not process.

    :param source_id: The ``source_id`` of the record or, for vouchers, its code; None where the API does not say, as
        in the official example of an order import.
    :param reason: The reason in the words of the API.
    """

    source_id: str | None
    reason: str


class AsyncAction(msgspec.Struct, kw_only=True):
    """
    One of the 22 types of asynchronous operation; an order import is an ``ORDERS.IMPORT``.

    :param processing_time: Milliseconds that the processing took.
    :param progress: Per cent, 0 to 100.
    :param result: Present once the action has ended, and only if it is requested by its id.
    """

    id: str
    type: str
    status: str
    operation_status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    request_id: str | None = None
    processing_time: float | None = None
    progress: float | None = None
    result: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.created_at, self.updated_at = _utc(self.created_at), _utc(self.updated_at)

    @property
    def ended(self) -> bool:
        """Whether the action is DONE or FAILED. DONE does not mean success: see ``failed_count``."""
        return self.status in (ActionStatus.DONE, ActionStatus.FAILED)

    @property
    def done_count(self) -> int | None:
        """The number of processed records; None if the API does not say, or not as a number from 0."""
        return _count((self.result or {}).get("done_count"))

    @property
    def failed_count(self) -> int:
        """The number of failed records: the count of the API, or the length of its list if that is larger."""
        return max(_count((self.result or {}).get("failed_count")) or 0, len(self.failures))

    @property
    def failures(self) -> list[Failure]:
        """The failures of the result, whose list is named ``failed`` or ``errors``, depending on the type."""
        result = self.result or {}
        listed = result.get("failed") or result.get("errors") or []
        if not isinstance(listed, list):  # the schema says object, the example says array
            listed = [listed]
        return [_failure(item) for item in listed]


class AsyncActionPage(msgspec.Struct, kw_only=True):
    """Up to 100 actions, the newest first, without their results (documented)."""

    async_actions: list[AsyncAction] = []
    has_more: bool = False


class Export(msgspec.Struct, kw_only=True):
    """An export and, once it is DONE, the URL of its file. The URL carries a token: never log it."""

    id: str
    status: str
    exported_object: str
    created_at: datetime | None = None
    parameters: dict[str, Any] = {}
    result: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.created_at = _utc(self.created_at)

    @property
    def ended(self) -> bool:
        """Whether the export is DONE or ended in ERROR."""
        return self.status in (ExportStatus.DONE, ExportStatus.ERROR)

    @property
    def urls(self) -> list[str]:
        """
        The URLs of the files: one, or several if a very large export is split.

        Older documents say that an export can be split, but not how: a list ``urls`` and a list as ``url`` are both
        accepted.
        """
        result = self.result or {}
        urls = result.get("urls") or result.get("url") or []
        return [url for url in (urls if isinstance(urls, list) else [urls]) if isinstance(url, str) and url]

    def __repr__(self) -> str:
        return f"Export(id={self.id!r}, status={self.status!r}, exported_object={self.exported_object!r})"


class ExportPage(msgspec.Struct, kw_only=True):
    """One page of exports."""

    exports: list[Export] = []
    total: int = 0


class OrderPage(msgspec.Struct, kw_only=True):
    """One page of orders; each order is a dict with every field of the response."""

    orders: list[dict[str, Any]] = []
    total: int = 0


class ImportReceipt(msgspec.Struct):
    """The response to an import that was accepted."""

    async_action_id: str


class AccessToken(msgspec.Struct):
    """An OAuth 2.0 token, valid for ``expires_in`` seconds (900, documented)."""

    access_token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"AccessToken(expires_in={self.expires_in})"


def _utc(moment: datetime | None) -> datetime | None:
    """Read a time without an offset as UTC: all times of the API are (documented)."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _failure(item: object) -> Failure:
    if not isinstance(item, dict):
        return Failure(source_id=None, reason=str(item))
    source_id = item.get("source_id") or item.get("code")
    return Failure(
        source_id=None if source_id is None else str(source_id),
        reason=str(item.get("reason") or item.get("message") or "no reason given"),
    )
