"""Run a query on a DB-API connection, and fetch its rows without holding all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

CURSOR_NAME = "airflow_provider_voucherify"
POSTGRES = ("psycopg2", "psycopg")
DUCKDB = ("_duckdb", "duckdb")
MYSQL = ("MySQLdb", "pymysql")
MYSQL_JSON = 245  # MySQL's number of the type, which its drivers give as text

BATCH_BYTES = 4 << 20
FIRST_ROWS = 100
MOST_ROWS = 5000
SAMPLED_ROWS = 20
ARROW_ROWS = 10_000


def is_postgres(connection: Any) -> bool:
    """
    Return whether a connection is one to Postgres, which can run several queries on one snapshot.

    :param connection: A DB-API connection.
    """
    return _driver(connection) in POSTGRES


def start_snapshot(connection: Any) -> None:
    """
    Begin a transaction of Postgres in which all queries see the same state of the database.

    :param connection: A connection of psycopg or psycopg2.
    """
    connection.rollback()  # a hook may have run a statement, after which the level of a transaction cannot be set
    connection.autocommit = False  # a server-side cursor lives in a transaction
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def run(connection: Any, sql: str, parameters: Any = None, *, number: int = 0, arrow: bool = False) -> Any:
    """
    Run a query with a cursor that leaves the rows on the server until they are fetched, where the driver has one.

    That is a named cursor for Postgres, and an ``SSCursor`` for MySQL. The other drivers either stream by themselves
    (SQLite, DuckDB, Oracle, SQL Server, the warehouses) or have nothing of the kind.

    :param connection: A DB-API connection.
    :param sql: The query.
    :param parameters: Its parameters, a list or an object, as the driver takes them. None gives the driver none, so
        that a percent sign in the query stays one.
    :param number: Distinguishes several cursors of one connection.
    :param arrow: Whether Arrow batches are wanted, if the driver has them.
    :return: The cursor; a relation of DuckDB for Arrow batches.
    """
    if arrow and _driver(connection) in DUCKDB:
        return connection.cursor().sql(sql, params=parameters)  # its cursors would copy the rows
    cursor = _cursor(connection, number)
    if parameters is None:
        cursor.execute(sql)
    else:
        cursor.execute(sql, parameters)
    return cursor


def _cursor(connection: Any, number: int) -> Any:
    driver = _driver(connection)
    if driver == "psycopg2":  # with rows as tuples, whatever the extras of the connection say
        factory = sys.modules["psycopg2.extensions"].cursor
        return connection.cursor(f"{CURSOR_NAME}_{number}", cursor_factory=factory)
    if driver == "psycopg":
        return connection.cursor(f"{CURSOR_NAME}_{number}", row_factory=sys.modules["psycopg.rows"].tuple_row)
    if driver in MYSQL:
        return connection.cursor(sys.modules[f"{driver}.cursors"].SSCursor)
    return connection.cursor()


def row_batches(cursor: Any) -> Iterator[list[Sequence[Any]]]:
    """
    Fetch rows in batches of some megabytes. The first batch may be empty, and ``cursor.description`` is known by then.

    :param cursor: A cursor that has run a query.
    """
    size = FIRST_ROWS
    rows = cursor.fetchmany(size)
    yield rows
    while rows:
        size = max(1, min(BATCH_BYTES // _row_bytes(rows), MOST_ROWS, 10 * size))
        rows = cursor.fetchmany(size)
        if rows:
            yield rows


def arrow_batches(cursor: Any) -> Iterable[Any] | None:
    """
    Fetch Arrow batches, which keep the types of the columns and never become Python objects.

    :param cursor: A cursor that has run a query.
    :return: Arrow record batches; None if the driver has none. DuckDB, ADBC and Snowflake have them.
    """
    batches: Iterable[Any] | None = None
    if _driver(cursor) in DUCKDB:
        read = getattr(cursor, "to_arrow_reader", None) or cursor.fetch_arrow_reader  # the latter in versions before 2
        batches = iter(read(ARROW_ROWS))
    elif hasattr(cursor, "fetch_record_batch"):  # ADBC
        batches = iter(cursor.fetch_record_batch())
    elif hasattr(cursor, "fetch_arrow_batches"):  # Snowflake
        batches = (batch for table in cursor.fetch_arrow_batches() for batch in table.to_batches(ARROW_ROWS))
    return batches


def column_names(cursor: Any) -> list[str]:
    """
    List the columns of a query.

    :param cursor: A cursor that has run it.
    """
    return [str(column[0]) for column in cursor.description]


def json_columns(cursor: Any) -> set[str]:
    """
    List the columns of a query whose text is JSON by their type in the database.

    :param cursor: A cursor that has run it.
    """
    mysql = _driver(cursor) in MYSQL
    return {str(name) for name, kind, *_ in cursor.description if str(kind) == "JSON" or (mysql and kind == MYSQL_JSON)}


def _driver(connection: Any) -> str:
    return type(connection).__module__.partition(".")[0]


def _row_bytes(rows: Sequence[Sequence[Any]]) -> int:
    """Estimate the bytes of a row by some of them."""
    sample = rows[:: max(1, len(rows) // SAMPLED_ROWS)]
    return 1 + sum(_bytes(value) for row in sample for value in row) // len(sample)


def _bytes(value: Any) -> int:
    return sys.getsizeof(value) if isinstance(value, str | bytes | int | float | None) else len(str(value))
