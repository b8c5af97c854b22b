from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.task.watermark import FIRST, Watermark

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_first_run_reads_from_the_beginning_and_the_next_one_from_the_highest_value_less_the_lookback():
    first = Watermark()
    assert first.start(timedelta(minutes=5)) == FIRST
    assert first.advanced(NOON, "").start(timedelta(minutes=5)) == "2026-03-01T11:55:00+00:00"


@pytest.mark.parametrize("value", ["2026-03-01T12:00:00+00:00", "2026-03-01 12:00:00", NOON, NOON.date()])
def test_times_may_be_text_and_without_a_zone(value):
    assert Watermark().advanced(value, "").value == (
        value.isoformat() if not isinstance(value, str) else value.replace(" ", "T")
    )


def test_it_never_goes_back_and_keeps_what_was_sent_where_nothing_newer_is_known():
    watermark = Watermark().advanced(NOON, "sent")
    assert watermark.advanced(NOON - timedelta(seconds=1), "older") == watermark
    assert watermark.advanced(NOON, "") == watermark
    assert watermark.advanced(NOON, "newer").sent == "newer"


@pytest.mark.parametrize("value", [7, "yesterday"])
def test_a_column_without_times_is_refused(value):
    with pytest.raises(ConfigurationError, match="watermark_column must have times"):
        Watermark().advanced(value, "")
