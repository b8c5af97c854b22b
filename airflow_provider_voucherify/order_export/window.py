"""The window of an export: a half-open time range, exact to the millisecond. Loads no pyarrow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, get_args

import msgspec

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.exceptions import ConfigurationError

WindowField = Literal["updated_at", "created_at"]
MILLISECOND = timedelta(milliseconds=1)


class ExportWindow(msgspec.Struct, frozen=True, kw_only=True):
    """
    The orders of a half-open time range, ``start <= time < end``.

    Whether an order that never changed has an ``updated_at`` is unknown (``docs/voucherify-api.md``): by
    ``updated_at``, an order without one counts with its ``created_at``. So each version of an order has exactly one
    time, and adjacent windows have no order in common.

    :param field: The time that counts.
    :param start: The first moment that belongs to the window.
    :param end: The first moment after it.
    """

    field: WindowField
    start: datetime
    end: datetime

    @classmethod
    def parse(cls, field: str, start: Any, end: Any) -> Self:
        """
        Read a window from parameters.

        :param field: ``updated_at`` or ``created_at``.
        :param start: An ISO 8601 time with an offset, or an aware datetime.
        :param end: The same.
        :raises ConfigurationError: if one of them is something else, or the window is empty.
        """
        check_choice("window_field", field, get_args(WindowField))
        bounds = [_moment(name, value) for name, value in (("window_start", start), ("window_end", end))]
        if bounds[0] >= bounds[1]:
            raise ConfigurationError(f"window_start must be before window_end, got {start!s} and {end!s}.")
        return cls(field=field, start=bounds[0], end=bounds[1])  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """The name of the window in file names: the same window always has the same name."""
        return "_".join(f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z" for moment in (self.start, self.end))

    def looking_back(self, lookback: float | timedelta | None) -> Self:
        """
        Return the window with a longer past.

        :param lookback: How much longer, in seconds or as a timedelta. Parts of a millisecond are rounded up.
        """
        if not isinstance(lookback, timedelta):
            lookback = timedelta(seconds=lookback or 0)
        return msgspec.structs.replace(self, start=self.start + (-lookback // MILLISECOND) * MILLISECOND)

    def halves(self) -> tuple[Self, Self] | None:
        """Split the window in two; None if it is a single millisecond."""
        half = (self.end - self.start) // 2
        middle = self.start + half - half % MILLISECOND
        if middle == self.start:
            return None
        return msgspec.structs.replace(self, end=middle), msgspec.structs.replace(self, start=middle)

    def check_over(self, now: datetime) -> None:
        """
        Check that no order can still come into the window: it would be in no window at all, and an order that changes
        between two exports of one window could be in both.

        :param now: The time by Voucherify's clock.
        :raises ConfigurationError: if the window is not over.
        """
        if self.end > now:
            raise ConfigurationError(
                f"window_end {iso(self.end)} is still to come (it is {iso(now)}): orders that change until then would "
                "be missing. Run this after the end of the window."
            )


def iso(moment: datetime) -> str:
    """
    Write a time as the API does.

    :param moment: A time in UTC.
    """
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(name: str, value: Any) -> datetime:
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
