"""Several files: parts, days, second runs, manifests; on local disks and on S3."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from upath import UPath

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import ConfigurationError, TruncatedDownloadError
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.atomic import Publication
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.integration.order_export.timeline import client_of, job_of, put, run
from tests.integration.s3 import BUCKET

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = ExportRequest(fields=["id", "amount", "created_at", "updated_at"])


@pytest.fixture(params=["file", "s3"])
def folder(request, tmp_path):
    """A folder that is not there yet."""
    if request.param == "file":
        return tmp_path / "orders"
    endpoint = request.getfixturevalue("s3").meta.endpoint_url
    return UPath(f"s3://{BUCKET}/{uuid.uuid4().hex}/orders", endpoint_url=endpoint, key="key-id", secret="secret-key")


@pytest.fixture
def emulator():
    with Emulator(speed=2000) as running:
        yield running


def window(day):
    return ExportWindow(field="updated_at", start=FIRST + day * DAY, end=FIRST + (day + 1) * DAY)


def beside(folder):
    return folder.with_name(f"_{folder.name}")


def names(folder):
    fresh = folder if isinstance(folder, Path) and not isinstance(folder, UPath) else UPath(folder)
    if hasattr(fresh, "fs"):
        fresh.fs.invalidate_cache()
    top = str(folder)
    return sorted(str(path).removeprefix(top).lstrip("/") for path in fresh.rglob("*") if path.is_file())


def export(client, folder, day, **layout):
    return run(job_of(client, folder, request=REQUEST, window=window(day), **layout))


def check_manifest(folder, stem):
    manifest = json.loads((beside(folder) / f"{stem}.manifest.json").read_bytes())
    rows = size = 0
    for file in manifest["files"]:
        content = (folder / file["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
        assert pq.read_metadata(pa.BufferReader(content)).num_rows == file["rows"]
        rows, size = rows + file["rows"], size + file["bytes"]
    assert (manifest["rows"], manifest["bytes"]) == (rows, size)
    return manifest


def test_parts_of_a_window_replace_those_of_the_run_before(emulator, folder):
    one, two = window(0).name, window(1).name
    put(emulator, [(f"ord_{n:02}", FIRST + n * timedelta(hours=1), None, n) for n in range(48)])
    with client_of(emulator) as client:
        result = export(client, folder, 0, max_rows_per_file=10)
        assert (result.rows, result.parquet_files) == (24, 3)
        export(client, folder, 1, max_rows_per_file=10)
        expected = [f"{name}-{number:05}.parquet" for name in (one, two) for number in range(3)]
        assert names(folder) == sorted(expected)
        assert names(beside(folder)) == [f"{one}.manifest.json", f"{two}.manifest.json"]
        manifest = check_manifest(folder, one)
        assert [file["rows"] for file in manifest["files"]] == [10, 10, 4]
        assert manifest["window"] == {
            "field": "updated_at",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-02T00:00:00Z",
        }
        assert manifest["export_ids"] == result.export_ids
        assert manifest["schema"]["created_at"] == "timestamp[ms, tz=UTC]"
        with emulator.project.database.transaction() as connection:
            connection.execute("DELETE FROM orders WHERE created_at >= '2026-01-01T07' AND created_at < '2026-01-02'")
        assert export(client, folder, 0, max_rows_per_file=10).rows == 7
    kept = [name for name in expected if name not in (f"{one}-00001.parquet", f"{one}-00002.parquet")]
    assert names(folder) == sorted(kept)
    check_manifest(folder, one)
    check_manifest(folder, two)


def test_a_dataset_by_day(emulator, folder):
    # updated in the window, created over twelve days: more files than are open at a time
    moment = FIRST + timedelta(hours=3)
    put(emulator, [(f"ord_{n:02}", FIRST - (n % 12) * DAY, moment, n) for n in range(36)])
    stem = window(0).name
    with client_of(emulator) as client:
        result = export(client, folder, 0, partition_by="created_at", max_rows_per_file=2)
        assert (result.rows, result.parquet_files) == (36, 24)
        days = [f"created_at_day={FIRST - n * DAY:%Y-%m-%d}" for n in range(12)]
        files = [f"{day}/{stem}-{number:05}.parquet" for day in days for number in range(2)]
        assert names(folder) == sorted(files)
        for file in check_manifest(folder, stem)["files"]:
            (day,) = {row["created_at"].date() for row in rows_in(folder / file["path"])}
            assert f"created_at_day={day}" == file["path"].split("/")[0]
        with emulator.project.database.transaction() as connection:
            connection.execute("DELETE FROM orders WHERE created_at < '2025-12-31'")
        assert export(client, folder, 0, partition_by="created_at", max_rows_per_file=2).rows == 6
    assert names(folder) == sorted(f for f in files if f.split("/")[0] in days[:2])


def rows_in(path):
    return pq.read_table(pa.BufferReader(path.read_bytes())).to_pylist()


@pytest.mark.parametrize("of_window", [True, False])
def test_orders_that_never_changed_are_under_the_day_of_their_creation(emulator, tmp_path, of_window):
    put(emulator, [("ord_1", FIRST, None, 1), ("ord_2", FIRST - DAY, FIRST + timedelta(hours=1), 2)])
    request = ExportRequest(fields=["id", "updated_at"])
    with client_of(emulator) as client:
        run(
            job_of(
                client, tmp_path, request=request, window=window(0) if of_window else None, partition_by="updated_at"
            )
        )
    dataset = pyarrow.dataset.dataset(tmp_path, partitioning="hive")
    assert dataset.schema.names == ["id", "updated_at", "updated_at_day"]
    rows = {row["id"]: row["updated_at_day"] for row in dataset.to_table().to_pylist()}
    assert rows == {"ord_1": "2026-01-01", "ord_2": "2026-01-01"}


def test_rows_in_any_order_are_all_there(emulator, tmp_path):
    put(emulator, [(f"ord_{n:03}", FIRST - (n * 7 % 40) * DAY, FIRST, n) for n in range(400)])
    request = ExportRequest(fields=REQUEST.fields, sort_order="status")
    with client_of(emulator) as client:
        result = run(job_of(client, tmp_path, request=request, partition_by="created_at"))
    assert (result.rows, result.parquet_files) == (400, 40)
    ids = pyarrow.dataset.dataset(tmp_path, partitioning="hive").to_table()["id"].to_pylist()
    assert sorted(ids) == [f"ord_{n:03}" for n in range(400)]


@pytest.mark.parametrize(("layout", "files"), [({"max_rows_per_file": 5}, 1), ({"partition_by": "created_at"}, 0)])
def test_no_orders(emulator, folder, layout, files):
    with client_of(emulator) as client:
        result = export(client, folder, 0, **layout)
    assert (result.rows, result.parquet_files, len(names(folder))) == (0, files, files)
    assert list(check_manifest(folder, window(0).name)["schema"]) == list(REQUEST.fields)


def test_a_run_that_fails_leaves_files_and_manifest_of_the_run_before(emulator, folder):
    put(emulator, [(f"ord_{n:04}", FIRST + n * timedelta(seconds=9), None, n) for n in range(3000)])
    with client_of(emulator) as client:
        export(client, folder, 0, max_rows_per_file=1000)
        before, manifest = names(folder), check_manifest(folder, window(0).name)
        emulator.add_fault("truncated_download", times=3, bytes=70_000)
        with pytest.raises(TruncatedDownloadError):
            export(client, folder, 0, max_rows_per_file=500)
    assert names(folder) == before
    assert check_manifest(folder, window(0).name) == manifest


def test_the_manifest_is_away_while_files_are_moved(tmp_path, monkeypatch):
    (tmp_path / "_m.json").write_bytes(b"old")
    seen = []
    rename = type(tmp_path).rename

    def watched(self, target):
        seen.append((target.name, (tmp_path / "_m.json").exists(), (tmp_path / "stale").exists()))
        return rename(self, target)

    (tmp_path / "stale").touch()
    monkeypatch.setattr(type(tmp_path), "rename", watched)
    with Publication() as publication:
        publication.create(tmp_path / "a")
        publication.create(tmp_path / "b")
        publication.remove(tmp_path / "stale")
        publication.create_manifest(tmp_path / "_m.json").write(b"new")
    assert seen == [("a", False, True), ("b", False, True), ("_m.json", False, False)]
    assert (tmp_path / "_m.json").read_bytes() == b"new"


def test_a_file_where_a_folder_should_be_is_refused(emulator, tmp_path):
    (tmp_path / "orders").touch()
    with client_of(emulator) as client, pytest.raises(ConfigurationError, match="is a file, and several files need"):
        export(client, tmp_path / "orders", 0, max_rows_per_file=5)
