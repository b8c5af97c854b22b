"""A spool is whole or not there, is durable, and belongs to one query and run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.query import spool as module
from airflow_provider_voucherify.order_source.query.spool import Spool


def batch(*values, kind=None) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])


def rows(spool: Spool) -> list:
    manifest = spool.load()
    assert manifest is not None
    return [value for file in spool.files(manifest) for value in pq.read_table(file.path)["x"].to_pylist()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_rows_are_read_as_they_were_written(tmp_path) -> None:
    spool = Spool(tmp_path / "spool", "a")
    assert spool.load() is None
    assert spool.write([batch(1, 2), batch(3)]).rows == 3
    assert rows(Spool(tmp_path / "spool", "a")) == [1, 2, 3]
    (part,) = spool.load().parts
    assert names(spool.folder) == {"manifest.json", part.name}
    assert pq.ParquetFile(spool.folder / part.name).metadata.row_group(0).column(0).compression == "ZSTD"


def test_another_type_begins_another_file(tmp_path) -> None:
    spool = Spool(tmp_path, "a")
    manifest = spool.write([batch(None), batch(1), batch(2), batch("a"), batch("b")])
    assert [part.rows for part in manifest.parts] == [1, 2, 2]
    assert rows(spool) == [None, 1, 2, "a", "b"]


def test_files_and_row_groups_are_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "ROW_GROUP_ROWS", 10)
    monkeypatch.setattr(module, "PART_BYTES", 2000)
    spool = Spool(tmp_path, "a")
    manifest = spool.write([batch(*(os.urandom(20).hex() for _ in range(5))) for _ in range(40)])
    assert len(manifest.parts) > 2
    for part in manifest.parts:
        parquet = pq.ParquetFile(tmp_path / part.name).metadata
        assert {parquet.row_group(index).num_rows for index in range(parquet.num_row_groups)} == {10}


def test_a_query_without_rows(tmp_path) -> None:
    spool = Spool(tmp_path, "a")
    assert spool.write([batch()]).rows == 0
    assert rows(spool) == []


def test_a_query_that_fails_leaves_nothing(tmp_path) -> None:
    def failing():
        yield batch(1)
        yield batch("a")
        raise RuntimeError("server closed the connection")

    spool = Spool(tmp_path, "a")
    with pytest.raises(RuntimeError, match="server closed"):
        spool.write(failing())
    assert spool.load() is None
    assert not [name for name in names(tmp_path) if name.endswith(".parquet")]


def test_what_a_killed_try_has_left_is_removed(tmp_path) -> None:
    class KilledError(BaseException):
        pass

    def killed():
        yield batch(1)
        yield batch("a")
        raise KilledError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(module._PartWriter, "discard", lambda self: None)  # a killed process removes nothing
        Spool(tmp_path, "a").write(killed())
    left = {name for name in names(tmp_path) if name.endswith(".parquet")}
    assert left
    (tmp_path / "part-notours.parquet").write_bytes(b"")
    Spool(tmp_path, "a").write([batch(5)])
    assert not left & names(tmp_path)
    assert "part-notours.parquet" in names(tmp_path)
    assert rows(Spool(tmp_path, "a")) == [5]


def test_the_spool_of_another_query_is_replaced(tmp_path) -> None:
    before = Spool(tmp_path, "a").write([batch(1)])
    (tmp_path / "notes.txt").write_text("mine")
    spool = Spool(tmp_path, "b")
    assert spool.load() is None
    after = spool.write([batch(2)])
    assert rows(spool) == [2]
    assert names(tmp_path) == {"manifest.json", "notes.txt", after.parts[0].name}
    assert before.parts[0].name != after.parts[0].name


def test_nothing_is_removed_that_a_manifest_merely_names(tmp_path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    document = {"fingerprint": "x", "parts": [{"name": "../mine.txt", "rows": 1, "size": 4}]}
    (tmp_path / "spool" / "manifest.json").write_text(json.dumps(document))
    (tmp_path / "spool" / "unfinished.json").write_text('{"prefix": "../mine"}')
    Spool(tmp_path / "spool", "a").write([batch(1)])
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("damage", ["missing", "short", "torn"])
def test_a_damaged_spool_is_none(tmp_path, damage) -> None:
    spool = Spool(tmp_path, "a")
    (part,) = spool.write([batch(1)]).parts
    path = tmp_path / ("manifest.json" if damage == "torn" else part.name)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    assert spool.load() is None
    spool.write([batch(2)])
    assert rows(spool) == [2]


def test_two_tries_at_once(tmp_path) -> None:
    """The one that is first counts: its rows may be on their way already."""
    slow, fast = Spool(tmp_path, "a"), Spool(tmp_path, "a")

    def slowly():
        yield batch(1)
        fast.write([batch(2)])

    with pytest.raises(ConfigurationError, match="Another try wrote to"):
        slow.write(slowly())
    assert rows(slow) == [2]


def test_parts_are_on_the_disk_before_the_manifest(tmp_path, monkeypatch) -> None:
    synced = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), sorted(names(tmp_path))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    manifest = Spool(tmp_path, "a").write([batch(1), batch("a")])
    order = [path for path, _ in synced]
    parts = [str(tmp_path / part.name) for part in manifest.parts]
    beside = next(path for path in order if Path(path).name.startswith(".manifest.json"))
    assert max(order.index(path) for path in parts) < order.index(beside)
    assert order[-1] == str(tmp_path)
    assert "manifest.json" in synced[-1][1]


def test_on_another_file_system() -> None:
    spool = Spool(UPath("memory://bucket/spool"), "a")
    spool.write([batch(1), batch("a")])
    manifest = spool.load()
    assert [part.rows for part in manifest.parts] == [1, 1]
    replaced = Spool(spool.folder, "b").write([batch(3)])
    assert {path.name for path in spool.folder.iterdir()} == {"manifest.json", replaced.parts[0].name}
