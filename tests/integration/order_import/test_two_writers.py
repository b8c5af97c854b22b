"""Two jobs on one state: the one that lost its place stops, and nothing is sent twice or reported by both."""

from __future__ import annotations

import time

import pytest
from upath import UPath

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import FencedError
from tests.integration.order_import.test_order_import import IMPORT, counts, outcomes, posts, prepare, run
from tests.orders import order

FOREIGN = r"belongs to try 2 since .* \(epoch 2\). try 1 \(epoch 1\) stops"


@pytest.fixture
def emulator():
    with Emulator(speed=1000) as running:
        yield running


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    return tmp_path / "report" if request.param == "local" else UPath(f"memory://{tmp_path.name}/report")


def orders(count):
    return [order(number) if number % 50 else order(number) | {"amount": "much"} for number in range(count)]


def job_of(emulator, folder, owner, count=600):
    return prepare(
        emulator,
        orders(count),
        folder,
        state_store=FileStateStore(folder, owner=owner),
        chunk_size=100,
        max_in_flight=2,
    )


@pytest.mark.parametrize("advances", [1, 2, 3])
def test_a_zombie_stops_before_its_next_request(emulator, folder, advances):
    zombie, retry = job_of(emulator, folder, "try 1"), job_of(emulator, folder, "try 2")
    for _ in range(advances):
        assert zombie.advance()
    retry.open()
    before = posts(emulator)
    with pytest.raises(FencedError, match=FOREIGN):
        run(zombie)
    assert posts(emulator) == before
    assert counts(run(retry)) == (600, 588, 12, 0)
    assert emulator.calls()["repeated_imports"] == 0
    assert emulator.count_orders() == 588
    positions = [entry["position"] for entry in outcomes(folder / "rejected")]
    assert len(positions) == len(set(positions)) == 12


def test_a_zombie_that_wakes_up_between_two_chunks_sends_no_third(emulator, tmp_path, monkeypatch):
    zombie, retry = job_of(emulator, tmp_path, "try 1"), job_of(emulator, tmp_path, "try 2")
    zombie.open()
    client, sent = zombie._client, []
    send = client.import_orders

    def claimed_meanwhile(body, **options):
        sent.append(body)
        action_id = send(body, **options)
        retry.open()
        return action_id

    monkeypatch.setattr(client, "import_orders", claimed_meanwhile)
    with pytest.raises(FencedError, match=FOREIGN):
        run(zombie)
    assert len(sent) == 1
    # the chunk was accepted, but nobody saved that: it is found, and not sent again
    assert counts(run(retry)) == (600, 588, 12, 0)
    assert emulator.calls()["repeated_imports"] == 0
    assert emulator.count_orders() == 588


def test_a_zombie_that_waits_for_the_quota_does_not_send_afterwards(emulator, tmp_path, monkeypatch):
    zombie, retry = job_of(emulator, tmp_path, "try 1"), job_of(emulator, tmp_path, "try 2")
    emulator.add_fault("rate_limited", route=IMPORT, times=1, retry_after=1)

    def wait(seconds):
        time.sleep(seconds)
        retry.open()

    monkeypatch.setattr(zombie._client.transport, "_sleep", wait)
    with pytest.raises(FencedError, match=FOREIGN):
        run(zombie)
    assert posts(emulator) == 1  # which was refused
    assert counts(run(retry)) == (600, 588, 12, 0)
    assert emulator.calls()["repeated_imports"] == 0


def test_a_zombie_writes_no_report_over_that_of_the_retry(emulator, tmp_path):
    zombie, retry = job_of(emulator, tmp_path, "try 1", 100), job_of(emulator, tmp_path, "try 2", 100)
    assert zombie.advance()
    run(retry)
    report = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FencedError, match=FOREIGN):
        run(zombie)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == report


def test_a_retry_that_is_deferred_keeps_its_claim(emulator, folder):
    job_of(emulator, folder, "try 1").advance()
    assert job_of(emulator, folder, "try 2").advance()
    assert counts(run(job_of(emulator, folder, "try 2"))) == (600, 588, 12, 0)
    assert emulator.calls()["repeated_imports"] == 0


def test_two_runs_with_one_report_path_do_not_mix_their_reports(emulator, tmp_path):
    first, second = job_of(emulator, tmp_path, "try 1"), job_of(emulator, tmp_path, "try 2")
    first.advance()
    second.advance()
    with pytest.raises(FencedError, match="Runs that work at the same time need a report_path each"):
        run(first)
    assert counts(run(second)) == (600, 588, 12, 0)
    assert len(outcomes(tmp_path / "rejected")) == 12
