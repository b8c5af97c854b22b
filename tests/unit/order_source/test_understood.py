"""What is not understood is not sent: it is refused, or left out by an option, and counted by name."""

from __future__ import annotations

import enum
import json
import os
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source import open_source
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.formats import arrow_rows, base
from airflow_provider_voucherify.order_source.formats import jsonl as jsonl_format
from tests.unit.order_source import strategies as make


class Read:
    """
    What becomes of the orders of a source.

    :param source: The source.
    """

    def __init__(self, source: Any) -> None:
        counted = Findings()
        counted.watch(source.options)
        records = list(checked(source.read(), findings=counted))
        self.sent = [json.loads(record.body) for record in records if record.error is None]
        self.refused = [str(record.error) for record in records if record.error is not None]
        self.found = {finding.finding: finding.count for finding in counted.table()}


def jsonl(folder: Path, *orders: Any, **options: Any) -> Read:
    return Read(open_source(paths=make.write_jsonl(folder / "orders.jsonl", orders), **options))


def csv(folder: Path, text: str | bytes, **options: Any) -> Read:
    path = folder / "orders.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Read(open_source(paths=path, **options))


TYPO = {"source_id": "t", "ammount": 5, "customer": {"source_id": "c", "e-mail": "x"}, "items": [{"qty": 1}]}


def test_unknown_names_are_refused_with_a_guess_at_every_depth(tmp_path: Path) -> None:
    read = jsonl(tmp_path, {"source_id": "t", "ammount": 5}, {"items": [{}, {"Quantity": 1}], "source_id": "u"})
    assert read.sent == []
    assert read.refused == [
        "ammount is not a field of the API; did you mean amount? (unknown_fields='reject')",
        "items[1].Quantity is not a field of the API; did you mean items.quantity? (unknown_fields='reject')",
    ]
    assert read.found["'ammount' is not a field of the API; did you mean amount?"] == 1


def test_unknown_names_are_left_out(tmp_path: Path) -> None:
    read = jsonl(tmp_path, TYPO, unknown_fields="drop")
    assert read.sent == [{"source_id": "t", "customer": {"source_id": "c"}, "items": [{}]}]
    assert [name for name in read.found if "left out" in name] == [
        "'customer.e-mail' left out; did you mean customer.email?",
        "'items.qty' left out",
        "'ammount' left out; did you mean amount?",
    ]


def test_unknown_names_are_kept_in_the_metadata_of_their_object(tmp_path: Path) -> None:
    read = jsonl(tmp_path, TYPO, unknown_fields="metadata")
    assert read.sent == [
        {
            "source_id": "t",
            "customer": {"source_id": "c", "metadata": {"e-mail": "x"}},
            "items": [{"metadata": {"qty": 1}}],
            "metadata": {"ammount": 5},
        }
    ]
    assert read.found["'ammount' kept in the metadata"] == 1
    read = jsonl(tmp_path, {"source_id": "a", "x": 1, "metadata": {"x": 2}}, unknown_fields="metadata")
    assert read.refused == ["x is not a field of the API, and metadata has another x"]


@pytest.mark.parametrize("unknown_fields", ["drop", "metadata"])
def test_unknown_columns(tmp_path: Path, unknown_fields: str) -> None:
    rows = pa.table({"source_id": ["a"], "Total": [5], "Note": ["n"]})
    pq.write_table(rows, tmp_path / "orders.parquet")
    expected = {"source_id": "a"} | ({"metadata": {"Total": 5, "Note": "n"}} if unknown_fields == "metadata" else {})
    for read in (
        Read(open_source(rows, unknown_fields=unknown_fields)),
        Read(open_source(paths=tmp_path / "orders.parquet", unknown_fields=unknown_fields)),
    ):
        assert read.sent == [expected]
        assert sum("'Total'" in name for name in read.found) == 1
    text = csv(tmp_path, "source_id,Total,Note\na,5,n\n", unknown_fields=unknown_fields)
    metadata = {"metadata": {"Total": "5", "Note": "n"}} if unknown_fields == "metadata" else {}
    assert text.sent == [{"source_id": "a"} | metadata]


def test_an_object_around_the_orders_is_refused_or_entered(tmp_path: Path) -> None:
    path = tmp_path / "response.json"
    path.write_text(
        '{"page": 1, "data": {"orders": [{"source_id": "a"}, {"source_id": "b"}], "more": []}, "next": null}'
    )
    read = Read(open_source(paths=path))
    assert read.refused == ["has no field of an order, but page, data, next"]
    assert Read(open_source(paths=path, json_path="data.orders")).sent == [{"source_id": "a"}, {"source_id": "b"}]
    with pytest.raises(ConfigurationError, match=r"response\.json has no key 'order' \(json_path 'data\.order'\)"):
        Read(open_source(paths=path, json_path="data.order"))
    path.write_text('{"orders": [{"source_id": "a"}]}')
    assert "If orders has the orders, give json_path='orders'" in Read(open_source(paths=path)).refused[0]


def test_names_in_capitals_and_lines_of_children(tmp_path: Path) -> None:
    read = jsonl(tmp_path, {"SOURCE_ID": "a", "AMOUNT": 5}, {"id": "x", "sku": "s", "__parentId": "o"})
    assert read.refused == [
        "has no field of an order, but SOURCE_ID, AMOUNT; did you mean source_id, amount?",
        "has a __parentId: it is a part of another record, not an order. Put the parts into items first",
    ]


def test_orders_without_source_id_are_refused_unless_they_are_intended(tmp_path: Path) -> None:
    read = jsonl(tmp_path, {"amount": 5})
    assert "has no source_id" in read.refused[0]
    assert read.found == {"order without source_id": 1}
    assert jsonl(tmp_path, {"amount": 5}, require_source_id=False).sent == [{"amount": 5}]


def test_empty_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    read = csv(tmp_path, "source_id,amount\n,\na,1\n,\n\\N,\nb,2\n,\n")
    assert [order["source_id"] for order in read.sent] == ["a", "b"]
    assert read.found["empty row left out"] == 4
    table = pa.table({"source_id": ["a", None, "b"], "amount": [1, None, None]})
    read = Read(open_source(table))
    assert [order["source_id"] for order in read.sent] == ["a", "b"]
    assert read.found["empty row left out"] == 1


@pytest.mark.parametrize("marker", ["NULL", "nan", "None", "<NA>", "#N/A", "undefined"])
def test_markers_for_nothing_are_refused_as_ids(tmp_path: Path, marker: str) -> None:
    order = {"source_id": "a", "customer": {"source_id": marker}}
    for read in (
        jsonl(tmp_path, order),
        csv(tmp_path, f"source_id,customer.source_id\na,{marker}\n"),
        Read(open_source(pa.table({"source_id": ["a"], "customer.source_id": [marker]}))),
    ):
        (reason,) = read.refused
        assert f'customer.source_id is "{marker}", which other tools write for nothing; null_values=' in reason
        assert read.found[f"{marker!r} as an id"] == 1
    assert jsonl(tmp_path, order, null_values=["", marker]).sent == [{"source_id": "a"}]
    assert csv(tmp_path, f"source_id,customer.source_id\na,{marker}\n", null_values=["", marker]).sent == [
        {"source_id": "a"}
    ]


def test_a_marker_for_nothing_is_text_elsewhere(tmp_path: Path) -> None:
    assert csv(tmp_path, "source_id,metadata.note\na,NULL\n").sent == [{"source_id": "a", "metadata": {"note": "NULL"}}]
    assert csv(tmp_path, "source_id,metadata.note\na,\\N\n").sent == [{"source_id": "a"}]


def test_floats_become_ids_up_to_the_largest_exact_one() -> None:
    frame = pd.DataFrame({"source_id": ["a", "b"], "customer.source_id": [1234567890123, None]})
    read = Read(open_source(frame))
    assert read.sent == [{"source_id": "a", "customer": {"source_id": "1234567890123"}}, {"source_id": "b"}]
    assert read.found["customer.source_id given as a number, written as text"] == 2
    read = Read(open_source([{"source_id": 2.0**53}, {"source_id": 2.0**53 + 2}, {"source_id": 1.5}]))
    assert [order["source_id"] for order in read.sent] == ["9007199254740992"]
    assert len(read.refused) == 2
    assert all("whose digits are not certain" in reason for reason in read.refused)
    read = Read(open_source(pa.table({"source_id": [7.0, 2.0**53 + 2]})))
    assert (read.sent, len(read.refused)) == ([{"source_id": "7"}], 1)


def test_ids_of_customers_and_orders(tmp_path: Path) -> None:
    read = jsonl(tmp_path, {"source_id": "a", "customer_id": "c"}, {"source_id": "b", "customer_id": None})
    assert read.sent == [{"source_id": "a", "customer": {"id": "c"}}, {"source_id": "b"}]
    assert read.found["customer_id renamed to customer.id"] == 1
    read = jsonl(tmp_path, {"id": "4711"}, {"source_id": "a", "id": "ord_1"}, require_source_id=False)
    assert read.refused == [
        "id must be an id of Voucherify's own (ord_...), got \"4711\": map the shop's id to source_id"
    ]
    assert read.sent == [{"source_id": "a", "id": "ord_1"}]
    read = jsonl(tmp_path, {"source_id": "a", "customer_id": "c", "customer": {"id": "d"}})
    assert read.refused == ['customer_id is "c", and customer.id "d"']


def test_amounts_that_are_refused_before_sending(tmp_path: Path) -> None:
    item = {"quantity": 1, "price": -5}
    read = jsonl(tmp_path, {"source_id": "a", "amount": -5}, {"source_id": "b", "items": [item]})
    assert read.refused == [
        "amount must not be below zero, got -5 (negative_amounts='send' sends it)",
        "items[0].price must not be below zero, got -5 (negative_amounts='send' sends it)",
    ]
    assert read.found["order with an amount below zero"] == 2
    assert len(jsonl(tmp_path, {"source_id": "a", "amount": -5}, negative_amounts="send").sent) == 1
    read = jsonl(tmp_path, {"source_id": "a", "items": [{"quantity": 0}]})
    assert read.refused == ["items[0].quantity must be an integer >= 1, got 0"]


def test_fractional_amounts_of_tables_need_a_unit() -> None:
    items = pa.array([[{"price": Decimal("1.00")}]])
    for table in (
        pa.table({"source_id": ["a"], "amount": [Decimal("12.00")]}),
        pa.table({"source_id": ["a"], "amount": [12.0]}),
        pa.table({"source_id": ["a"], "items": items}),
    ):
        with pytest.raises(ConfigurationError, match="may mean 12 or 1200"):
            open_source(table)
        assert len(Read(open_source(table, amount_unit="major")).sent) == 1
    assert Read(open_source(pa.table({"source_id": ["a"], "items": items}), amount_unit="major")).sent == [
        {"source_id": "a", "items": [{"price": 100}]}
    ]


def test_amounts_that_are_not_the_sum_of_the_items(tmp_path: Path) -> None:
    items = [{"source_id": "r", "quantity": 2, "price": 5}, {"source_id": "s", "amount": 3}]
    good, bad = ({"source_id": str(amount), "amount": amount, "items": items} for amount in (13, 9))
    unknown = {"source_id": "u", "amount": 9, "items": [{"source_id": "r"}]}
    read = jsonl(tmp_path, good, bad, unknown)
    assert len(read.sent) == 3
    assert read.found["order with an amount that is not the sum of its items"] == 1
    read = jsonl(tmp_path, good, bad, unknown, amount_mismatch="reject")
    assert [order["source_id"] for order in read.sent] == ["13", "u"]
    assert "amount 9 is not the sum of the items" in read.refused[0]
    table = pa.Table.from_pylist(
        [{"source_id": o["source_id"], "amount": o["amount"], "items": items} for o in (good, bad)]
    )
    read = Read(open_source(table))
    assert read.found["order with an amount that is not the sum of its items"] == 1


def test_a_column_that_is_mapped_has_to_be_in_every_file(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("no,total\na,1\n")
    (tmp_path / "2.csv").write_text("no,totall\nb,1\n")
    with pytest.raises(ConfigurationError, match=r"2\.csv: column_mapping maps 'total', .* did you mean 'totall'"):
        Read(open_source(paths=tmp_path, column_mapping={"no": "source_id", "total": "amount"}))


@pytest.mark.parametrize("kind", ["orders.csv", "orders.jsonl", "orders.parquet"])
def test_columns_of_hive_paths(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "shop=K%C3%B6ln" / "year=2023"
    folder.mkdir(parents=True)
    write = {"csv": make.write_csv, "jsonl": make.write_jsonl}.get(kind[7:])
    if write is None:
        pq.write_table(pa.table({"source_id": ["a"]}), folder / kind)
    else:
        write(folder / kind, [{"source_id": "a"}])
    read = Read(open_source(paths=tmp_path, column_mapping={"shop": "metadata.shop"}))
    assert read.sent == [{"source_id": "a", "metadata": {"shop": "Köln"}}]


def test_the_index_of_a_data_frame() -> None:
    named = pd.DataFrame({"source_id": ["a", "a", "b"], "amount": [1, 2, 3]}).groupby("source_id").sum()
    assert Read(open_source(named)).sent == [{"source_id": "a", "amount": 3}, {"source_id": "b", "amount": 3}]
    with pytest.raises(ConfigurationError, match="an index without a name, whose values would be lost"):
        open_source(pd.DataFrame({"amount": [1]}, index=["a"]))


class Status(enum.Enum):
    PAID = "PAID"


def test_values_that_are_not_of_json_are_read_or_refused_with_their_field() -> None:
    order = {
        "source_id": uuid.UUID(int=7),
        "status": Status.PAID,
        "amount": np.int64(5),
        "metadata": {"at": pd.Timestamp("2023-05-01T12:00:00Z"), "nat": pd.NaT, "na": pd.NA, "n": float("nan")},
    }
    read = Read(open_source([order, {"source_id": "b", "metadata": {"x": {"y": object()}}}]))
    assert read.sent == [
        {
            "source_id": "00000000-0000-0000-0000-000000000007",
            "status": "PAID",
            "amount": 5,
            "metadata": {"at": "2023-05-01T12:00:00Z", "nat": None, "na": None, "n": None},
        }
    ]
    assert read.refused == ["metadata.x.y cannot be written as JSON: a value of type object"]
    frame = pd.DataFrame({"source_id": [uuid.UUID(int=7)], "status": pd.Categorical(["PAID"])})
    assert Read(open_source(frame)).sent == [{"source_id": "00000000-0000-0000-0000-000000000007", "status": "PAID"}]


def test_the_date_of_an_order_is_a_time_or_left_out(tmp_path: Path) -> None:
    read = jsonl(tmp_path, {"source_id": "a", "created_at": "rubbish"})
    assert read.sent == [{"source_id": "a"}]
    assert read.found["created_at left out: Voucherify sets the time of the import"] == 1
    read = jsonl(tmp_path, {"source_id": "a", "created_at": "rubbish"}, order_date_metadata_key="at")
    assert read.refused == ['created_at must be an ISO 8601 date or time, got "rubbish"']
    assert read.found["created_at that cannot be read"] == 1


def test_words_of_a_shop(tmp_path: Path) -> None:
    words = {
        "status": {"paid": "PAID", "*": "CREATED"},
        "items.related_object": {"p": "product"},
        "metadata.channel": {"1": "web"},
    }
    read = jsonl(
        tmp_path,
        {"source_id": "a", "status": "paid", "items": [{"related_object": "p"}], "metadata": {"channel": 1}},
        {"source_id": "b", "status": "odd"},
        value_mapping=words,
    )
    assert read.sent == [
        {"source_id": "a", "status": "PAID", "items": [{"related_object": "product"}], "metadata": {"channel": "web"}},
        {"source_id": "b", "status": "CREATED"},
    ]
    assert read.found["status mapped by '*'"] == 1


@pytest.mark.parametrize(
    ("given", "formats", "expected"),
    [
        ("2023-05-01 11:59:58 UTC", None, "2023-05-01T11:59:58Z"),
        ("2023-05-01 11:59:58.123 +0200", None, "2023-05-01T11:59:58.123000+02:00"),
        ("2023-05-01 11:59:58.1234567 +02:00", None, "2023-05-01T11:59:58.123456+02:00"),
        ("31.12.2023 23:59", None, "2023-12-31T23:59:00"),
        ("05/01/2023", "%m/%d/%Y", "2023-05-01"),
        ("1 May 2023", ["%m/%d/%Y", "%d %B %Y"], "2023-05-01"),
        (1682942398, "epoch_seconds", "2023-05-01T11:59:58Z"),
        ("1682942398500", "epoch_milliseconds", "2023-05-01T11:59:58.500000Z"),
    ],
)
def test_forms_of_dates(tmp_path: Path, given: object, formats: Any, expected: str) -> None:
    order = {"source_id": "a", "created_at": given}
    read = jsonl(tmp_path, order, order_date_metadata_key="at", datetime_format=formats)
    assert read.sent == [{"source_id": "a", "metadata": {"at": expected}}]


def test_a_date_that_may_be_two_days_needs_a_format(tmp_path: Path) -> None:
    read = jsonl(tmp_path, {"source_id": "a", "created_at": "05/01/2023"}, order_date_metadata_key="at")
    assert read.refused == ['created_at must be an ISO 8601 date or time, got "05/01/2023"']


def test_types_of_metadata(tmp_path: Path) -> None:
    schema = {"n": "int64", "f": "float64", "b": "bool", "d": "date32", "t": "timestamp[us, UTC]", "s": "string"}
    text = "source_id,metadata.n,metadata.f,metadata.b,metadata.d,metadata.t,metadata.s\n"
    read = csv(tmp_path, f"{text}a,7,1.50,t,2023-05-01,2023-05-01 10:00:00+00,007\n", metadata_schema=schema)
    assert read.sent[0]["metadata"] == {
        "n": 7, "f": 1.5, "b": True, "d": "2023-05-01", "t": "2023-05-01T10:00:00Z", "s": "007",
    }  # fmt: skip
    read = csv(tmp_path, f"{text}a,7.5,,,,,\n", metadata_schema=schema)
    assert read.refused == ['metadata.n must be of type int64 (metadata_schema), got "7.5"']


def test_the_ways_in_which_csv_is_written(tmp_path: Path) -> None:
    text = "sep=;\nsource_id;amount;metadata.city\na;1.250,50;Łódź\n"
    options = {"amount_unit": "major", "csv_options": {"decimal": ",", "thousands": "."}}
    assert csv(tmp_path, text, **options).sent == [{"source_id": "a", "amount": 125050, "metadata": {"city": "Łódź"}}]
    assert "csv_options={'decimal': ',', 'thousands': '.'} may read it" in csv(tmp_path, text).refused[0]
    escaped = 'source_id,metadata.note\na,"say \\"hi\\", twice"\n'
    assert csv(tmp_path, escaped, csv_options={"escape": "\\"}).sent[0]["metadata"] == {"note": 'say "hi", twice'}
    with pytest.raises(ConfigurationError, match=r"csv_options .* 'quote', 'escape'"):
        csv(tmp_path, escaped)
    latin = "source_id^metadata.city\na^'Köln'\n".encode("cp1252")
    options = {"csv_options": {"delimiter": "^", "quote": "'", "encoding": "cp1252"}}
    assert csv(tmp_path, latin, **options).sent[0]["metadata"] == {"city": "Köln"}
    with pytest.raises(ConfigurationError, match=r"is not UTF-8: .* csv_options=\{'encoding': \.\.\.\}"):
        csv(tmp_path, "source_id,metadata.city\na,Köln\n".encode("cp1252"))
    with pytest.raises(ConfigurationError, match="csv_options has 'sep'; it can have delimiter, encoding"):
        csv(tmp_path, "source_id\na\n", csv_options={"sep": ";"})


def test_numbers_and_booleans_that_are_text(tmp_path: Path) -> None:
    item = {"quantity": "3", "price": "500", "product": {"override": "t"}}
    read = jsonl(tmp_path, {"source_id": "a", "amount": "1500", "items": [item]})
    assert read.sent == [
        {"source_id": "a", "amount": 1500, "items": [{"quantity": 3, "price": 500, "product": {"override": True}}]}
    ]
    assert read.found["amount given as text, read as a number"] == 1


def test_compression_is_known_by_the_first_bytes(tmp_path: Path) -> None:
    plain = make.write_jsonl(tmp_path / "orders.jsonl", [{"source_id": "a"}])
    for packed in (make.gzipped(plain), make.zstandard(plain)):
        renamed = packed.rename(tmp_path / "renamed.jsonl")
        assert Read(open_source(paths=renamed)).sent == [{"source_id": "a"}]
    unpacked = plain.rename(tmp_path / "orders.jsonl.gz")
    assert Read(open_source(paths=unpacked)).sent == [{"source_id": "a"}]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jsonl")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "gone.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for path, message in (
        (tmp_path / "fifo.jsonl", "it is a FIFO, and orders are read more than once"),
        (Path("/dev/zero"), "it is a device, and orders are read more than once"),
        (tmp_path / "link.jsonl", "it is a link to .*gone.jsonl', where there is no file"),
        (tmp_path / "folder.jsonl", "it is a folder, though its name is that of a file"),
        (tmp_path, "it is a (FIFO|link)"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            open_source(paths=path, file_format="jsonl")


def test_one_deep_line_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text('{"source_id": "a", "metadata": ' + '{"x":' * 1500 + "1" + "}" * 1501 + '\n{"source_id": "b"}\n')
    read = Read(open_source(paths=path))
    assert read.sent == [{"source_id": "b"}]
    assert read.refused == ["is nested 1501 levels deep, and at most 500 are accepted"]


def test_lines_rows_and_documents_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_ORDER_BYTES", 1000)
    monkeypatch.setattr(jsonl_format, "MAX_ORDER_BYTES", 1000)
    monkeypatch.setattr(jsonl_format, "IDS_BYTES", 64)
    path = tmp_path / "orders.jsonl"
    path.write_text('{"source_id": "a"}\n{"source_id": "' + "x" * 2000 + '"}\n')
    with pytest.raises(ConfigurationError, match=r"orders\.jsonl:2 is longer than 1,000 bytes"):
        Read(open_source(paths=path))
    with pytest.raises(ConfigurationError, match=r"orders\.jsonl: a line is longer than 1,000 bytes"):
        list(open_source(paths=path).source_ids())
    cells = ",".join(f'"{number}\n"' for number in range(900))
    names = ",".join(f"metadata.x{number}" for number in range(50))
    with pytest.raises(ConfigurationError, match="a row of several lines is longer than 2,000 bytes"):
        csv(tmp_path, f"source_id,{names}\na,{cells}\n")


def test_texts_that_are_stored_once_are_written_out_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_rows, "MAX_TEXT_BYTES", 1000)
    written = []
    documents_of = arrow_rows.documents_of
    monkeypatch.setattr(
        arrow_rows, "documents_of", lambda batch, *rest: written.append(len(batch)) or documents_of(batch, *rest)
    )
    notes = pa.array(["x" * 300] * 100).dictionary_encode()
    table = pa.table({"source_id": [str(number) for number in range(100)], "metadata.note": notes})
    assert len(Read(open_source(table)).sent) == 100
    assert max(written) <= 3
