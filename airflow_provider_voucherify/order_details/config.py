"""The options of reading whole orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from airflow_provider_voucherify.core.options import PollingOptions
from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.config import Compression
from airflow_provider_voucherify.order_export.window import ExportWindow

TABLES = ("orders", "order_items", "order_redemptions")


class DetailsConfig(PollingOptions, frozen=True, kw_only=True):
    """
    The options of reading whole orders.

    :param window_start: The first moment of the window, in ISO 8601 with an offset. An order is in the window by its
        ``updated_at``, or by ``created_at`` if it never changed.
    :param window_end: The first moment after the window, in the same format; not in the future.
    :param window_lookback: How much more to read before the window, in seconds or as a timedelta, for changes that
        become visible late. Such a version of an order comes with two windows: merge them by ``order_id``, as a later
        window never has an older version. The names of the files stay those of the window.
    :param tables: Which of ``orders``, ``order_items`` and ``order_redemptions`` are written.
    :param max_calls: The most API calls that may be made to read orders one by one, where the window has more than the
        10,000 orders that the listing reaches (documented). By default such a window is an error, which names one that
        fits.
    :param compression: The codec of the Parquet files.
    :param max_rows_per_file: The largest number of rows in a file.
    :param poll_interval: The longest time between two attempts of a call that fails, in seconds or as a timedelta.
    """

    window_start: str | datetime | None = None
    window_end: str | datetime | None = None
    window_lookback: float | timedelta | None = None
    tables: Sequence[str] = TABLES
    max_calls: Annotated[int, Meta(ge=1)] | None = None
    compression: Compression = "zstd"
    max_rows_per_file: Annotated[int, Meta(ge=1)] = 1_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_tables(self.tables)
        msgspec.structs.force_setattr(self, "tables", tuple(name for name in TABLES if name in self.tables))
        self.window  # noqa: B018 - what is wrong with it shows here

    @property
    def window(self) -> ExportWindow:
        """
        The window, with the lookback.

        :raises ConfigurationError: if the bounds do not make a window.
        """
        return self._window.looking_back(self.window_lookback)

    @property
    def window_name(self) -> str:
        """The name of the window in file names, which the lookback does not change."""
        return self._window.name

    @property
    def lookback(self) -> timedelta:
        """How much earlier than the given window the reading begins."""
        return self._window.start - self.window.start

    @property
    def _window(self) -> ExportWindow:
        return ExportWindow.parse("updated_at", self.window_start, self.window_end)


def check_tables(tables: Sequence[str]) -> None:
    """
    Check names of tables.

    :param tables: The names.
    :raises ConfigurationError: if there are none, or one that is unknown.
    """
    if not isinstance(tables, list | tuple) or not tables:
        raise ConfigurationError(f"tables must be a list of at least one of {', '.join(TABLES)}, got {tables!r:.80}.")
    for name in tables:
        if name not in TABLES:
            raise ConfigurationError(
                f"tables: {name!r} is not a table{did_you_mean(name, TABLES)} Allowed: {', '.join(TABLES)}."
            )
