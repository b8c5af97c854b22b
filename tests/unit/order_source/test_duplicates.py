"""Orders that repeat a ``source_id`` are found, all of them and no others, in memory that does not grow."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_import.chunk import chunks
from airflow_provider_voucherify.order_source import duplicates, repeated_hashes
from airflow_provider_voucherify.order_source.duplicates import Duplicates, FoundDuplicates, find_duplicates
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Cursor, ListSource, Record, Source
from tests.unit.order_source import strategies as make

ids = st.lists(st.none() | st.sampled_from("abcdefg") | make.ids, max_size=40)


def judged(source: Source, on_duplicate: str) -> tuple[list[str | None], dict[str, str]]:
    """Say what would be sent, and why the rest would not."""
    rules = Rules(duplicates=Duplicates(source, find_duplicates(source, on_duplicate)))
    made = list(chunks(source.read(), Cursor(), max_orders=7, rules=rules))
    sent = [source_id for chunk in made for source_id in chunk.source_ids]
    return sent, {outcome.position: outcome.reason for chunk in made for outcome in chunk.invalid}


def expected(given_ids: list[str | None], last: bool) -> dict[int, int]:
    """Which record is superseded by which, by the plainest of ways."""
    kept: dict[str, int] = {}
    for number, source_id in enumerate(given_ids):
        if source_id is not None and (last or source_id not in kept):
            kept[source_id] = number
    return {n: kept[i] for n, i in enumerate(given_ids) if i is not None and kept[i] != n}


@settings(max_examples=200, deadline=None)
@given(given_ids=ids, last=st.booleans(), held=st.sampled_from([1, 5, 10**6]), at_once=st.sampled_from([1, 3, 10**6]))
def test_all_repeated_ids_and_no_others(given_ids: list, last: bool, held: int, at_once: int) -> None:
    source = make.source([{"source_id": source_id} for source_id in given_ids])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeated_hashes, "HELD_HASHES", held)
        patch.setattr(duplicates, "LOOKED_FOR", at_once)
        found = find_duplicates(source, "last" if last else "first")
    wanted = expected(given_ids, last)
    assert found.records == len(given_ids)
    assert len(found) == len(wanted)
    told = {duplicate.number: str(duplicate.reason) for duplicate in Duplicates(source, found).since(0)}
    assert told == {
        number: f"is superseded by orders[{kept}], which has the same source_id (on_duplicate={found.on_duplicate!r})"
        for number, kept in wanted.items()
    }
    for start in range(len(given_ids) + 1):
        rest = [duplicate.number for duplicate in Duplicates(source, found).since(start)]
        assert rest == sorted(number for number in wanted if number >= start)
    assert msgspec.json.decode(msgspec.json.encode(found), type=FoundDuplicates) == found


def test_hashes_that_are_equal_by_chance_do_no_harm(monkeypatch) -> None:
    for module in (duplicates, repeated_hashes):
        monkeypatch.setattr(module, "hash", lambda _: 7, raising=False)
    source = make.source([{"source_id": source_id} for source_id in "abcabd"])
    assert [duplicate.number for duplicate in Duplicates(source, find_duplicates(source, "first")).since(0)] == [3, 4]


@pytest.mark.parametrize("on_duplicate", ["error", "first", "last"])
def test_policies(tmp_path, on_duplicate: str) -> None:
    first = make.write_jsonl(tmp_path / "1.jsonl", [{"source_id": "a"}, {"source_id": "b"}, {"amount": 1}])
    second = make.write_csv(tmp_path / "2.csv", [{"source_id": "b", "status": "PAID"}, {"source_id": "c"}])
    third = make.write_parquet(tmp_path / "3.parquet", [{"source_id": "a"}, {"source_id": "b"}])
    sent, reasons = judged(make.source(paths=[first, second, third]), on_duplicate)
    if on_duplicate == "last":
        assert sent == [None, "c", "a", "b"]
        assert reasons == {
            "1.jsonl:1": "is superseded by 3.parquet row 1, which has the same source_id (on_duplicate='last')",
            "1.jsonl:2": "is superseded by 3.parquet row 2, which has the same source_id (on_duplicate='last')",
            "2.csv:2": "is superseded by 3.parquet row 2, which has the same source_id (on_duplicate='last')",
        }
    else:
        assert sent == ["a", "b", None, "c"]
        why = {
            "error": "repeats the source_id of {}, which counts (on_duplicate='error')",
            "first": "is superseded by {}, which has the same source_id (on_duplicate='first')",
        }[on_duplicate]
        assert reasons == {
            "2.csv:2": why.format("1.jsonl:2"),
            "3.parquet row 1": why.format("1.jsonl:1"),
            "3.parquet row 2": why.format("1.jsonl:2"),
        }


def test_superseded_orders_are_told_from_rejected_ones() -> None:
    source = make.source([{"source_id": "a"}, {"source_id": "a"}, {"amount": 1.5}])
    for on_duplicate, superseded in (("error", [False, False]), ("first", [True, False])):
        rules = Rules(duplicates=Duplicates(source, find_duplicates(source, on_duplicate)))
        (chunk,) = chunks(source.read(), Cursor(), rules=rules)
        assert [outcome.superseded for outcome in chunk.invalid] == superseded


class Counted(ListSource):
    """A list that counts how often it is read."""

    reads = 0

    def read(self, start: Cursor = Cursor()) -> Iterator[Record]:  # noqa: B008
        self.reads += 1
        return super().read(start)


def test_a_source_without_duplicates_is_read_once() -> None:
    source = Counted([{"source_id": str(number)} for number in range(100)])
    assert len(find_duplicates(source, "error")) == 0
    assert source.reads == 1
    source = Counted([{"source_id": "a"}, {"source_id": "a"}])
    assert len(find_duplicates(source, "error")) == 1
    assert source.reads == 3


def test_ids_of_bad_and_odd_records(tmp_path) -> None:
    rejected = {"position": "p", "source_id": "z", "reason": "r", "payload": {"source_id": "a"}}
    lines = [
        '{"source_id": "a"}',
        "",
        '{"source_id": "a", "amount": 1.5}',
        "no json",
        '{"source_id": 7}',
        '{"source_id": 7}',
        '{"source_id": "\\u0061"}',
        json.dumps(rejected),
    ]
    path = tmp_path / "orders.jsonl"
    path.write_text("\n".join(lines))
    source = make.source(paths=path)
    found = find_duplicates(source, "error")
    assert found.records == 7
    assert [duplicate.number for duplicate in Duplicates(source, found).since(0)] == [1, 4, 5, 6]


def test_ids_in_cells(tmp_path) -> None:
    (tmp_path / "1.csv").write_text("amount,no\n1,a\n\n2,\n3\n4,a\n")
    (tmp_path / "2.csv").write_text("amount,no\n1,\n,\n")
    (tmp_path / "3.csv").write_text("")
    source = make.source(paths=tmp_path, column_mapping={"no": "source_id"})
    assert list(source.source_ids()) == [["a", None, None, "a"], [None]]
    found = find_duplicates(source, "last")
    assert (found.records, len(found)) == (5, 1)


def test_ids_in_columns(tmp_path) -> None:
    pq.write_table(pa.table({"source_id": [1, 2, 1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"amount": [1, 2]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"source_id": [1.0, None]}), tmp_path / "3.parquet")
    source = make.source(paths=tmp_path)
    assert list(source.source_ids()) == [["1", "2", "1"], [None, None], ["1", None]]
    found = find_duplicates(source, "last")
    assert (found.records, len(found)) == (7, 2)


def test_an_unknown_policy() -> None:
    with pytest.raises(ConfigurationError, match="on_duplicate must be one of error, first, last, got 'keep'"):
        find_duplicates(make.source([]), "keep")
