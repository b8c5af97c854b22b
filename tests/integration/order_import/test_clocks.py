"""Clocks that differ, and clocks that jump while an import runs: nothing is sent twice, nothing is missed."""

from __future__ import annotations

import email.utils
import itertools
import json
import time
from types import SimpleNamespace

import pytest

from airflow_provider_voucherify.api import server_clock
from airflow_provider_voucherify.emulator import Emulator
from tests.integration.order_import.test_order_import import IMPORT, Saved, counts, posts, prepare, run
from tests.orders import order

ARRIVES_AFTER = 0.6
LOST_AFTER = 2.0


class Clock:
    """Our clock, which can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(monkeypatch):
    ours = Clock()
    monkeypatch.setattr(server_clock, "time", SimpleNamespace(time=ours, monotonic=time.monotonic))
    return ours


@pytest.fixture
def emulator():
    with Emulator(speed=1000) as running:
        yield running


def job_of(emulator, clock, *, before=lambda _response: None, after=lambda _response: None):
    """Make a job; call something before and after it learns the time from a response."""
    job = prepare(emulator, [order(number) for number in range(200)], lost_request_timeout=LOST_AFTER)
    job._clock = clock
    transport = job._client.transport
    observe = transport._observe

    def observe_and_more(response):
        before(response)
        observe(response)
        after(response)

    transport._observe = observe_and_more
    return job


def assert_each_order_once(emulator, job):
    emulator.add_fault("late", route=IMPORT, seconds=ARRIVES_AFTER)
    assert counts(run(job)) == (200, 200, 0, 0)
    assert posts(emulator) == 2
    assert emulator.calls()["repeated_imports"] == 0


@pytest.mark.parametrize("seconds", [30, -30])
@pytest.mark.parametrize("response", [1, 2, 3])
def test_our_clock_jumps(emulator, clock, seconds, response):
    responses = itertools.count(1)

    def jump(_response):
        if next(responses) == response:
            clock.ahead += seconds

    assert_each_order_once(emulator, job_of(emulator, clock, after=jump))


@pytest.mark.parametrize("offsets", [[8], [-8], [8, -8], [-8, 8]])
def test_date_headers_differ(emulator, clock, offsets):
    ahead = itertools.cycle(offsets)

    def change_date(response):
        response.headers["Date"] = email.utils.formatdate(time.time() + next(ahead), usegmt=True)

    assert_each_order_once(emulator, job_of(emulator, clock, before=change_date))


def test_the_time_of_sending_is_that_after_the_wait_for_the_quota(emulator):
    saved = Saved()
    job = prepare(emulator, [order(0)], state_store=saved)
    emulator.add_fault("rate_limited", route=IMPORT, times=1, retry_after=1)
    run(job)
    documents = [json.loads(document) for document in saved]
    sent_at = {sent["sent_at"] for document in documents for sent in document["checkpoint"]["in_flight"]}
    assert max(sent_at) - min(sent_at) >= 1  # of the attempt that was refused, and of the one that was not
