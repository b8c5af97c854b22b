"""The nightly windows in a warehouse: the example's table in DuckDB, and the README's statement on a real Postgres."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.airflow_home import DagBag, run_dag
from tests.integration.order_export.timeline import change, job_of, put, run
from tests.system.conftest import program
from tests.system.services import postgres

ROOT = Path(__file__).parents[3]
FIRST, DAY = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
(UPSERT,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def add_orders(emulator):
    put(emulator, [(f"ord_{n}", FIRST + n * timedelta(hours=5), None, 1) for n in range(10)])


def change_orders(emulator):
    """On the second day."""
    for name in ("ord_1", "ord_6", "ord_9"):
        change(emulator, name, FIRST + DAY + timedelta(hours=23))


def expected():
    """The orders of both days, as they are after the second."""
    return {f"ord_{n}": 2 if n in (1, 6, 9) else 1 for n in range(10)}


def test_the_same_nights_again_give_the_same_table(emulator, tmp_path):
    dag = DagBag(str(ROOT / "example_dags" / "voucherify_to_duckdb.py")).dags["voucherify_to_duckdb"]
    database = tmp_path / "warehouse.duckdb"

    def night(number):
        conf = {"folder": tmp_path.as_uri(), "database": str(database)}
        assert run_dag(dag, run_conf=conf, logical_date=FIRST + (number + 1) * DAY).state == "success"

    def table():
        with duckdb.connect(str(database)) as connection:
            columns = "* REPLACE (created_at::VARCHAR AS created_at, updated_at::VARCHAR AS updated_at)"
            return connection.execute(f"SELECT {columns} FROM orders ORDER BY id").fetchall()

    add_orders(emulator)
    night(0)
    first = table()
    assert [row[0] for row in first] == [f"ord_{n}" for n in range(5)]
    night(0)
    night(0)
    assert table() == first
    change_orders(emulator)
    night(1)
    once = table()
    assert {row[0]: row[5] for row in once} == expected()
    for number in (1, 0, 1):
        night(number)
    assert table() == once


@pytest.fixture
def psql():
    """Run SQL on a Postgres of its own."""
    with postgres() as database:

        def execute(sql, rows=None):
            command = [program("psql"), f"postgresql://{database}", "-v", "ON_ERROR_STOP=1", "-qAt", "-c", sql]
            return subprocess.run(command, check=True, capture_output=True, text=True, input=rows).stdout

        yield execute


def test_the_statement_for_postgres(emulator, tmp_path, psql):
    types = {"int64": "bigint", "timestamp[ms, tz=UTC]": "timestamptz"}
    columns = ", ".join(
        f"{field.name} {types.get(str(field.type), 'text')}{' PRIMARY KEY' if field.name == 'id' else ''}"
        for field in order_schema(ExportRequest())
    )
    psql(f"CREATE TABLE orders ({columns}); CREATE TABLE night (LIKE orders)")
    client = VoucherifyHook()

    def export(number):
        window = ExportWindow(field="updated_at", start=FIRST + number * DAY, end=FIRST + (number + 1) * DAY)
        path = tmp_path / f"{number}-{len(list(tmp_path.iterdir()))}.parquet"
        run(job_of(client, path, window=window))
        return path

    def merge(path):
        text = tmp_path / "night.csv"
        duckdb.execute(f"COPY (FROM '{path}') TO '{text}' (HEADER false)")
        psql("TRUNCATE night")
        psql("COPY night FROM STDIN (FORMAT csv)", rows=text.read_text())
        psql(UPSERT)

    def table():
        return psql("SELECT * FROM orders ORDER BY id")

    add_orders(emulator)
    first_night = export(0)
    merge(first_night)
    first = table()
    assert len(first.splitlines()) == 5
    merge(first_night)
    merge(export(0))
    assert table() == first
    change_orders(emulator)
    merge(export(1))
    once = table()
    assert psql("SELECT count(*), sum(amount) FROM orders").strip() == f"10|{sum(expected().values())}"
    for path in (export(1), first_night, export(0), export(1)):
        merge(path)
    assert table() == once
    assert pq.read_metadata(first_night).num_rows == 5
