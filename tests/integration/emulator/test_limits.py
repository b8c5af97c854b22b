"""Rate limits of the plans."""

from __future__ import annotations

import time

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.limits import RateLimits
from airflow_provider_voucherify.emulator.options import EmulatorOptions

from .api import Api

HEADERS = ["X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Retry"]


@pytest.mark.parametrize(("plan", "period"), [("business", 60), ("sandbox", 3600)])
def test_a_plan_counts_down_and_refuses(plan, period):
    with Emulator(plan=plan) as emulator:
        api = Api(emulator)
        start = time.time()
        for number in range(100):
            answer = api.get("/v1/orders" if number else "/v1/orders/none")
            assert answer.status_code == (200 if number else 404)
            assert [int(answer.headers[name]) for name in HEADERS[:2]] == [100, 99 - number]
            assert start + period - 1 <= int(answer.headers["X-Rate-Limit-Retry"]) <= time.time() + period + 1
        refused = api.post("/v1/orders/import", json=[{}])
        assert (refused.status_code, refused.json()["key"]) == (429, "too_many_requests")
        assert refused.headers["X-Rate-Limit-Type"] == "api_calls"
        assert refused.headers["X-Rate-Limit-Remaining"] == "0"
        retry_after = int(refused.headers["Retry-After"])
        assert 0 < retry_after <= period
        assert abs(time.time() + retry_after - int(refused.headers["X-Rate-Limit-Retry"])) <= 2
        assert emulator.calls()["refused"] == 1
        assert api.get("/emulator/health").json() == {"status": "ok"}
        emulator.reset()
        assert api.get("/v1/orders").status_code == 200


def test_after_the_period_calls_go_through_again():
    with Emulator(plan="business", speed=20) as emulator:
        api = Api(emulator)
        statuses = []
        while 429 not in statuses:
            answer = api.get("/v1/orders")
            statuses.append(answer.status_code)
        assert statuses[:100] == [200] * 100
        time.sleep(int(answer.headers["Retry-After"]))
        assert api.get("/v1/orders").status_code == 200


def test_refusals_without_keys_take_nothing_of_the_quota():
    with Emulator(plan="business") as emulator:
        assert Api(emulator, X="").get("/v1/orders").status_code == 401
        assert Api(emulator).get("/v1/orders").headers["X-Rate-Limit-Remaining"] == "99"


def test_the_unlimited_plan_says_nothing_of_limits(api):
    assert not {name.lower() for name in HEADERS} & {name.lower() for name in api.get("/v1/orders").headers}


def test_imports_may_count_as_bulk_calls_and_as_no_others():
    with Emulator(plan="business", bulk_limit=2) as emulator:
        api = Api(emulator)
        for remaining in ("1", "0"):
            answer = api.post("/v1/orders/import", json=[{}])
            assert (answer.status_code, answer.headers["X-Rate-Limit-Remaining"]) == (200, remaining)
        refused = api.post("/v1/orders/import", json=[{}])
        assert (refused.status_code, refused.headers["X-Rate-Limit-Type"]) == (429, "bulk_api_calls")
        assert api.get("/v1/orders").headers["X-Rate-Limit-Remaining"] == "99"


@pytest.mark.parametrize(("plan", "cycle"), [("business", 100_000), ("organization", 300_000)])
def test_the_cycle_ends_too(plan, cycle, monkeypatch):
    """Without HTTP: so many calls over it would take minutes."""
    now = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limits = RateLimits(EmulatorOptions(plan=plan))
    for number in range(cycle):
        if number % 100 == 0:
            now[0] += 61
        limits.take(bulk=False)
    now[0] += 61
    with pytest.raises(Exception, match="api_calls_cycle") as refused:
        limits.take(bulk=False)
    assert refused.value.code == 429
    assert refused.value.headers["X-Rate-Limit-Type"] == "api_calls_cycle"
    assert refused.value.headers["X-Rate-Limit-Limit"] == str(cycle)
    assert int(refused.value.headers["X-Rate-Limit-Retry"]) == 1_000_061 + 30 * 24 * 3600
