"""Whatever is wrong with the input is named with its place and its value."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_import.chunk import chunks
from airflow_provider_voucherify.order_source.formats import base
from airflow_provider_voucherify.order_source.mapping.columns import plan
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.source import Cursor
from airflow_provider_voucherify.reporting.reject_files import Outcome
from tests.unit.order_source import strategies as make


def refused(source) -> list[Outcome]:
    return [outcome for chunk in chunks(source.read(), Cursor()) for outcome in chunk.invalid]


def fails(message: str):
    return pytest.raises(ConfigurationError, match=re.escape(message))


ITEMS = [{"quantity": 1}] * 501


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not a JSON object: Input data was truncated"),
        ("not json", "not a JSON object: JSON is malformed: invalid character (byte 4)"),
        ('{"a": NaN}', "not a JSON object: JSON is malformed: invalid character (byte 6)"),
        ("7", "the order must be an object, got 7"),
        ('["a"]', 'the order must be an object, got ["a"]'),
        ("null", "the order must be an object, got null"),
        ('{"amount": 12.5}', "amount must be an integer in the smallest currency unit, got 12.5"),
        ('{"amount": 12.0}', "amount must be an integer in the smallest currency unit, got 12.0"),
        ('{"amount": "12.0"}', 'amount must be an integer or null, got "12.0"'),
        (
            '{"status": "SHIPPED"}',
            'status must be one of CREATED, PAID, CANCELED, FULFILLED, got "SHIPPED" (value_mapping)',
        ),
        ('{"source_id": true}', "source_id must be a string or null, got true"),
        ('{"items": {"a": 1}}', 'items must be an array or null, got {"a":1}'),
        ('{"items": [{}, {"quantity": "2x"}]}', 'items[1].quantity must be an integer or null, got "2x"'),
        ('{"items": [{"initial_quantity": 0}]}', "items[0].initial_quantity must be an integer >= 1, got 0"),
        ('{"items": [{"related_object": "bundle"}]}', 'items[0].related_object must be product or sku, got "bundle"'),
        ('{"items": [{"product": {"override": "yes"}}]}',
         'items[0].product.override must be true or false or null, got "yes"'),
        ('{"metadata": "x"}', 'metadata must be an object or null, got "x"'),
        ('{"customer": {"metadata": [1]}}', "customer.metadata must be an object or null, got [1]"),
        (json.dumps({"items": ITEMS}), "items has 501 entries, and Voucherify takes 500"),
        ('{"amount": 1.5, "x": }', "not a JSON object: JSON is malformed: invalid character (byte 21)"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "is nested 3000 levels deep, and at most 500 are accepted"),
    ],
)  # fmt: skip
def test_bad_lines_are_refused_alone(tmp_path: Path, line: str, reason: str) -> None:
    good = '{"source_id": "good"}\n'
    path = tmp_path / "orders.jsonl"
    path.write_text(good * 6 + line + "\n" + good)
    (outcome,) = refused(make.source(paths=path))
    assert (outcome.position, outcome.reason, outcome.payload) == ("orders.jsonl:7", reason, line.encode())


@pytest.mark.parametrize("place", ['{"source_id": "%s"}', '{"metadata": {"x": "%s"}}', '{"object": "%s"}'])
def test_what_is_not_utf_8_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_bytes(place.encode() % b"\xff" + b"\n" + place.encode() % "ä€𝄞".encode())
    (outcome,) = refused(make.source(paths=path))
    assert outcome.position == "orders.jsonl:1"
    assert outcome.reason.startswith("not a JSON object: 'utf-8' codec can't decode byte 0xff")


def test_missing_and_empty_paths(tmp_path: Path) -> None:
    with fails(f"orders_path {tmp_path}/orders.jsonl: there is no such file or folder"):
        make.source(paths=tmp_path / "orders.jsonl")
    with fails(f"orders_path no.jsonl: there is no such file or folder in {Path.cwd()}, where a relative path begins"):
        make.source(paths="no.jsonl")
    with fails(f"orders_path {tmp_path}/*.jsonl: no file matches"):
        make.source(paths=f"{tmp_path}/*.jsonl")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".part.crc").touch()
    with fails(f"orders_path {tmp_path}: there are no files in the folder"):
        make.source(paths=tmp_path)
    for empty in ("", Path()):
        with fails("orders_path is empty"):
            make.source(paths=empty)
    with fails("orders_path is an empty list"):
        make.source(paths=[])
    with fails("exactly one of orders, paths and query"):
        make.source()


def test_a_file_that_is_gone_when_it_is_read(tmp_path: Path) -> None:
    path = make.write_jsonl(tmp_path / "orders.jsonl", [{}])
    source = make.source(paths=path)
    path.unlink()
    with fails(f"{path}: there is no such file"):
        list(source.read())


@pytest.mark.parametrize("name", ["orders.jsonl", "orders.csv", "orders.jsonl.gz", "orders.csv.gz"])
def test_files_without_content_have_no_orders(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    source = make.source(paths=path)
    assert list(source.read()) == []
    assert [x for ids in source.source_ids() for x in ids] == []
    assert source.share(Cursor()) in (1.0, None)


def test_a_header_alone_has_no_orders(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("source_id,amount")
    assert list(make.source(paths=tmp_path / "orders.csv").read()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("orders.json", b"", "orders.json is not a JSON array of orders: it begins with the end of the file"),
        ("orders.json", b"7", "orders.json is not a JSON array of orders: it begins with '7'"),
        ("orders.json", b'{\n "a": 1\n}', "orders.json is one JSON object over several lines"),
        ("orders.json", b"[{}] x", "orders.json is not JSON after orders.json[0]: after the array there is 'x'"),
        ("orders.jsonl", b' [{"a": 1}]', "orders.jsonl is a JSON array; its name says that it has one order a line"),
        ("orders.xlsx", b"", "orders.xlsx: its name does not say what is in it. Known are .jsonl"),
        (
            "orders",
            b"",
            "orders: its name does not say what is in it. Known are .jsonl, .ndjson, .json, .csv and .tsv (each "
            "also with .gz or .zst), .parquet; otherwise give file_format.",
        ),
        ("orders.parquet.gz", b"", "orders.parquet.gz: a Parquet file is compressed inside; give it without .gz"),
        ("orders.parquet", b"PAR1 no", "orders.parquet cannot be read as Parquet: "),
        ("orders.parquet", b"", "orders.parquet cannot be read as Parquet: "),
        ("orders.jsonl.gz", b"\x1f\x8b{}", "orders.jsonl.gz cannot be decompressed as gzip: "),
        (
            "orders.jsonl.gz",
            gzip.compress(b"{}\n" * 9, mtime=0)[:-9],
            "decompressed as gzip: Compressed file ended before",
        ),
        ("orders.jsonl.zst", b"\x28\xb5\x2f\xfd{}", "orders.jsonl.zst cannot be decompressed as zstd"),
    ],
)
def test_files_that_are_not_what_they_are_called(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with fails(message):
        list(make.source(paths=path).read())


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_zstandard_file_that_breaks_off(tmp_path: Path, cut: int) -> None:
    orders = [{"source_id": str(number * 7919)} for number in range(100)]
    path = make.zstandard(make.write_jsonl(tmp_path / "orders.jsonl", orders))
    path.write_bytes(path.read_bytes()[:-cut])
    with fails("orders.jsonl.zst cannot be decompressed as zstd"):
        list(make.source(paths=path).read())


def test_a_parquet_file_with_a_broken_page(tmp_path: Path) -> None:
    orders = [{"source_id": f"order {number}"} for number in range(1000)]
    path = make.write_parquet(tmp_path / "orders.parquet", orders)
    content = bytearray(path.read_bytes())
    content[200:4000] = b"\xff" * 3800
    path.write_bytes(content)
    with fails("orders.parquet cannot be read as Parquet: "):
        list(make.source(paths=path).read())


def test_unknown_names_can_be_told_their_format(tmp_path: Path) -> None:
    (tmp_path / "part-0").write_text('{"source_id": "a"}\n')
    source = make.source(paths=tmp_path, file_format="jsonl")
    assert [record.position for record in source.read()] == ["part-0:1"]


def test_rows_with_too_few_or_too_many_cells_are_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text('source_id,amount\na,1\nb\n\n"c\nc",2\nd,4,5\ne,6\n')
    few, many = refused(make.source(paths=path))
    assert (few.position, few.reason) == ("orders.csv:3", "has 1 cells where the header has 2")
    assert (many.position, many.reason) == ("orders.csv:7", "has 3 cells where the header has 2")
    assert many.payload == b'["d","4","5"]'
    (chunk,) = chunks(make.source(paths=path).read(), Cursor())
    assert chunk.source_ids == ["a", "c\nc", "e"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'source_id\na\n"b\nc\n', "orders.csv:3: unexpected end of data. After this the next row cannot be found"),
        (b'source_id\n"a"b\n', "orders.csv:2: ',' expected after '\"'"),
        (b"source_id\na\n\xff\n", "orders.csv:3 is not UTF-8: "),
        (b"source_id,source_id\n", "'source_id' and 'source_id' both go to source_id"),
        (b"metadata,metadata.a\n", "'metadata' and 'metadata.a' both go to metadata"),
        (b"source_id,shop id\n", "orders.csv: 'shop id' is not a field of an order in the API. Map it with "
         "column_mapping={'shop id': 'metadata.shop id'}, leave it out with {'shop id': None}, or treat"),
        (b"source_id,\n", "orders.csv: '' is not a field of an order"),
        (b"source_idd,sum\n", "'source_idd', 'sum' are not fields of an order in the API; did you mean 'source_id'?"),
        (b"items.price\n", "orders.csv: 'items.price' is not a field of an order"),
        (b"a,b,c,d,e,f,g,h,i,j,k,l\n", "'j' and 2 more are not fields of an order"),
    ],
)  # fmt: skip
def test_csv_files_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "orders.csv").write_bytes(content)
    with fails(message):
        list(make.source(paths=tmp_path / "orders.csv").read())


def test_a_quote_that_is_never_closed_is_not_read_for_ever(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(base, "MAX_ORDER_BYTES", 1000)
    usual = csv.field_size_limit(500)
    (tmp_path / "orders.csv").write_bytes(b'source_id\n"a\n' + b"b\n" * 1000)
    with fails("orders.csv:2: field larger than field limit (1000)"):
        list(make.source(paths=tmp_path / "orders.csv").read())
    csv.field_size_limit(usual)


def test_cells_that_are_not_what_the_api_takes_are_refused_with_their_value(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "source_id,amount,status,items,metadata\n"
        'a,12.5,PAID,,\nb,007,PAID,,\nc,,LOST,,\nd,,,[{],\ne,,,,x\nf,,,"{""a"":1}",\n'
    )
    assert [outcome.reason for outcome in refused(make.source(paths=path))] == [
        "amount must be an integer in the smallest currency unit, got 12.5",
        'amount must be an integer or null, got "007"',
        'status must be one of CREATED, PAID, CANCELED, FULFILLED, got "LOST" (value_mapping)',
        'items must be an array or null, got "[{]"',
        'metadata must be an object or null, got "x"',
        'items must be an array or null, got {"a":1}',
    ]


def test_columns_of_tables_are_known_before_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    pq.write_table(pa.table({"source_id": ["a"], "loaded_at": [1]}), path)
    with fails("orders.parquet: 'loaded_at' is not a field of an order in the API"):
        next(iter(make.source(paths=path).read()))
    source = make.source(paths=path, column_mapping={"loaded_at": None})
    assert [record.body for record in source.read()] == [b'{"source_id":"a"}']
    with fails("orders: column_mapping maps 'order_no', which it does not have; did you mean 'oder_no'?"):
        plan(["oder_no"], SourceOptions(column_mapping={"order_no": "source_id"}), "orders")
    with fails("column_mapping maps 'total' to 'amount.x', which is not a field of an order"):
        SourceOptions(column_mapping={"total": "amount.x"})
    with fails("orders: no column is left of 'a'"):
        make.source(pa.table({"a": [1]}), column_mapping={"a": None})


@pytest.mark.parametrize("given", ["[{}]", b"[]", {"source_id": "a"}, 7, object()])
def test_orders_that_are_no_list(given: object) -> None:
    with fails(f"orders must be a list of orders, got {type(given).__name__}"):
        make.source(given)


def test_values_that_json_has_not() -> None:
    (outcome,) = refused(make.source([{"amount": 1}, {"metadata": {"x": [object()]}}]))
    assert outcome.reason == "metadata.x[0] cannot be written as JSON: a value of type object"
    orders = [{"amount": float("nan")}, {"metadata": {"x": [float("inf")]}}]
    (outcome,) = refused(make.source(orders))
    assert (outcome.position, outcome.reason) == (
        "orders[1]",
        "metadata.x[0] is an infinite number, which JSON does not have",
    )
