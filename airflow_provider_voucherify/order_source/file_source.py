"""Read orders from files, one after the other, each by its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.files import File, Format, check_apart, fingerprint
from airflow_provider_voucherify.order_source.formats.base import Reader
from airflow_provider_voucherify.order_source.formats.csv import CsvFile
from airflow_provider_voucherify.order_source.formats.json_array import JsonArray
from airflow_provider_voucherify.order_source.formats.jsonl import BYTE_ORDER_MARK, JsonLines
from airflow_provider_voucherify.order_source.formats.parquet import ParquetFile
from airflow_provider_voucherify.order_source.formats.replay_buffer import ReplayBuffer
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.row_groups import grouped
from airflow_provider_voucherify.order_source.source import (
    NO_GROUPS,
    Cursor,
    Origin,
    Record,
    Source,
    options_document,
    source_ids_of,
)

SNIFFED_BYTES = 4096

READERS: dict[Format, type[Reader]] = {"jsonl": JsonLines, "json": JsonArray, "csv": CsvFile, "parquet": ParquetFile}


class FileSource(Source):
    """
    Orders in files.

    :param files: The files, in the order in which they are read.
    :param options: How their orders are read.
    :param paths: The paths that they were found by.
    """

    def __init__(
        self,
        files: Sequence[File],
        options: SourceOptions = SourceOptions(),  # noqa: B008  # frozen
        paths: Any = (),
    ) -> None:
        super().__init__(options)
        first, more = files[0].name, len(files) - 1
        self.name = f"{first} and {more} more files" if more else first
        self._files = files
        self._paths = paths
        self._formats: dict[int, Format] = {}
        self._row_counts: dict[int, int] = {}
        cheap = all(file.local and file.format != "parquet" for file in files)
        self._read = self._read_files if cheap else ReplayBuffer(self._read_files).read

    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008
        """Read from a cursor on."""
        return self._read(start)

    def scan(self) -> Iterator[Record]:
        """Read all records once, past the buffer of those that were read recently."""
        return self._read_files(Cursor())

    def fingerprint(self) -> str:
        """Hash names, sizes and samples of the content, and how it is to be read."""
        return fingerprint(self._files, options_document(self.options))

    def check_report_path(self, report_path: Any) -> None:
        """Check that neither the report lies among the files, nor they in the report."""
        check_apart(report_path, self._paths)

    def share(self, cursor: Cursor) -> float | None:
        """Count the bytes, of a Parquet file those of as many rows; within a compressed file it is unknown."""
        total = sum(file.size for file in self._files)
        file, before = self._files[cursor.file], sum(file.size for file in self._files[: cursor.file])
        if file.format == "parquet":
            before += round(file.size * cursor.line / max(1, self._rows(cursor.file)))
        elif file.compression is None:
            before += cursor.offset
        elif len(self._files) == 1:
            return None
        return before / total if total else 1.0

    def origin(self, file: int) -> Origin:
        """Return what the records of a file have in common."""
        name = self._files[file].name
        match self._format(file):
            case "json":
                return Origin(f"{name}[", "]", 0, file, self.normalize)
            case "parquet":
                return Origin(f"{name} row ", "", 1, file, self.normalize)
            case _:
                return Origin(f"{name}:", "", 1, file, self.normalize)

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, as fast as the format allows."""
        if self.groups_rows:
            yield from source_ids_of(self.scan())
            return
        for index in range(len(self._files)):
            yield from self._reader(index).source_ids()

    def _read_files(self, start: Cursor) -> Iterator[Record]:
        rows = self._read_rows(start)
        return grouped(rows, self.options, start.number) if self.groups_rows else rows

    def _read_rows(self, start: Cursor) -> Iterator[Record]:
        number = start.number
        for index in range(start.file, len(self._files)):
            place = start if index == start.file else Cursor(number, file=index)
            number = yield from self._reader(index).read(place)

    def _reader(self, index: int) -> Reader:
        file, file_format = self._files[index], self._format(index)
        if self.groups_rows and file_format in ("jsonl", "json"):
            raise ConfigurationError(f"{file.name}: {NO_GROUPS}")
        return READERS[file_format](file, self.origin(index), self.options)

    def _rows(self, index: int) -> int:
        if index not in self._row_counts:
            file = ParquetFile(self._files[index], self.origin(index), self.options)
            self._row_counts[index] = file.rows()
        return self._row_counts[index]

    def _format(self, index: int) -> Format:
        file = self._files[index]
        if file.format == "json" and index not in self._formats:
            self._formats[index] = "jsonl" if self.options.json_path is None and _has_lines(file) else "json"
        return self._formats.get(index, file.format)


def _has_lines(file: File) -> bool:
    """Return whether a file named ``.json`` has one order a line, as Spark and BigQuery write it."""
    with file.open() as opened:
        text = opened.read(SNIFFED_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.split(b"\n", 1)[0].strip() == b"{":
        raise ConfigurationError(
            f"{file.name} is one JSON object over several lines. Give an array of orders, or one order a line; if "
            "a key of the object has the orders, name it with json_path."
        )
    return text.startswith(b"{")
