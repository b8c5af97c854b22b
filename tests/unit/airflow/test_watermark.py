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


@pytest.mark.parametrize("moment", [NOON - timedelta(seconds=1), NOON])
@pytest.mark.parametrize("sent", ["newer", ""])
def test_its_time_never_goes_back_and_it_keeps_what_was_sent_last(moment, sent):
    watermark = Watermark().advanced(NOON, "sent").advanced(moment, sent)
    assert watermark == Watermark(value=NOON.isoformat(), sent=sent)


@pytest.mark.parametrize("value", [7, "yesterday"])
def test_a_column_without_times_is_refused(value):
    with pytest.raises(ConfigurationError, match="watermark_column must have times"):
        Watermark().advanced(value, "")
