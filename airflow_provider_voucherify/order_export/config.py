"""The options of an export: how it is made and stored, independent of the request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from airflow_provider_voucherify.core.options import PollingOptions
from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError, TooFewRowsError
from airflow_provider_voucherify.order_export.request import ExportRequest

OnBadValue = Literal["fail", "side_file"]
ColumnNames = Literal["as_api", "snake_case"]
OnEmpty = Literal["succeed", "skip", "fail"]
OnUnknownColumn = Literal["warn", "fail"]
Compression = Literal["zstd", "snappy", "gzip", "lz4", "brotli", "none"]
FILE_PREFIX = re.compile(r"[\w.-]+")


class ExportConfig(PollingOptions, frozen=True, kw_only=True):
    """
    The options of an export.

    :param on_bad_value: What becomes of a row with a value that does not fit the type of its column, or with too few
        or too many cells: ``fail`` at the first of them, or ``side_file``, a file of reject lines, each with the
        record by header as its payload. It is written when there are too many of them, too.
    :param max_bad_rows: How many bad rows may be missing in the Parquet files without an error: a share of all when
        below 1, otherwise a number. 0 by default; above 0, bad rows go to the side file.
    :param on_empty: What becomes of an export without rows: ``succeed``; ``skip``, which publishes it all the same and
        marks the task as skipped; or ``fail``, which publishes nothing.
    :param min_rows: With fewer rows, the export fails and publishes nothing, unless it has none and is to be skipped.
    :param header_mapping: The fields of headers in the exported file that do not match by themselves:
        ``{"Date created": "created_at"}``.
    :param on_unknown_column: What becomes of columns that were not requested and are not metadata: ``warn`` leaves them
        out, names them in the log and counts them in the result; ``fail`` is an error.
    :param column_names: The names of the columns: ``as_api``; ``snake_case``, which makes ``metadata.Payment Mean``
        ``metadata_payment_mean``, as BigQuery, Athena and Spark take them; or names by field, where the others keep
        theirs. Names that differ in case alone are refused, as many readers do not tell them apart.
    :param compression: The codec of the Parquet files.
    :param max_rows_per_file: The largest number of rows in a file: the output becomes a folder.
    :param partition_by: A time column among the fields: the output becomes a dataset with a folder for each day,
        ``updated_at_day=2026-01-01``. By ``updated_at``, an order that never changed is under the day of its creation.
    :param file_prefix: What the names of files in a folder have after the window, so that exports of one window do not
        replace each other: letters, digits, ``_.-``. By default the task, for one that is mapped with its connection
        and filters; without Airflow, a hash of the filters.
    :param max_files: The largest number of files: with more, the export fails and publishes nothing, as few rows in
        many files are slow to write and to read.
    :param max_window_splits: How often a window whose export ends in ERROR is split in half, in total.
    """

    on_bad_value: OnBadValue = "fail"
    max_bad_rows: Annotated[float, Meta(ge=0)] = 0
    on_empty: OnEmpty = "succeed"
    min_rows: Annotated[int, Meta(ge=0)] = 0
    header_mapping: Mapping[str, str] | None = None
    on_unknown_column: OnUnknownColumn = "warn"
    column_names: ColumnNames | Mapping[str, str] = "as_api"
    compression: Compression = "zstd"
    max_rows_per_file: Annotated[int, Meta(ge=1)] | None = None
    partition_by: str | None = None
    file_prefix: str | None = None
    max_files: Annotated[int, Meta(ge=1)] = 10_000
    max_window_splits: Annotated[int, Meta(ge=0)] = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.file_prefix is not None and not FILE_PREFIX.fullmatch(self.file_prefix):
            raise ConfigurationError(
                f"file_prefix may have letters, digits, '_', '.' and '-' alone, got {self.file_prefix!r}."
            )

    @property
    def fails_at_first_bad_row(self) -> bool:
        """Whether a single bad row is an error at once."""
        return self.on_bad_value == "fail" and not self.max_bad_rows

    def check_rows(self, rows: int) -> None:
        """
        Check that there are enough rows.

        :param rows: How many would be published.
        :raises TooFewRowsError: if there are not.
        """
        if rows == 0 and self.on_empty != "succeed":
            if self.on_empty == "fail":
                raise TooFewRowsError("The export has no rows (on_empty='fail'). Nothing was published.")
        elif rows < self.min_rows:
            raise TooFewRowsError(
                f"The export has {rows:,} rows, fewer than min_rows={self.min_rows:,}. Nothing was published."
            )

    def columns(self, fields: Sequence[str]) -> list[str]:
        """
        Name the column of each field.

        :param fields: The requested fields.
        :raises ConfigurationError: if two names are the same, or differ in case alone.
        """
        if isinstance(self.column_names, Mapping):
            for field in self.column_names:
                if field not in fields:
                    raise ConfigurationError(
                        f"column_names: {field!r} is not among the fields{did_you_mean(field, fields)}"
                    )
            names = [self.column_names.get(field, field) for field in fields]
        else:
            names = [_snake_case(field) for field in fields] if self.column_names == "snake_case" else [*fields]
        field_of: dict[str, str] = {}
        for field, name in zip(fields, names, strict=True):
            if not isinstance(name, str) or not name.strip():
                raise ConfigurationError(f"column_names: {field!r} needs a name for its column, got {name!r}.")
            if (other := field_of.setdefault(name.casefold(), field)) != field:
                raise ConfigurationError(
                    f"fields: the columns of {other!r} and {field!r} would have one name, {name!r}, or two that "
                    "differ in case alone, which many readers do not tell apart. Give one of them another name: "
                    f"column_names={{{field!r}: '…'}}."
                )
        return names

    def apply_to(self, request: ExportRequest) -> ExportRequest:
        """
        Check that a request fits these options, and complete it.

        :param request: The request.
        :return: The request; sorted by ``partition_by`` unless it is sorted otherwise, so that the rows of a day come
            together.
        :raises ConfigurationError: if columns cannot be named or rows be partitioned as the options ask.
        """
        self.columns(request.fields or ())
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


def _snake_case(field: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field)
    return re.sub(r"\W+|_+", "_", words).strip("_").lower()
