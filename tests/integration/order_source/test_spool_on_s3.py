"""The rows of a query on S3 (moto's server), by Airflow's paths: written once, and read again by the next try."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_voucherify.order_source import Query, open_source
from tests.integration.s3 import BUCKET, keys


@pytest.fixture
def folder(s3, monkeypatch):
    extra = {"endpoint_url": s3.meta.endpoint_url, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "key-id", "password": "secret-key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    return f"spool-{uuid.uuid4().hex}"


def test_rows_on_s3(s3, folder, tmp_path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, total INTEGER)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [(number, 5 * number) for number in range(3000)])
        connection.commit()
    opened = []

    def connect():
        opened.append(sqlite3.connect(tmp_path / "shop.db"))
        return opened[-1]

    def source(run):
        query = Query(sql="SELECT id AS source_id, total AS amount FROM orders", connect=connect, run=run)
        return open_source(query=query, spool=ObjectStoragePath(f"s3://lake@{BUCKET}/{folder}"))

    first = source("monday")
    bodies = [record.body for record in first.read()]
    assert len(bodies) == 3000
    again = source("monday")
    assert again.fingerprint() == first.fingerprint()
    assert [record.body for record in again.read(list(first.read())[1999].after)] == bodies[2000:]
    assert len(opened) == 1
    before = keys(s3, folder)
    assert len(before) == 2
    assert len(list(source("tuesday").read())) == 3000
    after = keys(s3, folder)
    assert len(after) == 2
    assert set(before) & set(after) == {"manifest.json"}
