"""A span of time that an export is about, exact to the millisecond. Loads no pyarrow: DAG files import this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, get_args

import msgspec

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.filters import check_filters
from airflow_provider_voucherify.order_export.request import ExportRequest

WindowField = Literal["updated_at", "created_at"]
OVERLAP = timedelta(seconds=1)  # whether $after and $before include their bound is unknown
MILLISECOND = timedelta(milliseconds=1)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """
    The orders of a half-open span of time, ``start <= time < end``.

    The API may give an order that never changed no ``updated_at`` (unknown): by ``updated_at``, such an order has the
    time of its ``created_at``. So each version of an order has one time, and adjacent windows share none.

    :param field: Which time.
    :param start: The first moment that belongs to it.
    :param end: The first moment that does not.
    """

    field: WindowField
    start: datetime
    end: datetime

    @classmethod
    def parse(cls, field: str, start: str | datetime, end: str | datetime) -> Self:
        """
        Make a window of what an author gives.

        :param field: ``updated_at`` or ``created_at``.
        :param start: ISO 8601 with an offset, or an aware time.
        :param end: Alike.
        :raises ConfigurationError: if one is none of these, or the window is empty.
        """
        check_choice("window_field", field, get_args(WindowField))
        bounds = [_moment(name, value) for name, value in (("window_start", start), ("window_end", end))]
        if bounds[0] >= bounds[1]:
            raise ConfigurationError(f"window_start must be before window_end, got {start!s} and {end!s}.")
        return cls(field=field, start=bounds[0], end=bounds[1])  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """A name for files: the same window, the same name."""
        return "_".join(f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z" for moment in (self.start, self.end))

    def halves(self) -> tuple[Self, Self] | None:
        """Split it in two; None where it is too short."""
        half = (self.end - self.start) // 2
        middle = self.start + half - half % MILLISECOND
        if middle == self.start:
            return None
        return msgspec.structs.replace(self, end=middle), msgspec.structs.replace(self, start=middle)

    def check_over(self, now: datetime) -> None:
        """
        Check that no order can come into it any more: what came later would be in no window at all, and an order that
        changes between two exports of the same window could be in both.

        :param now: The time, by Voucherify's clock.
        :raises ConfigurationError: if it is not over.
        """
        if self.end > now:
            raise ConfigurationError(
                f"window_end {_iso(self.end)} is still to come (it is {_iso(now)}): what changes until then would be "
                "missing. Run this when the window is over."
            )


class Part(msgspec.Struct, kw_only=True):
    """
    One export of those that bring a window, or the only one where there is no window.

    :param window: Its span.
    :param by: The time fields that the API filters by. An order whose ``updated_at`` is empty comes by ``created_at``
        alone.
    :param export_id: The export, once it is known.
    :param sent_at: When it was asked for, in seconds since the epoch on Voucherify's clock.
    :param looks: How often it was looked for after the answer was lost.
    """

    window: Window | None = None
    by: tuple[str, ...] = ()
    export_id: str | None = None
    sent_at: float | None = None
    looks: int = 0

    def __str__(self) -> str:
        if self.window is None:
            return "all orders"
        return f"orders of {_iso(self.window.start)} to {_iso(self.window.end)} by {' or '.join(self.by)}"

    def request(self, request: ExportRequest) -> ExportRequest:
        """
        Give what is to be asked of the API: a little more than the window, and the times to cut it by.

        :param request: What the author asks for.
        """
        if self.window is None:
            return request
        times = ("created_at", "updated_at") if self.window.field == "updated_at" else ("created_at",)
        span = {
            "conditions": {"$after": [_iso(self.window.start - OVERLAP)], "$before": [_iso(self.window.end + OVERLAP)]}
        }
        filters = {**(request.filters or {}), **dict.fromkeys(self.by, span)}
        filters["junction"] = "or" if len(self.by) > 1 else "and"
        fields = dict.fromkeys([*(request.fields or ()), *times])
        return replace(request, fields=tuple(fields), filters=filters)


def parts_of(window: Window | None, filters: Mapping[str, Any] | None) -> list[Part]:
    """
    Tell which exports bring a window.

    The API joins conditions by one ``junction`` alone (documented). Both times can be asked for at once by "or";
    together with filters of the author, which have to hold in any case, that takes an export each. The parts share no
    order.

    :param window: The window, or None.
    :param filters: The filters of the author.
    :raises ConfigurationError: if these cannot be combined with the window.
    """
    if window is None:
        return [Part()]
    check_window_filters(filters)
    conditions = set(filters or ()) - {"junction"}
    if window.field == "created_at":
        return [Part(window=window, by=("created_at",))]
    if not conditions:
        return [Part(window=window, by=("updated_at", "created_at"))]
    return [Part(window=window, by=("updated_at",)), Part(window=window, by=("created_at",))]


def check_window_filters(filters: Mapping[str, Any] | None) -> None:
    """
    Check that filters can be combined with a window.

    :param filters: The filters of the author.
    :raises ConfigurationError: if not.
    """
    if filters is None:
        return
    check_filters(filters)
    if filters.get("junction", "and") != "and":
        raise ConfigurationError("filters: with a window, junction must be 'and': the window has to hold in any case.")
    for name in get_args(WindowField):
        if name in filters:
            raise ConfigurationError(f"filters: {name!r} is what the window is made of: leave it to the window.")


def _moment(name: str, value: str | datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigurationError(
            f"{name} must be a time like '2026-01-01T00:00:00+00:00', got {value!r:.80}."
        ) from None
    if moment.tzinfo is None:
        raise ConfigurationError(f"{name} must say its offset from UTC, as '2026-01-01T00:00:00+00:00', got {value!s}.")
    moment = moment.astimezone(UTC)
    finer = timedelta(microseconds=moment.microsecond % 1000)
    return moment - finer + MILLISECOND if finer else moment  # the API's times are milliseconds


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
