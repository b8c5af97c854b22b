"""The SQLite database of an emulator."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA_VERSION = 3
_CACHE_KIB = 8192

_SCHEMA = """
CREATE TABLE orders (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source_id TEXT UNIQUE,
    created_at TEXT NOT NULL, updated_at TEXT, status TEXT NOT NULL,
    amount INTEGER, initial_amount INTEGER, discount_amount INTEGER, items_discount_amount INTEGER,
    total_discount_amount INTEGER, total_amount INTEGER,
    customer_id TEXT, referrer_id TEXT, metadata TEXT NOT NULL, items BLOB NOT NULL
);
CREATE INDEX orders_created_at ON orders (created_at);
CREATE INDEX orders_updated_at ON orders (updated_at);
CREATE TABLE catalogue (
    id TEXT PRIMARY KEY, source_id TEXT, name TEXT, sku TEXT, metadata TEXT, price REAL, product_id TEXT
) WITHOUT ROWID;
CREATE TABLE async_actions (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, status TEXT NOT NULL, operation_status TEXT,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, request_id TEXT NOT NULL,
    progress INTEGER NOT NULL, processing_time INTEGER, result TEXT
);
CREATE INDEX async_actions_created_at ON async_actions (created_at);
CREATE TABLE import_queue (
    seq INTEGER PRIMARY KEY, action_id TEXT NOT NULL UNIQUE, orders INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE exports (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL, status TEXT NOT NULL,
    parameters TEXT NOT NULL, files INTEGER NOT NULL, exported_object TEXT NOT NULL
);
CREATE TABLE export_rows (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX export_rows_kind ON export_rows (kind);
CREATE INDEX export_rows_order ON export_rows (document ->> '$.order_id') WHERE kind = 'redemption';
"""
_TABLES = ("orders", "catalogue", "async_actions", "import_queue", "exports", "export_rows")


class Database:
    """One SQLite file: a connection for short work under a lock, and readers of their own for long reads.

    ``:memory:`` is a temporary file, so that memory does not grow with the orders in it. Nothing is synchronised to the
    disk: an emulator need not survive a power cut.

    :param path: File, or ``:memory:``.
    :raises ValueError: if the file is not a database of an emulator.
    """

    def __init__(self, path: str) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="voucherify-emulator-") if path == ":memory:" else None
        self.path = Path(self._temporary.name, "emulator.sqlite") if self._temporary else Path(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._readers: set[sqlite3.Connection] = set()
        try:
            self._connection = self._connect()
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version == 0 and tables == 0:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;")
            elif version != _SCHEMA_VERSION:
                raise ValueError(f"{path} is a SQLite file, but not one of this emulator: give another --db")
        except (sqlite3.Error, ValueError) as error:
            self.close()
            if isinstance(error, ValueError):
                raise
            raise ValueError(f"Cannot open {path} as the emulator's database: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=60)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    @property
    def files(self) -> Path:
        """Directory beside the database for the files of exports."""
        directory = self.path.with_name(self.path.name + "-exports")
        directory.mkdir(exist_ok=True)
        return directory

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the one writing connection; commit at the end, roll back on an exception.

        :return: The connection. Transactions do not nest.
        """
        with self._lock:
            if self._connection is None:
                raise RuntimeError("The emulator's database is closed")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a short query.

        :param sql: The query.
        :param parameters: Values of its placeholders.
        :return: The rows as tuples.
        """
        with self._lock:
            if self._connection is None:
                raise RuntimeError("The emulator's database is closed")
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Open a connection that sees the database as it is now, whatever is written meanwhile.

        :return: The connection, inside a read transaction.
        """
        connection = self._connect()
        self._readers.add(connection)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            self._readers.discard(connection)
            connection.close()

    def interrupt(self) -> None:
        """Break off the reading of snapshots, so that the emulator can end in the middle of a large export."""
        for connection in list(self._readers):
            connection.interrupt()

    def clear(self) -> None:
        """Delete every row and every exported file."""
        with self.transaction() as connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 (names from this module)
        for file in self.files.iterdir():
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection; a temporary database is deleted."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if self._temporary is not None:
            self._temporary.cleanup()
