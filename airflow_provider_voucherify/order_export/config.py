"""The options of an export: how it is made and stored, independent of the request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.request import ExportRequest

OnBadValue = Literal["fail", "side_file"]
OnUnknownColumn = Literal["warn", "fail"]
Compression = Literal["zstd", "snappy", "gzip", "lz4", "brotli", "none"]


class ExportConfig(Options, frozen=True, kw_only=True):
    """
    The options of an export.

    :param on_bad_value: What becomes of a row with a value that does not fit the type of its column, or with too few
        or too many cells: ``fail``, or ``side_file``, a file of reject lines beside the Parquet file, each with the
        record by header as its payload.
    :param header_mapping: The fields of headers in the exported file that do not match by themselves:
        ``{"Date created": "created_at"}``.
    :param on_unknown_column: What becomes of columns that were not requested and are not metadata: ``warn`` leaves them
        out, names them in the log and counts them in the result; ``fail`` is an error.
    :param compression: The codec of the Parquet files.
    :param max_rows_per_file: The largest number of rows in a file: the output becomes a folder.
    :param partition_by: A time column among the fields: the output becomes a dataset with a folder for each day,
        ``updated_at_day=2026-01-01``.
    :param max_window_splits: How often a window whose export ends in ERROR is split in half, in total.
    :param poll_interval: The longest time between two polls, in seconds or as a timedelta; the first ones come sooner.
    """

    on_bad_value: OnBadValue = "fail"
    header_mapping: Mapping[str, str] | None = None
    on_unknown_column: OnUnknownColumn = "warn"
    compression: Compression = "zstd"
    max_rows_per_file: Annotated[int, Meta(ge=1)] | None = None
    partition_by: str | None = None
    max_window_splits: Annotated[int, Meta(ge=0)] = 16
    poll_interval: float | timedelta = 30.0

    @property
    def poll_seconds(self) -> float:
        """The longest time between two polls, in seconds."""
        assert isinstance(self.poll_interval, float)  # noqa: S101  # the check of the options made it one
        return self.poll_interval

    def apply_to(self, request: ExportRequest) -> ExportRequest:
        """
        Check that a request fits these options, and complete it.

        :param request: The request.
        :return: The request; sorted by ``partition_by`` unless it is sorted otherwise, so that the rows of a day come
            together.
        :raises ConfigurationError: if rows cannot be partitioned as the options ask.
        """
        if self.partition_by is None:
            return request
        kind = request.kind
        if self.partition_by not in kind.time_columns:
            raise ConfigurationError(
                f"partition_by: {self.partition_by!r} is not a time of {kind.one}"
                f"{did_you_mean(self.partition_by, kind.time_columns)} Allowed: {', '.join(kind.time_columns)}."
            )
        if self.partition_by not in (request.fields or ()):
            raise ConfigurationError(f"partition_by: {self.partition_by!r} is not among the fields. Add it there.")
        return msgspec.structs.replace(request, sort_order=request.sort_order or kind.sort_order_by(self.partition_by))
