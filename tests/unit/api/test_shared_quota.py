"""One quota for all clients of a project in a process, and a margin for other processes."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_voucherify.api import Settings, VoucherifyClient
from airflow_provider_voucherify.api.project_limit import ProjectLimit, limit_of_project
from airflow_provider_voucherify.api.quota import (
    FIRST_CALL_TIMEOUT,
    MAX_JITTER,
    MAX_MARGIN,
    MAX_SPREAD,
    SPREAD,
    Quota,
)

from .clock import NOW
from .processes import Simulation

API = "https://api.voucherify.io"


def headers(remaining, resets_in=60.0, now=NOW, limit=100):
    known = {
        "X-Rate-Limit-Limit": str(limit),
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Retry": str(int(now + resets_in)),
        "Date": formatdate(now, usegmt=True),
    }
    return CaseInsensitiveDict(known)


def test_clients_of_one_project_share_what_they_know(clock):
    project = ProjectLimit()
    first, second = Quota(clock=clock, project=project), Quota(0.5, clock=clock, project=project)
    first.observe(headers(remaining=50))
    assert (first.seconds_to_wait(), second.seconds_to_wait()) == (0.0, 60.0)
    assert second.limit == 100
    other = Quota(clock=clock)
    assert other.limit is None


def test_limits_are_kept_by_host_and_application():
    limit = limit_of_project("https://a.example", "app")
    assert limit_of_project("https://a.example", "app") is limit
    assert limit_of_project("https://b.example", "app") is not limit
    assert limit_of_project("https://a.example", "other") is not limit


def test_the_first_call_is_made_by_one_and_the_others_wait_for_its_response(clock):
    quota = Quota(clock=clock)
    assert quota.begin_call() == 0.0
    assert quota.begin_call() > 0
    quota.observe(headers(remaining=99))
    quota.end_call()
    assert [quota.begin_call() for _ in range(3)] == [0.0, 0.0, 0.0]


def test_a_first_call_that_hangs_does_not_block_the_others_for_ever(clock):
    quota = Quota(clock=clock)
    assert quota.begin_call() == 0.0
    clock.now += FIRST_CALL_TIMEOUT
    assert quota.begin_call() == 0.0


def test_without_rate_headers_nobody_waits(clock):
    quota = Quota(clock=clock)
    quota.begin_call()
    quota.observe(CaseInsensitiveDict())
    quota.end_call()
    assert [quota.begin_call() for _ in range(100)] == [0.0] * 100


def test_after_a_reset_one_call_is_first_again(clock):
    quota = Quota(clock=clock)
    quota.begin_call()
    quota.observe(headers(remaining=20))
    quota.end_call()
    assert quota.begin_call() == 60.0
    clock.now += 60
    assert quota.begin_call() == 0.0
    assert 0 < quota.begin_call() < 1


def test_calls_in_flight_count_before_their_responses_arrive(clock):
    quota = Quota(clock=clock)
    quota.begin_call()
    quota.observe(headers(remaining=23))
    quota.end_call()
    waits = [quota.begin_call() for _ in range(10)]
    assert waits.count(0.0) == 3
    assert all(0 < wait < 1 for wait in waits[3:])


def test_a_margin_is_left_for_what_others_use_until_the_reset(clock):
    quota = Quota(clock=clock)
    for second in range(0, 41, 10):  # others make a call a second
        clock.now = NOW + second
        quota.begin_call()
        quota.observe(headers(remaining=90 - second - second // 10, resets_in=60 - second, now=clock.now))
        quota.end_call()
    assert quota.remaining == 46
    assert quota.seconds_to_wait() == 0.0
    quota.observe(headers(remaining=30, resets_in=20, now=clock.now))
    assert 0 < quota.seconds_to_wait() <= 20


def test_a_process_that_begins_yields_to_those_that_have_used_the_most(clock):
    quota = Quota(clock=clock)
    quota.begin_call()
    quota.observe(headers(remaining=40, resets_in=30))
    quota.end_call()
    assert quota.seconds_to_wait() == 30.0


def test_a_process_that_uses_the_most_itself_is_not_slowed_down(clock):
    quota = Quota(clock=clock)
    for remaining in range(99, 20, -1):
        assert quota.begin_call() == 0.0
        quota.observe(headers(remaining))
        quota.end_call()
    assert quota.seconds_to_wait() == 0.0


def test_what_others_do_is_not_forgotten_when_a_period_begins(clock):
    quota = Quota(clock=clock, project=ProjectLimit(others_per_second=1.0, others_observed=120.0))
    quota.begin_call()
    quota.observe(headers(remaining=99, resets_in=61))  # whole seconds, rounded up
    assert quota.snapshot()["others_per_second"] == 1.0


@pytest.mark.parametrize(("slots", "calls"), [(1, 4), (8, 4), (8, 1000), (16, 4), (16, 1000), (24, 4), (24, 1000)])
def test_the_reserve_holds_with_processes_that_know_nothing_of_each_other(slots, calls):
    """On plan business, whose limit is 100 calls a minute, beside a shop that makes 15."""
    simulations = [Simulation(slots, calls, seed).run(minutes=5) for seed in range(4)]
    assert [simulation.shop_refused for simulation in simulations] == [0, 0, 0, 0]
    assert min(simulation.made for simulation in simulations) > 200  # of 400 that the reserve leaves


@pytest.mark.parametrize(("remaining", "may_call"), [(61, True), (60, False)])
def test_the_margin_never_takes_more_than_its_share(clock, remaining, may_call):
    quota = Quota(clock=clock, project=ProjectLimit(others_per_second=10))
    quota.observe(headers(remaining))
    assert MAX_MARGIN * 80 == 40
    assert (quota.seconds_to_wait() == 0.0) is may_call


def test_waits_are_spread_after_a_reset(clock):
    waits = set()
    for _ in range(50):
        quota = Quota(clock=clock, jitter=0.1)
        quota.observe(headers(remaining=0))
        waits.add(quota.seconds_to_wait())
    assert len(waits) > 40
    assert min(waits) >= 60
    assert 60 + MAX_JITTER < max(waits) <= 60 + MAX_SPREAD  # as all calls were made by others


def test_the_next_process_of_a_task_continues_with_what_is_known(clock):
    before, after = Quota(clock=clock), Quota(clock=clock)
    before.observe(headers(remaining=20))
    after.restore(before.snapshot())
    assert after.seconds_to_wait() == 60.0
    assert (after.limit, after.remaining) == (100, 20)
    clock.now += 60
    assert after.begin_call() == 0.0


def test_older_knowledge_is_not_restored(clock):
    before, after = Quota(clock=clock), Quota(clock=clock)
    before.observe(headers(remaining=20))
    clock.now += 1
    after.observe(headers(remaining=90, resets_in=59, now=clock.now))
    after.restore(before.snapshot())
    assert after.remaining == 90
    after.restore({})


def test_many_threads_of_one_project_never_use_the_reserve(requests_mock):
    """Forty clients at once, on a limit of 100 of which 20 are reserved, make 80 calls."""
    lock, used = threading.Lock(), [0]

    def listed(_request, context):
        with lock:
            used[0] += 1
            remaining = 100 - used[0]
        time.sleep(0.005)
        context.headers.update({"X-Rate-Limit-Limit": "100", "X-Rate-Limit-Remaining": str(remaining)})
        context.headers["X-Rate-Limit-Retry"] = str(int(time.time()) + 60)
        return {"orders": [], "total": 0}

    requests_mock.get(f"{API}/v1/orders", json=listed)
    project = ProjectLimit()

    def work():
        settings = Settings(app_id="app", app_token="secret", name="shop")
        with VoucherifyClient(settings, quota=Quota(0.2, project=project), max_quota_wait=0.0, attempts=1) as client:
            try:
                for _ in range(10):
                    client.list_orders()
            except Exception:  # noqa: BLE001 - refused by our own quota, as it should be
                return

    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert used[0] == 80


def test_calls_can_be_spread_over_the_rest_of_the_period(clock):
    quota = Quota(clock=clock)
    assert quota.call_interval == 0.0  # nothing is known yet
    quota.observe(headers(remaining=100, resets_in=60))
    assert quota.call_interval == pytest.approx(60 * SPREAD / 80)
    clock.now = NOW + 30  # late, so faster
    assert quota.call_interval == pytest.approx((60 * SPREAD - 30) / 80)
    quota.observe(headers(remaining=20, resets_in=30, now=clock.now))
    assert quota.call_interval == 0.0  # begin_call decides
    assert quota.begin_call() > 0


@pytest.mark.parametrize("others", [0, 1])
def test_calls_of_others_are_learnt_beside_calls_at_the_same_time(clock, others):
    quota = Quota(0, clock=clock)
    quota.observe(headers(remaining=1000, limit=1000))
    for _ in range(4):
        quota.begin_call()
    for second in range(1, 101):  # each second a call of ours ends and one begins, with three others in flight
        clock.now = NOW + second
        quota.observe(headers(remaining=1000 - second * (1 + others), limit=1000, now=clock.now))
        quota.end_call()
        quota.begin_call()
    learnt = quota.snapshot()["others_per_second"]
    assert learnt == pytest.approx(0, abs=0.05) if not others else 0.4 < learnt < 1


class Server:
    """A limit of 100 calls in a minute, and who uses it."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.left = 100

    def call(self, quota: Quota) -> bool:
        """Make a call of ours, if the quota lets it through."""
        if quota.begin_call():
            return False
        self.left -= 1
        quota.observe(headers(self.left, resets_in=NOW + 60 - self.clock.now, now=self.clock.now))
        quota.end_call()
        return True


@pytest.mark.parametrize(("shop", "ours"), [(0, 80), (10, 80), (15, 80)])
def test_the_calls_of_a_shop_come_out_of_the_reserve(clock, shop, ours):
    quota, server, made = Quota(clock=clock), Server(clock), 0
    for tick in range(1, 581):  # of a tenth of a second
        clock.now = NOW + tick / 10
        server.left -= shop * tick // 580 - shop * (tick - 1) // 580
        if tick / 10 >= 60 * SPREAD * made / 80:
            made += server.call(quota)
    assert ours - 1 <= made <= ours
    assert server.left >= 20 - shop


def test_a_response_that_was_overtaken_is_no_new_period(clock):
    quota, server = Quota(clock=clock), Server(clock)
    for second in range(1, 50):
        clock.now = NOW + second
        server.call(quota)
        quota.begin_call()
        quota.observe(headers(100, resets_in=60 - second, now=clock.now))  # as slow as a minute
        quota.end_call()
    assert quota.remaining == 51
    assert quota.snapshot()["contenders"] == 1


def test_a_slow_response_of_the_last_period_says_nothing_of_this_one(clock):
    quota = Quota(clock=clock)
    assert quota.begin_call() == 0.0
    quota.observe(headers(99))
    assert quota.begin_call() == 0.0
    clock.now = NOW + 61
    assert quota.seconds_to_wait() == 0.0
    quota.observe(headers(21, resets_in=0))
    quota.end_call()
    assert (quota.remaining, quota.snapshot()["contenders"]) == (None, 1)
    assert quota.begin_call() == 0.0
    quota.observe(headers(99, now=clock.now))
    assert quota.remaining == 99
