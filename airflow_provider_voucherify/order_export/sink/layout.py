"""The layout of the output: a Parquet file, files of a limited size, or a dataset by day. Loads no pyarrow."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from airflow_provider_voucherify.core.storage import check_writable, local_path
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.atomic import OutputPath, Publication, check_path
from airflow_provider_voucherify.order_export.sink.journal import read_entry

__all__ = ["Output", "OutputPath"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Output:
    """
    Where the rows go, and the names of the files.

    In a folder, all file names of an export begin with its stem, so that a second run finds the files of the first.
    There are Parquet files alone in it: not every reader of datasets skips others, whatever their names begin with
    (Polars and DuckDB do not). All else lies beside it, ``_orders/`` beside ``orders/``.

    :param path: The Parquet file; a folder if one of the next two is given.
    :param max_rows_per_file: The largest number of rows in a file.
    :param partition_by: A time column whose days become folders, ``updated_at_day=2026-01-01``.
    :param stem: The beginning of the file names in a folder: the window and whose it is.
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
            stem=_stem(request, config),
        )

    def check(self) -> None:
        """
        Check that the path is not of the wrong kind.

        :raises ConfigurationError: if it is a folder and has to be a file, or the other way round.
        """
        if not self.is_folder:
            check_path(self.path)
        elif not self.path.name:
            raise ConfigurationError(
                f"output_path {self.path} has nothing beside it. Name a folder in it, such as orders."
            )
        elif self.path.is_file():
            raise ConfigurationError(f"output_path {self.path} is a file, and several files need a folder.")

    def check_writable(self) -> None:
        """
        Check the path, and that its folder can be written, before an export is requested.

        :raises ConfigurationError: as :meth:`check`, or if the folder cannot be written.
        """
        self.check()
        check_writable(self.beside_folder, "output_path")
        if local_path(self.folder) is not None:
            check_writable(self.folder, "output_path")  # elsewhere it would take a file that readers find

    @property
    def is_folder(self) -> bool:
        """Whether there can be more than one file."""
        return bool(self.max_rows_per_file or self.partition_by)

    @property
    def day_fields(self) -> tuple[str, ...]:
        """The times that decide about the folder of a row: by ``updated_at``, where it is empty, ``created_at``."""
        if self.partition_by is None:
            return ()
        return ("updated_at", "created_at") if self.partition_by == "updated_at" else (self.partition_by,)

    @property
    def folder(self) -> Any:
        """The folder of the Parquet files."""
        return self.path if self.is_folder else self.path.parent

    @property
    def beside_folder(self) -> Any:
        """The folder of all other files."""
        return self.path.with_name(f"_{self.path.name}") if self.is_folder else self.path.parent

    def beside(self, ending: str) -> Any:
        """Return the path of a file beside the rows."""
        return self.beside_folder / (f"{self.stem}.{ending}" if self.is_folder else f"_{self.path.name}.{ending}")

    def publication(self) -> Publication:
        """Start to publish the files, in the place of those of an earlier run."""
        return Publication(
            self.beside("publishing.json"), self.earlier_files, folder=self.folder, staging=self.beside_folder
        )

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

    def earlier_files(self) -> list[Any]:
        """List the Parquet files that earlier runs of the same export wrote, in whichever layout they did."""
        journal = read_entry(self.beside("publishing.json"))
        names = {*manifest_files(self.manifest), *([] if journal is None else journal.files)}
        return [self.folder / name for name in sorted(names) if self._is_own(name)]

    def last_metadata_keys(self) -> list[str] | None:
        """
        Return the keys of the metadata in the last manifest: that of these files, or of the files before them, whose
        names differ in digits alone.

        :return: None if there is none.
        """
        if (own := read_manifest(self.manifest)) is not None:
            return own.metadata_keys
        masked = _without_digits(self.manifest.name)
        try:
            siblings = {path.name: path for path in self.manifest.parent.iterdir()}
        except FileNotFoundError:
            return None
        names = sorted(name for name in siblings if _without_digits(name) == masked)
        earlier = [name for name in names if name < self.manifest.name] or names
        last = read_manifest(siblings[earlier[-1]]) if earlier else None
        return None if last is None else last.metadata_keys

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


def _stem(request: ExportRequest, config: ExportConfig) -> str:
    """Name the files of an export; those of several kinds, windows, tasks and filters can lie in one folder."""
    kind = request.exported_object
    window = request.window_name or (None if kind != "order" else "orders")
    names = (None if kind == "order" else kind, window, config.file_prefix or _filter_name(request))
    return "-".join(name for name in names if name)


class ListedFile(msgspec.Struct):
    """A file that a manifest lists: its path, relative to the folder of the files."""

    path: str


class EarlierManifest(msgspec.Struct):
    """
    What is read of a manifest.

    :param files: The files.
    :param metadata_keys: The keys of the metadata; None if it was not exported.
    """

    files: list[ListedFile]
    metadata_keys: list[str] | None = None


def read_manifest(path: Any) -> EarlierManifest | None:
    """
    Read the manifest of an earlier run.

    :param path: The manifest.
    :return: None if there is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=EarlierManifest)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        log.warning("%s is not a manifest of an export (%s): the files of an earlier run stay.", path, error)
        return None


def manifest_files(path: Any) -> list[str]:
    """
    List the files that a manifest names, relative to their folder.

    :param path: The manifest; no files if there is none.
    """
    manifest = read_manifest(path)
    return [] if manifest is None else [file.path for file in manifest.files]


def _filter_name(request: ExportRequest) -> str | None:
    """Return a name for the filters, so that exports with others do not have the same files."""
    if not request.filters:
        return None
    return hashlib.sha256(msgspec.json.encode(request.filters, order="deterministic")).hexdigest()[:8]


def _without_digits(name: str) -> str:
    return re.sub(r"\d+", "0", name)
