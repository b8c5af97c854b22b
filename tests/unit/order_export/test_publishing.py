"""Files appear whole and together, or not at all."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.exceptions import ConcurrentWriterError, ConfigurationError
from airflow_provider_voucherify.order_export.sink import atomic, journal
from airflow_provider_voucherify.order_export.sink.atomic import Publication
from airflow_provider_voucherify.order_export.sink.layout import Output


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_visible_before_all_is_written(tmp_path):
    with Publication() as publication:
        publication.create(tmp_path / "a.parquet").write(b"a")
        publication.create(tmp_path / "b.parquet").write(b"b")
        assert all(name.startswith(".") and name.endswith(".tmp") for name in names(tmp_path))
    assert names(tmp_path) == ["a.parquet", "b.parquet"]
    assert (tmp_path / "b.parquet").read_bytes() == b"b"


def test_what_was_there_is_replaced(tmp_path):
    for content in (b"old", b"new"):
        with Publication() as publication:
            publication.create(tmp_path / "a").write(content)
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_it_early_leaves_what_was_there(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error), Publication() as publication:
        publication.create(tmp_path / "a").write(b"half")
        publication.create(tmp_path / "b")
        raise error
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_parquet_writer_that_fails_leaves_nothing_that_can_be_read(tmp_path):
    """Its ``with`` block closes the file properly after an error: a readable file with part of the rows."""
    with pytest.raises(ZeroDivisionError), Publication() as publication:
        file = publication.create(tmp_path / "a.parquet")
        with pq.ParquetWriter(file, pa.schema([("n", pa.int64())])) as writer:
            writer.write_table(pa.table({"n": [1]}))
            1 / 0  # noqa: B018
    assert names(tmp_path) == []


def test_readers_of_datasets_do_not_see_a_file_on_its_way(tmp_path):
    pq.write_table(pa.table({"n": [1]}), tmp_path / "first.parquet")
    with Publication() as publication:
        pq.write_table(pa.table({"n": [2, 3]}), publication.create(tmp_path / "second.parquet"))
        assert pyarrow.dataset.dataset(tmp_path).count_rows() == 1
    assert pyarrow.dataset.dataset(tmp_path).count_rows() == 3


def test_folders_are_made(tmp_path):
    with Publication() as publication:
        publication.create(tmp_path / "day=2022-09-09" / "a").write(b"a")
    assert names(tmp_path / "day=2022-09-09") == ["a"]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigurationError, match=r"is a folder. Name a file in it"), Publication() as publication:
        publication.create(tmp_path)


def test_obsolete_files_go_only_when_the_new_ones_are_there(tmp_path):
    (tmp_path / "obsolete").touch()
    with pytest.raises(ValueError, match="no"), Publication() as publication:
        publication.remove(tmp_path / "obsolete")
        raise ValueError("no")
    assert names(tmp_path) == ["obsolete"]
    with Publication() as publication:
        publication.remove(tmp_path / "obsolete")
        publication.remove(tmp_path / "never there")
        publication.remove(tmp_path / "created")
        publication.create(tmp_path / "created")
    assert names(tmp_path) == ["created"]


def test_two_publications_of_one_name_do_not_disturb_each_other(tmp_path):
    with Publication() as slow:
        slow.create(tmp_path / "a").write(b"slow")
        with Publication() as fast:
            fast.create(tmp_path / "a").write(b"fast")
        assert (tmp_path / "a").read_bytes() == b"fast"
    assert (tmp_path / "a").read_bytes() == b"slow"
    assert names(tmp_path) == ["a"]


def test_a_failed_move_leaves_no_temporary_file(tmp_path):
    publication = Publication()
    with pytest.raises(IsADirectoryError), publication:
        publication.create(tmp_path / "a").write(b"a")
        (tmp_path / "a" / "b").mkdir(parents=True)
    assert names(tmp_path) == ["a"]


def test_what_cannot_be_removed_is_told_and_the_error_is_still_the_first_one(tmp_path, monkeypatch, caplog):
    def unlink(self, missing_ok=False):
        raise PermissionError("not yours")

    with pytest.raises(ValueError, match="first"), Publication() as publication:
        publication.create(tmp_path / "a")
        monkeypatch.setattr(type(tmp_path), "unlink", unlink)
        raise ValueError("first")
    assert ".tmp was not discarded cleanly: not yours." in caplog.text


def test_a_disk_that_is_full_is_not_kept_full(tmp_path, caplog):
    class FullDisk(type(tmp_path)):
        def open(self, mode):
            file = io.BytesIO()
            file.close = mock.Mock(side_effect=OSError("No space left on device"))
            self.touch()
            return file

    with pytest.raises(OSError, match="No space left"), Publication() as publication:
        publication.create(FullDisk(tmp_path / "a"))
    assert names(tmp_path) == []
    assert "was not discarded cleanly: No space left on device." in caplog.text


OUTPUT = {"max_rows_per_file": 1, "stem": "night"}


def publish(folder, parts, *, content=b"new", **layout):
    """Publish as many parts, with a manifest."""
    output = Output(path=folder, **(OUTPUT | layout))
    with output.publication() as publication:
        files = [output.file(None, number) for number in range(parts)]
        for path in files:
            publication.create(path).write(content + path.name.encode())
        written = [{"path": path.name, "content": (content + path.name.encode()).decode()} for path in files]
        publication.create_manifest(output.manifest).write(json.dumps({"files": written}).encode())


def beside(folder):
    """The folder of all that is no Parquet file."""
    return folder.with_name(f"_{folder.name}")


def check_fits(folder):
    """The manifest names exactly the files that are there, with their content."""
    manifest = json.loads((beside(folder) / "night.manifest.json").read_bytes())
    there = {path.name: path.read_bytes().decode() for path in folder.glob("*.parquet")}
    assert there == {file["path"]: file["content"] for file in manifest["files"]}
    assert names(folder) == sorted(there)
    assert names(beside(folder)) == ["night.manifest.json"]


@pytest.mark.parametrize("name", ["orders", "orders[1]", "a*b"])
def test_only_files_that_an_export_wrote_are_removed(tmp_path, name):
    folder = tmp_path / name
    publish(folder, 3)
    foreign = ["night-00007.parquet", "night-old.parquet", "orders-00000.parquet"]
    for other in foreign:
        (folder / other).touch()
    publish(folder, 1)
    assert names(folder) == sorted(["night-00000.parquet", *foreign])


@pytest.mark.parametrize("step", range(1, 9))
def test_a_publication_after_a_killed_one_leaves_nothing_of_it(tmp_path, monkeypatch, step):
    publish(tmp_path, 3, content=b"old")
    calls = itertools.count(1)

    class Killed(BaseException):
        pass

    def counted(original):
        def call(self, *args, **kwargs):
            if next(calls) == step:
                raise Killed
            return original(self, *args, **kwargs)

        return call

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Publication, "_discard", lambda _: None)
        for name in ("rename", "unlink", "write_bytes"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        publish(tmp_path, 2)
    monkeypatch.setattr(journal, "_runs", lambda pid: False)
    publish(tmp_path, 1, content=b"third")
    check_fits(tmp_path)


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize(("first", "second"), [(3, 1), (1, 3), (2, 2)])
def test_two_publications_of_one_place_leave_a_manifest_that_fits(tmp_path, monkeypatch, step, first, second):
    """The second one comes between any two steps of the first."""
    publish(tmp_path, 2, content=b"old")
    steps, others = itertools.count(), []

    def interleaved(original):
        def call(self, *args, **kwargs):
            if threading.current_thread() is threading.main_thread() and next(steps) == step:
                others.append(threading.Thread(target=publish, args=(tmp_path, second), kwargs={"content": b"second"}))
                others[0].start()
                others[0].join(timeout=0.2)
            return original(self, *args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, interleaved(getattr(Path, name)))
        publish(tmp_path, first, content=b"first")
        for other in others:
            other.join()
    check_fits(tmp_path)


def test_without_locks_the_one_that_lost_its_place_stops_and_names_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "folder_lock", lambda folder: contextlib.nullcontext(False))
    rename = Path.rename

    def overtaken(self, target):
        monkeypatch.setattr(Path, "rename", rename)
        rename(self, target)
        publish(tmp_path, 1, content=b"second")

    monkeypatch.setattr(Path, "rename", overtaken)
    with pytest.raises(ConcurrentWriterError, match=r"publishes to the same place\. This one stops"):
        publish(tmp_path, 3, content=b"first")
    check_fits(tmp_path)


def test_temporary_files_of_killed_processes_are_removed_and_no_others(tmp_path):
    tmp_path = tmp_path / "_orders"
    tmp_path.mkdir()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    other_host = "0" * 8
    killed = [f".night-00000.parquet.{journal.HOST}-{ended.pid}-01234567.tmp", f".x.{other_host}-1-01234567.tmp"]
    alive = [f".y.{journal.HOST}-{os.getpid()}-01234567.tmp", f".z.{other_host}-1-01234567.tmp", ".foreign.tmp"]
    for name in (*killed, *alive):
        (tmp_path / name).touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / killed[1], (two_days_ago, two_days_ago))
    publish(tmp_path.with_name(tmp_path.name.removeprefix("_")), 1)
    assert [name for name in names(tmp_path) if name.startswith(".")] == sorted(alive)
