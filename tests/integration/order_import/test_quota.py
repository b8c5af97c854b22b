"""The quota is shared with a shop, which must not notice the import."""

from __future__ import annotations

import threading
import time

import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.quota import MAX_JITTER
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import PlanExceededError, QuotaError
from tests.integration.order_import.test_order_import import Saved, counts, prepare, run
from tests.orders import order

SPEED = 20
PERIOD = 60 / SPEED


class Shop(threading.Thread):
    """Takes half the calls of the plan, evenly, as a checkout does."""

    def __init__(self, emulator) -> None:
        super().__init__()
        settings = Settings(
            app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, quota_reserve=0
        )
        self.client = VoucherifyClient(settings, attempts=1)
        self.calls = 0
        self.refused = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(PERIOD / 50):
            self.calls += 1
            try:
                self.client.get_order("order-0")
            except QuotaError:
                self.refused += 1


def test_a_shop_that_takes_half_the_quota_is_never_refused():
    with Emulator(plan="business", speed=SPEED, import_base_ms=0) as emulator:
        settings = Settings(
            app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, quota_reserve=0.55
        )
        VoucherifyClient(settings).create_order(order(0))
        shop = Shop(emulator)
        shop.start()
        job = prepare(emulator, [order(number) for number in range(4000)], chunk_size=50)
        job._client.transport.quota.reserve = 0.55
        summary = run(job)
        shop.over.set()
        shop.join()
        report = emulator.calls()
    assert counts(summary) == (4000, 4000, 0, 0)
    assert summary.api_calls > 150  # more than the import may take in one period, and in two
    assert shop.calls > 50
    assert shop.refused == 0
    assert report["refused"] == 0


def test_a_long_wait_is_told_instead_of_slept():
    with Emulator(plan="sandbox") as emulator:
        job = prepare(emulator, [order(number) for number in range(200)], chunk_size=1)
        pauses = []
        while not pauses or "not sent" not in pauses[-1].reason:
            pauses.append(job.advance())
            time.sleep(0.02)
        assert 3500 < pauses[-1].seconds <= 3601 + MAX_JITTER
        assert "20 of" in pauses[-1].reason or "to leave 20 calls" in pauses[-1].reason
        assert emulator.calls()["refused"] == 0
        assert emulator.calls()["total"] == 80


def test_after_a_spent_cycle_the_next_run_goes_on():
    source = [order(number) for number in range(300)]
    saved = Saved()
    with Emulator(speed=1000) as emulator:
        emulator.add_fault("cycle_spent", after=6)
        with pytest.raises(PlanExceededError, match="Raise the plan") as raised:
            run(prepare(emulator, source, chunk_size=30, state_store=saved))
        assert raised.value.limit_type == "api_calls_cycle"
        emulator.clear_faults()
        summary = run(prepare(emulator, source, resume_from=saved.load()))
        assert counts(summary) == (300, 300, 0, 0)
        assert emulator.calls()["repeated_imports"] == 0
