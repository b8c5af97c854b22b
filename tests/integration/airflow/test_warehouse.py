"""
The nightly windows in a warehouse: the examples' tables in DuckDB, from S3 too, and in a real Postgres; the SQL for
Snowflake, BigQuery and Redshift as their dialects have it, translated for DuckDB.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg2
import pytest
import sqlglot
from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from sqlglot import exp

from tests.airflow_home import DagBag, run_dag
from tests.integration.order_export.timeline import change, put
from tests.integration.s3 import BUCKET

pytestmark = pytest.mark.no_cover  # takes twice as long if measured, and what it runs others measure
ROOT = Path(__file__).parents[3]
FIRST, DAY = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
FIELDS = ["amount", "metadata", "updated_at", "status", "id", "created_at", "source_id"]  # some, in another order


def add_orders(emulator):
    put(emulator, [(f"ord_{n}", FIRST + n * timedelta(hours=5), None, 1) for n in range(10)])


def change_orders(emulator):
    """On the second day."""
    for name in ("ord_1", "ord_6", "ord_9"):
        change(emulator, name, FIRST + DAY + timedelta(hours=23))


def expected():
    """The orders of both days, as they are after the second."""
    return [(f"ord_{n}", f"source-ord_{n}", 2 if n in (1, 6, 9) else 1) for n in range(10)]


def nights_of(dag_id, conf):
    """Load an example; return it, and what runs one of its nights."""
    dag = DagBag(str(ROOT / "example_dags" / f"{dag_id}.py")).dags[dag_id]

    def night(number, **more):
        options = {"run_conf": conf | more, "logical_date": FIRST + (number + 1) * DAY}
        assert run_dag(dag, **options).state == "success"

    return dag, night


def check_nights(emulator, dag_id, conf, read):
    """Run nights of an example, again and in any order: its table has each order once, in its last version."""
    dag, night = nights_of(dag_id, conf)
    add_orders(emulator)
    night(0)
    first = read("orders")
    assert first == [(name, source, 1) for name, source, _ in expected()[:5]]
    night(0)
    assert read("orders") == first
    change_orders(emulator)
    dag.get_task("export_orders").fields = FIELDS
    night(1)
    assert read("orders") == expected()
    for number in (0, 1):
        night(number)
    # a run by hand with a window of its own, which is that of both days
    night(5, window_start=FIRST.isoformat(), window_end=(FIRST + 2 * DAY).isoformat())
    assert read("orders") == expected()


@pytest.fixture(params=["file", "s3"])
def folder(request, tmp_path, monkeypatch):
    if request.param == "file":
        return (tmp_path / "orders").as_uri()
    extra = {"endpoint_url": request.getfixturevalue("s3").meta.endpoint_url, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "key-id", "password": "secret-key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    return f"s3://lake@{BUCKET}/{uuid.uuid4().hex}/orders"


def test_the_same_nights_again_give_the_same_table_in_duckdb(emulator, tmp_path, folder):
    database = tmp_path / "warehouse.duckdb"

    def read(table):
        with duckdb.connect(str(database)) as connection:
            if folder.startswith("s3:"):
                connection.register_filesystem(ObjectStoragePath(folder).fs)
            return connection.execute(f"SELECT id, source_id, amount FROM {table} ORDER BY id").fetchall()

    check_nights(emulator, "voucherify_to_duckdb", {"folder": folder, "database": str(database)}, read)
    assert read("latest_orders") == expected()


def test_the_same_nights_again_give_the_same_table_in_postgres(emulator, tmp_path, postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgresql://{postgres}?options=-csearch_path%3Dmerged")
    with contextlib.closing(psycopg2.connect(f"postgresql://{postgres}")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA merged; SET search_path TO merged")
        connection.commit()

        def read(table):
            cursor.execute(f"SELECT id, source_id, amount FROM {table} ORDER BY id")
            rows = cursor.fetchall()
            connection.commit()  # its locks would keep the next night waiting
            return rows

        conf = {"folder": (tmp_path / "orders").as_uri(), "postgres_conn_id": "warehouse"}
        check_nights(emulator, "voucherify_to_postgres", conf, read)
        cursor.execute("SELECT count(DISTINCT updated_at), count(status) FROM orders")
        assert cursor.fetchone() == (1, 10)


class Warehouse:
    """
    A warehouse that understands one dialect: its statements run in DuckDB, but for the load of a file.

    :param dialect: The dialect.
    :param database: The file of DuckDB.
    """

    def __init__(self, dialect: str, database: Path) -> None:
        self.dialect = dialect
        self.database = str(database)
        self.loaded: list[str] = []

    def run(self, sql, **_parameters) -> None:
        with duckdb.connect(self.database) as connection:
            for text in sql:
                statement = sqlglot.parse_one(text, read=self.dialect)
                assert not isinstance(statement, exp.Command)  # what the dialect does not have
                if isinstance(statement, exp.Copy | exp.LoadData):
                    self._load(connection, statement)
                else:
                    connection.execute(statement.sql(dialect="duckdb"))

    def _load(self, connection, statement) -> None:
        (file,) = (found.this for found in statement.find_all(exp.Literal) if found.this.endswith(".parquet"))
        self.loaded.append(file)
        if isinstance(statement, exp.LoadData):
            columns = statement.this.sql(dialect="duckdb")
            connection.execute(f"CREATE OR REPLACE TABLE {columns}")
        table = statement.find(exp.Table).sql(dialect="duckdb")
        matched = "" if self.dialect == "redshift" else "BY NAME"  # Redshift takes Parquet by position
        path = file.replace("@voucherify", str(Path(self.database).parent))
        connection.execute(f"INSERT INTO {table} {matched} FROM read_parquet(?)", [path])


@pytest.mark.parametrize(
    ("dag_id", "dialect"),
    [
        ("voucherify_to_snowflake", "snowflake"),
        ("voucherify_to_bigquery", "bigquery"),
        ("voucherify_to_redshift", "redshift"),
    ],
)
def test_nights_in_any_order_leave_the_newest_versions(dag_id, dialect, emulator, tmp_path, monkeypatch):
    warehouse = Warehouse(dialect, tmp_path / "warehouse.duckdb")
    monkeypatch.setattr(SQLExecuteQueryOperator, "get_db_hook", lambda self: warehouse)
    schema = "voucherify" if dialect == "bigquery" else "main"
    with duckdb.connect(warehouse.database) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    _, night = nights_of(dag_id, {"folder": tmp_path.as_uri()})
    add_orders(emulator)
    night(0)
    with duckdb.connect(warehouse.database) as connection:
        connection.execute(f"UPDATE {schema}.orders SET amount = 7, updated_at = '2027-01-01' WHERE id = 'ord_3'")
    change_orders(emulator)
    for number in (1, 0):
        night(number)
    with duckdb.connect(warehouse.database) as connection:
        rows = connection.execute(f"SELECT id, source_id, amount FROM {schema}.orders ORDER BY id").fetchall()
    assert rows == [(name, source, 7 if name == "ord_3" else amount) for name, source, amount in expected()]
    of_night = "@voucherify/night.parquet" if dialect == "snowflake" else f"{tmp_path.as_uri()}/night.parquet"
    assert set(warehouse.loaded) == {of_night}
