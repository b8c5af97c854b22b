"""Conversion of text to values, and the report of what does not parse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.order_export.convert.values import convert

TIME = pa.timestamp("ms", "UTC")


def cells(*values, chunks=1):
    raw = [value if value is None or isinstance(value, bytes) else value.encode() for value in values]
    step = max(1, len(raw) // chunks)
    return pa.chunked_array([raw[start : start + step] for start in range(0, len(raw), step)], pa.binary())


@pytest.mark.parametrize(
    ("target", "text", "value"),
    [
        (pa.int64(), "-7700", -7700),
        (pa.int64(), " 12 ", 12),
        (pa.int64(), "", None),
        (pa.int64(), "9223372036854775807", 2**63 - 1),
        (pa.string(), "", ""),
        (pa.string(), " NA ", " NA "),
        (pa.string(), "null", "null"),
        (pa.bool_(), "true", True),
        (pa.bool_(), "False ", False),
        (pa.float64(), "1.5e3", 1500.0),
        (pa.decimal128(10, 2), "12.34", Decimal("12.34")),
        (pa.date32(), "2022-09-09", date(2022, 9, 9)),
        (TIME, "2022-09-09T09:20:01.660Z", datetime(2022, 9, 9, 9, 20, 1, 660000, UTC)),
        (TIME, "2022-09-09T09:20:01Z", datetime(2022, 9, 9, 9, 20, 1, 0, UTC)),
        (TIME, "2022-09-09 09:20:01.6Z", datetime(2022, 9, 9, 9, 20, 1, 600000, UTC)),
        (TIME, "2022-09-09T09:20:01.660999Z", datetime(2022, 9, 9, 9, 20, 1, 660000, UTC)),
        (TIME, "2022-09-09T09:20:01.660999999Z", datetime(2022, 9, 9, 9, 20, 1, 660000, UTC)),
        (TIME, "1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
        (TIME, "2022-09-09T09:20:01.660+02:00", datetime(2022, 9, 9, 7, 20, 1, 660000, UTC)),
        (TIME, "2022-09-09T09:20:01.660123-0330", datetime(2022, 9, 9, 12, 50, 1, 660000, UTC)),
        (TIME, "2022-09-09T09:20:01.660", datetime(2022, 9, 9, 9, 20, 1, 660000, UTC)),
        (TIME, "2022-09-09", datetime(2022, 9, 9, 0, 0, 0, 0, UTC)),
        (TIME, " ", None),
        (pa.timestamp("s"), "2022-09-09T09:20:01.999+01:00", datetime(2022, 9, 9, 8, 20, 1)),
        (pa.timestamp("us"), "2022-09-09T09:20:01.660123Z", datetime(2022, 9, 9, 9, 20, 1, 660123)),
    ],
)
def test_values(target, text, value):
    converted, bad = convert(cells(text), target)
    assert converted.type == target
    assert converted.to_pylist() == [value]
    assert bad == []


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (pa.int64(), "7700.5"),
        (pa.int64(), "1e3"),
        (pa.int64(), "1,234"),
        (pa.int64(), "0x10"),
        (pa.int64(), "0XFFFFFFFFFFFFFFFF"),
        (pa.int64(), "9223372036854775808"),
        (pa.int8(), "128"),
        (pa.bool_(), "yes"),
        (pa.float64(), "1,5"),
        (pa.decimal128(4, 1), "12.34"),
        (pa.date32(), "09/09/2022"),
        (TIME, "2022-02-30T00:00:00Z"),
        (TIME, "2022-09-09T25:00:00Z"),
        (TIME, "1662715201"),
        (TIME, "2022-09-09T09:2"),
        (pa.string(), b"\xff"),
        (pa.dictionary(pa.int32(), pa.string()), b"PAID\xc3"),
    ],
)
def test_what_does_not_parse_is_told_and_the_others_keep_their_values(target, text):
    good = {"int": "5", "bool": "true", "date": "2022-09-09", "time": "2022-09-09T09:20:01.660Z"}
    sample = next((value for name, value in good.items() if name in str(target)), "1.5")
    converted, bad = convert(cells(sample, text, None, sample), target)
    assert bad == [1]
    values = converted.to_pylist()
    assert values[0] == values[3] is not None
    assert values[1] is None
    assert values[2] is None


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**70), 2**70).map(str), st.text(max_size=4))), st.integers(1, 5))
def test_whole_numbers_are_those_of_python(texts, chunks):
    def expected(text):
        stripped = (text or "").strip()
        if not stripped:
            return None
        plain = stripped.removeprefix("-")
        number = int(stripped) if plain.isascii() and plain.isdigit() else None
        return number if number is not None and -(2**63) <= number < 2**63 else "bad"

    values, bad = convert(cells(*texts, chunks=chunks), pa.int64())
    wanted = [expected(text) for text in texts]
    assert ["bad" if index in bad else value for index, value in enumerate(values.to_pylist())] == wanted


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
            st.sampled_from(["seconds", "milliseconds", "microseconds"]),
            st.sampled_from(["", "Z", "+00:00", "-05:30"]),
        )
    )
)
def test_times_are_those_of_python_to_the_millisecond(times):
    texts = [moment.isoformat(timespec=precision) + offset for moment, precision, offset in times]
    values, bad = convert(cells(*texts), TIME)
    parsed = [datetime.fromisoformat(text) for text in texts]
    aware = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in parsed]
    assert values.to_pylist() == [moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in aware]
    assert bad == []


def test_a_dictionary_is_one_for_all_chunks():
    values, _ = convert(cells("PAID", "CREATED", "PAID", None, chunks=4), pa.dictionary(pa.int32(), pa.string()))
    assert values.to_pylist() == ["PAID", "CREATED", "PAID", None]
    assert all(chunk.dictionary.to_pylist() == ["PAID", "CREATED"] for chunk in values.chunks)
