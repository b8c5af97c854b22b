"""A state has one owner at a time, is on the disk when it was saved, and is missed when it is gone."""

from __future__ import annotations

import os
import stat

import fsspec
import pytest
from upath import UPath

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.exceptions import FencedError, PermanentError, StateError


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    if request.param == "local":
        yield tmp_path / "state"
        return
    yield UPath("memory://fenced/state")
    fsspec.filesystem("memory").store.clear()


def test_the_last_to_claim_owns_the_state_and_the_one_before_is_stopped(folder):
    first, second = FileStateStore(folder, owner="try 1"), FileStateStore(folder, owner="try 2")
    assert first.claim() is None
    first.save({"sent": 1})
    assert second.claim() == {"sent": 1}
    for step in (first.check, first.clear, lambda: first.save({"sent": 2})):
        with pytest.raises(FencedError, match=r"belongs to try 2 since .* \(epoch 2\). try 1 \(epoch 1\) stops"):
            step()
    assert second.load() == {"sent": 1}
    second.save({"sent": 3})
    assert second.load() == {"sent": 3}


def test_airflow_does_not_retry_the_one_that_was_stopped():
    assert issubclass(FencedError, PermanentError)


def test_processes_of_one_try_share_their_claim(folder):
    before, after = FileStateStore(folder, owner="try 1"), FileStateStore(folder, owner="try 1")
    before.save({"sent": 1})
    assert after.claim() == {"sent": 1}
    after.save({"sent": 2})
    before.check()


def test_stores_without_a_name_are_different_owners(folder):
    first, second = FileStateStore(folder), FileStateStore(folder)
    first.save({"sent": 1})
    second.claim()
    with pytest.raises(FencedError, match=f"process {os.getpid()} on "):
        first.save({"sent": 2})


def test_a_state_removed_by_another_stops_its_owner(folder):
    first, second = FileStateStore(folder, owner="try 1"), FileStateStore(folder, owner="try 2")
    first.save({"sent": 1})
    second.clear()
    with pytest.raises(FencedError, match="removed by another process while try 1"):
        first.save({"sent": 2})
    assert first.load() is None


def test_a_state_that_vanished_is_missed(folder):
    FileStateStore(folder, owner="try 1").save({"sent": 1})
    (folder / "state.json").unlink()
    with pytest.raises(StateError, match=r"is missing, though try 1 saved it.*sends all of it again.*restart=True"):
        FileStateStore(folder, owner="try 2").claim()
    assert FileStateStore(folder, owner="try 3").claim(restart=True) is None


@pytest.mark.parametrize("name", ["state.json", ".state.json.owner"])
@pytest.mark.parametrize("content", [b"", b'{"sent": 1', b"\xff\xfe", b"[" * 100_000, b"7"])
def test_a_torn_file_is_an_error(tmp_path, name, content):
    FileStateStore(tmp_path, owner="try 1").save({"sent": 1})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StateError, match=r"cannot be read .*sends all of it again.*restart=True"):
        FileStateStore(tmp_path, owner="try 2").claim()
    started = FileStateStore(tmp_path, owner="try 3")
    assert started.claim(restart=True) is None
    started.save({"sent": 0})
    assert FileStateStore(tmp_path, owner="try 4").claim() == {"sent": 0}


def test_a_state_never_saved_is_not_missed(folder):
    FileStateStore(folder, owner="try 1").claim()
    assert FileStateStore(folder, owner="try 2").claim() is None


def test_a_cleared_state_is_not_missed(folder):
    store = FileStateStore(folder, owner="try 1")
    store.save({"sent": 1})
    store.clear()
    assert list(folder.iterdir()) == []
    assert FileStateStore(folder, owner="try 2").claim() is None


def test_a_save_flushes_the_file_then_moves_it_then_flushes_the_folder(tmp_path, monkeypatch):
    store = FileStateStore(tmp_path, owner="try 1")
    store.save({"sent": 1})
    steps = []
    flush, replace = os.fsync, os.replace

    def recorded_flush(descriptor):
        steps.append("flush folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "flush file")
        assert (tmp_path / "state.json").read_bytes() == (b'{"sent":2}' if "move" in steps else b'{"sent":1}')
        flush(descriptor)

    def recorded_replace(source, target, **options):
        steps.append("move")
        replace(source, target, **options)

    monkeypatch.setattr(os, "fsync", recorded_flush)
    monkeypatch.setattr(os, "replace", recorded_replace)
    store.save({"sent": 2})
    assert steps == ["flush file", "move", "flush folder"]
