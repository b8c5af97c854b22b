"""Where the rows go: one Parquet file, files of a limited size, or a dataset partitioned by day. Loads no pyarrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from airflow_provider_voucherify.core.storage import check_writable
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.atomic import OutputPath, check_path

__all__ = ["Output", "OutputPath"]


@dataclass(frozen=True, kw_only=True)
class Output:
    """
    Where the rows go, and the names of the files.

    In a folder, all file names of an export begin with its stem, so that a second run finds the files of the first.

    :param path: The Parquet file; a folder if one of the next two is given.
    :param max_rows_per_file: The largest number of rows in a file.
    :param partition_by: A time column whose days become folders, ``updated_at_day=2026-01-01``.
    :param stem: The beginning of the file names in a folder: the name of the window.
    """

    path: OutputPath
    max_rows_per_file: int | None = None
    partition_by: str | None = None
    stem: str = "orders"

    @classmethod
    def of(cls, path: OutputPath, request: ExportRequest, config: ExportConfig) -> Self:
        """
        Lay out the output of an export.

        :param path: The Parquet file or folder.
        :param request: What is exported.
        :param config: The options.
        """
        return cls(
            path=path,
            max_rows_per_file=config.max_rows_per_file,
            partition_by=config.partition_by,
            stem="orders" if request.window is None else request.window.name,
        )

    def check(self) -> None:
        """
        Check that the path is not of the wrong kind.

        :raises ConfigurationError: if it is a folder and has to be a file, or the other way round.
        """
        if not self.is_folder:
            check_path(self.path)
        elif self.path.is_file():
            raise ConfigurationError(f"output_path {self.path} is a file, and several files need a folder.")

    def check_writable(self) -> None:
        """
        Check the path, and that its folder can be written, before an export is requested.

        :raises ConfigurationError: as :meth:`check`, or if the folder cannot be written.
        """
        self.check()
        check_writable(self.path if self.is_folder else self.path.parent, "output_path")

    @property
    def is_folder(self) -> bool:
        """Whether there can be more than one file."""
        return bool(self.max_rows_per_file or self.partition_by)

    def beside(self, ending: str) -> Any:
        """Return the path of a file beside the rows. Readers of datasets skip names that begin with an underscore."""
        if self.is_folder:
            return self.path / f"_{self.stem}.{ending}"
        return self.path.with_name(f"_{self.path.name}.{ending}")

    def file(self, day: str | None, number: int) -> Any:
        """Return the path of a Parquet file."""
        if not self.is_folder:
            return self.path
        folder = self.path if day is None else self.path / f"{self.partition_by}_day={day}"
        return folder / f"{self.stem}-{number:05}.parquet"

    def earlier_files(self) -> list[Any]:
        """List the Parquet files that an earlier run of the same export may have left."""
        if not self.is_folder or not self.path.is_dir():
            return []
        days = f"{self.partition_by}_day=*/" if self.partition_by else ""
        return list(self.path.glob(f"{days}{self.stem}-*.parquet"))
