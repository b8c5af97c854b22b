from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.reconciliation.comparison import Comparison, Difference, DifferentOrder, Money

GIVEN = pa.schema(
    [
        ("number", pa.int64()),
        ("source_id", pa.string()),
        ("status", pa.string()),
        ("amount", pa.int64()),
        ("items_amount", pa.int64()),
        ("customer_id", pa.string()),
        ("customer_source_id", pa.string()),
        ("metadata", pa.string()),
        ("is_invalid", pa.bool_()),
    ]
)
FOUND = pa.schema(
    [
        ("id", pa.string()),
        ("source_id", pa.string()),
        ("created_at", pa.timestamp("ms", "UTC")),
        ("updated_at", pa.timestamp("ms", "UTC")),
        ("status", pa.string()),
        ("amount", pa.int64()),
        ("customer_id", pa.string()),
        ("metadata", pa.string()),
    ]
)


def given(number: int, **fields) -> dict:
    metadata = json.dumps(fields.pop("metadata", {}))
    return {
        "number": number,
        "source_id": f"o-{number}",
        "status": "PAID",
        "amount": 100,
        "metadata": metadata,
    } | fields


def found(number: int, **fields) -> dict:
    metadata = json.dumps(fields.pop("metadata", {}))
    return {
        "id": f"ord_{number}", "source_id": f"o-{number}", "status": "PAID", "amount": 100, "metadata": metadata,
    } | fields  # fmt: skip


@pytest.fixture
def compare(tmp_path):
    opened = []

    def compare(given_rows, found_rows, keys=(), **options) -> Comparison:
        pq.write_table(pa.Table.from_pylist(given_rows, GIVEN), tmp_path / "given.parquet")
        pq.write_table(pa.Table.from_pylist(found_rows, FOUND), tmp_path / "found.parquet")
        comparison = Comparison(
            tmp_path / "given.parquet",
            tmp_path / "found.parquet",
            ["status", "amount", "customer_id"],
            keys,
            spill_folder=tmp_path,
            **options,
        )
        opened.append(comparison)
        return comparison

    yield compare
    for comparison in opened:
        comparison.__exit__(None, None, None)


def test_orders_that_agree_match(compare):
    comparison = compare([given(0), given(1)], [found(1), found(0)])
    assert comparison.in_both == 2
    assert list(comparison.findings()) == []
    assert comparison.extra == 0


def test_missing_and_extra_orders_are_found(compare):
    comparison = compare([given(2), given(0), given(1)], [found(1), found(7), found(8, source_id=None)])
    assert [(order.number, order.id) for order in comparison.findings()] == [(0, None), (2, None)]
    assert comparison.extra == 2
    assert [order["id"] for order in comparison.extra_orders()] == ["ord_7", "ord_8"]


def test_each_field_that_differs_is_named(compare):
    comparison = compare([given(0, amount=5, customer_id="cust_1"), given(1)], [found(0, status="CANCELED"), found(1)])
    assert list(comparison.findings()) == [
        DifferentOrder(
            0,
            "ord_0",
            [
                Difference("status", "PAID", "CANCELED", False),
                Difference("amount", "5", "100", False),
                Difference("customer_id", "cust_1", None, False),
            ],
        )
    ]


@pytest.mark.parametrize("there", [None, "", "SHIPPED"])
def test_a_status_that_says_nothing_is_not_the_one_given(compare, there):
    comparison = compare([given(0)], [found(0, status=there)])
    (order,) = comparison.findings()
    assert order.differences == [Difference("status", "PAID", there, False)]


def test_an_order_that_is_invalid_in_the_source_is_not_taken_for_equal(compare):
    invalid = {"status": None, "amount": None, "metadata": None, "is_invalid": True}
    comparison = compare([given(0, **invalid), given(1, **invalid), given(2)], [found(1), found(2)])
    assert list(comparison.findings()) == [DifferentOrder(0, None, []), DifferentOrder(1, "ord_1", [])]
    assert comparison.sample(10, 1) == [(2, "ord_2")]


def test_of_a_customer_given_by_source_id_it_is_compared_alone_that_there_is_one(compare):
    rows = [given(number, customer_source_id="ada") for number in range(3)]
    comparison = compare([*rows, given(3)], [found(0), *(found(number, customer_id="cust_1") for number in (1, 2, 3))])
    (order,) = comparison.findings()
    assert order.differences == [Difference("customer_id", "source_id ada", None, False)]
    assert comparison.not_compared() == {"customer_id": 2}


def test_what_is_not_given_is_not_compared(compare):
    comparison = compare([given(0, status=None, amount=None)], [found(0, customer_id="cust_1")], ["shop"])
    assert list(comparison.findings()) == []


def test_an_amount_that_is_the_sum_of_the_items_is_by_design(compare):
    comparison = compare([given(0, amount=90, items_amount=100)], [found(0, amount=100)])
    (order,) = comparison.findings()
    assert order.differences == [Difference("amount", "90", "100", True)]
    assert order.is_by_design
    assert comparison.by_design() == {"amount": 1}


@pytest.mark.parametrize(("value", "kept"), [("de", "de"), (3, 3), (None, "x"), (1.50, 1.5)])
def test_equal_metadata_match(compare, value, kept):
    comparison = compare([given(0, metadata={"shop": value})], [found(0, metadata={"shop": kept})], ["shop"])
    assert list(comparison.findings()) == []


@pytest.mark.parametrize(("value", "kept"), [(1.50, "1.5"), (True, "true"), (3, "3"), ("1.0", 1)])
def test_metadata_that_are_kept_as_text_are_by_design(compare, value, kept):
    comparison = compare([given(0, metadata={"shop": value})], [found(0, metadata={"shop": kept})], ["shop"])
    (order,) = comparison.findings()
    assert order.is_by_design
    assert comparison.by_design() == {"metadata.shop": 1}
    assert comparison.sample(10, 1) == [(0, "ord_0")]


@pytest.mark.parametrize(("keep_last", "amount"), [(False, "1"), (True, "2")])
def test_one_of_the_orders_that_repeat_a_source_id_is_compared(compare, keep_last, amount):
    rows = [given(0, amount=1), given(1, source_id="o-0", amount=2)]
    comparison = compare(rows, [found(0)], keep_last=keep_last)
    (order,) = comparison.findings()
    assert order.differences == [Difference("amount", amount, "100", False)]
    assert (comparison.repeated, comparison.in_both) == (1, 1)


def test_an_export_with_an_order_twice_proves_nothing(compare):
    with pytest.raises(ExportFileError, match="more than once"):
        compare([given(0)], [found(0), found(0, id="ord_9")])


@pytest.mark.parametrize("key", ["shop", 'in "quotes"', "it's", "a.b", "ü", "a/b~c", "*", "0"])
def test_metadata_that_differs_is_named(compare, key):
    comparison = compare([given(0, metadata={key: "de"})], [found(0, metadata={})], [key])
    (order,) = comparison.findings()
    assert order.differences == [Difference(f"metadata.{key}", "de", None, False)]


def test_money_is_summed_by_status_on_both_sides(compare):
    comparison = compare(
        [given(0, amount=5), given(1, status="CREATED"), given(2, status=None, amount=None)],
        [found(0), found(1), found(9)],
    )
    assert comparison.money() == [
        Money("CREATED", 1, 100, 0, 0),
        Money("PAID", 1, 5, 2, 200),
        Money(None, 1, 0, 0, 0),
    ]


def test_a_sample_is_the_same_for_the_same_seed(compare):
    comparison = compare([given(number) for number in range(100)], [found(number) for number in range(100)])
    assert len(comparison.sample(10, 1)) == 10
    assert comparison.sample(10, 1) == comparison.sample(10, 1) != comparison.sample(10, 2)
    assert comparison.sample(200, 1) == [(number, f"ord_{number}") for number in range(100)]


def test_no_progress_is_drawn_where_python_runs_without_a_script(tmp_path):
    program = f"""
from pathlib import Path
from airflow_provider_voucherify.reconciliation.comparison import _open
print(_open(Path({str(tmp_path)!r}), "64MB").execute("SELECT current_setting('enable_progress_bar')").fetchone())
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "(False,)\n"
