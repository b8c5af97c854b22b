"""The text of an exported file becomes typed tables, each of them a row group to be, and rows that do not fit."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airflow_provider_voucherify.exceptions import ExportFileError, RowTooLongError, TruncatedDownloadError
from airflow_provider_voucherify.order_export.convert.csv_reader import CsvReader
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from airflow_provider_voucherify.order_export.convert.header import NO_COLUMNS, match_columns
from airflow_provider_voucherify.order_export.convert.metadata import to_json
from airflow_provider_voucherify.order_export.convert.schema import STATUS
from airflow_provider_voucherify.order_export.convert.values import convert

BLOCK_BYTES = 1 << 20
ROW_GROUP_ROWS = 131_072
MAX_MISSHAPEN_ROWS = 100_000  # kept in memory between two row groups
SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class BadRow:
    """
    A row of the file that cannot be one of the table.

    :param row: Which one, from 1; the header is not counted, nor are empty lines.
    :param reason: What is wrong, and with which of its values.
    :param record: Its cells as text by header, or its line where it has too few or too many cells.
    """

    row: int
    reason: str
    record: Mapping[str, str | None] | str


@dataclass(frozen=True)
class RowGroup:
    """Some rows of the file: those that became a table, and those that could not."""

    table: pa.Table
    bad_rows: list[BadRow]


class Conversion:
    """
    The conversion of one file. :attr:`columns` tells which of its columns is which field.

    All cells are read as bytes, and given their types a row group at a time. It is as fast as to let the CSV reader
    do it, and a value that does not parse is found together with its row.

    :param stream: The file.
    :param schema: The columns of the table.
    :param block_bytes: How much text is parsed at a time: no row can be longer.
    :param row_group_rows: How many rows a table has at least, but for the last one.
    :raises ExportFileError: if a column is missing, or there twice.
    """

    def __init__(
        self,
        stream: CsvStream,
        schema: pa.Schema,
        *,
        block_bytes: int = BLOCK_BYTES,
        row_group_rows: int = ROW_GROUP_ROWS,
    ) -> None:
        self._stream = stream
        self._schema = schema
        self._block_bytes = block_bytes
        self._row_group_rows = row_group_rows
        self.columns = match_columns(stream.header, schema.names, stream.name) if stream.header else NO_COLUMNS
        positions = sorted({*self.columns.fields.values(), *self.columns.metadata.values()})
        self._cells_schema = pa.schema([(str(position), pa.binary()) for position in positions])
        self._misshapen: list[BadRow] = []
        self._next_row = 1
        self._end_row: int | None = None

    def row_groups(self) -> Generator[RowGroup, None, None]:
        """
        Read the file.

        :raises TruncatedDownloadError: if it ends in the middle of a row.
        :raises RowTooLongError: if a row is longer than a block.
        :raises ExportFileError: if too many rows have another number of cells than the header.
        """
        if not self._stream.header:
            return
        batches: list[pa.RecordBatch] = []
        rows = 0
        with closing(self._batches()) as coming:
            for batch in coming:
                batches.append(batch)
                rows += batch.num_rows
                if rows >= self._row_group_rows:
                    group = self._row_group(batches)
                    batches, rows = [], 0
                    yield group
        if not self._stream.stopped():
            self._check_end()
            yield self._row_group(batches, last=True)

    def _batches(self) -> Generator[pa.RecordBatch, None, None]:
        try:
            with CsvReader(self._stream, self._cells_schema, self._block_bytes, self._keep_misshapen) as reader:
                yield from reader
        except pa.ArrowInvalid as error:
            where = f"{self._stream.name} cannot be read as CSV behind row {self._next_row - 1}"
            if len(self._misshapen) >= MAX_MISSHAPEN_ROWS:
                first = self._misshapen[0]
                raise ExportFileError(
                    f"{where}: {len(self._misshapen)} rows have a wrong number of cells, the first of them row "
                    f"{first.row} with {first.reason}."
                ) from None
            raise RowTooLongError(f"{where}: {error}.") from None

    def _keep_misshapen(self, row: Any) -> str:
        if row.text == self._stream.end_row:
            self._end_row = row.number
            return "skip"
        if len(self._misshapen) >= MAX_MISSHAPEN_ROWS:
            return "error"
        reason = f"{row.actual_columns} cells where the header has {row.expected_columns}"
        self._misshapen.append(BadRow(row.number, reason, row.text))
        return "skip"

    def _check_end(self) -> None:
        if self._end_row is None:
            raise TruncatedDownloadError(f"{self._stream.name} ends within quotes, after {self._stream.size} bytes.")
        last_is_misshapen = bool(self._misshapen) and self._misshapen[-1].row == self._end_row - 1
        if last_is_misshapen and not self._stream.closed_by_newline:
            raise TruncatedDownloadError(f"{self._stream.name} ends within a row, after {self._stream.size} bytes.")

    def _row_group(self, batches: Sequence[pa.RecordBatch], last: bool = False) -> RowGroup:
        cells = pa.Table.from_batches(batches, self._cells_schema)
        numbers = self._take_numbers(cells.num_rows)
        reasons: dict[int, list[str]] = {}
        values = [self._values(cells, field, reasons) for field in self._schema]
        table = pa.table(values, schema=self._schema)
        bad_rows = [
            BadRow(numbers[index], "; ".join(reasons[index]), self._record(cells, index)) for index in sorted(reasons)
        ]
        if reasons:
            table = table.filter(_mask_without(reasons, cells.num_rows))
        told = [bad for bad in self._misshapen if last or bad.row < self._next_row]
        self._misshapen = self._misshapen[len(told) :]
        return RowGroup(table.unify_dictionaries(), sorted(bad_rows + told, key=lambda bad: bad.row))

    def _take_numbers(self, rows: int) -> Sequence[int]:
        """Number the next rows, which are those of a right shape."""
        misshapen = {bad.row for bad in self._misshapen}
        numbers: Sequence[int] = range(self._next_row, self._next_row + rows)
        if misshapen:
            counted = (number for number in itertools.count(self._next_row) if number not in misshapen)
            numbers = list(itertools.islice(counted, rows))
        self._next_row = numbers[-1] + 1 if rows else self._next_row
        return numbers

    def _values(self, cells: pa.Table, field: pa.Field, reasons: dict[int, list[str]]) -> pa.ChunkedArray:
        if field.name in self.columns.fields:
            return self._converted(cells, self.columns.fields[field.name], field.type, reasons)
        if not self.columns.metadata:  # the metadata has a column a key, and no order has any
            return pa.chunked_array([pa.nulls(cells.num_rows, field.type)])
        return to_json(
            {
                key: self._converted(cells, position, pa.string(), reasons)
                for key, position in self.columns.metadata.items()
            }
        )

    def _converted(
        self, cells: pa.Table, position: int, target: pa.DataType, reasons: dict[int, list[str]]
    ) -> pa.ChunkedArray:
        column = cells.column(str(position))
        values, bad = convert(column, target)
        for index in bad:
            shown = _text(column[index].as_py())
            shown = shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"
            wanted = "UTF-8" if target in (pa.string(), STATUS) else target
            reasons.setdefault(index, []).append(f"{self._stream.header[position]}: {shown!r} is no {wanted}")
        return values

    def _record(self, cells: pa.Table, index: int) -> dict[str, str | None]:
        return {
            self._stream.header[int(name)]: None if (cell := cells.column(name)[index].as_py()) is None else _text(cell)
            for name in cells.column_names
        }


def _mask_without(left_out: Iterable[int], rows: int) -> pa.Array:
    flags = bytearray(b"\x01" * rows)
    for index in left_out:
        flags[index] = 0
    # not pa.array(), which imports pandas
    return pa.Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(flags)]).cast(pa.bool_())


def _text(cell: bytes) -> str:
    return cell.decode(errors="backslashreplace")
