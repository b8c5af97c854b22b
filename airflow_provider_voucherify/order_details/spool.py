"""The orders that were read, kept beside the output until all of them are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from airflow_provider_voucherify.core.storage import write_durably
from airflow_provider_voucherify.order_details.order_times import parse_time, time_of


class _Known(msgspec.Struct):
    id: str
    created_at: str | None = None
    updated_at: str | None = None


class Spool:
    """
    Files of one JSON order a line, in the order in which they were read. Of each order, the last line counts.

    What a listing reaches bounds the index, which is the only thing in memory.

    :param folder: The folder.
    :param stem: The beginning of the names of the files.
    """

    def __init__(self, folder: Any, stem: str) -> None:
        self._folder = folder
        self._prefix = f"_{stem}.spool-"
        self._last: dict[str, tuple[int, datetime, datetime | None]] = {}  # line, time and creation of each order
        self._lines = 0

    def __len__(self) -> int:
        return len(self._last)

    def load(self, files: int) -> bool:
        """
        Index the files that an earlier try wrote.

        :param files: How many it wrote.
        :return: Whether all of them are there.
        """
        self._last, self._lines = {}, 0
        try:
            for number in range(files):
                for line in self._read(number):
                    known = msgspec.json.decode(line, type=_Known)
                    self._index(known.id, known.created_at, known.updated_at)
        except FileNotFoundError:
            return False
        return True

    def has(self, order_id: str, moment: datetime) -> bool:
        """
        Return whether an order is there as it was at its last change.

        :param order_id: Its id.
        :param moment: When it changed last.
        """
        return order_id in self._last and self._last[order_id][1] == moment

    def count_created(self, after: datetime, before: datetime) -> int:
        """
        Count the orders that were created in a time range, without its bounds.

        :param after: The lower bound.
        :param before: The upper bound.
        """
        return sum(created is not None and after < created < before for _, _, created in self._last.values())

    def write(self, number: int, orders: Sequence[dict[str, Any]]) -> None:
        """
        Write a file, durably.

        :param number: Its number, from 0.
        :param orders: The orders.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        write_durably(self._path(number), b"".join(msgspec.json.encode(order) + b"\n" for order in orders))
        for order in orders:
            self._index(order["id"], order.get("created_at"), order.get("updated_at"))

    def orders(self, files: int) -> Iterator[tuple[dict[str, Any], int]]:
        """
        Read each order once, in its last form.

        :param files: How many files there are.
        :return: The orders, and how many bytes of JSON each is.
        """
        position = 0
        for number in range(files):
            for line in self._read(number):
                order = msgspec.json.decode(line, type=dict[str, Any])
                if self._last[order["id"]][0] == position:
                    yield order, len(line)
                position += 1

    def clear(self) -> None:
        """Remove all files, those of killed tries as well."""
        for path in list(self._folder.iterdir()) if self._folder.exists() else ():
            if path.name.startswith(self._prefix):
                path.unlink(missing_ok=True)
        self._last, self._lines = {}, 0

    def _index(self, order_id: str, created_at: str | None, updated_at: str | None) -> None:
        created = parse_time(created_at, f"created_at of order {order_id}")
        self._last[order_id] = (self._lines, time_of(order_id, created_at, updated_at), created)
        self._lines += 1

    def _read(self, number: int) -> list[bytes]:
        lines: list[bytes] = self._path(number).read_bytes().splitlines()
        return lines

    def _path(self, number: int) -> Any:
        return self._folder / f"{self._prefix}{number:05}.jsonl"
