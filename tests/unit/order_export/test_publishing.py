"""Files appear whole and together, or not at all."""

from __future__ import annotations

import io
from unittest import mock

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.sink.atomic import Publication


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
