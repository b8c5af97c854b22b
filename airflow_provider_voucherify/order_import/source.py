"""Where orders come from: streams of records that know their position and can go on from any of them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol

import msgspec

from airflow_provider_voucherify.api.errors import ConfigurationError


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """
    A place between two records.

    :param number: How many records of the source lie before it.
    :param line: The line of the file that comes next, from 1; for a list the index, from 0.
    :param offset: The byte of the file that comes next.
    """

    number: int = 0
    line: int = 1
    offset: int = 0


class Record(NamedTuple):
    """
    One order as the source gives it.

    :param position: Where it stands, for people: ``orders.jsonl:7`` or ``orders[7]``.
    :param body: Its JSON document, unchecked.
    :param after: The place behind it.
    """

    position: str
    body: bytes
    after: Cursor


class ReadablePath(Protocol):
    """What is needed of ``pathlib.Path``, ``upath.UPath`` and Airflow's ``ObjectStoragePath``."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    def open(self, mode: str) -> Any:
        """Open the file."""

    def exists(self) -> bool:
        """Tell whether there is such a file."""

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""

    def stat(self) -> Any:
        """Tell size and time of change."""


class Source(ABC):
    """A stream of orders that can be read again from any of its cursors, and gives the same each time."""

    name: str

    @abstractmethod
    def read(self, start: Cursor) -> Iterator[Record]:
        """
        Read the records from a place on.

        :param start: A cursor that this source gave, or ``Cursor()`` for the beginning.
        :raises ConfigurationError: if there is nothing to read from.
        """

    @abstractmethod
    def share(self, cursor: Cursor) -> float | None:
        """Tell which share of the source lies before a place, 0 to 1; None where nobody can tell."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Tell a short text that changes when the content does: a run is not resumed on another source."""


class ListSource(Source):
    """
    Orders in memory.

    :param orders: The orders.
    :raises ConfigurationError: if this is no list.
    """

    name = "orders"

    def __init__(self, orders: Sequence[Mapping[str, Any]]) -> None:
        if isinstance(orders, str | bytes | Mapping) or not isinstance(orders, Sequence):
            raise ConfigurationError(
                f"orders must be a list of orders, got {type(orders).__name__}. "
                "A file is given as orders_path, a template of a list needs render_template_as_native_obj=True."
            )
        self._orders = orders

    def read(self, start: Cursor) -> Iterator[Record]:
        """Read from an index on."""
        for index in range(start.number, len(self._orders)):
            position = f"orders[{index}]"
            try:
                body = msgspec.json.encode(self._orders[index])
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"{position} cannot be written as JSON: {error}.") from error
            yield Record(position, body, Cursor(index + 1, index + 1))

    def share(self, cursor: Cursor) -> float:
        """Count the orders."""
        return cursor.number / len(self._orders) if self._orders else 1.0

    def fingerprint(self) -> str:
        """Hash of all orders."""
        digest = hashlib.sha256()
        for record in self.read(Cursor()):
            digest.update(record.body)
            digest.update(b"\n")
        return f"list:{len(self._orders)}:{digest.hexdigest()[:16]}"


class JsonLinesSource(Source):
    """
    A file with one order a line. Empty lines are passed over.

    :param path: The file.
    """

    def __init__(self, path: ReadablePath) -> None:
        self._path = path
        self.name = path.name

    def read(self, start: Cursor) -> Iterator[Record]:
        """Read from a byte of the file on."""
        number, line, offset, name = start.number, start.line, start.offset, self.name
        with self._open() as file:
            if offset:
                file.seek(offset)
            for text in iter(file.readline, b""):  # below Airflow 3.1 an ObjectStoragePath opens no iterable file
                offset += len(text)
                line += 1
                body = text.strip()
                if body:
                    if offset == len(text) and body.startswith(b"\xef\xbb\xbf"):  # a byte order mark
                        body = body[3:]
                    number += 1
                    yield Record(f"{name}:{line - 1}", body, Cursor(number, line, offset))

    def share(self, cursor: Cursor) -> float:
        """Count the bytes."""
        return cursor.offset / max(int(self._path.stat().st_size), 1)

    def fingerprint(self) -> str:
        """Name, size, and a hash of the first and last 64 KiB: what a growing or replaced file changes."""
        digest = hashlib.sha256()
        with self._open() as file:
            size = self._path.stat().st_size
            digest.update(file.read(65536))
            file.seek(max(0, size - 65536))
            digest.update(file.read(65536))
        return f"{self.name}:{size}:{digest.hexdigest()[:16]}"

    def _open(self) -> BinaryIO:
        if self._path.is_dir():
            raise ConfigurationError(f"orders_path {self._path} is a folder; give a file with one order a line.")
        try:
            return self._path.open("rb")  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise ConfigurationError(f"orders_path {self._path}: there is no such file.") from None
