"""Rows of real databases become orders: values as the API takes them, once in a run, and all of them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import duckdb
import psycopg2
import psycopg2.extras
import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source import Query, open_source
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.query import cursors

ORDERS = """
    SELECT g AS source_id, CASE WHEN g % 2 = 0 THEN 'PAID' ELSE 'CREATED' END AS status, g * 10 AS amount
    FROM generate_series(1, {count}) g ORDER BY g
"""


@pytest.fixture
def connect(postgres):
    """Open connections to Postgres, and count them."""
    calls = []

    def opened() -> Any:
        calls.append(psycopg2.connect(f"postgresql://{postgres}"))
        return calls[-1]

    yield SimpleNamespace(open=opened, calls=calls)
    assert all(connection.closed for connection in calls)


def read(query: Query, spool: Any, **options: Any) -> list[dict[str, Any]]:
    made = list(checked(open_source(query=query, spool=spool, **options).read()))
    assert [one.error for one in made if one.error is not None] == []
    return [json.loads(one.body) for one in made]


def test_values_of_postgres(connect, tmp_path) -> None:
    sql = """
        SELECT 9007199254740993 AS source_id, 'PAID' AS status, 12.30::numeric(12,2) AS amount,
            timestamptz '2026-01-02 03:04:05.5+02' AS created_at,
            jsonb '{"a": [1, {"b": null}]}' AS "metadata.json", ARRAY['x', 'y'] AS "metadata.array",
            uuid '00000000-0000-0000-0000-000000000007' AS "metadata.uuid", true AS "metadata.yes",
            date '2026-01-02' AS "metadata.day", 1.5::float8 AS "metadata.float", NULL AS "metadata.nothing",
            '{"name": "Ada"}'::json AS customer, 1.25::numeric AS "metadata.numeric"
    """
    (order,) = read(Query(sql=sql, connect=connect.open), tmp_path, amount_unit="major", order_date_metadata_key="at")
    assert order == {
        "source_id": "9007199254740993",
        "status": "PAID",
        "amount": 1230,
        "customer": {"name": "Ada"},
        "metadata": {
            "json": {"a": [1, {"b": None}]},
            "array": ["x", "y"],
            "uuid": "00000000-0000-0000-0000-000000000007",
            "yes": True,
            "day": "2026-01-02",
            "float": 1.5,
            "numeric": 1.25,
            "at": "2026-01-02T01:04:05.500000Z",
        },
    }


def test_rows_stay_on_the_server_until_they_are_fetched(connect, monkeypatch) -> None:
    monkeypatch.setattr(cursors, "MOST_ROWS", 1000)
    with closing(connect.open()) as connection:
        cursor = cursors.run(connection, "SELECT g, repeat('x', 1000) FROM generate_series(1, 30000) g")
        assert cursor.name
        sizes = [len(rows) for rows in cursors.row_batches(cursor)]
    assert sum(sizes) == 30_000
    assert sizes[0] == cursors.FIRST_ROWS
    assert max(sizes) == 1000


def test_batches_of_wide_rows_are_small(connect) -> None:
    with closing(connect.open()) as connection:
        cursor = cursors.run(connection, "SELECT repeat('x', 400000) FROM generate_series(1, 150) g")
        sizes = [len(rows) for rows in cursors.row_batches(cursor)]
    assert sum(sizes) == 150
    assert max(sizes[1:]) <= cursors.BATCH_BYTES // 400_000


def test_a_cursor_with_rows_as_objects_by_the_extras_of_the_connection(postgres, tmp_path) -> None:
    def connect() -> Any:
        return psycopg2.connect(f"postgresql://{postgres}", cursor_factory=psycopg2.extras.RealDictCursor)

    assert len(read(Query(sql=ORDERS.format(count=3), connect=connect), tmp_path)) == 3


def test_psycopg_3(postgres, tmp_path) -> None:
    psycopg = pytest.importorskip("psycopg")

    def connect() -> Any:
        return psycopg.connect(f"postgresql://{postgres}", row_factory=psycopg.rows.dict_row)

    items = "SELECT g AS source_id, 'rose' AS source_id_of_item FROM generate_series(1, 3) g ORDER BY g"
    query = Query(sql=ORDERS.format(count=3), items_sql=items, items_key="source_id", connect=connect)
    orders = read(query, tmp_path, column_mapping={"source_id_of_item": "items.source_id"})
    assert [order["items"] for order in orders] == [[{"source_id": "rose"}]] * 3


def test_the_query_runs_once_in_a_run(connect, tmp_path) -> None:
    query = Query(sql=ORDERS.format(count=5), connect=connect.open, connection="shop", run="monday")
    source = open_source(query=query, spool=tmp_path)
    first = [record.body for record in source.read()]
    again = open_source(query=query, spool=tmp_path)
    assert again.fingerprint() == source.fingerprint()
    assert [record.body for record in again.read()] == first
    assert len(connect.calls) == 1
    for change in ({"run": "tuesday"}, {"sql": ORDERS.format(count=6)}, {"connection": "other"}):
        changed = Query(**{"sql": query.sql, "connect": connect.open, "connection": "shop", "run": "monday"} | change)
        list(open_source(query=changed, spool=tmp_path).read())
    assert len(connect.calls) == 4


def test_parameters_and_percent_signs(connect, tmp_path) -> None:
    query = Query(sql="SELECT %(id)s AS source_id", parameters={"id": "a%b"}, connect=connect.open)
    assert read(query, tmp_path / "1") == [{"source_id": "a%b"}]
    query = Query(sql="SELECT 'x' AS source_id WHERE 'abc' LIKE 'a%'", connect=connect.open)
    assert read(query, tmp_path / "2") == [{"source_id": "x"}]


def test_a_query_that_fails_in_the_middle(connect, tmp_path) -> None:
    sql = "SELECT g AS source_id, 1000 / (g - 5000) AS amount FROM generate_series(1, 9000) g"
    source = open_source(query=Query(sql=sql, connect=connect.open), spool=tmp_path)
    with pytest.raises(psycopg2.errors.DivisionByZero):
        list(source.read())
    assert not list(tmp_path.glob("*.parquet"))
    assert not (tmp_path / "manifest.json").exists()


SLOW_QUERY = """
import sqlite3, sys, time
from pathlib import Path
from airflow_provider_voucherify.order_source import Query, open_source

def connect():
    connection = sqlite3.connect(":memory:")
    connection.create_function("slow", 1, lambda row: time.sleep(60) if row == 150 else row)
    return connection

rows = "WITH RECURSIVE n(row) AS (SELECT 1 UNION ALL SELECT row + 1 FROM n WHERE row < 200)"
query = Query(sql=f"{rows} SELECT slow(row) AS source_id FROM n", connect=connect, run=sys.argv[2])
open_source(query=query, spool=Path(sys.argv[1])).fingerprint()
"""


def test_a_killed_process_leaves_no_half_result(tmp_path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW_QUERY, str(tmp_path), "monday"])
    try:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("*.parquet")) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    (left,) = tmp_path.glob("*.parquet")
    assert not (tmp_path / "manifest.json").exists()

    rows = "WITH RECURSIVE n(row) AS (SELECT 1 UNION ALL SELECT row + 1 FROM n WHERE row < 200)"
    sql = f"{rows} SELECT row AS source_id FROM n"
    query = Query(sql=sql, connect=lambda: sqlite3.connect(":memory:"), run="monday")
    assert len(read(query, tmp_path)) == 200
    (whole,) = tmp_path.glob("*.parquet")
    assert whole != left
    assert not (tmp_path / "unfinished.json").exists()


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ("g AS source_id, g AS ammount", {}, "query: 'ammount' is not a field of an order"),
        ("g AS source_id", {"column_mapping": {"total": "amount"}}, "query: column_mapping maps 'total'"),
        ("g AS source_id, 1.5 AS amount", {}, "query: the amounts of 'amount' are of type decimal"),
        ("g AS source_id, g AS source_id", {}, "both go to source_id"),
    ],
)
def test_columns_are_checked_with_the_first_rows(connect, tmp_path, columns, options, message) -> None:
    """The query would take a million rows, and divides by zero in the last."""
    sql = f'SELECT {columns}, 1 / (1000000 - g) AS "metadata.x" FROM generate_series(1, 1000000) g'
    with pytest.raises(ConfigurationError, match=message):
        list(open_source(query=Query(sql=sql, connect=connect.open), spool=tmp_path, **options).read())
    assert not list(tmp_path.glob("*.parquet"))


def test_no_rows(connect, tmp_path) -> None:
    assert read(Query(sql=ORDERS.format(count=0), connect=connect.open), tmp_path) == []


def test_positions_go_on_through_all_files(connect, tmp_path) -> None:
    sql = (
        """SELECT g AS source_id, CASE WHEN g > 3000 THEN 5 END AS amount FROM generate_series(1, 4000) g ORDER BY g"""
    )
    source = open_source(query=Query(sql=sql, connect=connect.open), spool=tmp_path)
    records = list(source.read())
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert [record.position for record in records] == [f"query row {row}" for row in range(1, 4001)]
    assert [record.position for record in source.read(records[3499].after)] == [
        f"query row {row}" for row in range(3501, 4001)
    ]


ITEMS = """
    SELECT o AS order_id, 'sku-' || n AS sku, n AS quantity, 5 AS price
    FROM generate_series(1, 2000) o, generate_series(1, 3) n WHERE n <= o % 4 ORDER BY o, n
"""


@pytest.mark.parametrize("key", ["source_id", "order_id"])
def test_items_of_a_second_query(connect, tmp_path, key) -> None:
    query = Query(
        sql=ORDERS.format(count=2000),
        items_sql=ITEMS if key == "order_id" else ITEMS.replace("AS order_id", "AS source_id"),
        items_key=key,
        connect=connect.open,
    )
    source = open_source(query=query, spool=tmp_path, column_mapping={"sku": "items.product.source_id"})
    made = list(checked(source.read()))
    assert source.groups_rows
    assert len(made) == 2000
    assert len(connect.calls) == 1, "both queries see the same snapshot, on one connection"
    orders = [json.loads(one.body) for one in made]
    assert [len(order.get("items", [])) for order in orders] == [order % 4 for order in range(1, 2001)]
    assert orders[2]["items"][1] == {"product": {"source_id": "sku-2"}, "quantity": 2, "price": 5}


def test_both_queries_see_one_snapshot(postgres, connect, tmp_path, monkeypatch) -> None:
    with closing(psycopg2.connect(f"postgresql://{postgres}")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE snapshot AS SELECT 1 AS id")
        connection.commit()
        run = cursors.run

        def run_and_insert(*arguments: Any, **options: Any) -> Any:
            started = run(*arguments, **options)
            cursor.execute("INSERT INTO snapshot VALUES (2)")
            connection.commit()
            return started

        monkeypatch.setattr(cursors, "run", run_and_insert)
        query = Query(
            sql="SELECT id AS source_id FROM snapshot ORDER BY id",
            items_sql="SELECT id AS source_id, 1 AS quantity FROM snapshot ORDER BY id",
            items_key="source_id",
            connect=connect.open,
        )
        assert read(query, tmp_path) == [{"source_id": "1", "items": [{"quantity": 1}]}]


def test_items_of_other_orders_are_refused_and_nothing_is_left(connect, tmp_path) -> None:
    query = Query(sql=ORDERS.format(count=10), items_sql=ITEMS, items_key="order_id", connect=connect.open)
    with pytest.raises(ConfigurationError, match="items_sql has a row with order_id=11"):
        list(open_source(query=query, spool=tmp_path).read())
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        ({"sql": " "}, {}, "sql is empty"),
        ({"sql": "x", "items_sql": "y"}, {}, "items_sql and items_key have to be given together"),
        ({"sql": "x", "items_key": "y"}, {}, "items_sql and items_key have to be given together"),
        ({"sql": "x", "items_sql": "y", "items_key": "z"}, {"group_by": "z"}, "either group_by or items_sql"),
    ],
)
def test_queries_that_make_no_sense(tmp_path, query, options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_source(query=Query(connect=lambda: None, **query), spool=tmp_path, **options)


def test_a_query_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match="give a folder"):
        open_source(query=Query(sql="x", connect=lambda: None))


def _sqlite(path) -> Callable[[], Any]:
    return lambda: sqlite3.connect(path / "shop.db")


def _duckdb(path) -> Callable[[], Any]:
    return lambda: duckdb.connect(str(path / "shop.duckdb"))


@pytest.mark.parametrize("database", [_sqlite, _duckdb], ids=["sqlite", "duckdb"])
def test_other_databases(tmp_path, database) -> None:
    connect = database(tmp_path)
    with closing(connect()) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, status VARCHAR, total DECIMAL(9, 2))")
        connection.execute("CREATE TABLE items (order_id INTEGER, sku VARCHAR)")
        for number in range(300):
            connection.execute("INSERT INTO orders VALUES (?, 'PAID', ?)", [number, number])
            connection.execute("INSERT INTO items VALUES (?, ?)", [number, f"sku-{number}"])
        connection.commit()
    sql = "SELECT id AS source_id, status, total AS amount FROM orders WHERE id >= ? ORDER BY id"
    options = {"amount_unit": "major"}
    orders = read(Query(sql=sql, parameters=[100], connect=connect), tmp_path / "1", **options)
    assert orders == [
        {"source_id": str(number), "status": "PAID", "amount": 100 * number} for number in range(100, 300)
    ]
    items = (
        'SELECT order_id AS "source_id", sku AS "product.source_id" FROM items WHERE order_id >= ? ORDER BY order_id'
    )
    query = Query(sql=sql, items_sql=items, items_key="source_id", parameters=[100], connect=connect)
    orders = read(query, tmp_path / "2", **options)
    assert [order["items"] for order in orders] == [
        [{"product": {"source_id": f"sku-{number}"}}] for number in range(100, 300)
    ]


def test_arrow_batches_of_duckdb(tmp_path) -> None:
    sql = """
        SELECT 7::UTINYINT AS source_id, 1.50::DECIMAL(9,2) AS amount, '{"a": 1}'::JSON AS "metadata.json", [1, 2] AS
        "metadata.list", uuid() AS "metadata.uuid", timestamptz '2026-01-02 03:04:05+00' AS "metadata.at",
        [{'source_id': 'rose', 'quantity': 2}] AS items
    """
    (order,) = read(Query(sql=sql, connect=duckdb.connect), tmp_path, amount_unit="major")
    assert len(order["metadata"].pop("uuid")) == 36
    assert order == {
        "source_id": "7",
        "amount": 150,
        "metadata": {"json": {"a": 1}, "list": [1, 2], "at": "2026-01-02T03:04:05Z"},
        "items": [{"source_id": "rose", "quantity": 2}],
    }


def test_no_rows_of_duckdb(tmp_path) -> None:
    assert read(Query(sql="SELECT 1 AS source_id WHERE false", connect=duckdb.connect), tmp_path) == []
