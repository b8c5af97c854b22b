"""Rows become Parquet files, as many as the output asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_voucherify.order_export.convert.schema import dictionary_columns
from airflow_provider_voucherify.order_export.sink.atomic import HashedFile, Publication
from airflow_provider_voucherify.order_export.sink.layout import Output

MAX_OPEN_FILES = 8  # each holds an upload buffer on object storage
NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # as Hive, Spark and Arrow name the partition of rows without a value


class PublishedFile(msgspec.Struct, kw_only=True):
    """
    One Parquet file.

    :param path: Its path, from the folder of the manifest on.
    :param rows: Its rows.
    :param bytes: Its size.
    :param sha256: Its checksum.
    """

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass
class _Open:
    name: str
    sink: HashedFile
    writer: pq.ParquetWriter
    rows: int = 0


class ParquetFiles:
    """
    The Parquet files of an export, on their way.

    :param publication: What they are published with.
    :param output: Where they go.
    :param schema: The columns.
    :param compression: The codec.
    """

    def __init__(self, publication: Publication, output: Output, schema: pa.Schema, compression: str) -> None:
        self._publication = publication
        self._output = output
        self._schema = schema
        self._compression = compression
        self._open: dict[str | None, _Open] = {}
        self._begun: dict[str | None, int] = {}
        self.files: list[PublishedFile] = []

    def __enter__(self) -> Self:
        return self

    def write(self, table: pa.Table) -> None:
        """
        Write rows.

        :param table: Some rows; what goes into one file becomes a row group of it.
        """
        for day, rows in self._by_day(table):
            while rows.num_rows:
                file = self._file(day)
                room = (self._output.max_rows_per_file or rows.num_rows + file.rows) - file.rows
                part = rows.slice(0, room)
                file.writer.write_table(part, row_group_size=part.num_rows)
                file.rows += part.num_rows
                rows = rows.slice(room)
                if file.rows == self._output.max_rows_per_file:
                    self._finish(day)

    def finish(self) -> list[PublishedFile]:
        """End all files. Without rows there is one with all columns, but no partition."""
        if not self._begun and not self._output.partition_by:
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

    def _file(self, day: str | None) -> _Open:
        if day in self._open:
            self._open[day] = self._open.pop(day)  # the last one used is the last one
            return self._open[day]
        if len(self._open) >= MAX_OPEN_FILES:
            self._finish(next(iter(self._open)))
        number = self._begun.get(day, 0)
        path = self._output.file(day, number)
        sink = self._publication.create(path)
        writer = pq.ParquetWriter(
            sink, self._schema, compression=self._compression, use_dictionary=dictionary_columns(self._schema)
        )
        self._begun[day] = number + 1
        name = path.name if day is None else f"{path.parent.name}/{path.name}"
        self._open[day] = _Open(name, sink, writer)
        return self._open[day]

    def _finish(self, day: str | None) -> None:
        file = self._open.pop(day)
        file.writer.close()
        file.sink.close()
        self.files.append(
            PublishedFile(path=file.name, rows=file.rows, bytes=file.sink.size, sha256=file.sink.checksum)
        )
