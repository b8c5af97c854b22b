"""A retry takes up the exports that were asked for, whatever stopped the try before."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import NotFoundError, TransportError, VoucherifyError
from airflow_provider_voucherify.order_export.checkpoint import open_state
from airflow_provider_voucherify.order_export.request import ExportRequest
from tests.integration.order_export.timeline import client_of, job_of, of_window, put, run
from tests.integration.order_export.worker import STOPS, WINDOW

EXPORT = "POST /v1/orders/export"
REQUEST = ExportRequest(fields=["id", "amount"])
PROJECT = "localhost/shop"


@pytest.fixture
def emulator():
    with Emulator(speed=2000) as running:
        put(running, [(f"ord_{n:03}", WINDOW.start + n * timedelta(minutes=1), None, n) for n in range(300)])
        yield running


@pytest.fixture
def client(emulator):
    with client_of(emulator) as running:
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "orders.parquet"


@pytest.fixture
def state_store(tmp_path):
    return FileStateStore(tmp_path / "state")


def asked(emulator):
    return emulator.calls()["calls"].get(EXPORT, 0)


def begun(client, state_store):
    """Ask for the export as a try does that is stopped then."""
    state = open_state(state_store, of_window(REQUEST, WINDOW), client.transport.settings.project)
    state.parts[0].export_id = state.parts[0].request(REQUEST).submit(client)
    state_store.save(state.to_json())
    return state.parts[0].export_id


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if path.name[0] not in "._")


@pytest.mark.parametrize("stop", STOPS)
def test_a_killed_worker_asks_for_no_second_export(emulator, tmp_path, stop):
    def work(stop):
        command = [sys.executable, "-m", "tests.integration.order_export.worker", emulator.url, str(tmp_path), stop]
        return subprocess.run(command, check=False).returncode

    assert work(stop) == -signal.SIGKILL
    if stop not in ("while publishing", "after publishing"):
        assert visible(tmp_path) == []
    manifest = tmp_path.with_name(f"_{tmp_path.name}") / f"{WINDOW.name}.manifest.json"
    assert manifest.exists() == (stop == "after publishing")
    assert work("nowhere") == 0
    assert asked(emulator) == 1
    assert visible(tmp_path) == [f"{WINDOW.name}-{number:05}.parquet" for number in range(3)]
    assert json.loads(manifest.read_bytes())["rows"] == 300
    assert not (tmp_path / "_state.json").exists()
    ids = pyarrow.dataset.dataset(tmp_path).to_table(columns=["id"])["id"].to_pylist()
    assert sorted(ids) == [f"ord_{n:03}" for n in range(300)]


def test_a_finished_export_is_not_asked_for_again(emulator, client, path, state_store):
    emulator.add_fault("truncated_download", times=3)
    with pytest.raises(TransportError):
        run(job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store))
    assert run(job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store)).rows == 300
    assert asked(emulator) == 1


@pytest.mark.parametrize("fault", ["response_lost", "server_error_after"])
def test_a_lost_answer_is_found(emulator, client, path, state_store, fault):
    emulator.add_fault(fault, route=EXPORT)
    assert run(job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store)).rows == 300
    assert asked(emulator) == 1


def test_a_request_that_never_arrived_is_sent_again(emulator, client, path, state_store):
    emulator.add_fault("server_error", route=EXPORT)
    assert run(job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store)).rows == 300
    assert asked(emulator) == 2
    assert client.list_exports().total == 1


def test_only_an_export_of_the_same_is_taken_for_the_lost_one(emulator, client, path, state_store):
    emulator.add_fault("server_error", route=EXPORT)
    job = job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store)
    assert job.advance().seconds == 0.0  # the answer is lost, and nothing has arrived
    others = [{"fields": ["id"]}, {"fields": ["id", "amount"], "sort_order": "-status"}]
    other_ids = {client.create_order_export(**parameters).id for parameters in others}
    assert other_ids.isdisjoint(run(job).export_ids)


def test_an_export_before_the_send_is_not_taken(emulator, client, path, state_store):
    old = REQUEST.submit(client)
    with emulator.project.database.transaction() as connection:
        connection.execute("UPDATE exports SET created_at = '2026-01-01T00:00:00.000Z'")
    emulator.add_fault("response_lost", route=EXPORT)
    result = run(job_of(client, path, request=REQUEST, state_store=state_store))
    assert old not in result.export_ids
    assert asked(emulator) == 2


def test_responses_lost_again_and_again_are_an_error(emulator, client, path, state_store):
    emulator.add_fault("server_error", route=EXPORT, times=0)
    with pytest.raises(VoucherifyError, match="HTTP 500"):
        run(job_of(client, path, request=REQUEST, state_store=state_store))
    assert asked(emulator) == 3


def test_a_deleted_export_is_asked_for_anew(emulator, client, path, state_store):
    first = begun(client, state_store)
    client.delete_export(first)
    result = run(job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store))
    assert (result.rows, asked(emulator)) == (300, 2)
    assert first not in result.export_ids


@pytest.mark.parametrize(("invisible", "exports"), [(5, 1), (10_000, 2)])
def test_a_fresh_export_that_is_not_visible_yet_is_waited_for(
    emulator, client, path, state_store, monkeypatch, invisible, exports
):
    calls, get_export, clock = [], client.get_export, [0.0]

    def invisible_at_first(export_id):
        calls.append(export_id)
        clock[0] += 10
        return get_export(export_id if export_id != calls[0] or len(calls) > invisible else "exp_unknown")

    monkeypatch.setattr(client, "get_export", invisible_at_first)
    job = job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store)
    job._clock = lambda: time.time() + clock[0]
    assert run(job).rows == 300
    assert asked(emulator) == exports


def test_a_file_that_is_gone_is_asked_for_anew(emulator, client, path, state_store):
    export_id = begun(client, state_store)
    while not client.get_export(export_id).ended:
        pass
    emulator.project.exports.file(export_id, 0).unlink()
    assert run(job_of(client, path, request=REQUEST, window=WINDOW, state_store=state_store)).rows == 300
    assert asked(emulator) == 2


def test_files_that_are_always_gone_are_an_error(emulator, client, path, state_store, monkeypatch):
    monkeypatch.setattr(client, "download_export", lambda *_, **__: client.get_export("gone"))
    with pytest.raises(NotFoundError):
        run(job_of(client, path, request=REQUEST, state_store=state_store))
    assert asked(emulator) == 3


@pytest.mark.parametrize(("at", "framing"), [(0, "length"), (1234, "length"), (5000, "chunked"), (4321, "close")])
def test_faults_in_the_middle_leave_nothing_partial(emulator, client, path, state_store, at, framing):
    emulator.add_fault("truncated_download", bytes=at, framing=framing)
    emulator.add_fault("expired_token", after=1)
    emulator.add_fault("server_error", route="GET /v1/exports/{exportId}", after=2, status=503)
    assert run(job_of(client, path, window=WINDOW, state_store=state_store)).rows == 300
    assert pq.read_metadata(path).num_rows == 300
    assert asked(emulator) == 1


def test_something_else_is_exported_anew(state_store):
    state = open_state(state_store, of_window(REQUEST, WINDOW), PROJECT)
    state.parts[0].export_id = "exp_1"
    state_store.save(state.to_json())
    assert open_state(state_store, of_window(REQUEST, WINDOW), PROJECT) == state
    assert open_state(state_store, of_window(ExportRequest(fields=["id"]), WINDOW), PROJECT).export_ids == []
    assert open_state(state_store, REQUEST, PROJECT).export_ids == []
    assert open_state(state_store, of_window(REQUEST, WINDOW), "localhost/rehearsal").export_ids == []
    fresh = open_state(state_store, of_window(REQUEST, WINDOW), PROJECT, run="run 2", restart=True)
    assert fresh.export_ids == []
    fresh.parts[0].export_id = "exp_2"
    state_store.save(fresh.to_json())
    assert open_state(state_store, of_window(REQUEST, WINDOW), PROJECT, run="run 2", restart=True).export_ids == [
        "exp_2"
    ]
    assert open_state(state_store, of_window(REQUEST, WINDOW), PROJECT, run="run 3", restart=True).export_ids == []


def test_a_state_that_cannot_be_read_is_an_error(state_store):
    state_store.save({"parts": 7})
    with pytest.raises(VoucherifyError, match="restart=True"):
        open_state(state_store, REQUEST, PROJECT)


def test_a_window_in_the_state_keeps_its_bounds(state_store):
    state = open_state(state_store, of_window(REQUEST, WINDOW), PROJECT)
    state_store.save(state.to_json())
    (part,) = open_state(state_store, of_window(REQUEST, WINDOW), PROJECT).parts
    assert (part.window.start, part.window.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
