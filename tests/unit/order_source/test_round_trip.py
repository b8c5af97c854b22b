"""What goes in by any format comes out as the same orders, from the start and from every place in between."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.order_source import files
from airflow_provider_voucherify.order_source import tables as table
from airflow_provider_voucherify.order_source.formats import arrow_rows, json_array, jsonl, parquet
from airflow_provider_voucherify.order_source.formats import replay_buffer as replay
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.source import Cursor, Source
from tests.unit.order_source import strategies as make


@pytest.fixture(autouse=True, scope="module")
def small_pieces() -> Iterator[None]:
    """Make every piece that is read at a time so small that orders lie across their ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "READ_BYTES", 48)
        patch.setattr(json_array, "BLOCK_BYTES", 32)
        patch.setattr(jsonl, "IDS_BYTES", 64)
        patch.setattr(parquet, "BATCH_ROWS", range(1, 3))
        patch.setattr(replay, "KEPT_BYTES", 1500)
        patch.setattr(replay, "PAGE_RECORDS", 2)
        patch.setattr(table, "BATCH_ROWS", 2)
        patch.setattr(arrow_rows, "ROWS_AT_ONCE", 1)
        yield


def read(source: Source, start: Cursor = Cursor()) -> list[dict]:  # noqa: B008
    return [json.loads(record.body) for record in source.read(start)]


def without_empty(orders: list[dict]) -> list[dict]:
    """An order without fields is no row of a CSV file, and no field has empty text there."""
    return [
        {
            name: {key: inner for key, inner in value.items() if inner != ""} if isinstance(value, dict) else value
            for name, value in order.items()
        }
        for order in orders
    ]


@pytest.mark.parametrize("kind", make.FILES)
@settings(max_examples=25, deadline=None)
@given(orders=st.lists(make.orders, max_size=12))
def test_orders_come_out_of_a_file_as_they_went_in(kind: str, orders: list[dict]) -> None:
    if "csv" in kind or "tsv" in kind:
        orders = [order for order in without_empty(orders) if any(make.flat(order).values())]
        orders = [{name: value for name, value in order.items() if value not in ({}, "")} for order in orders]
    if "named json" in kind:
        orders = orders or [{}]
    if kind == "parquet":  # rows in which all is null are left out
        orders = [order for order in orders if order]
    with tempfile.TemporaryDirectory() as folder:
        source = make.source(paths=make.FILES[kind](Path(folder), orders))
        assert read(source) == orders
        assert [x for ids in source.source_ids() for x in ids] in ([order.get("source_id") for order in orders], [])


@pytest.mark.parametrize("kind", make.FILES)
@settings(max_examples=10, deadline=None)
@given(orders=st.lists(make.orders.filter(bool), min_size=1, max_size=12))
def test_reading_goes_on_from_every_place(kind: str, orders: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = make.source(paths=make.FILES[kind](Path(folder), orders))
        records = list(source.read())
        for index, record in enumerate(records):
            rest = list(source.read(record.after))
            assert [(r.position, r.number, r.body, r.after) for r in rest] == [
                (r.position, r.number, r.body, r.after) for r in records[index + 1 :]
            ]
            assert source.share(record.after) is None or 0 <= source.share(record.after) <= 1


@settings(max_examples=25, deadline=None)
@given(orders=st.lists(make.orders.filter(bool), max_size=12))
def test_orders_come_out_of_memory_as_they_went_in(orders: list[dict]) -> None:
    for source in (make.source(orders), make.source(make.table(orders))):
        assert read(source) == orders
        records = list(source.read())
        for index, record in enumerate(records):
            assert record.position == f"orders[{index}]"
            assert [rest.body for rest in source.read(record.after)] == [rest.body for rest in records[index + 1 :]]
            assert source_id_of(record.body) == orders[index].get("source_id")


@settings(max_examples=20, deadline=None)
@given(parts=st.lists(st.lists(make.orders.filter(bool), max_size=5), min_size=1, max_size=4), data=st.data())
def test_a_folder_is_read_in_the_order_of_its_names(parts: list[list[dict]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for index, orders in enumerate(parts):
            kind = data.draw(st.sampled_from(["jsonl", "json", "parquet", "jsonl.gz"]), label="format")
            part = Path(folder) / f"part={index}"
            part.mkdir()
            make.FILES[kind](part, orders)
            if kind == "jsonl.gz":
                (part / "orders.jsonl").unlink()
        source = make.source(paths=folder)
        assert read(source) == [order for orders in parts for order in orders]
        records = list(source.read())
        for index, record in enumerate(records):
            assert [rest.position for rest in source.read(record.after)] == [r.position for r in records[index + 1 :]]
            assert record.position.startswith("part=")
        shares = [source.share(record.after) for record in records]
        if None in shares:  # how far one compressed file is read
            assert len(parts) == 1
        else:
            assert shares == sorted(shares)
            assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize(
    ("kind", "positions"),
    [
        ("jsonl", ["orders.jsonl:1", "orders.jsonl:2"]),
        ("jsonl with CRLF and empty lines", ["orders.ndjson:1", "orders.ndjson:4"]),
        ("json", ["orders.json[0]", "orders.json[1]"]),
        ("jsonl named json", ["orders.json:1", "orders.json:2"]),
        ("csv", ["orders.csv:2", "orders.csv:4"]),
        ("parquet", ["orders.parquet row 1", "orders.parquet row 2"]),
    ],
)
def test_positions_are_those_that_people_find(tmp_path: Path, kind: str, positions: list[str]) -> None:
    orders = [{"source_id": "a", "metadata": {"note": "two\nlines"}}, {"source_id": "b"}]
    source = make.source(paths=make.FILES[kind](tmp_path, orders))
    assert [record.position for record in source.read()] == positions
    assert source.share(list(source.read())[-1].after) > 0.9


def test_valid_lines_go_on_as_the_bytes_they_came_in(tmp_path: Path) -> None:
    lines = [b'{"source_id": "a",  "amount":1}\n', b'\t{"amount": 2, "source_id": "\\u00fc"}\r\n', b'{"x":1.50}']
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(lines))
    assert [record.body for record in make.source(paths=path).read()] == lines


def test_data_frames_of_polars() -> None:
    orders = [{"source_id": "a", "items": [{"price": 100}, {"price": 5}]}, {"source_id": "ß", "items": []}]
    assert read(make.source(pl.DataFrame(orders))) == orders


def test_relations_of_duckdb() -> None:
    relation = duckdb.sql("select 'a' as source_id, 12::decimal(9,2) as amount, {'x': 1, 'y': null} as metadata")
    assert read(make.source(relation)) == [{"source_id": "a", "amount": 12, "metadata": {"x": 1}}]


def test_record_batches() -> None:
    assert read(make.source(pa.record_batch({"source_id": ["a"]}))) == [{"source_id": "a"}]
