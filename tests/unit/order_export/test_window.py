"""Windows: what they refuse, ask for and keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError, ExportFileError
from airflow_provider_voucherify.order_export.convert.schema import TIME
from airflow_provider_voucherify.order_export.kinds import KINDS
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow
from airflow_provider_voucherify.order_export.window_parts import ExportPart, parts_of, rows_of

DAY = ExportWindow.parse("updated_at", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00Z")
PAID = {"status": {"conditions": {"$is": ["PAID"]}}}


def of_day(**parameters) -> ExportRequest:
    return ExportRequest(window_start=DAY.start, window_end=DAY.end, **parameters)


@pytest.mark.parametrize(
    ("field", "start", "end", "message"),
    [
        ("status", "2026-01-01T00:00Z", "2026-01-02T00:00Z", "window_field must be one of updated_at, created_at"),
        ("updated_at", "2026-01-01", "2026-01-02T00:00Z", "window_start must say its offset from UTC"),
        ("updated_at", "2026-01-01T00:00Z", "2026-01-02T00:00", "window_end must say its offset from UTC"),
        ("updated_at", "yesterday", "2026-01-02T00:00Z", "window_start must be a time like .* got 'yesterday'"),
        ("updated_at", "2026-01-02T00:00Z", "2026-01-02T01:00+01:00", "must be before window_end"),
    ],
)
def test_what_is_no_window_is_refused(field, start, end, message):
    with pytest.raises(ConfigurationError, match=message):
        ExportWindow.parse(field, start, end)


def test_a_part_says_which_orders_it_brings():
    assert str(ExportPart()) == "everything"
    (part,) = parts_of(of_day())
    assert str(part) == "the rows of 2026-01-01T00:00:00.000Z to 2026-01-02T00:00:00.000Z by updated_at or created_at"


def test_bounds_are_milliseconds_of_utc():
    window = ExportWindow.parse("created_at", "2026-01-01T01:00:00.000001+01:00", "2026-01-01T02:00:00+01:00")
    assert window.start == datetime(2026, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)
    assert window.name == "20260101T000000.001Z_20260101T010000.000Z"


def test_a_window_that_is_not_over_is_refused():
    with pytest.raises(ConfigurationError, match=r"window_end 2026-01-02T00:00:00.000Z is still to come"):
        DAY.check_over(DAY.end - timedelta(milliseconds=1))
    DAY.check_over(DAY.end)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({**PAID, "junction": "or"}, "junction must be 'and'"),
        ({"created_at": {"conditions": {"$after": ["2026-01-01"]}}}, "'created_at' is the field of the window"),
        ({"state": {}}, "'state' is not a field"),
    ],
)
def test_filters_that_cannot_be_combined_are_refused(filters, message):
    with pytest.raises(ConfigurationError, match=message):
        of_day(filters=filters)


def test_both_times_are_asked_for_at_once_or_with_filters_apart():
    (both,) = parts_of(of_day())
    asked = both.request(ExportRequest(fields=["id"]))
    span = {"conditions": {"$after": ["2025-12-31T23:59:59.000Z"], "$before": ["2026-01-02T00:00:01.000Z"]}}
    assert asked.fields == ("id", "created_at", "updated_at")
    assert asked.filters == {"updated_at": span, "created_at": span, "junction": "or"}
    apart = [
        part.request(ExportRequest(fields=["id"], filters=PAID)).filters for part in parts_of(of_day(filters=PAID))
    ]
    assert apart == [{**PAID, name: span, "junction": "and"} for name in ("updated_at", "created_at")]


def times(values):
    return pa.array(values, TIME)


MOMENTS = st.integers(-3, 3).map(lambda number: DAY.start + timedelta(milliseconds=number)) | st.integers(-3, 3).map(
    lambda number: DAY.end + timedelta(milliseconds=number)
)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(MOMENTS, st.none() | MOMENTS)), filtered=st.booleans())
def test_each_row_of_the_window_is_in_one_part(rows, filtered):
    table = pa.table(
        {
            "row": pa.array(range(len(rows)), pa.int64()),
            "created_at": times([created for created, _ in rows]),
            "updated_at": times([updated for _, updated in rows]),
        }
    )
    kept = [
        row
        for part in parts_of(of_day(filters=PAID if filtered else None))
        for row in rows_of(part, table, KINDS["order"])["row"].to_pylist()
    ]
    inside = [row for row, (created, updated) in enumerate(rows) if DAY.start <= (updated or created) < DAY.end]
    assert sorted(kept) == inside


def test_a_row_without_any_time_is_an_error():
    table = pa.table({"created_at": times([None]), "updated_at": times([None])})
    with pytest.raises(ExportFileError, match="1 rows without created_at"):
        rows_of(ExportPart(window=DAY, time_fields=("updated_at", "created_at")), table, KINDS["order"])


@given(milliseconds=st.integers(2, 10**9))
def test_halves_make_up_the_whole(milliseconds):
    window = ExportWindow(field="created_at", start=DAY.start, end=DAY.start + timedelta(milliseconds=milliseconds))
    first, second = window.halves()
    assert (first.start, first.end, second.end) == (window.start, second.start, window.end)
    assert first.start < first.end < second.end
    assert first.end.microsecond % 1000 == 0


def test_a_millisecond_cannot_be_halved():
    assert ExportWindow(field="created_at", start=DAY.start, end=DAY.start + timedelta(milliseconds=1)).halves() is None
