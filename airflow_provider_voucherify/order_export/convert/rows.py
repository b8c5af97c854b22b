"""Read an exported file as typed tables, each of them a row group, and the rows that do not fit."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.core.arrow import mask_without
from airflow_provider_voucherify.exceptions import ExportFileError, RowTooLongError, TruncatedDownloadError
from airflow_provider_voucherify.order_export.convert.csv_reader import CsvReader
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from airflow_provider_voucherify.order_export.convert.header import match_columns
from airflow_provider_voucherify.order_export.convert.schema import STATUS
from airflow_provider_voucherify.order_export.convert.values import convert, metadata_json, not_objects
from airflow_provider_voucherify.order_export.kinds import METADATA

BLOCK_BYTES = 1 << 20
ROW_GROUP_ROWS = 131_072
ROW_GROUP_BYTES = 32 << 20  # of cells: orders with wide metadata make smaller row groups
MAX_MISSHAPEN_ROWS = 100_000  # kept in memory between two row groups
SHOWN_CHARACTERS = 100
KEYS = ("id", "code", "voucher_code", "source_id")  # what may name a row: not every kind of export has an id


@dataclass(frozen=True)
class BadRow:
    """
    A row of the file that does not fit the columns.

    :param row: Its number, from 1; neither the header nor empty lines are counted.
    :param reason: What is wrong, and with which value.
    :param record: Its cells as text by header, or the line if it has too few or too many cells.
    :param id: The ``id`` of the row, if it is among the fields and can be read; otherwise its code or ``source_id``.
    :param source_id: Its ``source_id``, likewise.
    :param id_field: Which field the ``id`` is from.
    """

    row: int
    reason: str
    record: Mapping[str, str | None] | str
    id: str | None = None
    source_id: str | None = None
    id_field: str = "id"

    def __str__(self) -> str:
        named = "" if self.id is None else f" ({self.id_field} {self.id})"
        return f"row {self.row}: {self.reason}{named}"


@dataclass(frozen=True)
class RowGroup:
    """Some rows of the file: those that fit, as a table, and those that do not."""

    table: pa.Table
    bad_rows: list[BadRow]


class RowReader:
    """
    Read the rows of one exported file.

    All cells are read as bytes, and converted one row group at a time. That is as fast as the conversion by the CSV
    reader, and a value that does not parse is found together with its row.

    :param stream: The file.
    :param schema: The columns of the tables.
    :param block_bytes: How much text is parsed at a time, in bytes: no row can be longer.
    :param row_group_rows: The smallest number of rows in a table, except for the last one, and for those of which fewer
        have ``ROW_GROUP_BYTES``.
    :param header_mapping: The fields of headers that do not match otherwise.
    :param known_fields: The fields that the kind of export has.
    :ivar metadata_keys: The keys of the metadata that were found, in a sample of its texts.
    :raises ExportFileError: if a column is missing, or there twice.
    """

    def __init__(
        self,
        stream: CsvStream,
        schema: pa.Schema,
        *,
        block_bytes: int = BLOCK_BYTES,
        row_group_rows: int = ROW_GROUP_ROWS,
        header_mapping: Mapping[str, str] | None = None,
        known_fields: Iterable[str] = ORDER_FIELDS,
    ) -> None:
        self._stream = stream
        self._schema = schema
        self._block_bytes = block_bytes
        self._row_group_rows = row_group_rows
        self.columns = match_columns(stream.header, schema.names, stream.name, header_mapping, known_fields)
        positions = sorted({*self.columns.fields.values(), *self.columns.metadata.values()})
        self._cells_schema = pa.schema([(str(position), pa.binary()) for position in positions])
        self.metadata_keys = set(self.columns.metadata)
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
        batches: list[pa.RecordBatch] = []
        rows = size = 0
        with closing(self._batches()) as coming:
            for batch in coming:
                batches.append(batch)
                rows += batch.num_rows
                size += batch.nbytes
                if rows >= self._row_group_rows or size >= ROW_GROUP_BYTES:
                    group = self._row_group(batches)
                    batches, rows, size = [], 0, 0
                    yield group
        if not self._stream.stopped():
            self._check_end()
            yield self._row_group(batches, last=True)

    def _batches(self) -> Generator[pa.RecordBatch, None, None]:
        try:
            with CsvReader(self._stream, self._cells_schema, self._block_bytes, self._keep_misshapen) as reader:
                yield from reader
        except pa.ArrowInvalid as error:
            where = f"{self._stream.name} cannot be read as CSV after row {self._next_row - 1}"
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
        key = next((name for name in KEYS if name in self.columns.fields), KEYS[0])
        bad_rows = [
            BadRow(
                numbers[index],
                "; ".join(reasons[index]),
                self._record(cells, index),
                self._identifier(cells, key, index),
                self._identifier(cells, "source_id", index),
                key,
            )
            for index in sorted(reasons)
        ]
        if reasons:
            table = table.filter(mask_without(reasons, cells.num_rows))
        misshapen = [bad for bad in self._misshapen if last or bad.row < self._next_row]
        self._misshapen = self._misshapen[len(misshapen) :]
        return RowGroup(table.unify_dictionaries(), sorted(bad_rows + misshapen, key=lambda bad: bad.row))

    def _take_numbers(self, rows: int) -> Sequence[int]:
        """Number the next rows that have the right number of cells."""
        misshapen = {bad.row for bad in self._misshapen}
        numbers: Sequence[int] = range(self._next_row, self._next_row + rows)
        if misshapen:
            counted = (number for number in itertools.count(self._next_row) if number not in misshapen)
            numbers = list(itertools.islice(counted, rows))
        self._next_row = numbers[-1] + 1 if rows else self._next_row
        return numbers

    def _values(self, cells: pa.Table, field: pa.Field, reasons: dict[int, list[str]]) -> pa.ChunkedArray:
        if field.name in self.columns.fields:
            position = self.columns.fields[field.name]
            values = self._converted(cells, position, field.type, reasons)
            if field.name == METADATA:
                for index in not_objects(values, self.metadata_keys):
                    self._report(cells, position, index, "a JSON object", reasons)
            return values
        if not self.columns.metadata:  # the metadata has a column for each key, and no order has any
            return pa.chunked_array([pa.nulls(cells.num_rows, field.type)])
        return metadata_json(
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
        wanted = "UTF-8" if target in (pa.string(), STATUS) else f"a valid {target}"
        for index in bad:
            self._report(cells, position, index, wanted, reasons)
        return values

    def _report(self, cells: pa.Table, position: int, index: int, wanted: str, reasons: dict[int, list[str]]) -> None:
        shown = _text(cells.column(str(position))[index].as_py()) or ""
        shown = shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"
        reasons.setdefault(index, []).append(f"{self._stream.header[position]}: {shown!r} is not {wanted}")

    def _record(self, cells: pa.Table, index: int) -> dict[str, str | None]:
        return {self._stream.header[int(name)]: _text(cells.column(name)[index].as_py()) for name in cells.column_names}

    def _identifier(self, cells: pa.Table, field: str, index: int) -> str | None:
        position = self.columns.fields.get(field)
        return None if position is None else _text(cells.column(str(position))[index].as_py())


def _text(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode(errors="backslashreplace")
