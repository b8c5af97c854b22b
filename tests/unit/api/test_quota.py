from __future__ import annotations

from email.utils import formatdate

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_voucherify.api.project_limit import FIRST_PROBE
from airflow_provider_voucherify.api.quota import LAST_PROBE, Quota

from .clock import NOW


def headers(limit=100, remaining=100, **more):
    known = {"X-Rate-Limit-Limit": str(limit), "X-Rate-Limit-Remaining": str(remaining)}
    return CaseInsensitiveDict(known | {name.replace("_", "-"): value for name, value in more.items()})


def test_without_headers_nothing_is_known_and_nothing_waits(clock):
    quota = Quota(clock=clock)
    quota.observe(CaseInsensitiveDict())
    assert quota.seconds_to_wait() == 0.0
    assert quota.limit is None


@pytest.mark.parametrize(
    ("reserve", "remaining", "waits"),
    [(0.2, 21, False), (0.2, 20, True), (5, 6, False), (5, 5, True), (0, 1, False), (0, 0, True), (0.9, 90, True)],
)
def test_calls_stop_while_the_reserve_is_left(clock, reserve, remaining, waits):
    quota = Quota(reserve, clock=clock)
    quota.observe(headers(remaining=remaining))
    assert (quota.seconds_to_wait() > 0) is waits


def test_the_time_of_the_next_call_is_taken_from_the_headers(clock):
    quota = Quota(clock=clock)
    quota.observe(headers(remaining=3, X_Rate_Limit_Retry=str(int(NOW) + 17)))
    assert quota.seconds_to_wait() == 17
    clock.now += 17
    assert quota.seconds_to_wait() == 0


def test_the_time_of_the_next_call_is_on_the_servers_clock(clock):
    quota = Quota(clock=clock)
    ahead = 3600
    quota.observe(
        headers(remaining=0, X_Rate_Limit_Retry=str(int(NOW) + ahead + 17), Date=formatdate(NOW + ahead, usegmt=True))
    )
    assert quota.seconds_to_wait() == 17


def test_a_refusal_waits_as_it_says(clock):
    quota = Quota(clock=clock)
    quota.observe(CaseInsensitiveDict({"Retry-After": "42"}), refused=True)
    assert quota.seconds_to_wait() == 42


def test_an_unknown_period_is_probed_less_and_less_often(clock):
    quota = Quota(clock=clock)
    waits = []
    for _ in range(8):
        quota.observe(headers(remaining=0))
        waits.append(quota.seconds_to_wait())
        clock.now += waits[-1]
    assert waits == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    quota.observe(headers(remaining=99))
    assert quota.seconds_to_wait() == 0
    quota.observe(headers(remaining=0))
    assert quota.seconds_to_wait() == FIRST_PROBE < LAST_PROBE


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "-5", "1e400", "99999999999", "soon", "", "9" * 400])
@pytest.mark.parametrize("name", ["Retry-After", "X-Rate-Limit-Retry", "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining"])
def test_a_header_that_is_not_a_sensible_number_says_nothing(clock, name, text):
    quota = Quota(clock=clock)
    quota.observe(CaseInsensitiveDict({name: text}), refused=True)
    assert quota.seconds_to_wait() == FIRST_PROBE


def test_a_refusal_may_name_a_date(clock):
    quota = Quota(clock=clock)
    quota.observe(CaseInsensitiveDict({"Retry-After": formatdate(NOW + 90, usegmt=True)}), refused=True)
    assert quota.seconds_to_wait() == 90


def test_headers_that_are_no_numbers_say_nothing(clock):
    quota = Quota(clock=clock)
    quota.observe(CaseInsensitiveDict({"X-Rate-Limit-Limit": "many", "X-Rate-Limit-Remaining": ""}))
    assert quota.seconds_to_wait() == 0


def test_a_negative_reserve_is_refused():
    with pytest.raises(ValueError, match="quota_reserve must not be negative, got -1"):
        Quota(-1)
