"""What was read last is not read again, and reading continues where it stood."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.order_source.formats import replay_buffer as replay
from airflow_provider_voucherify.order_source.formats.replay_buffer import RECORD_BYTES, ReplayBuffer
from airflow_provider_voucherify.order_source.source import Cursor, Origin, Record

ORIGIN = Origin("orders:")


class Reader:
    """Records by number, and where reading began."""

    def __init__(self, records: int, breaks_at: int | None = None) -> None:
        self.starts: list[int] = []
        self._records = records
        self._breaks_at = breaks_at

    def read(self, start: Cursor) -> Iterator[Record]:
        self.starts.append(start.number)
        for number in range(start.number, self._records):
            if number == self._breaks_at:
                self._breaks_at = None
                raise OSError("the line is cut")
            yield Record(ORIGIN, number, number, b"%d" % number, number + 1)


def numbers(records: Iterator[Record], count: int) -> list[int]:
    return [record.number for record in islice(records, count)]


def test_a_reader_that_sends_and_one_that_settles_share_what_is_kept(monkeypatch) -> None:
    monkeypatch.setattr(replay, "PAGE_RECORDS", 10)
    reader = Reader(1000)
    source = ReplayBuffer(reader.read)
    sending = source.read(Cursor())
    for chunk in range(10):
        assert numbers(sending, 100) == list(range(chunk * 100, chunk * 100 + 100))
        if chunk >= 3:
            start = (chunk - 3) * 100
            assert numbers(source.read(Cursor(start)), 100) == list(range(start, start + 100))
    assert reader.starts == [0]


def test_where_too_little_is_kept_each_has_a_place_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(replay, "PAGE_RECORDS", 10)
    monkeypatch.setattr(replay, "KEPT_BYTES", 150 * RECORD_BYTES)
    reader = Reader(2000)
    source = ReplayBuffer(reader.read)
    sending = source.read(Cursor())
    for chunk in range(20):
        numbers(sending, 100)
        if chunk >= 5:
            start = (chunk - 5) * 100
            assert numbers(source.read(Cursor(start)), 100) == list(range(start, start + 100))
    assert reader.starts == [0, 0]


def test_a_run_that_is_taken_up_begins_once(monkeypatch) -> None:
    monkeypatch.setattr(replay, "PAGE_RECORDS", 10)
    reader = Reader(1000)
    source = ReplayBuffer(reader.read)
    for start in (300, 400, 500):
        assert numbers(source.read(Cursor(start)), 100) == list(range(start, start + 100))
    assert reader.starts == [300]


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=12),
    kept=st.integers(1, 40),
    page=st.integers(1, 9),
)
def test_any_order_of_reading_gives_what_is_there(steps: list[tuple[int, int]], kept: int, page: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAGE_RECORDS", page)
        patch.setattr(replay, "KEPT_BYTES", kept * RECORD_BYTES)
        source = ReplayBuffer(Reader(50).read)
        others = []
        for start, count in steps:
            records = source.read(Cursor(start))
            assert numbers(records, count) == list(range(start, min(start + count, 50)))
            others.append((records, start + count))
        for records, place in others:  # all of them go on where they stood, whatever the others did
            assert [record.number for record in records] == list(range(place, 50))


def test_an_error_is_raised_where_it_is_and_not_taken_for_the_end(monkeypatch) -> None:
    monkeypatch.setattr(replay, "PAGE_RECORDS", 10)
    reader = Reader(50, breaks_at=20)
    source = ReplayBuffer(reader.read)
    records = source.read(Cursor())
    assert numbers(records, 20) == list(range(20))
    assert numbers(records, 10) == list(range(20, 30))  # it was read again from there
    assert reader.starts == [0, 20]

    class Broken(Reader):
        def read(self, start: Cursor) -> Iterator[Record]:
            self._breaks_at = 25
            return super().read(start)

    records = ReplayBuffer(Broken(50).read).read(Cursor())
    assert numbers(records, 25) == list(range(25))
    with pytest.raises(OSError, match="the line is cut"):
        next(records)
