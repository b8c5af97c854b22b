from __future__ import annotations

import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_import.checkpoint import ImportState
from airflow_provider_voucherify.order_source.source import ListSource
from airflow_provider_voucherify.reporting.progress import Progress
from tests.orders import order


def test_progress_is_a_line_for_people():
    shown = Progress(done=1500, share=0.25, rate=2.5, read=2000, failed=3, in_flight=1, calls=40, calls_left=60)
    assert str(shown) == (
        "1,500 orders done, 25.0% read, 2.5 orders/s, 0:43:20 left, 3 failed, 40 calls used, 60 left in this period"
    )


def test_what_is_not_known_is_left_out():
    shown = Progress(done=0, share=None, rate=0.0, read=10, failed=0, in_flight=1, calls=1, calls_left=None)
    assert str(shown) == "0 orders done, 0.0 orders/s, 0 failed, 1 calls used"


def test_the_rate_is_that_of_late_also_right_after_a_task_was_woken():
    day_lost, since = [(0.0, 0)], [(86_400.0 + 10 * step, 20 * step) for step in range(12)]
    source = ListSource([order(1)])
    settings = Settings(app_id="app", app_token="token")
    state = ImportState.start(source.fingerprint(), settings.project, ImportConfig())
    state.counters.loaded, state.observations.timeline = 240, [*day_lost, *since]
    job = ImportJob(VoucherifyClient(settings), source, resume_from=state.to_json(), clock=lambda: 86_520.0)
    assert job.progress().rate == pytest.approx(2.0)
