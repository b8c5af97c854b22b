"""Orders that are the rows of a query."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.file_source import FileSource
from airflow_provider_voucherify.order_source.formats.replay_buffer import ReplayBuffer
from airflow_provider_voucherify.order_source.mapping.columns import plan
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.query.batches import fetch, order_keys
from airflow_provider_voucherify.order_source.query.items import ITEM_PREFIX
from airflow_provider_voucherify.order_source.query.query import Query
from airflow_provider_voucherify.order_source.query.spool import Spool, SpoolManifest
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record, Source

if TYPE_CHECKING:
    import pyarrow as pa

KEPT_BYTES = 4 << 20  # a row group of a local file is soon read again

log = logging.getLogger(__name__)


class QuerySource(Source):
    """
    Orders that are the rows of a query.

    The query runs when the first row is needed, once in a run: its rows are written to a folder, and read from there by
    this try and all that follow.

    :param query: The query.
    :param spool: The folder for its rows.
    :param options: How the rows are read.
    """

    name = "query"

    def __init__(self, query: Query, spool: StoragePath, options: SourceOptions = SourceOptions()) -> None:  # noqa: B008  # frozen
        super().__init__(options)
        if query.items_sql is not None and options.group_by is not None:
            raise ConfigurationError("Give either group_by or items_sql: each makes orders of several rows.")
        self._query = query
        self._folder = spool

    @property
    def groups_rows(self) -> bool:
        """Whether an order may have several rows: those of its items, too."""
        return self._query.items_sql is not None or super().groups_rows

    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008
        """Read the rows from a cursor on."""
        return self._rows.read(start)

    def scan(self) -> Iterator[Record]:
        """Read all rows once, past the buffer of those that were read recently."""
        return self._rows.scan()

    def share(self, cursor: Cursor) -> float | None:
        """Count the rows."""
        return self._rows.share(cursor)

    def fingerprint(self) -> str:
        """Hash the spool, and how it is to be read."""
        return self._rows.fingerprint()

    def origin(self, file: int) -> Origin:
        """Return what the records of a file of the spool have in common."""
        return self._rows.origin(file)

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record."""
        return self._rows.source_ids()

    def highest(self, column: str) -> Any:
        """
        Return the highest value of a column of the query; None if it has no rows, or none with a value.

        :param column: The name of the column.
        :raises ConfigurationError: if the query has no such column.
        """
        return self._rows.highest(column)

    @cached_property
    def _rows(self) -> _SpooledRows:
        spool = Spool(self._folder, self._query.fingerprint())
        manifest = spool.load()
        if manifest is None:
            log.info("Running the query, and writing its rows to %s.", self._folder)
            manifest = spool.write(self._checked(fetch(self._query, _source_id_column(self.options))))
            log.info("The query gave %s rows.", f"{manifest.rows:,}")
        else:
            log.info("Reading the %s rows of the query from %s.", f"{manifest.rows:,}", self._folder)
        return _SpooledRows(spool, manifest, self._options_for(_columns(spool, manifest)))

    def _checked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Check the columns with the first rows: a misspelt one is not to cost hours."""
        from airflow_provider_voucherify.order_source.formats.arrow_rows import check_amounts

        first = next(batches)
        options = self._options_for(first.schema.names)
        check_amounts(plan(first.schema.names, options, self.name).columns, first.schema, options, self.name)
        yield first
        yield from batches

    def _options_for(self, columns: list[str]) -> SourceOptions:
        """Group the rows of items, and map their columns by the names that they have in the query."""
        if self._query.items_sql is None:
            return self.options
        orders = [name for name in columns if not name.startswith(ITEM_PREFIX)]
        keys = order_keys(self._query.keys, orders, _source_id_column(self.options))
        mapping = {
            f"{ITEM_PREFIX}{name}" if name not in orders and f"{ITEM_PREFIX}{name}" in columns else name: path
            for name, path in (self.options.column_mapping or {}).items()
        }
        return msgspec.structs.replace(self.options, group_by=keys, column_mapping=mapping)


class _SpooledRows(FileSource):
    """The rows of a query in the files of a spool, numbered through all files."""

    def __init__(self, spool: Spool, manifest: SpoolManifest, options: SourceOptions) -> None:
        super().__init__(spool.files(manifest), options)
        self.name = "query"
        self._read = ReplayBuffer(self._read_files, KEPT_BYTES).read
        self._files_of_spool = spool.files(manifest)
        self._before = [sum(part.rows for part in manifest.parts[:index]) for index in range(len(manifest.parts))]

    def highest(self, column: str) -> Any:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        highest = None
        for part in self._files_of_spool:
            with part.open() as file, pq.ParquetFile(file) as parquet:
                if column not in parquet.schema_arrow.names:
                    raise ConfigurationError(
                        f"The query has no column {column!r}; it has {', '.join(parquet.schema_arrow.names)}."
                    )
                for batch in parquet.iter_batches(columns=[column]):
                    value = pc.max(batch.column(0)).as_py()
                    highest = value if highest is None or (value is not None and value > highest) else highest
        return highest

    def origin(self, file: int) -> Origin:
        return Origin("query row ", "", self._before[file] + 1, file, self.normalize)


def _source_id_column(options: SourceOptions) -> str:
    mapping: Mapping[str, Any] = options.column_mapping or {}
    return next((name for name, path in mapping.items() if path == "source_id"), "source_id")


def _columns(spool: Spool, manifest: SpoolManifest) -> list[str]:
    import pyarrow.parquet as pq

    with spool.files(manifest)[0].open() as file, pq.ParquetFile(file) as parquet:
        schema: pa.Schema = parquet.schema_arrow
        return list(schema.names)
