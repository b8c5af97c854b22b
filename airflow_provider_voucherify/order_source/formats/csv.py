"""CSV files: a header that names fields of an order, and one order a row."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.base import Reader
from airflow_provider_voucherify.order_source.mapping.columns import Column, plan
from airflow_provider_voucherify.order_source.schema.field_types import JSON_NUMBER, Kind, is_json
from airflow_provider_voucherify.order_source.source import IDS_A_BATCH, Cursor, Record

DELIMITERS = ",;\t|"
MAX_CELL_CHARACTERS = 16 << 20


class CsvFile(Reader):
    """
    A CSV file in UTF-8 whose columns are named by paths: ``source_id``, ``customer.source_id``, ``metadata.channel``.

    An empty cell is a field that the order does not have. Numbers and booleans are read where the API takes them;
    lists and objects (``items``, ``metadata``) are cells with JSON; the rest, ``metadata.channel`` included, is text.
    Cells are parted by what parts the names in the header: comma, semicolon, tab or bar.
    """

    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """
        Read from a place on. A row with too few or too many cells is a record with an error.

        :return: How many records of the source lie before the end of the file.
        :raises ConfigurationError: if the header names what is no field of an order, or the quotes are such that the
            next row cannot be found.
        """
        header, names = self._header()
        if not names:
            return start.number
        fields = [_field(column) for column in plan(names, self._column_mapping, self._file.name)]
        number, line, offset = start.number, start.line or header.line, start.offset or header.offset
        with self._file.open(offset) as file:
            rows = _Rows(file, self._file.name, line, offset, header.delimiter)
            for row in rows:
                if row:
                    error = None
                    if len(row) == len(names):
                        body = _order(fields, row)
                    else:
                        body = _encode(row)
                        error = f"has {len(row)} cells where the header has {len(names)}"
                    yield Record(self._origin, number, line, body, rows.line, rows.offset, error)
                    number += 1
                line = rows.line
        return number

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, and make no orders."""
        header, names = self._header()
        columns = plan(names, self._column_mapping, self._file.name) if names else []
        cell = next((column.index for column in columns if column.path == ("source_id",)), None)
        with self._file.open(header.offset) as file:
            rows = filter(None, _Rows(file, self._file.name, header.line, header.offset, header.delimiter))
            while batch := list(islice(rows, IDS_A_BATCH)):
                yield [None if cell is None or len(row) != len(names) else row[cell] or None for row in batch]

    def _header(self) -> tuple[_Rows, list[str]]:
        with self._file.open() as file:
            rows = _Rows(file, self._file.name)
            return rows, [name.strip() for name in next(rows, [])]


class _Rows:
    """
    The rows of a file, and the place behind the last one.

    :param line: How many lines lie before the first row.
    :param offset: How many bytes lie before it.
    :param delimiter: What parts the cells, if that is known.
    """

    def __init__(self, file: BinaryIO, name: str, line: int = 0, offset: int = 0, delimiter: str = "") -> None:
        self.line = line
        self.offset = offset
        self.delimiter = delimiter
        self._file = file
        self._name = name
        self._rows: Iterator[list[str]] | None = None

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        line = self.line
        try:
            if self._rows is None:
                self._rows = self._reader()
            return next(self._rows)
        except csv.Error as error:
            raise ConfigurationError(
                f"{self._name}:{line + 1}: {error}. Behind this no next row can be found: correct the quotes."
            ) from error

    def _reader(self) -> Iterator[list[str]]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))  # a cell may hold 500 items
        lines = self._lines()
        first = list(islice(lines, 1))
        if not self.delimiter:
            self.delimiter = max(DELIMITERS, key="".join(first).count)
        return csv.reader(chain(first, lines), delimiter=self.delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        for text in self._file:
            self.line += 1
            self.offset += len(text)
            try:
                yield text.decode("utf-8-sig" if self.line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ConfigurationError(f"{self._name}:{self.line} is not UTF-8: {error}.") from error


class _Field(NamedTuple):
    """Where a cell goes in an order, and how."""

    cell: int
    parents: tuple[str, ...]
    name: str
    read: Callable[[str], Any]


def _field(column: Column) -> _Field:
    return _Field(column.index, column.path[:-1], column.path[-1], _READERS.get(column.shape.kind, _text))


def _order(fields: list[_Field], row: list[str]) -> bytes:
    order: dict[str, Any] = {}
    for index, parents, name, read in fields:
        if cell := row[index]:
            target = order
            for parent in parents:
                target = target.setdefault(parent, {})
            target[name] = read(cell)
    return _encode(order)


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> str | msgspec.Raw:
    """Read a number as it stands; the check refuses what is none, and names it."""
    return msgspec.Raw(cell.encode()) if _is_number(cell) else cell


def _boolean(cell: str) -> str | bool:
    return {"true": True, "false": False}.get(cell.lower(), cell)


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
