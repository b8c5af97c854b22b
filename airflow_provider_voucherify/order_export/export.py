"""An export that is DONE becomes a Parquet file while it is downloaded. This loads pyarrow: import it late."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import tenacity

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.errors import ConfigurationError, ServerError, TransportError
from airflow_provider_voucherify.api.models import ExportStatus
from airflow_provider_voucherify.order_export.bad_rows import BadRows
from airflow_provider_voucherify.order_export.conversion import BLOCK_BYTES, ROW_GROUP_ROWS, Conversion, RowGroup
from airflow_provider_voucherify.order_export.csv_stream import CsvStream, UnprovenEndError
from airflow_provider_voucherify.order_export.errors import ExportFileError, RowTooLongError
from airflow_provider_voucherify.order_export.prefetch import prefetched
from airflow_provider_voucherify.order_export.publishing import OutputPath, Publication, check_path
from airflow_provider_voucherify.order_export.request import ExportRequest, OnBadValue
from airflow_provider_voucherify.order_export.schema import dictionary_columns, order_schema

ATTEMPTS = 3
LARGE_BLOCK_BYTES = 64 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """
    What came of an export. All parts are JSON: ``asdict(result)``.

    :param path: The Parquet file.
    :param rows: Its rows.
    :param bytes: Its size.
    :param export_id: The export.
    :param files: How many files the export had.
    :param unknown_columns: Headers of columns that were not asked for and are left out.
    :param bad_rows: Rows that are not in the Parquet file but in ``bad_rows_path``.
    :param bad_rows_path: A file of JSON lines with ``file``, ``row``, ``reason`` and ``record``; None without bad rows.
    """

    path: str
    rows: int
    bytes: int
    export_id: str
    files: int
    unknown_columns: list[str]
    bad_rows: int
    bad_rows_path: str | None


def download_to_parquet(
    client: Endpoints,
    export_id: str,
    request: ExportRequest,
    path: OutputPath,
    *,
    on_bad_value: OnBadValue = "fail",
    attempts: int = ATTEMPTS,
    compression: str = "zstd",
    row_group_rows: int = ROW_GROUP_ROWS,
    sleep: Callable[[float], None] = time.sleep,
) -> ExportResult:
    """
    Download an export that is DONE, and convert it on the way.

    The file is there whole or not at all: it is written beside its name under one that begins with a dot, and moved.
    A download that breaks off is begun anew, with a fresh URL. Two threads share the work; the memory that it takes
    does not depend on the number of orders.

    :param client: The API.
    :param export_id: The export.
    :param request: What was asked for: it gives the columns and their types.
    :param path: The Parquet file: a ``pathlib.Path``, ``UPath`` or ``ObjectStoragePath``.
    :param on_bad_value: What becomes of a row with a value that is not of its column's type, or with too few or too
        many cells: ``fail``, or ``side_file``, ``_{name}.bad_rows.jsonl`` beside the Parquet file.
    :param attempts: How often to download at most.
    :param compression: The codec of the Parquet file.
    :param row_group_rows: Rows a row group, but for the last one.
    :param sleep: Sleeps a number of seconds, between two attempts.
    :raises ConfigurationError: if the path is a folder.
    :raises BadRowError: if a row does not fit its columns, unless ``side_file``.
    :raises ExportFileError: if the export is not DONE, or its file not what was asked for.
    :raises TransportError: if the download fails each time.
    :raises ApiError: if Voucherify refuses it, or fails each time.
    """
    if on_bad_value not in get_args(OnBadValue):
        raise ConfigurationError(f"on_bad_value must be 'fail' or 'side_file', got {on_bad_value!r}.")
    check_path(path)
    task = _Download(client, export_id, order_schema(request), path, on_bad_value, compression, row_group_rows)
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


@dataclass
class _Download:
    """One export on its way to one file, and what is remembered from one attempt to the next."""

    client: Endpoints
    export_id: str
    schema: pa.Schema
    path: OutputPath
    on_bad_value: OnBadValue
    compression: str
    row_group_rows: int
    ends: dict[int, int] = field(default_factory=dict)

    def attempt(self, block_bytes: int) -> ExportResult:
        """Do all of it once."""
        files = self._count_files()
        unknown_columns: dict[str, None] = {}
        rows = 0
        stop = threading.Event()
        row_groups = self._row_groups(files, block_bytes, unknown_columns, stop)
        with prefetched(row_groups, stop) as ready, Publication() as publication:
            sink = publication.create(self.path)
            bad_rows = BadRows(self.on_bad_value, publication, self.path)
            with self._writer(sink) as writer:
                for file, group in ready:
                    bad_rows.add(self._name(file, files), file, group.bad_rows)
                    if group.table.num_rows:
                        writer.write_table(group.table, row_group_size=group.table.num_rows)
                        rows += group.table.num_rows
            size = sink.tell()
        if unknown_columns:
            log.warning("Export %s has columns that nobody asked for: %s.", self.export_id, ", ".join(unknown_columns))
        return ExportResult(
            path=str(self.path),
            rows=rows,
            bytes=size,
            export_id=self.export_id,
            files=files,
            unknown_columns=list(unknown_columns),
            bad_rows=bad_rows.count,
            bad_rows_path=bad_rows.path,
        )

    def _count_files(self) -> int:
        export = self.client.get_export(self.export_id)
        if export.status != ExportStatus.DONE or not export.urls:
            raise ExportFileError(f"Export {self.export_id} is {export.status} and has no file to download.")
        return len(export.urls)

    def _row_groups(
        self, files: int, block_bytes: int, unknown_columns: dict[str, None], stop: threading.Event
    ) -> Generator[tuple[int, RowGroup], None, None]:
        for file in range(1, files + 1):
            with self.client.download_export(self.export_id, file=file - 1) as download:
                try:
                    stream = CsvStream(
                        download, self._name(file, files), believed_size=self.ends.get(file), stopped=stop.is_set
                    )
                    conversion = Conversion(
                        stream, self.schema, block_bytes=block_bytes, row_group_rows=self.row_group_rows
                    )
                    unknown_columns.update(dict.fromkeys(conversion.columns.unknown))
                    for group in conversion.row_groups():
                        yield file, group
                except UnprovenEndError as error:
                    self.ends[file] = error.size
                    raise
            if stop.is_set():
                return

    def _name(self, file: int, files: int) -> str:
        return f"Export {self.export_id}" + (f" (file {file} of {files})" if files > 1 else "")

    def _writer(self, sink: Any) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            sink, self.schema, compression=self.compression, use_dictionary=dictionary_columns(self.schema)
        )


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    log.warning("Download %d failed, next one in %.1f s: %s", state.attempt_number, seconds, error)
