"""The orders that were read, kept beside the output until all of them are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from airflow_provider_voucherify.core.storage import write_durably
from airflow_provider_voucherify.order_details.order_times import parse_time, time_of
from airflow_provider_voucherify.order_export.window import ExportWindow


class _Times(msgspec.Struct):
    id: str
    created_at: str | None = None
    updated_at: str | None = None


class Spool:
    """
    Files of one JSON order a line, in the order in which they were read. Of each order, the last line in the window
    counts; of one that was seen as it was after the window, the times are noted.

    What a listing reaches bounds the index, which is the only thing in memory.

    :param folder: The folder.
    :param stem: The beginning of the names of the files.
    :param window: The window.
    """

    def __init__(self, folder: Any, stem: str, window: ExportWindow) -> None:
        self._folder = folder
        self._prefix = f"_{stem}.spool-"
        self._window = window
        self._last: dict[str, tuple[int, datetime]] = {}  # line and time of each order of the window
        self._seen: dict[str, dict[str, datetime | None]] = {}  # the times of each order when it was seen last
        self._lines = 0

    def __len__(self) -> int:
        return len(self._last)

    def load(self, files: int) -> bool:
        """
        Index the files that an earlier try wrote.

        :param files: How many it wrote.
        :return: Whether all of them are there.
        """
        self._forget()
        try:
            for number in range(files):
                for line in self._read(number):
                    self._index(msgspec.json.decode(line, type=_Times))
        except FileNotFoundError:
            return False
        return True

    def has(self, order_id: str, moment: datetime) -> bool:
        """
        Return whether an order is there, or noted, as it was at its last change.

        :param order_id: Its id.
        :param moment: When it changed last.
        """
        if order_id not in self._seen:
            return False
        times = self._seen[order_id]
        return moment in (times["updated_at"] or times["created_at"], self._last.get(order_id, (0, None))[1])

    def count_seen(self, field: str, since: datetime, but: Collection[str]) -> int:
        """
        Count the orders that were seen with a time no older than another.

        :param field: ``created_at`` or ``updated_at``.
        :param since: The other.
        :param but: The ids of orders that do not count.
        """
        return sum(
            (moment := times[field]) is not None and moment >= since and order_id not in but
            for order_id, times in self._seen.items()
        )

    def write(self, number: int, orders: Sequence[dict[str, Any]], later: Sequence[dict[str, Any]]) -> None:
        """
        Write a file, durably.

        :param number: Its number, from 0.
        :param orders: The orders.
        :param later: Orders whose times are noted, as they changed after the window.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [*orders, *({name: order.get(name) for name in _Times.__struct_fields__} for order in later)]
        write_durably(self._path(number), b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        for line in lines:
            self._index(msgspec.convert(line, _Times))

    def orders(self, files: int) -> Iterator[tuple[dict[str, Any], int]]:
        """
        Read each order once, in its last form.

        :param files: How many files there are.
        :return: The orders, and how many bytes of JSON each is.
        """
        lines = {line for line, _ in self._last.values()}
        position = 0
        for number in range(files):
            for line in self._read(number):
                if position in lines:
                    yield msgspec.json.decode(line, type=dict[str, Any]), len(line)
                position += 1

    def clear(self) -> None:
        """Remove all files, those of killed tries as well."""
        for path in list(self._folder.iterdir()) if self._folder.exists() else ():
            if path.name.startswith(self._prefix):
                path.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        self._last, self._seen, self._lines = {}, {}, 0

    def _index(self, order: _Times) -> None:
        moment = time_of(order.id, order.created_at, order.updated_at)
        self._seen[order.id] = {
            field: parse_time(getattr(order, field), f"{field} of order {order.id}")
            for field in ("created_at", "updated_at")
        }
        if moment < self._window.end:
            self._last[order.id] = self._lines, moment
        self._lines += 1

    def _read(self, number: int) -> list[bytes]:
        lines: list[bytes] = self._path(number).read_bytes().splitlines()
        return lines

    def _path(self, number: int) -> Any:
        return self._folder / f"{self._prefix}{number:05}.jsonl"
