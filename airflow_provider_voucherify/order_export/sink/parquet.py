"""The Parquet files of an export, and the manifest that names them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_voucherify.order_export.convert.schema import dictionary_columns
from airflow_provider_voucherify.order_export.sink.atomic import HashedFile, Publication
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window import ExportWindow

MAX_OPEN_FILES = 8  # each holds an upload buffer on object storage
NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # as Hive, Spark and Arrow name the partition of rows without a value


class PublishedFile(msgspec.Struct, kw_only=True):
    """
    One Parquet file.

    :param path: Its path, relative to the folder of the manifest.
    :param rows: The number of rows.
    :param bytes: The size.
    :param sha256: The checksum.
    """

    path: str
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, kw_only=True):
    """
    The files of one export: while the manifest exists, they are whole and belong together.

    :param rows: The number of rows.
    :param bytes: The size of all files.
    :param bad_rows: Rows that are not in these files but in the side file.
    :param files: The Parquet files.
    :param schema: The Arrow types of the columns by name.
    :param window: The window, or None.
    :param export_ids: The exports.
    :param created_at: When it was written.
    """

    rows: int
    bytes: int
    bad_rows: int
    files: list[PublishedFile]
    schema: dict[str, str]
    window: ExportWindow | None
    export_ids: list[str]
    created_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


def encode_manifest(manifest: Manifest) -> bytes:
    """
    Encode a manifest as JSON.

    :param manifest: The manifest.
    """
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


@dataclass
class _OpenFile:
    name: str
    sink: HashedFile
    writer: pq.ParquetWriter
    rows: int = 0


class ParquetFiles:
    """
    Write the rows of an export to as many Parquet files as the output asks for.

    :param publication: Publishes the files.
    :param output: The names of the files.
    :param schema: The columns.
    :param compression: The codec.
    """

    def __init__(self, publication: Publication, output: Output, schema: pa.Schema, compression: str) -> None:
        self._publication = publication
        self._output = output
        self._schema = schema
        self._compression = compression
        self._open: dict[str | None, _OpenFile] = {}
        self._started: dict[str | None, int] = {}
        self.files: list[PublishedFile] = []

    def __enter__(self) -> Self:
        return self

    def write(self, table: pa.Table) -> None:
        """
        Write rows: those of one file become a row group of it.

        :param table: The rows.
        """
        for day, rows in self._by_day(table):
            while rows.num_rows:
                file = self._file(day)
                room = (self._output.max_rows_per_file or rows.num_rows + file.rows) - file.rows
                fitting = rows.slice(0, room)
                file.writer.write_table(fitting, row_group_size=fitting.num_rows)
                file.rows += fitting.num_rows
                rows = rows.slice(room)
                if file.rows == self._output.max_rows_per_file:
                    self._finish(day)

    def finish(self) -> list[PublishedFile]:
        """Finish all files. Without rows, there is one file with all columns, but no partition."""
        if not self._started and not self._output.partition_by:
            self._file(None)
        for day in list(self._open):
            self._finish(day)
        return sorted(self.files, key=lambda file: file.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.writer.close()

    def _by_day(self, table: pa.Table) -> Iterator[tuple[str | None, pa.Table]]:
        if self._output.partition_by is None:
            yield None, table
            return
        times = table[self._output.partition_by]
        if pa.types.is_timestamp(times.type):
            times = times.cast(pa.timestamp(times.type.unit)).cast(pa.date32(), safe=False)
        days = times.cast(pa.string())
        for day in pc.unique(days):
            rows = pc.equal(days, day) if day.is_valid else pc.is_null(days)
            yield day.as_py() or NO_DAY, table.filter(rows)

    def _file(self, day: str | None) -> _OpenFile:
        if day in self._open:
            self._open[day] = self._open.pop(day)  # the most recently used one is the last
            return self._open[day]
        if len(self._open) >= MAX_OPEN_FILES:
            self._finish(next(iter(self._open)))
        number = self._started.get(day, 0)
        path = self._output.file(day, number)
        sink = self._publication.create(path)
        writer = pq.ParquetWriter(
            sink, self._schema, compression=self._compression, use_dictionary=dictionary_columns(self._schema)
        )
        self._started[day] = number + 1
        name = path.name if day is None else f"{path.parent.name}/{path.name}"
        self._open[day] = _OpenFile(name, sink, writer)
        return self._open[day]

    def _finish(self, day: str | None) -> None:
        file = self._open.pop(day)
        file.writer.close()
        file.sink.close()
        self.files.append(
            PublishedFile(path=file.name, rows=file.rows, bytes=file.sink.size, sha256=file.sink.checksum)
        )
