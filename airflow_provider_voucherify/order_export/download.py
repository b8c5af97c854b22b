"""Convert exports that are DONE to Parquet while they are downloaded. This loads pyarrow: import it late."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import pyarrow as pa
import tenacity

from airflow_provider_voucherify import __version__
from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import Export, ExportStatus
from airflow_provider_voucherify.core.storage import uri_of
from airflow_provider_voucherify.exceptions import ExportFileError, RowTooLongError, ServerError, TransportError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from airflow_provider_voucherify.order_export.convert.rows import BLOCK_BYTES, ROW_GROUP_ROWS, BadRow, RowReader
from airflow_provider_voucherify.order_export.convert.schema import file_schema, order_schema
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.result import ExportResult
from airflow_provider_voucherify.order_export.sink.atomic import Publication
from airflow_provider_voucherify.order_export.sink.bad_rows import BadRows
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.sink.parquet import Manifest, ParquetFiles, encode_manifest, sort_of
from airflow_provider_voucherify.order_export.unexpected import Unexpected
from airflow_provider_voucherify.order_export.window_parts import ExportPart, rows_of

T = TypeVar("T")

ATTEMPTS = 3
LARGER_BLOCKS_BYTES = (4 << 20, 16 << 20, 64 << 20)  # for rows that are too long: memory grows with the blocks

log = logging.getLogger(__name__)


def download_to_parquet(
    client: Endpoints,
    parts: Sequence[ExportPart],
    request: ExportRequest,
    output: Output,
    config: ExportConfig = ExportConfig(),  # noqa: B008  # frozen
    *,
    ended: Mapping[str, Export] | None = None,
    attempts: int = ATTEMPTS,
    row_group_rows: int = ROW_GROUP_ROWS,
    sleep: Callable[[float], None] = time.sleep,
) -> ExportResult:
    """
    Download exports that are DONE, and convert them while they are received.

    The files appear complete or not at all: they are written beside their final names, with a dot before, and moved. A
    download that breaks off is started again, with a new URL. Two threads share the work; the memory that it takes
    does not depend on the number of orders.

    :param client: The API.
    :param parts: The exports, and which of their rows are wanted.
    :param request: The request, with the columns, their types and the window.
    :param output: The names of the files.
    :param config: The options.
    :param ended: Exports as they were received just now, by id: their links are tried first.
    :param attempts: The largest number of downloads.
    :param row_group_rows: The smallest number of rows in a row group, except for the last one.
    :param sleep: Sleeps between two attempts, for a number of seconds.
    :raises ConfigurationError: if the path is a folder and has to be a file, or the other way round.
    :raises BadRowError: if a row does not fit its columns, unless ``side_file``.
    :raises ExportFileError: if an export is not DONE, or its file is not what was requested.
    :raises NotFoundError: if an export or its file is gone.
    :raises TransportError: if the download fails each time.
    :raises ApiError: if Voucherify refuses it, or fails each time.
    """
    output.check()
    task = _Download(client, parts, request, output, config, row_group_rows, dict(ended or {}))
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        retry=tenacity.retry_if_exception_type((TransportError, ServerError)),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=30),
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )
    block_bytes = BLOCK_BYTES
    for larger_block_bytes in LARGER_BLOCKS_BYTES:
        try:
            return retrying(task.attempt, block_bytes)
        except RowTooLongError as error:
            log.info("%s Trying again with blocks of %d MiB.", error, larger_block_bytes >> 20)
            block_bytes = larger_block_bytes
    return retrying(task.attempt, block_bytes)


@dataclass(frozen=True)
class _File:
    """One of the files of the exports."""

    part: ExportPart
    export_id: str
    number: int
    of: int
    link: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the file in errors."""
        return f"Export {self.export_id}" + (f" (file {self.number} of {self.of})" if self.of > 1 else "")


@dataclass
class _Download:
    """The download of all files."""

    client: Endpoints
    parts: Sequence[ExportPart]
    request: ExportRequest
    output: Output
    config: ExportConfig
    row_group_rows: int
    ended: dict[str, Export]

    def attempt(self, block_bytes: int) -> ExportResult:
        """Download and convert all files once."""
        files = [file for part in self.parts for file in self._files(part)]
        export_ids = list(dict.fromkeys(file.export_id for file in files))
        unexpected = Unexpected(self.request)
        stop = threading.Event()
        row_groups = self._row_groups(files, block_bytes, unexpected, stop)
        with (
            _prefetched(row_groups, stop) as ready,
            self.output.publication() as publication,
        ):
            bad_rows = BadRows(self.config, publication, self.output.beside("bad_rows.jsonl"))
            with self._parquet_files(publication, export_ids) as parquet:
                for file, table, bad in ready:
                    bad_rows.add(file.name, file.number, bad)
                    unexpected.add_rows(table)
                    parquet.write(table)
                published = parquet.finish()
            manifest = Manifest(
                rows=sum(file.rows for file in published),
                bytes=sum(file.bytes for file in published),
                bad_rows=bad_rows.count,
                files=published,
                schema={column.name: str(column.type) for column in self._schema},
                window=self.request.window,
                export_ids=export_ids,
                metadata_keys=unexpected.sorted_keys,
            )
            bad_rows.check(manifest.rows)
            self.config.check_rows(manifest.rows)
            new_keys = unexpected.new_keys(self.output)
            publication.create_manifest(self.output.manifest).write(encode_manifest(manifest))
        unexpected.warn(files[0].name)
        return ExportResult(
            path=str(self.output.path),
            uri=uri_of(self.output.path),
            rows=manifest.rows,
            bytes=manifest.bytes,
            export_id=export_ids[0],
            export_ids=export_ids,
            files=len(files),
            parquet_files=len(published),
            manifest_path=str(self.output.manifest),
            window=None if manifest.window is None else msgspec.to_builtins(manifest.window),
            unknown_columns=list(unexpected.unknown_columns),
            empty_fields=unexpected.empty_fields,
            new_metadata_keys=new_keys,
            bad_rows=bad_rows.count,
            bad_rows_path=bad_rows.path,
            bad_row_ids=bad_rows.ids,
        )

    @property
    def _schema(self) -> pa.Schema:
        return file_schema(self.request, self.config)

    def _parquet_files(self, publication: Publication, export_ids: Sequence[str]) -> ParquetFiles:
        notes = {"window": self.request.window, "export_ids": export_ids, "provider_version": __version__}
        return ParquetFiles(
            publication,
            self.output,
            self._schema,
            self.config.compression,
            fields=self.request.fields,
            sort=sort_of(self.request),
            notes=notes,
            max_files=self.config.max_files,
        )

    def _files(self, part: ExportPart) -> list[_File]:
        export_id = part.export_id or ""
        export = self.ended.pop(export_id, None) or self.client.get_export(export_id)  # popped: links are short-lived
        if export.status != ExportStatus.DONE or not export.urls:
            raise ExportFileError(f"Export {export_id} is {export.status} and has no file to download.")
        return [_File(part, export_id, number, len(export.urls), link) for number, link in enumerate(export.urls, 1)]

    def _row_groups(
        self, files: Sequence[_File], block_bytes: int, unexpected: Unexpected, stop: threading.Event
    ) -> Generator[tuple[_File, pa.Table, list[BadRow]], None, None]:
        for file in files:
            with self.client.download_export(file.export_id, file=file.number - 1, link=file.link) as download:
                reader = RowReader(
                    CsvStream(download, file.name, stopped=stop.is_set),
                    order_schema(file.part.request(self.request, self.output.day_fields)),
                    block_bytes=block_bytes,
                    row_group_rows=self.row_group_rows,
                    header_mapping=self.config.header_mapping,
                    known_fields=self.request.kind.field_names,
                )
                if reader.columns.unknown and self.config.on_unknown_column == "fail":
                    raise ExportFileError(
                        f"{file.name} has columns that were not requested: {', '.join(reader.columns.unknown)}. "
                        "on_unknown_column='warn' leaves them out."
                    )
                unexpected.unknown_columns.update(dict.fromkeys(reader.columns.unknown))
                with closing(reader.row_groups()) as groups:
                    for group in groups:
                        unexpected.metadata_keys |= reader.metadata_keys
                        yield file, rows_of(file.part, group.table, self.request.kind), group.bad_rows
            if stop.is_set():
                return


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    log.warning("Download %d failed, next one in %.1f s: %s", state.attempt_number, seconds, error)


@contextmanager
def _prefetched(items: Generator[T, None, None], stop: threading.Event) -> Iterator[Iterator[T]]:
    """
    Iterate over items while another thread makes the next one: never more than one ahead.

    :param items: Makes the items. What it raises is raised where its item is awaited.
    :param stop: Set at the end, whatever the reason, so that the generator can leave its work unfinished.
    """

    def one_ahead() -> Iterator[T]:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item

    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="voucherify-export") as thread:
        try:
            yield one_ahead()
        finally:
            stop.set()
