"""Columns of every Arrow type become what the API takes, or what it refuses with the value."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_import.chunk import chunks
from airflow_provider_voucherify.order_source.formats.arrow_json import documents
from airflow_provider_voucherify.order_source.mapping.columns import plan
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError, check
from airflow_provider_voucherify.order_source.source import Cursor
from tests.unit.order_source import strategies as make


def sent(source) -> list[dict]:
    return [json.loads(body) for chunk in chunks(source.read(), Cursor()) for body in chunk.bodies]


def reasons(source) -> list[str]:
    return [outcome.reason for chunk in chunks(source.read(), Cursor()) for outcome in chunk.invalid]


def one(name: str, values: pa.Array, **options) -> list[object]:
    """Read a table of one column."""
    path = name.split(".")
    found = []
    # beside it a column that has a value, because a row without any is left out
    for order in sent(make.source(pa.table({"referrer_id": ["r"] * len(values), name: values}), **options)):
        value: object = order
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        found.append(value)
    return found


UTC = dt.UTC


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("source_id", pa.array([1, None, 10**12]), ["1", None, "1000000000000"]),
        ("source_id", pa.array([1.0, float("nan")]), ["1", None]),
        ("source_id", pa.array([Decimal("7.50")]), ["7.50"]),
        ("source_id", pa.array(["a"]).dictionary_encode(), ["a"]),
        ("source_id", pa.array(["a", None], pa.string_view()), ["a", None]),
        ("source_id", pa.array(["ä", 'b"\n\\'], pa.large_string()), ["ä", 'b"\n\\']),
        ("source_id", pa.array([b"a"], pa.binary()), ["a"]),
        ("source_id", pc.run_end_encode(pa.array(["a", "a", "b"])), ["a", "a", "b"]),
        ("customer.id", pa.nulls(2), [None, None]),
        ("amount", pa.array([1, None], pa.uint8()), [1, None]),
        ("amount", pa.array([12.0, float("nan"), None]), [12, None, None]),
        ("amount", pa.array([12.0], pa.float32()), [12]),
        ("amount", pa.array([Decimal("12.00"), Decimal("-5.00")]), [12, -5]),
        ("amount", pa.array(["12", None]), [12, None]),
        ("metadata.x", pa.array([1.5, 2.0, float("nan")]), [1.5, 2.0, None]),
        ("metadata.x", pa.array(np.array([1.5, 2.5], np.float16)), [1.5, 2.5]),
        ("metadata.x", pa.array([Decimal("1.50")]), [1.5]),
        ("metadata.x", pa.array([float("inf"), float("-inf")]), ["inf", "-inf"]),
        ("metadata.x", pa.array([True, None]), [True, None]),
        ("metadata.x", pa.array(["1", "true", "[]"]), ["1", "true", "[]"]),
        ("metadata.x", pa.array([dt.date(2023, 5, 1)]), ["2023-05-01"]),
        ("metadata.x", pa.array([dt.datetime(2023, 5, 1)], pa.date64()), ["2023-05-01"]),
        ("metadata.x", pa.array([dt.datetime(2023, 5, 1, 12)]), ["2023-05-01T12:00:00"]),
        ("metadata.x", pa.array([dt.datetime(2023, 5, 1, 12, 0, 0, 5)]), ["2023-05-01T12:00:00.000005"]),
        ("metadata.x", pa.array([dt.datetime(2023, 5, 1, 12, tzinfo=UTC), None], pa.timestamp("ns", "Asia/Tokyo")),
         ["2023-05-01T12:00:00Z", None]),
        ("metadata.x", pa.array([dt.time(12, 30)]), ["12:30:00"]),
        ("metadata.x", pa.array([[1, None], None, []]), [[1, None], None, []]),
        ("metadata.x", pa.array([[1, 2]], pa.list_(pa.int8(), 2)), [[1, 2]]),
        ("metadata.x", pa.array([[1], None], pa.large_list(pa.int8())), [[1], None]),
        ("metadata.x", pa.array([{"a": None, "b": {"c": 1}}, None, {"a": "x", "b": None}]),
         [{"b": {"c": 1}}, None, {"a": "x"}]),
        ("metadata", pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int8())),
         [{"a": 1, "b": None}, None, {}]),
        ("metadata", pa.array(['{"a": [1]}', None]), [{"a": [1]}, None]),
        ("items", pa.array(['[{"price": 1}]', None]), [[{"price": 1}], None]),
        ("items", pa.array([[{"price": 1.0, "source_id": 5}]]), [[{"price": 1, "source_id": "5"}]]),
        ("items", pa.array([[{"product": {"override": "TRUE", "price": "1.5"}}]]),
         [[{"product": {"override": True, "price": 1.5}}]]),
        ("created_at", pa.array([dt.datetime(2023, 5, 1, 12, tzinfo=UTC)]), [None]),
    ],
)  # fmt: skip
def test_types(name: str, values: pa.Array, expected: list[object]) -> None:
    assert one(name, values) == expected
    whole = pa.concat_tables([pa.table({name: values})] * 3)
    if name != "created_at":  # which is left out, so that no column is left
        assert [record.body for record in make.source(whole.slice(len(values), len(values))).read()] == [
            record.body for record in make.source(pa.table({name: values})).read()
        ]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("amount", pa.array([12.5]), "amount must be an integer in the smallest currency unit, got 12.5"),
        ("amount", pa.array([Decimal("12.50")]), "amount must be an integer in the smallest currency unit, got 12.5"),
        ("amount", pa.array([float("inf")]), 'amount must be an integer or null, got "inf"'),
        ("amount", pa.array([1e20]), "amount must be an integer in the smallest currency unit, got 1e20"),
        ("amount", pa.array(["x"]), 'amount must be an integer or null, got "x"'),
        ("amount", pa.array([True]), "amount must be an integer or null, got true"),
        (
            "status",
            pa.array(["LOST"]),
            'status must be one of CREATED, PAID, CANCELED, FULFILLED, got "LOST" (value_mapping)',
        ),
        ("items", pa.array(["{"]), 'items must be an array or null, got "{"'),
        ("items", pa.array([[{"initial_quantity": 0}]]), "items[0].initial_quantity must be an integer >= 1, got 0"),
        ("items", pa.array([[None, {"price": 1}]]), "items[0] must be an object, got null"),
        ("items", pa.array([[{"price": 1}] * 501]), "items has 501 entries, and Voucherify takes 500"),
        ("items", pa.array([{"price": 1}]), 'items must be an array or null, got {"price":1}'),
        ("customer", pa.array([[1]]), "customer must be an object or null, got [1]"),
        ("customer", pa.array([[("source_id", True)]], pa.map_(pa.string(), pa.bool_())),
         "customer.source_id must be a string or null, got true"),
        ("metadata", pa.array([dt.date(2023, 5, 1)]), 'metadata must be an object or null, got "2023-05-01"'),
    ],
)  # fmt: skip
def test_values_that_the_api_does_not_take(name: str, values: pa.Array, reason: str) -> None:
    assert reasons(make.source(pa.table({name: values}))) == [reason]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([dt.timedelta(1)]), "column 'metadata.x' of type duration.us. cannot be written as JSON: duration"),
        (pa.array([b"\xff"]), "column 'metadata.x' of type binary cannot be written as JSON: .*UTF8"),
        (pa.array([[1]], pa.list_view(pa.int8())), "column 'metadata.x' of type list_view.*cannot be written as JSON"),
    ],
)
def test_types_that_json_has_not(values: pa.Array, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        list(make.source(pa.table({"source_id": ["a"], "metadata.x": values})).read())


ENTRY = pa.struct({"price": pa.int64()})
VALUES = {
    pa.int64(): st.integers(-5, 5),
    pa.float64(): st.sampled_from([1.0, 1.5, float("nan"), float("inf"), 1e300]),
    pa.string(): st.sampled_from(["PAID", "product", "1", "true", "[]", "{}", "x", '"', "1.5", ""]),
    pa.bool_(): st.booleans(),
    pa.decimal128(9, 2): st.sampled_from([Decimal("1.00"), Decimal("1.50")]),
    pa.date32(): st.just(dt.date(2023, 5, 1)),
    pa.list_(pa.int8()): st.lists(st.none() | st.just(1), max_size=2),
    pa.struct({"source_id": pa.string()}): st.fixed_dictionaries({"source_id": st.none() | st.just("a")}),
    pa.map_(pa.string(), pa.string()): st.lists(st.just(("source_id", "x")), max_size=1),
    pa.list_(ENTRY): st.lists(st.none() | st.fixed_dictionaries({"price": st.none() | st.just(1)}), max_size=2),
}
NAMES = ["source_id", "status", "amount", "items", "metadata", "customer", "referrer_id", "created_at", "total_amount"]


@settings(max_examples=400, deadline=None)
@given(data=st.data(), names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
def test_what_a_table_vouches_for_passes_the_check(data: st.DataObject, names: list[str]) -> None:
    """The check of every order is left out only where it would pass, and what is told of the order is the same."""
    length = data.draw(st.integers(0, 4), label="rows")
    arrays = []
    for name in names:
        kind = data.draw(st.sampled_from(list(VALUES)), label=name)
        values = data.draw(st.lists(st.none() | VALUES[kind], min_size=length, max_size=length), label="values")
        arrays.append(pa.array(values, kind))
    texts, sound = documents(plan(names, SourceOptions(order_date_metadata_key="at"), "table").columns, arrays)
    checked = []
    for text in texts.to_pylist():
        try:
            order = check(text.encode())
        except InvalidOrderError:
            checked.append(None)
        else:
            checked.append((order.source_id, order.traits))
    if sound is not None:
        assert [(order.source_id, order.traits) for order in sound] == checked


@settings(max_examples=50, deadline=None)
@given(orders=st.lists(make.orders, min_size=1, max_size=6))
def test_orders_as_the_api_takes_them_are_vouched_for(orders: list[dict]) -> None:
    orders = [{**order, "amount": 7, "items": [{"price": 7, "quantity": 1, "source_id": "a"}]} for order in orders]
    table = make.table(orders).drop_columns("discount_amount")
    table = table.set_column(
        table.column_names.index("items"), "items", pa.array([order.get("items") for order in orders], pa.list_(PLAIN))
    )
    columns = plan(table.column_names, SourceOptions(), "table").columns
    assert documents(columns, [column.combine_chunks() for column in table.columns]).sound is not None


PLAIN = pa.struct([field for field in make.ITEM if field.name != "product"])


def test_pandas_data_frames() -> None:
    frame = pd.DataFrame(
        {
            "source_id": ["a", "b", None],
            "amount": [12, None, 7],
            "items": [[{"price": 1, "metadata": {"x": 1}}], None, []],
            "metadata.at": pd.to_datetime(["2023-05-01 00:00", None, "2023-05-01 10:00"]),
            "metadata.vip": [True, False, None],
            "status": pd.Categorical(["PAID", None, "PAID"]),
        },
    )
    source = make.source(frame)
    assert sent(source) == [
        {
            "source_id": "a",
            "amount": 12,
            "items": [{"price": 1, "metadata": {"x": 1}}],
            "metadata": {"at": "2023-05-01T00:00:00", "vip": True},
            "status": "PAID",
        },
        {"source_id": "b", "metadata": {"vip": False}},
        {"amount": 7, "items": [], "metadata": {"at": "2023-05-01T10:00:00"}, "status": "PAID"},
    ]
    assert source.fingerprint() == make.source(frame.copy()).fingerprint()
    assert source.fingerprint() != make.source(frame.assign(amount=13)).fingerprint()
    assert reasons(make.source(pd.DataFrame({"amount": [12.5]}))) == [
        "amount must be an integer in the smallest currency unit, got 12.5"
    ]
    with pytest.raises(ConfigurationError, match=r"DataFrame cannot be read as a table: .*column source_id"):
        make.source(pd.DataFrame({"source_id": [1, "a"]}))


def test_fingerprints_of_tables_do_not_depend_on_their_chunks() -> None:
    table = pa.table({"source_id": ["a", "b", "c"]})
    pieces = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert make.source(table).fingerprint() == make.source(pieces).fingerprint()
    assert make.source(table, amount_unit="major").fingerprint() != make.source(table).fingerprint()
