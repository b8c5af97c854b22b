"""Folders that every reader takes as they are: pyarrow, pandas, Polars, DuckDB."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from upath import UPath

from airflow_provider_voucherify.core.storage import check_writable
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.integration.order_export.timeline import client_of, job_of, put, run

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = ExportRequest(fields=["id", "status", "amount", "created_at", "updated_at", "metadata"])
COLUMNS = ["id", "amount"]
LAYOUTS = [{"max_rows_per_file": 7}, {"partition_by": "created_at"}, {"partition_by": "updated_at"}]
PAID, CREATED = ({"status": {"conditions": {"$is": [status]}}} for status in ("PAID", "CREATED"))


def of_duckdb(pattern):
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT id, amount FROM read_parquet('{pattern}')").fetchall()


READERS = {
    "pyarrow": lambda folder: pyarrow.dataset.dataset(folder, partitioning="hive").to_table(COLUMNS).to_pylist(),
    "pyarrow.parquet": lambda folder: pq.read_table(folder, columns=COLUMNS).to_pylist(),
    "pandas": lambda folder: pd.read_parquet(folder, columns=COLUMNS).to_dict("records"),
    "Polars": lambda folder: pl.scan_parquet(folder).select(COLUMNS).collect().to_dicts(),
    "Polars, a pattern": lambda folder: pl.read_parquet(f"{folder}/**/*.parquet", columns=COLUMNS).to_dicts(),
    "DuckDB": lambda folder: of_duckdb(f"{folder}/**"),
    "DuckDB, a pattern": lambda folder: of_duckdb(f"{folder}/**/*.parquet"),
}


def read(folder):
    """What each reader finds."""
    return {
        name: sorted(tuple(row.values()) if isinstance(row, dict) else row for row in reader(folder))
        for name, reader in READERS.items()
    }


def window(day):
    return ExportWindow(field="updated_at", start=FIRST + day * DAY, end=FIRST + (day + 1) * DAY)


@pytest.fixture
def client():
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [(f"ord_{n:02}", FIRST + n * timedelta(hours=4), None, n) for n in range(18)])
        yield client


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_each_reader_finds_the_orders(client, tmp_path, layout):
    folder = tmp_path / "orders"
    for day in range(3):
        run(job_of(client, folder, request=REQUEST, window=window(day), **layout))
    wanted = [(f"ord_{n:02}", n) for n in range(18)]
    assert read(folder) == dict.fromkeys(READERS, wanted)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".parquet"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_orders", "orders"]


def test_a_reader_finds_whole_files_while_others_are_written(client, tmp_path, monkeypatch):
    folder, seen = tmp_path / "orders", []
    run(job_of(client, folder, request=REQUEST, window=window(0), max_rows_per_file=7))
    write = pq.ParquetWriter.write_table

    def watched(self, *args, **kwargs):
        write(self, *args, **kwargs)
        seen.append(len(READERS["Polars"](folder)))

    monkeypatch.setattr(pq.ParquetWriter, "write_table", watched)
    run(job_of(client, folder, request=REQUEST, window=window(1), max_rows_per_file=7))
    assert set(seen) == {6}


def test_another_layout_for_a_window_replaces_the_earlier_one(client, tmp_path):
    wanted = [(f"ord_{n:02}", n) for n in range(6)]
    for layout in [*LAYOUTS, *LAYOUTS]:
        run(job_of(client, tmp_path / "orders", request=REQUEST, window=window(0), **layout))
        assert read(tmp_path / "orders") == dict.fromkeys(READERS, wanted)


@pytest.mark.parametrize(
    "others",
    [[{"filters": PAID}, {"filters": CREATED}], [{"file_prefix": "eu"}, {"file_prefix": "us"}]],
    ids=["filters", "prefix"],
)
def test_exports_of_one_window_in_one_folder_do_not_replace_each_other(client, tmp_path, others):
    for options in [*others, *others]:
        filters = options.get("filters")
        request = ExportRequest(fields=["id", "amount"], filters=filters)
        prefix = options.get("file_prefix")
        run(
            job_of(
                client, tmp_path / "orders", request=request, window=window(0), max_rows_per_file=9, file_prefix=prefix
            )
        )
    assert len(READERS["pyarrow"](tmp_path / "orders")) == (6 if "filters" in others[0] else 12)
    assert len(list((tmp_path / "orders").iterdir())) == 2


def test_many_small_files_are_told_and_limited(client, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("airflow_provider_voucherify.order_export.sink.parquet.MANY_FILES", 6)
    run(job_of(client, tmp_path / "orders", request=REQUEST, window=window(0), max_rows_per_file=1, max_files=6))
    assert "has 6 files in" in caplog.text
    with pytest.raises(ConfigurationError, match="takes more than max_files=5 files"):
        run(job_of(client, tmp_path / "orders", request=REQUEST, window=window(0), max_rows_per_file=1, max_files=5))
    assert len(READERS["pyarrow"](tmp_path / "orders")) == 6


def test_a_folder_without_anything_beside_it_is_refused():
    config = ExportConfig(partition_by="created_at")
    with pytest.raises(ConfigurationError, match=r"has nothing beside it\. Name a folder in it"):
        Output.of(Path("/"), REQUEST, config).check()


@pytest.mark.parametrize("prefix", ["a/b", "", "ä b"])
def test_a_file_prefix_is_part_of_a_name(prefix):
    with pytest.raises(ConfigurationError, match="file_prefix may have letters"):
        ExportConfig(file_prefix=prefix)


def test_tasks_that_start_together_probe_a_place_together():
    folder, failures = UPath(f"memory://{uuid.uuid4().hex}/orders"), []

    def probe():
        for _ in range(50):
            try:
                check_writable(folder, "output_path")
            except ConfigurationError as error:
                failures.append(error)

    threads = [threading.Thread(target=probe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, folder.fs.find(folder.path)) == ([], [])
