"""Read one file of orders, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping

from airflow_provider_voucherify.order_source.files import File
from airflow_provider_voucherify.order_source.mapping.columns import constants
from airflow_provider_voucherify.order_source.mapping.json_fields import renamed
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record, source_ids_of

MAX_ORDER_BYTES = 16 << 20  # of one order: a line, a row, an entry of an array


class Reader(ABC):
    """
    A file of orders.

    :param file: The file.
    :param origin: What its records have in common.
    :param options: How its orders are read.
    """

    def __init__(self, file: File, origin: Origin, options: SourceOptions) -> None:
        self._file = file
        self._origin = origin
        self._options = options

    @abstractmethod
    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """
        Read the records from a cursor on.

        :return: How many records of the source lie before the end of the file.
        :raises ConfigurationError: if it cannot be read, or the next order cannot be found.
        """

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, in order, in lists of some."""
        return source_ids_of(self.read(Cursor()))


class JsonReader(Reader):
    """A file of orders in JSON, which are sent as the bytes they were read as, unless fields are mapped."""

    def __init__(self, file: File, origin: Origin, options: SourceOptions) -> None:
        super().__init__(file, origin, options)
        added = constants((), (), options, file.path_columns)
        names: Mapping[str, str | None] = {
            name: path for name, path in (options.column_mapping or {}).items() if name not in file.path_columns
        }
        self._rename: Callable[[bytes], bytes] | None = None
        if names or added:
            self._rename = renamed(names, {".".join(path): value for path, value in added.items()})


def line_too_long(name: str, line: int | None = None) -> str:
    """
    Format the message about a line that is longer than an order may be.

    :param name: The name of the file.
    :param line: The number of the line from 1, if it is known.
    """
    place = f"{name}: a line" if line is None else f"{name}:{line}"
    return f"{place} is longer than {MAX_ORDER_BYTES:,} bytes. Does the file have one order a line?"


def with_empty_rows(rows: Iterator[Record | None], number: int) -> Generator[Record, None, int]:
    """
    Leave out empty rows, and count them in the record after them; those at the end, in the last record.

    :param rows: Records, and None for each empty row.
    :param number: How many records of the source lie before them.
    :return: How many records of the source lie before the end of them.
    """
    held, empty = None, 0
    for record in rows:
        if record is None:
            empty += 1
            continue
        if held is not None:
            yield held
        if empty:
            record.empty_rows, empty = empty, 0
        held = record
    if held is not None:
        held.empty_rows += empty
        number = held.number + 1
        yield held
    return number
