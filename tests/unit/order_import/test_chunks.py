"""Records become bodies: none is lost, none is too large, and the same records give the same chunk."""

from __future__ import annotations

import json
from itertools import islice, pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.order_import.chunk import Cause, Chunk, chunks
from airflow_provider_voucherify.order_source.duplicates import Duplicates, find_duplicates
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Cursor
from airflow_provider_voucherify.reporting.reject_files import OutcomeCode, write_line
from tests.unit.order_source import strategies as make

START = Cursor()

good = st.builds(
    lambda number, size: {"source_id": str(number), "metadata": {"x": "y" * size}},
    st.integers(0, 9),
    st.integers(0, 60),
)
bad = st.sampled_from([{"amount": 1.5}, {"source_id": True}, {"items": {}}, {"status": "LOST"}])


@settings(max_examples=300, deadline=None)
@given(
    orders=st.lists(good | bad, max_size=40),
    max_orders=st.integers(1, 7),
    max_bytes=st.integers(2, 400),
    duplicates=st.sampled_from([None, "error", "first", "last"]),
)
def test_chunks_cover_the_records_without_gap_and_keep_their_sizes(
    orders: list[dict], max_orders: int, max_bytes: int, duplicates: str | None
) -> None:
    source = make.source(orders)
    rules = Rules(duplicates=duplicates and Duplicates(source, find_duplicates(source, duplicates)))
    made = list(chunks(source.read(), START, max_orders, max_bytes, rules))
    assert sum(chunk.records for chunk in made) == len(orders)
    places = [START, *(chunk.end for chunk in made)]
    for chunk, (start, end) in zip(made, pairwise(places), strict=True):
        assert chunk.start == start
        assert chunk.end.number - chunk.start.number == chunk.records > 0
        assert len(chunk.orders) <= max_orders
        assert len(chunk.invalid) <= max_orders  # bad records do not gather without end
        assert len(chunk.body()) <= max_bytes or len(chunk.orders) == 1 or not chunk.orders
        assert json.loads(chunk.body()) == [json.loads(record.body) for record in chunk.orders]
        assert len(chunk.bodies) == len(chunk.source_ids) == len(chunk.orders)
        assert end == chunk.end
        again = next(chunks(islice(source.read(start), chunk.records), start, chunk.records, 2**63, rules))
        assert (again.body_hash(), again.invalid, again.end) == (chunk.body_hash(), chunk.invalid, chunk.end)


@settings(max_examples=100, deadline=None)
@given(orders=st.lists(good, min_size=1, max_size=20), chosen=st.sets(st.integers(0, 19)))
def test_a_part_of_a_range_is_judged_as_the_whole(orders: list[dict], chosen: set[int]) -> None:
    """Some records of a chunk are sent again: duplicates among the others must not shift the judgement."""
    source = make.source(orders)
    rules = Rules(duplicates=Duplicates(source, find_duplicates(source, "last")))
    whole = [x for chunk in chunks(source.read(), START, rules=rules) for x in chunk.invalid]
    part = (record for record in source.read() if record.number in chosen)
    some = [x for chunk in chunks(part, START, rules=rules) for x in chunk.invalid]
    assert some == [outcome for outcome in whole if int(outcome.position[7:-1]) in chosen]


def test_no_records_make_no_chunk() -> None:
    assert list(chunks(make.source([]).read(), START)) == []
    assert Chunk(START, START).body() == b"[]"


def test_an_order_larger_than_a_body_goes_alone() -> None:
    orders = [{"source_id": "a"}, {"metadata": {"x": "y" * 500}}, {"source_id": "b"}]
    made = chunks(make.source(orders).read(), START, max_body_bytes=100)
    assert [len(chunk.orders) for chunk in made] == [1, 1, 1]


def test_chunks_count_what_has_effects_beyond_the_orders() -> None:
    orders = [
        {"customer": {"source_id": "c"}},
        {"referrer_id": "cust_1"},
        {"items": [{"product": {"name": "x"}}, {"sku": {"override": True}}]},
        {"customer_id": "c", "items": [{"product": {"override": True}}]},
        {"items": [{"product": {"override": False}}], "customer": None},
        {"customer": {"source_id": "c"}, "amount": 1.5},
    ]
    (chunk,) = chunks(make.source(orders).read(), START)
    assert (chunk.with_customer, chunk.with_override, len(chunk.invalid)) == (3, 2, 1)
    (chunk,) = chunks(make.source(make.table([{"customer": {"source_id": "c"}}, {"source_id": "a"}])).read(), START)
    assert (chunk.with_customer, chunk.with_override) == (1, 0)


def test_lines_of_a_former_import_are_unpacked(tmp_path) -> None:
    orders = [{"source_id": "a", "amount": 1.5}, {"source_id": "b"}, {"source_id": "c", "status": "NO"}]
    (chunk,) = chunks(make.source(orders).read(), START)
    lines = [write_line(outcome) for outcome in chunk.invalid]
    lines[0] = lines[0].replace(b"1.5", b"15")  # corrected
    path = tmp_path / "part-000001.jsonl"
    path.write_bytes(
        b"".join(
            [*lines, write_line(chunk.outcome(0, Cause("unknown", OutcomeCode.AMBIGUOUS))), b'{"source_id": "d"}\n']
        )
    )

    source = make.source(paths=path)
    (again,) = chunks(source.read(), START)
    assert again.body() == b'[{"source_id":"a","amount":15},{"source_id":"b"},{"source_id": "d"}\n]'
    assert again.source_ids == ["a", "b", "d"]
    assert again.orders[0].position == "part-000001.jsonl:1 (orders[0])"
    assert [outcome.position for outcome in again.invalid] == ["part-000001.jsonl:2 (orders[2])"]
    assert list(source.source_ids()) == [["a", "c", "b", "d"]]


def test_a_line_that_was_no_json_is_told_as_such_when_it_comes_back(tmp_path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text('{"source_id": "a",\n')
    (chunk,) = chunks(make.source(paths=path).read(), START)
    path.write_bytes(write_line(chunk.invalid[0]))
    (again,) = chunks(make.source(paths=path).read(), START)
    assert again.invalid[0].reason == 'the order must be an object, got "{\\"source_id\\": \\"a\\","'


def test_an_order_with_a_field_called_payload_is_an_order() -> None:
    given = [{"source_id": "a", "payload": {"source_id": "b"}}]
    (chunk,) = chunks(make.source(given, unknown_fields="metadata").read(), START)
    assert chunk.source_ids == ["a"]
    assert msgspec.json.decode(chunk.body())[0]["metadata"] == {"payload": {"source_id": "b"}}


@pytest.mark.parametrize("size", [1, 2000])
def test_a_body_is_an_array_of_the_bodies(size: int) -> None:
    orders = [{"source_id": str(number)} for number in range(size)]
    (chunk,) = chunks(make.source(orders).read(), START)
    assert json.loads(chunk.body()) == orders
