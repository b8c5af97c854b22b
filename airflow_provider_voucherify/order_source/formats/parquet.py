"""Read Parquet files, nested or flat, row group by row group."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.base import Reader, with_empty_rows
from airflow_provider_voucherify.order_source.mapping.columns import Plan
from airflow_provider_voucherify.order_source.mapping.columns import plan as plan_columns
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.source import Cursor, Record

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_BYTES = 4 << 20
BATCH_ROWS = range(64, 4097)


class ParquetFile(Reader):
    """A Parquet file with one order a row, its columns named by paths and as nested as they like."""

    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """
        Read from a row on; row groups before it are skipped unread.

        :return: How many records of the source lie before the end of the file.
        :raises ConfigurationError: if it is not a Parquet file, or a column is not a field of an order.
        """
        from airflow_provider_voucherify.order_source.formats.arrow_rows import check_amounts, records

        with self._opened() as parquet:
            plan = self._plan(parquet)
            check_amounts(plan.columns, parquet.schema_arrow, self._options, self._file.name)
            names = list(dict.fromkeys(column.name for column in plan.columns))
            plan = msgspec.structs.replace(
                plan,
                columns=[msgspec.structs.replace(column, index=names.index(column.name)) for column in plan.columns],
            )
            batches = _batches(parquet, names, start.line)
            rows = records(batches, plan, self._origin, self._file.name, start.number, start.line)
            return (yield from with_empty_rows(rows, start.number))

    def rows(self) -> int:
        """Count the rows."""
        with self._opened() as parquet:
            return int(parquet.metadata.num_rows)

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, and no other column."""
        from airflow_provider_voucherify.order_source.formats.arrow_rows import documents_of

        with self._opened() as parquet:
            columns = [column for column in self._plan(parquet).columns if column.path == ("source_id",)]
            if not columns:
                yield [None] * parquet.metadata.num_rows
                return
            columns = [msgspec.structs.replace(columns[0], index=0)]
            for batch in _batches(parquet, [columns[0].name]):
                texts, sound = documents_of(batch, columns, self._file.name)
                if sound is None:
                    yield [source_id_of(text.encode()) for text in texts.to_pylist()]
                else:
                    yield [order.source_id for order in sound]

    def _plan(self, parquet: pq.ParquetFile) -> Plan:
        return plan_columns(parquet.schema_arrow.names, self._options, self._file.name, self._file.path_columns)

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        local = self._file.local
        try:
            with pq.ParquetFile(str(self._file.path) if local else self._file.open(), pre_buffer=not local) as parquet:
                yield parquet
        except (pa.ArrowException, OSError) as error:
            raise ConfigurationError(f"{self._file.name} cannot be read as Parquet: {error}") from error


def _batches(parquet: pq.ParquetFile, columns: list[str], row: int = 0) -> Iterator[pa.RecordBatch]:
    """Read some columns from a row on, in batches of some megabytes."""
    for index in range(parquet.num_row_groups):
        group = parquet.metadata.row_group(index)
        if row >= group.num_rows:
            row -= group.num_rows
            continue
        fitting = BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)
        rows = min(max(fitting, BATCH_ROWS.start), BATCH_ROWS.stop - 1)
        for batch in parquet.iter_batches(rows, row_groups=[index], columns=columns):
            if row < len(batch):
                yield batch.slice(row)
            row = max(0, row - len(batch))
