"""Exports that are DONE become Parquet files while they are downloaded. This loads pyarrow: import it late."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import pyarrow as pa
import tenacity

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import ExportStatus
from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.exceptions import ExportFileError, RowTooLongError, ServerError, TransportError
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream, UnprovenEndError
from airflow_provider_voucherify.order_export.convert.prefetch import prefetched
from airflow_provider_voucherify.order_export.convert.rows import BLOCK_BYTES, ROW_GROUP_ROWS, BadRow, Conversion
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.request import ExportRequest, OnBadValue
from airflow_provider_voucherify.order_export.selection import rows_of
from airflow_provider_voucherify.order_export.sink.atomic import Publication
from airflow_provider_voucherify.order_export.sink.bad_rows import BadRows
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.sink.manifest import Manifest, encode
from airflow_provider_voucherify.order_export.sink.parquet import ParquetFiles
from airflow_provider_voucherify.order_export.window import Part, Window

ATTEMPTS = 3
LARGE_BLOCK_BYTES = 64 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """
    What came of an export. All parts are JSON: ``asdict(result)``.

    :param path: The Parquet file, or the folder of several.
    :param rows: Its rows.
    :param bytes: Its size.
    :param export_id: The export; the first one where a window took several.
    :param export_ids: All of them.
    :param files: How many files the exports had.
    :param parquet_files: How many Parquet files there are.
    :param manifest_path: The manifest.
    :param window: Field, start and end of the window, or None.
    :param unknown_columns: Headers of columns that were not asked for and are left out.
    :param bad_rows: Rows that are not in the Parquet file but in ``bad_rows_path``.
    :param bad_rows_path: A file of JSON lines with ``file``, ``row``, ``reason`` and ``record``; None without bad rows.
    """

    path: str
    rows: int
    bytes: int
    export_id: str
    export_ids: list[str]
    files: int
    parquet_files: int
    manifest_path: str
    window: dict[str, str] | None
    unknown_columns: list[str]
    bad_rows: int
    bad_rows_path: str | None


def download_to_parquet(
    client: Endpoints,
    parts: Sequence[Part],
    request: ExportRequest,
    output: Output,
    *,
    window: Window | None = None,
    on_bad_value: OnBadValue = "fail",
    attempts: int = ATTEMPTS,
    compression: str = "zstd",
    row_group_rows: int = ROW_GROUP_ROWS,
    sleep: Callable[[float], None] = time.sleep,
) -> ExportResult:
    """
    Download exports that are DONE, and convert them on the way.

    The files are there whole or not at all: they are written beside their names under ones that begin with a dot, and
    moved. A download that breaks off is begun anew, with a fresh URL. Two threads share the work; the memory that it
    takes does not depend on the number of orders.

    :param client: The API.
    :param parts: The exports, and which of their rows are wanted.
    :param request: What the author asked for: it gives the columns and their types.
    :param output: Where the rows go.
    :param window: What the parts make up, for the manifest.
    :param on_bad_value: What becomes of a row with a value that is not of its column's type, or with too few or too
        many cells: ``fail``, or ``side_file``, ``_{name}.bad_rows.jsonl`` beside the Parquet file.
    :param attempts: How often to download at most.
    :param compression: The codec of the Parquet files.
    :param row_group_rows: Rows a row group, but for the last one.
    :param sleep: Sleeps a number of seconds, between two attempts.
    :raises ConfigurationError: if the path is a folder and should be a file, or the other way round.
    :raises BadRowError: if a row does not fit its columns, unless ``side_file``.
    :raises ExportFileError: if an export is not DONE, or its file not what was asked for.
    :raises NotFoundError: if an export or its file is gone.
    :raises TransportError: if the download fails each time.
    :raises ApiError: if Voucherify refuses it, or fails each time.
    """
    check_choice("on_bad_value", on_bad_value, get_args(OnBadValue))
    output.check()
    task = _Download(client, parts, request, output, window, on_bad_value, compression, row_group_rows)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        retry=tenacity.retry_if_exception_type((TransportError, ServerError)),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=30),
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )
    try:
        return retrying(task.attempt, BLOCK_BYTES)
    except RowTooLongError as error:
        log.info("%s Trying again with blocks of %d MiB.", error, LARGE_BLOCK_BYTES >> 20)
        return retrying(task.attempt, LARGE_BLOCK_BYTES)


@dataclass(frozen=True)
class _File:
    """One of the files of the exports."""

    part: Part
    export_id: str
    number: int
    of: int

    @property
    def name(self) -> str:
        """How errors call it."""
        return f"Export {self.export_id}" + (f" (file {self.number} of {self.of})" if self.of > 1 else "")


@dataclass
class _Download:
    """Exports on their way to their files, and what is remembered from one attempt to the next."""

    client: Endpoints
    parts: Sequence[Part]
    request: ExportRequest
    output: Output
    window: Window | None
    on_bad_value: OnBadValue
    compression: str
    row_group_rows: int
    ends: dict[tuple[str, int], int] = field(default_factory=dict)

    def attempt(self, block_bytes: int) -> ExportResult:
        """Do all of it once."""
        files = [file for part in self.parts for file in self._files(part)]
        schema = order_schema(self.request)
        unknown_columns: dict[str, None] = {}
        stop = threading.Event()
        row_groups = self._row_groups(files, block_bytes, unknown_columns, stop)
        with prefetched(row_groups, stop) as ready, Publication() as publication:
            bad_rows = BadRows(self.on_bad_value, publication, self.output.beside("bad_rows.jsonl"))
            with ParquetFiles(publication, self.output, schema, self.compression) as parquet:
                for file, table, bad in ready:
                    bad_rows.add(file.name, file.number, bad)
                    parquet.write(table)
                published = parquet.finish()
            for path in self.output.earlier_files():
                publication.remove(path)
            manifest = Manifest(
                rows=sum(file.rows for file in published),
                bytes=sum(file.bytes for file in published),
                bad_rows=bad_rows.count,
                files=published,
                schema={column.name: str(column.type) for column in schema},
                window=self.window,
                export_ids=list(dict.fromkeys(file.export_id for file in files)),
            )
            manifest_path = self.output.beside("manifest.json")
            publication.create_manifest(manifest_path).write(encode(manifest))
        if unknown_columns:
            log.warning("%s has columns that nobody asked for: %s.", files[0].name, ", ".join(unknown_columns))
        return ExportResult(
            path=str(self.output.path),
            rows=manifest.rows,
            bytes=manifest.bytes,
            export_id=manifest.export_ids[0],
            export_ids=manifest.export_ids,
            files=len(files),
            parquet_files=len(published),
            manifest_path=str(manifest_path),
            window=None if self.window is None else msgspec.to_builtins(self.window),
            unknown_columns=list(unknown_columns),
            bad_rows=bad_rows.count,
            bad_rows_path=bad_rows.path,
        )

    def _files(self, part: Part) -> list[_File]:
        export_id = part.export_id or ""
        export = self.client.get_export(export_id)
        if export.status != ExportStatus.DONE or not export.urls:
            raise ExportFileError(f"Export {export_id} is {export.status} and has no file to download.")
        return [_File(part, export_id, number, len(export.urls)) for number in range(1, len(export.urls) + 1)]

    def _row_groups(
        self, files: Sequence[_File], block_bytes: int, unknown_columns: dict[str, None], stop: threading.Event
    ) -> Generator[tuple[_File, pa.Table, list[BadRow]], None, None]:
        for file in files:
            end = (file.export_id, file.number)
            with self.client.download_export(file.export_id, file=file.number - 1) as download:
                try:
                    stream = CsvStream(download, file.name, believed_size=self.ends.get(end), stopped=stop.is_set)
                    conversion = Conversion(
                        stream,
                        order_schema(file.part.request(self.request)),
                        block_bytes=block_bytes,
                        row_group_rows=self.row_group_rows,
                    )
                    unknown_columns.update(dict.fromkeys(conversion.columns.unknown))
                    with closing(conversion.row_groups()) as groups:
                        for group in groups:
                            table = rows_of(file.part, group.table).select(self.request.fields)
                            yield file, table, group.bad_rows
                except UnprovenEndError as error:
                    self.ends[end] = error.size
                    raise
            if stop.is_set():
                return


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    log.warning("Download %d failed, next one in %.1f s: %s", state.attempt_number, seconds, error)
