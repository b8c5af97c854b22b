"""Where the rows go: one Parquet file, files of at most so many rows, or a dataset partitioned by day. No pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_voucherify.core.storage import check_writable
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.filters import TIME_FIELDS
from airflow_provider_voucherify.order_export.names import hint
from airflow_provider_voucherify.order_export.sink.atomic import OutputPath, check_path


@dataclass(frozen=True, kw_only=True)
class Output:
    """
    Where the rows go, and what the files are called.

    In a folder, all files of an export begin with its stem. So a second run knows which files are those of the first.

    :param path: The Parquet file; a folder when one of the next two is given.
    :param max_rows_per_file: Rows a file at most.
    :param partition_by: A time column: its days become folders, ``updated_at_day=2026-01-01``.
    :param stem: What the files in a folder begin with: the name of the window.
    """

    path: OutputPath
    max_rows_per_file: int | None = None
    partition_by: str | None = None
    stem: str = "orders"

    def check(self) -> None:
        """
        Check that the path can be what it should be.

        :raises ConfigurationError: if it is a folder and should be a file, or the other way round.
        """
        if not self.is_folder:
            check_path(self.path)
        elif self.path.is_file():
            raise ConfigurationError(f"output_path {self.path} is a file, and several files need a folder.")

    def check_writable(self) -> None:
        """
        Check the path, and try its folder, before an export is asked for.

        :raises ConfigurationError: as :meth:`check`, or if the folder cannot be written.
        """
        self.check()
        check_writable(self.path if self.is_folder else self.path.parent, "output_path")

    @property
    def is_folder(self) -> bool:
        """Whether there can be more than one file."""
        return bool(self.max_rows_per_file or self.partition_by)

    def beside(self, ending: str) -> Any:
        """Name a file that goes with the rows: readers of datasets skip names that begin with an underscore."""
        if self.is_folder:
            return self.path / f"_{self.stem}.{ending}"
        return self.path.with_name(f"_{self.path.name}.{ending}")

    def file(self, day: str | None, number: int) -> Any:
        """Name a Parquet file."""
        if not self.is_folder:
            return self.path
        folder = self.path if day is None else self.path / f"{self.partition_by}_day={day}"
        return folder / f"{self.stem}-{number:05}.parquet"

    def earlier_files(self) -> list[Any]:
        """List the files that an earlier run of the same export may have left."""
        if not self.is_folder or not self.path.is_dir():
            return []
        days = f"{self.partition_by}_day=*/" if self.partition_by else ""
        return list(self.path.glob(f"{days}{self.stem}-*.parquet"))


def check_partition(name: str, fields: Sequence[str]) -> None:
    """
    Check that rows can be parted by a column.

    :param name: The column.
    :param fields: Those that there are.
    :raises ConfigurationError: if it is no time, or not among them.
    """
    if name not in TIME_FIELDS:
        raise ConfigurationError(f"partition_by: {name!r} is no time of an order{hint(name, TIME_FIELDS)}")
    if name not in fields:
        raise ConfigurationError(f"partition_by: {name!r} is not among the fields. Add it there.")
