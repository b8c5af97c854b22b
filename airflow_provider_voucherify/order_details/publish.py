"""Write the orders of a spool to the tables, all of them or none. This loads pyarrow: import it late."""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from airflow_provider_voucherify.order_details.config import TABLES, DetailsConfig
from airflow_provider_voucherify.order_details.result import TableResult
from airflow_provider_voucherify.order_details.spool import Spool
from airflow_provider_voucherify.order_details.tables import RowMaker, table_schema
from airflow_provider_voucherify.order_export.sink.atomic import Publication
from airflow_provider_voucherify.order_export.sink.journal import read_entry
from airflow_provider_voucherify.order_export.sink.layout import Output, manifest_files
from airflow_provider_voucherify.order_export.sink.parquet import ParquetFiles, PublishedFile
from airflow_provider_voucherify.order_export.window import ExportWindow

BATCH_BYTES = 4 << 20  # of JSON, in a row group

log = logging.getLogger(__name__)


class DetailsManifest(msgspec.Struct, kw_only=True):
    """
    The files of all tables: while the manifest exists, they are whole and belong together.

    :param rows: The number of rows of each table.
    :param bytes: The size of all files.
    :param files: The Parquet files.
    :param schema: The Arrow types of the columns by name, of each table.
    :param window: The window.
    :param export_ids: The exports that the ids are from; none if all orders are from the listing.
    :param created_at: When it was written.
    """

    rows: dict[str, int]
    bytes: int
    files: list[PublishedFile]
    schema: dict[str, dict[str, str]]
    window: ExportWindow
    export_ids: list[str]
    created_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


class Tables:
    """
    The tables of one window: a folder each, with the same names of files in all of them.

    :param folder: The folder of the folders.
    :param config: The options.
    """

    def __init__(self, folder: Any, config: DetailsConfig) -> None:
        self._folder = folder
        self._config = config
        self._stem = config.window_name
        self.manifest = folder / f"_{self._stem}.manifest.json"
        self._journal = folder / f"_{self._stem}.publishing.json"

    def publish(self, spool: Spool, spooled: int, export_ids: list[str]) -> tuple[dict[str, TableResult], list[str]]:
        """
        Write the files of all tables and move them to their names; those of an earlier run are replaced.

        :param spool: The orders.
        :param spooled: How many files it has.
        :param export_ids: The exports that their ids are from.
        :return: What was written, and the fields of the API that the tables lack.
        :raises ExportFileError: if a value does not fit its column.
        """
        maker = RowMaker()
        schemas = {table: table_schema(table) for table in self._config.tables}
        published: dict[str, list[PublishedFile]] = {}
        with Publication(self._journal, self._earlier_files) as publication:
            with ExitStack() as stack:
                files = {
                    table: stack.enter_context(
                        ParquetFiles(publication, self._output(table), schema, self._config.compression)
                    )
                    for table, schema in schemas.items()
                }
                for orders in _batches(spool, spooled):
                    for table, parquet in files.items():
                        rows = [row for order in orders for row in maker.rows(table, order)]
                        parquet.write(pa.Table.from_pylist(rows, schemas[table]))
                for table, parquet in files.items():
                    published[table] = parquet.finish()
            manifest = DetailsManifest(
                rows={table: sum(file.rows for file in written) for table, written in published.items()},
                bytes=sum(file.bytes for written in published.values() for file in written),
                files=[
                    msgspec.structs.replace(file, path=f"{table}/{file.path}")
                    for table, written in published.items()
                    for file in written
                ],
                schema={table: {column.name: str(column.type) for column in schemas[table]} for table in schemas},
                window=self._config.window,
                export_ids=export_ids,
            )
            publication.create_manifest(self.manifest).write(
                msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
            )
        results = {
            table: TableResult(
                path=str(self._folder / table),
                rows=manifest.rows[table],
                bytes=sum(file.bytes for file in written),
                parquet_files=len(written),
            )
            for table, written in published.items()
        }
        return results, list(maker.unknown_fields)

    def _output(self, table: str) -> Output:
        return Output(path=self._folder / table, max_rows_per_file=self._config.max_rows_per_file, stem=self._stem)

    def _earlier_files(self) -> list[Any]:
        journal = read_entry(self._journal)
        names = {*manifest_files(self.manifest), *([] if journal is None else journal.files)}
        own = re.compile(rf"(?:{'|'.join(TABLES)})/{re.escape(self._stem)}-\d+\.parquet")
        return [self._folder / name for name in sorted(names) if own.fullmatch(name)]


def _batches(spool: Spool, spooled: int) -> Any:
    """Gather orders for a row group each, of a limited size."""
    orders: list[dict[str, Any]] = []
    size = 0
    for order, length in spool.orders(spooled):
        orders.append(order)
        size += length
        if size >= BATCH_BYTES:
            yield orders
            orders, size = [], 0
    if orders:
        yield orders
