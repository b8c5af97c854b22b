"""Consecutive rows with one key become one order with its items, and never a half order."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source import open_source, row_groups
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.duplicates import Duplicates, find_duplicates
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Source

MAPPING = {
    "Name": "source_id",
    "Status": "status",
    "Total": "amount",
    "Item": "items.source_id",
    "Qty": "items.quantity",
    "Price": "items.price",
}
COLUMNS = list(MAPPING)
ROWS = [
    ["#1", "PAID", "1250", "rose", "2", "500"],
    ["#1", "", "", "vase", "1", "250"],
    ["#2", "CREATED", "500", "", "", ""],
    ["#3", "PAID", "300", "rose", "3", "100"],
]
ORDERS = [
    {
        "source_id": "#1",
        "status": "PAID",
        "amount": 1250,
        "items": [
            {"source_id": "rose", "quantity": 2, "price": 500},
            {"source_id": "vase", "quantity": 1, "price": 250},
        ],
    },
    {"source_id": "#2", "status": "CREATED", "amount": 500},
    {
        "source_id": "#3",
        "status": "PAID",
        "amount": 300,
        "items": [{"source_id": "rose", "quantity": 3, "price": 100}],
    },
]


def write(path: Path, rows: list[list[str]], columns: list[str] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def opened(path: Any, **options: Any) -> Source:
    return open_source(paths=path, **{"group_by": "Name", "column_mapping": MAPPING} | options)


def outcome(source: Source, on_duplicate: str | None = "error") -> tuple[dict[str, Any], dict[str, str]]:
    """Return the orders that would be sent, and the reasons of the others, by position."""
    rules = Rules(duplicates=Duplicates(source, find_duplicates(source, on_duplicate)))
    sent, rejected = {}, {}
    for one in checked(source.read(), rules):
        if one.error is None:
            sent[one.record.position] = json.loads(one.body)
        else:
            rejected[one.record.position] = str(one.error)
    return sent, rejected


def table() -> pa.Table:
    def typed(cell: str, column: str) -> Any:
        return None if not cell else int(cell) if column in ("Total", "Qty", "Price") else cell

    values = {name: [typed(row[i], name) for row in ROWS] for i, name in enumerate(COLUMNS)}
    return pa.table(values)


def test_csv(tmp_path) -> None:
    sent, rejected = outcome(opened(write(tmp_path / "orders.csv", ROWS)))
    assert not rejected
    assert sent == dict(zip(["orders.csv rows 2 to 3", "orders.csv:4", "orders.csv:5"], ORDERS, strict=True))


def test_parquet(tmp_path) -> None:
    pq.write_table(table(), tmp_path / "orders.parquet", row_group_size=1)
    sent, _ = outcome(opened(tmp_path / "orders.parquet"))
    positions = ["orders.parquet rows 1 to 2", "orders.parquet row 3", "orders.parquet row 4"]
    assert sent == dict(zip(positions, ORDERS, strict=True))


@pytest.mark.parametrize(
    "make", [lambda: table(), lambda: table().to_pandas().convert_dtypes()], ids=["arrow", "pandas"]
)
def test_tables(make) -> None:
    source = open_source(make(), group_by="Name", column_mapping=MAPPING)
    sent, _ = outcome(source)
    assert sent == dict(zip(["orders[0] to orders[1]", "orders[2]", "orders[3]"], ORDERS, strict=True))


def test_amounts_of_items_are_read_as_those_of_orders(tmp_path) -> None:
    frame = pd.DataFrame({"source_id": ["a", "a"], "items.price": [Decimal("1.50"), Decimal("2.25")]})
    with pytest.raises(ConfigurationError, match=r"items\.price.*amount_unit"):
        open_source(frame, group_by="source_id")
    sent, _ = outcome(open_source(frame, group_by="source_id", amount_unit="major"))
    assert sent["orders[0] to orders[1]"]["items"] == [{"price": 150}, {"price": 225}]


def test_an_order_in_two_files(tmp_path) -> None:
    write(tmp_path / "1.csv", ROWS[:1])
    write(tmp_path / "2.csv", ROWS[1:])
    sent, rejected = outcome(opened(tmp_path))
    assert not rejected
    assert list(sent.values()) == ORDERS
    assert next(iter(sent)) == "1.csv:2 to 2.csv:2"


def test_a_key_of_several_columns(tmp_path) -> None:
    columns = ["metadata.shop", "source_id", "items.source_id"]
    rows = [["de", "1", "a"], ["de", "1", "b"], ["fr", "1", "c"]]
    path = write(tmp_path / "orders.csv", rows, columns)
    source = open_source(paths=path, group_by=["metadata.shop", "source_id"])
    assert [len(json.loads(record.body)["items"]) for record in source.read()] == [2, 1]


def test_a_key_that_goes_nowhere_in_the_order(tmp_path) -> None:
    path = write(tmp_path / "orders.csv", [["7", "a", "x"], ["7", "a", "y"]], ["row", "source_id", "items.source_id"])
    (record,) = open_source(paths=path, group_by="row", column_mapping={"row": None}).read()
    assert json.loads(record.body) == {"source_id": "a", "items": [{"source_id": "x"}, {"source_id": "y"}]}


def test_empty_texts_of_tables_are_nothing() -> None:
    """A join that fills with empty text is as one that fills with nulls."""
    rows = {
        "source_id": ["a", "a", "b"],
        "status": ["", "PAID", "PAID"],
        "items.source_id": ["x", "\\N", ""],
        "items.product.name": [None, "", ""],
        "metadata": ['{"note": ""}', None, '{"note": "", "tags": ["", null]}'],
    }
    sent, rejected = outcome(open_source(pa.table(rows), group_by="source_id"))
    assert not rejected
    assert list(sent.values()) == [
        {"source_id": "a", "status": "PAID", "items": [{"source_id": "x"}], "metadata": {"note": ""}},
        {"source_id": "b", "status": "PAID", "metadata": {"note": "", "tags": ["", None]}},
    ]
    (record,) = open_source(pa.table({"source_id": [""], "status": ["PAID"]}), group_by="source_id").read()
    assert "nothing in a column of group_by" in record.error


def test_unknown_columns_of_items_are_kept_in_their_metadata() -> None:
    rows = {"source_id": ["a", "a"], "shop": ["de", "de"], "items.colour": ["red", "blue"]}
    source = open_source(pa.table(rows), group_by="source_id", unknown_fields="metadata")
    (order,) = outcome(source)[0].values()
    assert order == {
        "source_id": "a",
        "metadata": {"shop": "de"},
        "items": [{"metadata": {"colour": "red"}}, {"metadata": {"colour": "blue"}}],
    }


def test_rows_that_contradict_each_other(tmp_path) -> None:
    rows = [["#1", "PAID", "5", "a", "1", "5"], ["#1", "", "", "b", "1", "5"], ["#1", "CREATED", "5", "c", "1", "5"]]
    sent, rejected = outcome(opened(write(tmp_path / "orders.csv", [*rows, ROWS[3]])))
    assert list(sent) == ["orders.csv:5"]
    assert rejected == {
        "orders.csv rows 2 to 4": 'orders.csv:2 and orders.csv:4 contradict each other: status is "PAID" and "CREATED"'
    }


@pytest.mark.parametrize("on_duplicate", ["error", "first", "last", None])
def test_rows_of_one_order_that_are_not_together(tmp_path, on_duplicate) -> None:
    source = opened(write(tmp_path / "orders.csv", [ROWS[0], ROWS[3], ROWS[1]]))
    sent, rejected = outcome(source, on_duplicate)
    assert list(sent) == ["orders.csv:3"]
    advice = "and rows of other orders between them; sort the rows by the columns of group_by"
    assert rejected == {
        "orders.csv:2": f"has more rows at orders.csv:4, {advice}",
        "orders.csv:4": f"has more rows at orders.csv:2, {advice}",
    }


def test_a_part_of_an_order_is_not_imported_as_a_whole_one_from_the_reject_file(tmp_path) -> None:
    source = opened(write(tmp_path / "orders.csv", [ROWS[0], ROWS[3], ROWS[1]]))
    rules = Rules(duplicates=Duplicates(source, find_duplicates(source, "error")))
    payloads = [json.loads(one.record.body) for one in checked(source.read(), rules) if one.error is not None]
    again = open_source(payloads, require_source_id=False)
    assert len(payloads) == 2
    assert all(one.error is not None for one in checked(again.read()))


def test_a_row_that_cannot_be_read_is_rejected_with_the_orders_beside_it(tmp_path) -> None:
    path = write(tmp_path / "orders.csv", [ROWS[0], ["#1", ""], ROWS[2], ROWS[3]])
    sent, rejected = outcome(opened(path))
    assert list(sent) == ["orders.csv:5"]
    assert rejected == {
        "orders.csv rows 2 to 4": "orders.csv:3 has 2 cells where the header has 6; which order it belongs to is not "
        "certain"
    }


def test_a_row_without_a_key_is_rejected_with_the_order_before_it(tmp_path) -> None:
    path = write(tmp_path / "orders.csv", [ROWS[0], ["", "", "", "vase", "1", "250"], ROWS[2]])
    sent, rejected = outcome(opened(path))
    assert list(sent) == ["orders.csv:4"]
    assert rejected == {
        "orders.csv rows 2 to 3": "orders.csv:3 has nothing in a column of group_by; fill the column down"
    }


def test_an_order_larger_than_the_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(row_groups, "MAX_GROUP_BYTES", 1000)
    item = ["", "", "rose", "1", "5"]
    sent, rejected = outcome(opened(write(tmp_path / "orders.csv", [*(["#1", *item] for _ in range(99)), ROWS[3]])))
    assert list(sent) == ["orders.csv:101"]
    (reason,) = rejected.values()
    assert "99 rows" in reason


def test_empty_rows_are_counted(tmp_path) -> None:
    path = write(tmp_path / "orders.csv", [ROWS[0], [""] * 6, ROWS[1], ROWS[2]])
    findings = Findings()
    for one in checked(opened(path).read(), findings=findings):
        assert one.error is None
    (found,) = [finding for finding in findings.table() if finding.finding == "empty row left out"]
    assert found.count == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_by": "Nam"}, r"group_by names 'Nam', which is not a column; did you mean 'Name'\?"),
        ({"group_by": None}, r"'Item' is mapped to items\.source_id\. Say with group_by"),
    ],
)
def test_what_cannot_be_grouped_is_refused(tmp_path, options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        list(opened(write(tmp_path / "orders.csv", ROWS), **options).read())


def test_json_has_its_items(tmp_path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text('{"source_id": "1"}\n')
    with pytest.raises(ConfigurationError, match="JSON order has its items in a list"):
        list(open_source(paths=path, group_by="source_id").read())
    with pytest.raises(ConfigurationError, match="JSON order has its items in a list"):
        open_source([{"source_id": "1"}], group_by="source_id")


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    split=st.integers(0, 40),
    file_format=st.sampled_from(["csv", "parquet"]),
)
def test_reading_on_from_any_order(tmp_path_factory, sizes, split, file_format) -> None:
    """Orders are the same wherever the files are split, and from whichever of them reading begins."""
    folder = tmp_path_factory.mktemp("orders")
    rows = [[str(order), f"{order}-{item}"] for order, size in enumerate(sizes) for item in range(size)]
    columns = ["source_id", "items.source_id"]
    for number, part in enumerate((rows[:split], rows[split:])):
        if file_format == "csv":
            write(folder / f"{number}.csv", part, columns)
        else:
            values = {name: pa.array([row[i] for row in part], pa.string()) for i, name in enumerate(columns)}
            pq.write_table(pa.table(values), folder / f"{number}.parquet", row_group_size=2)
    source = open_source(paths=folder, group_by="source_id")
    records = list(source.read())
    assert [len(json.loads(record.body)["items"]) for record in records] == sizes
    assert [record.number for record in records] == list(range(len(sizes)))
    assert [source_id for page in source.source_ids() for source_id in page] == [str(i) for i in range(len(sizes))]
    for record in records:
        again = open_source(paths=folder, group_by="source_id")
        rest = [(one.number, one.position, one.body) for one in again.read(record.after)]
        assert rest == [(one.number, one.position, one.body) for one in records[record.number + 1 :]]
