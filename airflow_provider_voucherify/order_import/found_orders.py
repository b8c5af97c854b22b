"""The orders of an export, looked up by their ``source_id`` on disk: their number takes no memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from airflow_provider_voucherify.order_source.schema.item_amounts import given_order, items_amount

FIELDS = ("id", "source_id", "created_at", "updated_at", "status", "amount")
ROWS_AT_A_TIME = 10_000


class FoundOrder(msgspec.Struct, frozen=True):
    """
    An order at Voucherify.

    :param created_at: When it was created, in seconds since the epoch.
    :param written_at: When it was written last.
    :param status: Its status.
    :param amount: Its amount, in the smallest currency unit.
    """

    created_at: float
    written_at: float
    status: str | None
    amount: int | None

    def has_values_of(self, body: bytes) -> bool | None:
        """
        Return whether its status and its amount are those given, or the sum of the items given.

        :param body: The order as it was sent.
        :return: None if that is not known: neither is given, or there is no status to compare.
        """
        given = given_order(body)
        if given is None:
            return None
        amounts = {given.amount, items_amount(given.items)} - {None}
        if amounts and (self.amount or 0) not in amounts:
            return False
        if given.status and self.status:
            return given.status == self.status
        return None if given.status or not amounts else True


class FoundOrders:
    """
    The orders of an export, in a database beside its Parquet file.

    :param path: The file, with the columns ``FIELDS``.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path.with_suffix(".sqlite"), isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("DROP TABLE IF EXISTS found")
        self._database.execute(
            "CREATE TABLE found (source_id TEXT PRIMARY KEY, created_at INTEGER, updated_at INTEGER, status TEXT, "
            "amount INTEGER) WITHOUT ROWID"
        )
        self._load(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def find(self, source_id: str) -> FoundOrder | None:
        """
        Look an order up.

        :param source_id: Its ``source_id``.
        :return: The order; None if the export does not have it.
        """
        row = self._database.execute(
            "SELECT created_at, updated_at, status, amount FROM found WHERE source_id = ?", [source_id]
        ).fetchone()
        if row is None:
            return None
        created_at, updated_at, status, amount = row
        created = (created_at or 0) / 1000
        return FoundOrder(created, max(created, (updated_at or 0) / 1000), status, amount)

    def _load(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            self._database.execute("BEGIN")
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=list(FIELDS[1:])):
                columns = [
                    (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
                    for column in (batch.column(name) for name in FIELDS[1:])
                ]
                rows = (row for row in zip(*columns, strict=True) if row[0] is not None)
                self._database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
