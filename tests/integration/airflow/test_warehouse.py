"""The nightly windows in a warehouse: the examples' tables in DuckDB, from S3 too, and in a real Postgres."""

from __future__ import annotations

import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg2
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from tests.airflow_home import DagBag, run_dag
from tests.integration.order_export.timeline import change, put
from tests.integration.s3 import BUCKET

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


def check_nights(emulator, dag_id, conf, read):
    """Run nights of an example, again and in any order: its table has each order once, in its last version."""
    dag = DagBag(str(ROOT / "example_dags" / f"{dag_id}.py")).dags[dag_id]
    (export,) = (task for task in dag.tasks if task.task_id == "export_orders")

    def night(number, **more):
        options = {"run_conf": conf | more, "logical_date": FIRST + (number + 1) * DAY}
        assert run_dag(dag, **options).state == "success"

    add_orders(emulator)
    night(0)
    first = read("orders")
    assert first == [(name, source, 1) for name, source, _ in expected()[:5]]
    night(0)
    assert read("orders") == first
    change_orders(emulator)
    export.fields = FIELDS
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
