"""Spark reads the folder of an export as it is. It needs Java, and is no part of the CI: ``nox -s spark``."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from airflow_provider_voucherify.emulator import Emulator
from tests.integration.order_export.test_readers import FIRST, LAYOUTS, REQUEST, window
from tests.integration.order_export.timeline import client_of, job_of, put, run


@pytest.fixture(scope="module")
def spark():
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_spark_finds_the_orders(spark, tmp_path, layout):
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [(f"ord_{n:02}", FIRST, None, n) for n in range(18)])
        for day in range(2):
            run(job_of(client, tmp_path / "orders", request=REQUEST, window=window(day), **layout))
    rows = spark.read.parquet(str(tmp_path / "orders")).select("id", "amount").collect()
    assert sorted((row.id, row.amount) for row in rows) == [(f"ord_{n:02}", n) for n in range(18)]
