"""Where orders come from: streams of records that know their position, and that can be read from any of them on."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.mapping.json_fields import renamed
from airflow_provider_voucherify.order_source.mapping.normalizer import Normalizer
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError, Note, encode
from airflow_provider_voucherify.order_source.schema.order import SoundOrder
from airflow_provider_voucherify.order_source.schema.python_json import to_json
from airflow_provider_voucherify.reporting.reject_files import read_line

Rename = Callable[[bytes], bytes]

IDS_A_BATCH = 2000
NO_GROUPS = "group_by is for the rows of tables; a JSON order has its items in a list."


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """
    A place between two records.

    :param number: How many records of the source lie before it.
    :param line: How many lines of its file (rows of a table, entries of a list) lie before it.
    :param offset: How many bytes of its file, decompressed, lie before it; 0 where bytes do not count.
    :param file: How many files of the source lie before its file.
    """

    number: int = 0
    line: int = 0
    offset: int = 0
    file: int = 0


class Origin(msgspec.Struct, frozen=True):
    """
    What the records of one file have in common.

    :param before: What a position says before the line: ``orders.jsonl:``.
    :param after: What it says after the line.
    :param first: What it calls the first line.
    :param file: The number of the file, from 0.
    :param normalize: Makes its orders what the API accepts.
    :param notes: What is noted of each of its records.
    """

    before: str
    after: str = ""
    first: int = 1
    file: int = 0
    normalize: Normalizer = Normalizer()
    notes: tuple[Note, ...] = ()

    def position(self, line: int) -> str:
        """Name a line for messages: ``orders.jsonl:7``, ``orders.parquet row 7`` or ``orders[7]``."""
        return f"{self.before}{line + self.first}{self.after}"

    def range(self, first: int, last: int) -> str:
        """Name several lines for the audit log, as short as it can be: ``orders.jsonl:1-2000`` or ``orders[0-99]``."""
        lines = f"{first + self.first}-{last + self.first}" if last > first else f"{first + self.first}"
        return f"{self.before}{lines}{self.after}"

    def span(self, first: int, last: int) -> str:
        """Name several rows for messages: ``orders.csv rows 4 to 7`` or ``orders[4] to orders[7]``."""
        if self.after:
            return f"{self.position(first)} to {self.position(last)}"
        name = self.before.removesuffix(":").removesuffix(" row ")
        return f"{name} rows {first + self.first} to {last + self.first}"


class Record(msgspec.Struct, gc=False):
    """
    One order as it was read.

    :param origin: Where it comes from.
    :param number: How many records of the source lie before it.
    :param line: How many lines of its file lie before it.
    :param body: Its JSON document, unchecked, with the names of the API and amounts and dates as given.
    :param next_line: How many lines of its file lie before what follows it.
    :param next_offset: How many bytes of its file lie before what follows it.
    :param error: Why it is not an order, if the source knows that already.
    :param sound: Its traits, if its fields and values are known to be valid, so that it need not be checked.
    :param was: Its position in an earlier import, if this is one of the orders that were not loaded there.
    :param next_file: The number of the file that what follows it is read from; -1 for its own.
    :param place: Its position, if that is not a line: that of several rows which are one order.
    :param key: What identifies it among orders of several rows.
    :param empty_rows: How many empty rows are left out between the record before it and this one; with the last record
        of a file those after it count too.
    """

    origin: Origin
    number: int
    line: int
    body: bytes
    next_line: int
    next_offset: int = 0
    error: str | None = None
    sound: SoundOrder | None = None
    was: str | None = None
    empty_rows: int = 0
    next_file: int = -1
    place: str | None = None
    key: str | None = None

    @property
    def position(self) -> str:
        """Its position, for messages."""
        position = self.origin.position(self.line) if self.place is None else self.place
        return position if self.was is None else f"{position} ({self.was})"

    @property
    def after(self) -> Cursor:
        """The place after it."""
        return Cursor(
            self.number + 1,
            self.next_line,
            self.next_offset,
            self.origin.file if self.next_file < 0 else self.next_file,
        )


class Source(ABC):
    """
    A stream of orders that can be read again from any of its cursors, with the same result each time.

    :param options: How its orders are read.
    """

    name: str

    def __init__(self, options: SourceOptions = SourceOptions()) -> None:  # noqa: B008  # frozen
        self.options = options
        self.normalize = Normalizer(options)

    @property
    def groups_rows(self) -> bool:
        """Whether an order may have several rows."""
        return bool(self.options.group_columns)

    def check_report_path(self, report_path: Any) -> None:  # noqa: B027  # nothing to check where there are no files
        """
        Check that a report would not be written over what is read, or read with it.

        :param report_path: The folder of the report.
        :raises ConfigurationError: if one of them lies in the other.
        """

    @abstractmethod
    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008  # frozen
        """
        Read the records from a cursor on.

        :param start: A cursor that this source gave, or ``Cursor()`` for the beginning.
        :raises ConfigurationError: if there is nothing to read, or the content is damaged so that the next order cannot
            be found.
        """

    def scan(self) -> Iterator[Record]:
        """
        Read all records once, and keep none of them to be read again soon.

        :raises ConfigurationError: if they cannot be read.
        """
        return self.read()

    @abstractmethod
    def share(self, cursor: Cursor) -> float | None:
        """Return which share of the source lies before a place, 0 to 1; None where that is unknown."""

    @abstractmethod
    def fingerprint(self) -> str:
        """
        Return a short text that changes when the orders do, so that no import resumes with another source.

        Content, names of files and options that change how orders are read all count.
        """

    @abstractmethod
    def origin(self, file: int) -> Origin:
        """Return what the records of a file have in common, which are numbered from 0."""

    def position_of(self, source_id: str) -> str | None:
        """
        Read until an order has a ``source_id``.

        :param source_id: What is looked for.
        :return: The position of the first order with it; None if there is none.
        """
        wanted = (record.position for record in self.scan() if source_id_of(record.body) == source_id)
        return next(wanted, None)

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, in order, in lists of some."""
        return source_ids_of(self.scan())


class ListSource(Source):
    """
    Orders in memory.

    :param orders: The orders.
    :param options: How they are read.
    :raises ConfigurationError: if this is not a list.
    """

    name = "orders"

    def __init__(
        self,
        orders: Sequence[Mapping[str, Any]],
        options: SourceOptions = SourceOptions(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(options)
        if isinstance(orders, str | bytes | Mapping) or not isinstance(orders, Sequence):
            raise ConfigurationError(
                f"orders must be a list of orders, got {type(orders).__name__}. "
                "A file is given as orders_path, a template of a list ends with '| tojson'."
            )
        if options.group_columns:
            raise ConfigurationError(f"orders: {NO_GROUPS}")
        self._orders = orders
        self._rename = renamed(options.column_mapping) if options.column_mapping else None
        self._origin = Origin("orders[", "]", 0, normalize=self.normalize)

    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008
        """Read from an index on."""
        for index in range(start.number, len(self._orders)):
            try:
                body, why = rename_body(self._rename, to_json(self._orders[index]))
            except ValueError as error:
                body, why = encode(repr(self._orders[index])), str(error)
            yield Record(self._origin, index, index, body, index + 1, error=why)

    def share(self, cursor: Cursor) -> float:
        """Count the orders."""
        return cursor.number / len(self._orders) if self._orders else 1.0

    def fingerprint(self) -> str:
        """Hash all orders."""
        return content_hash(self)

    def origin(self, file: int) -> Origin:
        """Return what all orders have in common."""
        return self._origin


def source_ids_of(records: Iterator[Record]) -> Iterator[list[str | None]]:
    """Find the ``source_id`` of records, in lists of some."""
    while ids := [source_id_of(record.body) for record in islice(records, IDS_A_BATCH)]:
        yield ids


def rename_body(rename: Rename | None, body: bytes) -> tuple[bytes, str | None]:
    """Give an order the names of the API, or return why that is impossible. A line of a reject file has them."""
    if rename is None:
        return body, None
    if b'"payload"' in body and read_line(body):
        return body, None
    try:
        return rename(body), None
    except InvalidOrderError as error:
        return body, str(error)


def options_document(options: SourceOptions) -> bytes:
    """Encode options for a fingerprint: equal options give equal bytes."""
    return msgspec.json.encode({name: repr(value) for name, value in msgspec.structs.asdict(options).items()})


def content_hash(source: Source) -> str:
    """Hash the orders of a source that is in memory."""
    digest, count = hashlib.sha256(options_document(source.options)), 0
    for record in source.read():
        digest.update(record.body)
        digest.update(b"\n")
        count += 1
    return f"{source.name}:{count}:{digest.hexdigest()[:16]}"
