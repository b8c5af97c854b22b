"""Read CSV files: a header that names fields of an order, and one order a row."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats import base
from airflow_provider_voucherify.order_source.formats.base import Reader, with_empty_rows
from airflow_provider_voucherify.order_source.mapping.columns import Column, Plan
from airflow_provider_voucherify.order_source.mapping.columns import plan as plan_columns
from airflow_provider_voucherify.order_source.mapping.ids import as_sent
from airflow_provider_voucherify.order_source.schema.field_types import JSON_NUMBER, Kind, is_json
from airflow_provider_voucherify.order_source.source import IDS_A_BATCH, Cursor, Origin, Record

DELIMITERS = ",;\t|"
SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n?", re.IGNORECASE)  # of Excel, before the header


class CsvFile(Reader):
    """
    A CSV file whose columns are named by paths: ``source_id``, ``customer.source_id``, ``metadata.channel``.

    An empty cell is a field that the order does not have. Numbers and booleans are read where the API takes them;
    lists and objects (``items``, ``metadata``) are cells with JSON; the rest, ``metadata.channel`` included, is text.
    Without a ``delimiter`` in ``csv_options`` it is the sign that is most frequent in the header: comma, semicolon, tab
    or bar. A row whose cells are all empty is left out and counted.
    """

    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """
        Read the rows from a cursor on. A row with too few or too many cells is a record with an error.

        :return: How many records of the source lie before the end of the file.
        :raises ConfigurationError: if the header names what is not a field of an order, or the quotes are such that the
            next row cannot be found.
        """
        header, names = self._header()
        if not names:
            return start.number
        plan = self._plan(names)
        origin = msgspec.structs.replace(self._origin, notes=plan.notes)
        with self._file.open(start.offset or header.offset) as file:
            place = start if start.offset else Cursor(start.number, header.line, header.offset)
            rows = _Rows(file, self._file.name, self._dialect, place.line, place.offset, header.delimiter)
            return (yield from with_empty_rows(self._records(rows, names, plan, origin, start.number), start.number))

    def _records(
        self, rows: _Rows, names: list[str], plan: Plan, origin: Origin, number: int
    ) -> Generator[Record | None, None, None]:
        nothing = frozenset(self._options.null_values)
        fields = [_field(column, self._dialect) for column in plan.columns]
        line = rows.line
        for row in rows:
            if row:
                error = None
                if not any(row) or nothing.issuperset(row):
                    yield None
                    line = rows.line
                    continue
                if len(row) == len(names):
                    body = _order(fields, row, nothing, plan.constants)
                else:
                    body = _encode(row)
                    error = f"has {len(row)} cells where the header has {len(names)}"
                yield Record(origin, number, line, body, rows.line, rows.offset, error)
                number += 1
            line = rows.line

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, and make no orders."""
        header, names = self._header()
        columns = self._plan(names).columns if names else []
        cell = next((column.index for column in columns if column.path == ("source_id",)), None)
        nothing = frozenset(self._options.null_values)
        with self._file.open(header.offset) as file:
            rows = _Rows(file, self._file.name, self._dialect, header.line, header.offset, header.delimiter)
            filled = (row for row in rows if row and not nothing.issuperset(row) and any(row))
            while batch := list(islice(filled, IDS_A_BATCH)):
                yield [None if cell is None or len(row) != len(names) else as_sent(row[cell]) for row in batch]

    @property
    def _dialect(self) -> Mapping[str, str]:
        return self._options.csv_options or {}

    def _plan(self, names: list[str]) -> Plan:
        return plan_columns(names, self._options, self._file.name, self._file.path_columns)

    def _header(self) -> tuple[_Rows, list[str]]:
        with self._file.open() as file:
            rows = _Rows(file, self._file.name, self._dialect)
            return rows, [name.strip() for name in next(rows, [])]


class _Rows:
    """
    The rows of a file, and the place after the last one.

    :param file: The file, opened at the first row.
    :param name: Its name, for messages.
    :param dialect: The options of CSV files.
    :param line: How many lines lie before the first row.
    :param offset: How many bytes lie before it.
    :param delimiter: What separates the cells, if that is known.
    """

    def __init__(
        self, file: BinaryIO, name: str, dialect: Mapping[str, str], line: int = 0, offset: int = 0, delimiter: str = ""
    ) -> None:
        self.line = line
        self.offset = offset
        self.delimiter = delimiter or dialect.get("delimiter", "")
        self._file = file
        self._name = name
        self._dialect = dialect
        self._rows: Iterator[list[str]] | None = None
        self._row_start = offset

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        line = self.line
        self._row_start = self.offset
        try:
            if self._rows is None:
                self._rows = self._reader()
            return next(self._rows)
        except csv.Error as error:
            raise ConfigurationError(
                f"{self._name}:{line + 1}: {error}. After this the next row cannot be found: correct the quotes, or "
                "say with csv_options how the file is written: 'quote', 'escape' (such as a backslash before quotes), "
                "'delimiter'."
            ) from error

    def _reader(self) -> Iterator[list[str]]:
        csv.field_size_limit(max(csv.field_size_limit(), base.MAX_ORDER_BYTES))  # a cell may hold 500 items
        lines = self._lines()
        first = list(islice(lines, 1))
        if self.line == 1 and first and (separator := SEPARATOR_LINE.fullmatch(first[0])):
            self.delimiter = self.delimiter or separator[1]
            first = list(islice(lines, 1))
        if not self.delimiter:
            self.delimiter = max(DELIMITERS, key="".join(first).count)
        escape = self._dialect.get("escape")
        return csv.reader(
            chain(first, lines),
            delimiter=self.delimiter,
            quotechar=self._dialect.get("quote", '"'),
            escapechar=escape,
            doublequote=escape is None,
            strict=True,
        )

    def _lines(self) -> Iterator[str]:
        encoding = self._dialect.get("encoding", "utf-8")
        first = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        for text in iter(partial(self._file.readline, base.MAX_ORDER_BYTES + 1), b""):
            self.line += 1
            self.offset += len(text)
            if len(text) > base.MAX_ORDER_BYTES:
                raise ConfigurationError(base.line_too_long(self._name, self.line))
            if self.offset - self._row_start > 2 * base.MAX_ORDER_BYTES:
                raise ConfigurationError(
                    f"{self._name}:{self.line}: a row of several lines is longer than {2 * base.MAX_ORDER_BYTES:,} "
                    "bytes. Is a quote not closed? If quotes are written otherwise, say so with csv_options: 'quote', "
                    "'escape'."
                )
            try:
                yield text.decode(first if self.line == 1 else encoding)
            except UnicodeDecodeError as error:
                raise ConfigurationError(
                    f"{self._name}:{self.line} is not {encoding.upper()}: {error}. Say with csv_options={{'encoding': "
                    "...} how the file is encoded, such as 'cp1252'."
                ) from error


class _Field(NamedTuple):
    """Where a cell goes in an order, and how."""

    cell: int
    parents: tuple[str, ...]
    name: str
    read: Callable[[str], Any]


def _field(column: Column, dialect: Mapping[str, str]) -> _Field:
    read = _READERS.get(column.shape.kind, _text)
    decimal, thousands = dialect.get("decimal", "."), dialect.get("thousands", "")
    if read is _number and (decimal != "." or thousands):
        read = partial(_foreign_number, decimal=decimal, thousands=thousands)
    return _Field(column.index, column.path[:-1], column.path[-1], read)


def _order(
    fields: list[_Field], row: list[str], nothing: frozenset[str], constants: Mapping[tuple[str, ...], str]
) -> bytes:
    order: dict[str, Any] = {}
    for path, value in constants.items():
        target = order
        for parent in path[:-1]:
            target = target.setdefault(parent, {})
        target[path[-1]] = value
    for index, parents, name, read in fields:
        cell = row[index]
        if cell and cell not in nothing:
            target = order
            for parent in parents:
                target = target.setdefault(parent, {})
            target[name] = read(cell)
    return _encode(order)


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> str | msgspec.Raw:
    """Keep a number as it is written; the check rejects what is not one, and names it."""
    return msgspec.Raw(cell.encode()) if _is_number(cell) else cell


def _foreign_number(cell: str, decimal: str, thousands: str) -> str | msgspec.Raw:
    plain = cell.replace(thousands, "") if thousands else cell
    plain = plain.replace(decimal, ".")
    return msgspec.Raw(plain.encode()) if _is_number(plain) else cell


def _boolean(cell: str) -> str | bool:
    return {"true": True, "t": True, "false": False, "f": False}.get(cell.lower(), cell)


def _json(cell: str) -> str | msgspec.Raw:
    document = cell.encode()
    return msgspec.Raw(document) if is_json(document) else cell


_READERS = {
    Kind.INTEGER: _number,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.OBJECT: _json,
    Kind.LIST: _json,
}
_encode = msgspec.json.Encoder().encode
_is_number = re.compile(JSON_NUMBER).fullmatch
