"""The Parquet files of an export, and the manifest that names them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.convert.schema import dictionary_columns
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.atomic import HashedFile, Publication
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window import ExportWindow

MANY_FILES = 100
FEW_ROWS = 1000
MAX_OPEN_FILES = 8  # each holds an upload buffer on object storage
NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # as Hive, Spark and Arrow name the partition of rows without a value

log = logging.getLogger(__name__)


class PublishedFile(msgspec.Struct, kw_only=True):
    """
    One Parquet file.

    :param path: Its path, relative to the folder of the files.
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
    :param metadata_keys: The keys of the metadata, in a sample of the rows; None if it was not requested.
    :param created_at: When it was written.
    """

    rows: int
    bytes: int
    bad_rows: int
    files: list[PublishedFile]
    schema: dict[str, str]
    window: ExportWindow | None
    export_ids: list[str]
    metadata_keys: list[str] | None
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
    :param fields: The columns of the tables that are written, which become those of the schema; by default its own.
    :param sort: The field by which the rows are sorted, and whether the latest come first; None if it is unknown.
    :param notes: What is known of the export, for the key-value metadata of the files.
    :param max_files: The largest number of files.
    """

    def __init__(
        self,
        publication: Publication,
        output: Output,
        schema: pa.Schema,
        compression: str,
        *,
        fields: Sequence[str] | None = None,
        sort: tuple[str, bool] | None = None,
        notes: Mapping[str, Any] | None = None,
        max_files: int | None = None,
    ) -> None:
        self._publication = publication
        self._output = output
        self._schema = schema
        self._compression = compression
        self._fields = list(schema.names if fields is None else fields)
        self._sort = sort
        self._notes = {
            f"voucherify.{name}": msgspec.json.encode(value).decode() for name, value in (notes or {}).items()
        }
        self._max_files = max_files
        self._open: dict[str | None, _OpenFile] = {}
        self._started: dict[str | None, int] = {}
        self.files: list[PublishedFile] = []

    def __enter__(self) -> Self:
        return self

    def write(self, table: pa.Table) -> None:
        """
        Write rows: those of one file become a row group of it.

        :param table: The rows, with the times that decide about their folders.
        """
        if self._sort is not None:
            table = _sorted(table, *self._sort)
        for day, rows in self._by_day(table):
            rows = rows.select(self._fields).rename_columns(self._schema.names)
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
        self._warn_of_small_files()
        return sorted(self.files, key=lambda file: file.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.writer.close()

    @property
    def _sorting_columns(self) -> list[pq.SortingColumn] | None:
        if self._sort is None:
            return None
        field, descending = self._sort
        return [pq.SortingColumn(self._fields.index(field), descending=descending, nulls_first=False)]

    def _warn_of_small_files(self) -> None:
        files, rows = len(self.files), sum(file.rows for file in self.files)
        if files >= MANY_FILES and rows < files * FEW_ROWS:
            log.warning(
                "The export has %d files in %s with %d rows on average, which are slow to read. Without partition_by "
                "there are fewer; or compact them.",
                files,
                self._output.path,
                rows // files,
            )

    def _by_day(self, table: pa.Table) -> Iterator[tuple[str | None, pa.Table]]:
        if self._output.partition_by is None:
            yield None, table
            return
        times = pc.coalesce(*(table[name] for name in self._output.day_fields))
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
        if self._max_files is not None and sum(self._started.values()) >= self._max_files:
            raise ConfigurationError(
                f"This export takes more than max_files={self._max_files:,} files in {self._output.path}. "
                "Without partition_by there are fewer, with a larger max_rows_per_file too; or allow more."
            )
        number = self._started.get(day, 0)
        path = self._output.file(day, number)
        sink = self._publication.create(path)
        writer = pq.ParquetWriter(
            sink,
            self._schema,
            compression=self._compression,
            use_dictionary=dictionary_columns(self._schema),
            sorting_columns=self._sorting_columns,
        )
        writer.add_key_value_metadata(self._notes)
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


def sort_of(request: ExportRequest) -> tuple[str, bool] | None:
    """Return the time among the columns that the rows are sorted by, and whether the latest come first."""
    sort_order = (request.sort_order or "").removeprefix("-")
    field = next((column for time, column in request.kind.times.items() if time == sort_order), None)
    if field is None or field not in (request.fields or ()):
        return None
    return field, (request.sort_order or "").startswith("-")


def _sorted(table: pa.Table, field: str, descending: bool) -> pa.Table:
    """
    Sort rows that are not sorted already, as those of the API nearly always are: where it puts orders without
    ``updated_at`` is unknown, and the file says that they come last.
    """
    times = table[field].cast(pa.int64()).combine_chunks()
    values = times.drop_null()
    nulls_are_last = not times.slice(0, len(values)).null_count
    in_order = pc.greater_equal if descending else pc.less_equal
    if (
        nulls_are_last
        and pc.all(in_order(values.slice(0, max(len(values) - 1, 0)), values.slice(1))).as_py() is not False
    ):
        return table
    return table.sort_by([(field, "descending" if descending else "ascending")])
