"""Each kind of driver gives its rows in the way that holds the fewest; shown here for those without a server."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_voucherify.order_source import Query, open_source
from airflow_provider_voucherify.order_source.query import cursors


class Cursor:
    description = (("source_id", 253, None, None, None, None, None), ("metadata", 245, None, None, None, None, None))

    def __init__(self, rows: list[tuple]) -> None:
        self.executed: list[Any] = []
        self.fetched: list[int] = []
        self._rows = rows

    def execute(self, *query: Any) -> None:
        self.executed.append(query)

    def fetchmany(self, size: int) -> list[tuple]:
        self.fetched.append(size)
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows


class SSCursor(Cursor):
    """MySQL's cursor that leaves the rows on the server."""


def connection(driver: str, cursor: Cursor) -> Any:
    """Make a connection of a driver that is not installed."""

    class Connection:
        def __init__(self) -> None:
            self.classes: list[Any] = []
            self.closed = False

        def cursor(self, *classes: Any) -> Cursor:
            self.classes.append(classes)
            return cursor

        def close(self) -> None:
            self.closed = True

    Connection.__module__ = f"{driver}.connections"
    type(cursor).__module__ = f"{driver}.cursors"
    return Connection()


@pytest.mark.parametrize("driver", ["MySQLdb", "pymysql"])
def test_mysql_streams_and_its_json_is_json(tmp_path, monkeypatch, driver) -> None:
    module = ModuleType(f"{driver}.cursors")
    module.SSCursor = SSCursor
    monkeypatch.setitem(sys.modules, f"{driver}.cursors", module)
    cursor = SSCursor([(str(number), '{"note": "a"}') for number in range(250)])
    opened = connection(driver, cursor)
    source = open_source(query=Query(sql="SELECT 1", connect=lambda: opened), spool=tmp_path)
    bodies = [record.body for record in source.read()]
    assert len(bodies) == 250
    assert bodies[0] == b'{"source_id":"0","metadata":{"note": "a"}}'
    assert opened.classes == [(SSCursor,)]
    assert opened.closed
    assert cursor.executed == [("SELECT 1",)]
    assert cursor.fetched == [100, 1000, 5000]


def test_parameters_are_given_as_they_are() -> None:
    cursor = Cursor([])
    cursors.run(connection("oracledb", cursor), "SELECT :id", {"id": 5})
    assert cursor.executed == [("SELECT :id", {"id": 5})]


def test_batches_grow_and_are_bounded_by_bytes(monkeypatch) -> None:
    monkeypatch.setattr(cursors, "BATCH_BYTES", 100_000)
    cursor = Cursor([("x" * 1000,)] * 1000)
    sizes = [len(rows) for rows in cursors.row_batches(cursor)]
    assert sum(sizes) == 1000
    assert sizes[0] == cursors.FIRST_ROWS
    assert 80 <= max(sizes[1:]) <= 100


@pytest.mark.parametrize("given", [[{"source_id": ["1"]}, {"source_id": ["2"]}], []])
def test_arrow_batches_of_adbc_and_snowflake(given) -> None:
    batches = [pa.RecordBatch.from_pydict(rows) for rows in given]
    adbc = SimpleNamespace(fetch_record_batch=lambda: iter(batches))
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    snowflake = SimpleNamespace(fetch_arrow_batches=lambda: iter(tables))
    assert list(cursors.arrow_batches(adbc) or ()) == batches
    assert list(cursors.arrow_batches(snowflake) or ()) == batches
    assert cursors.arrow_batches(Cursor([])) is None
