from __future__ import annotations

import time

import pytest

from airflow_provider_voucherify.operators.orders import OrdersExportOperator


@pytest.mark.parametrize(
    ("deferrable", "seconds", "left", "defers"),
    [(True, 60, 600, True), (True, 60, 1, False), (True, 1, 600, False), (False, 60, 600, False)],
    ids=["long", "soon over", "short", "in the worker"],
)
def test_only_a_long_wait_is_deferred(deferrable, seconds, left, defers):
    export = OrdersExportOperator(task_id="export", output_path="file:///tmp/orders.parquet", deferrable=deferrable)
    assert export._defers(seconds, time.time() + left) == defers
