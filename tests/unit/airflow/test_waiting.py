from __future__ import annotations

import time

import pytest

from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.exceptions import ErrorResponse, QuotaError
from airflow_provider_voucherify.operators.orders import OrdersExportOperator
from airflow_provider_voucherify.task.parameters import is_templated


@pytest.mark.parametrize(
    ("deferrable", "seconds", "left", "defers"),
    [(True, 60, 600, True), (True, 60, 1, False), (True, 1, 600, False), (False, 60, 600, False)],
    ids=["long", "soon over", "short", "in the worker"],
)
def test_only_a_long_wait_is_deferred(deferrable, seconds, left, defers):
    export = OrdersExportOperator(task_id="export", output_path="file:///tmp/orders.parquet", deferrable=deferrable)
    assert export._defers(seconds, time.time() + left) == defers


def quota_error(retry_at: float) -> QuotaError:
    return QuotaError(
        ErrorResponse(connection="shop", request="GET /v1/exports", status=429, message="not sent", retry_at=retry_at)
    )


@pytest.mark.parametrize("by_poll", [True, False], ids=["refused while polling", "refused otherwise"])
def test_a_wait_for_the_quota_beyond_the_deadline_fails_at_once_and_names_the_date(by_poll):
    now = time.time()
    error, poller = quota_error(now + 86_400), Poller(30.0)
    if by_poll:

        def refuse() -> None:
            raise error

        assert poller.poll(refuse) is None
        pause = poller.pause(["exp_1"])
    else:
        pause = poller.pause_for_quota(error, now)
    export = OrdersExportOperator(task_id="export", output_path="file:///tmp/orders.parquet", deferrable=True)
    date = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now + 86_400))
    with pytest.raises(QuotaError, match=f"next call at {date}"):
        export._wait(pause, None, {}, now + 3600)


def test_another_wait_beyond_the_deadline_is_waited_for():
    export = OrdersExportOperator(task_id="export", output_path="file:///tmp/orders.parquet", timeout=1)
    with pytest.raises(TimeoutError, match="waiting for export exp_1"):
        export._wait(Pause(60.0, "export exp_1"), None, {}, time.time() + 0.1)


class Late:
    """What Airflow resolves late has these methods, in every version and whatever its class."""

    def iter_references(self):
        return iter(())

    def resolve(self, context):
        return context


@pytest.mark.parametrize("value", [Late(), [Late()], {"path": (Late(),)}])
def test_whatever_airflow_resolves_late_counts_as_not_known_yet(value):
    assert is_templated(value)
