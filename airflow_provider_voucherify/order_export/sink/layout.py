"""The layout of the output: a Parquet file, files of a limited size, or a dataset by day. Loads no pyarrow."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from airflow_provider_voucherify.core.storage import check_writable
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.atomic import OutputPath, check_path
from airflow_provider_voucherify.order_export.sink.journal import read_entry

__all__ = ["Output", "OutputPath"]

log = logging.getLogger(__name__)


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
            stem=_stem(request),
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

    @property
    def manifest(self) -> Any:
        """The path of the manifest."""
        return self.beside("manifest.json")

    @property
    def journal(self) -> Any:
        """The path of the journal of a publication."""
        return self.beside("publishing.json")

    def earlier_files(self) -> list[Any]:
        """List the Parquet files that earlier runs of the same export wrote, in whichever layout they did."""
        journal = read_entry(self.journal)
        names = {*manifest_files(self.manifest), *([] if journal is None else journal.files)}
        return [self.manifest.parent / name for name in sorted(names) if self._is_own(name)]

    def _is_own(self, name: str) -> bool:
        if not self.is_folder:
            return name == self.path.name
        return re.fullmatch(rf"(?:\w+_day=[^/]+/)?{re.escape(self.stem)}-\d+\.parquet", name) is not None


def days_of(manifest_path: Any) -> list[str]:
    """
    List the days whose folders have files of an export, in order.

    :param manifest_path: Its manifest.
    """
    days = (re.fullmatch(r"\w+_day=(\d{4}-\d\d-\d\d)/[^/]+", name) for name in manifest_files(manifest_path))
    return sorted({day[1] for day in days if day})


def _stem(request: ExportRequest) -> str:
    """Name the files of a request; those of several kinds can lie in one folder."""
    if request.exported_object == "order":
        return "orders" if request.window is None else request.window.name
    return "-".join([request.exported_object, *([request.window.name] if request.window else ())])


def manifest_files(path: Any) -> list[str]:
    """
    List the files that a manifest names, relative to its folder.

    :param path: The manifest; no files if there is none.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Named)
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        log.warning("%s is not a manifest of an export (%s): the files of an earlier run stay.", path, error)
        return []
    return [file.path for file in manifest.files]


class _NamedFile(msgspec.Struct):
    path: str


class _Named(msgspec.Struct):
    files: list[_NamedFile]
