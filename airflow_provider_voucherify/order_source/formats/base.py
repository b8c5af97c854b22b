"""One file of orders, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping

from airflow_provider_voucherify.order_source.files import File
from airflow_provider_voucherify.order_source.mapping.normalize import renamed
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record, source_ids_of


class Reader(ABC):
    """
    A file of orders.

    :param file: The file.
    :param origin: What its records have in common.
    :param column_mapping: Path in an order by column (of JSON: by top-level field); None leaves one out.
    """

    def __init__(self, file: File, origin: Origin, column_mapping: Mapping[str, str | None]) -> None:
        self._file = file
        self._origin = origin
        self._column_mapping = column_mapping

    @abstractmethod
    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """
        Read from a place on.

        :return: How many records of the source lie before the end of the file.
        :raises ConfigurationError: if it cannot be read, or where no next order can be found.
        """

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, in order, in lists of some."""
        return source_ids_of(self.read(Cursor()))


class JsonReader(Reader):
    """A file of orders in JSON, which go on as the bytes they came in, unless fields are mapped."""

    def __init__(self, file: File, origin: Origin, column_mapping: Mapping[str, str | None]) -> None:
        super().__init__(file, origin, column_mapping)
        self._rename = renamed(column_mapping) if column_mapping else None
