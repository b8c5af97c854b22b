"""Amounts become integers exactly, dates are kept, and fields get their names."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_import.chunk import chunks
from airflow_provider_voucherify.order_source.mapping.amounts import minor_units
from airflow_provider_voucherify.order_source.mapping.json_fields import renamed
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError
from airflow_provider_voucherify.order_source.source import Cursor
from tests.unit.order_source import strategies as make


def sent(source) -> list[dict]:
    return [json.loads(body) for chunk in chunks(source.read(), Cursor()) for body in chunk.bodies]


def reasons(source) -> list[str]:
    return [outcome.reason for chunk in chunks(source.read(), Cursor()) for outcome in chunk.invalid]


@given(
    number=st.decimals(-(10**11), 10**11, places=None, allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**9), 10**9, places=2),
    decimals=st.integers(0, 4),
    as_text=st.booleans(),
)
def test_amounts_are_computed_exactly(number: Decimal, decimals: int, as_text: bool) -> None:
    exact = Fraction(number) * 10**decimals
    try:
        units = minor_units(str(number) if as_text else number, decimals)
    except ValueError as error:
        why = str(error)
    else:
        assert units == exact
        return
    assert (exact.denominator != 1) == (f"more than {decimals} decimals" in why)
    assert exact.denominator != 1 or (abs(exact) >= 10**15 and "too large" in why)


@pytest.mark.parametrize(
    ("given_amount", "units"),
    [("12.34", 1234), ("12.3", 1230), ("0.07", 7), ("1e2", 10000), ("12.3400", 1234), ("-0.5", -50), ("0e99", 0),
     ("12", 1200), ('"12.34"', 1234), ('" 7 "', 700), ('".5"', 50), ("1.10", 110), ("4.35", 435), ("null", None)],
)  # fmt: skip
def test_amounts_in_json(tmp_path, given_amount: str, units: int | None) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(
        f'{{"amount": {given_amount}, "initial_amount": {given_amount}, "discount_amount": {given_amount}, '
        f'"items": [{{"quantity": 3, "price": {given_amount}, "amount": {given_amount}, "product": '
        f'{{"price": {given_amount}}}, "sku": {{"price": {given_amount}}}}}], "metadata": {{"weight": 1.50}}}}'
    )
    (order,) = sent(make.source(paths=path, amount_unit="major"))
    (item,) = order["items"]
    assert [order[name] for name in ("amount", "initial_amount", "discount_amount")] == [units] * 3
    assert [item["price"], item["amount"], item["product"]["price"], item["sku"]["price"]] == [units] * 4
    assert (item["quantity"], order["metadata"]) == (3, {"weight": 1.5})


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ('{"amount": 12.345}', "amount has more than 2 decimals (amount_decimals), got 12.345"),
        ('{"items": [{}, {"price": "1,50"}]}', "items[1].price must be an amount such as 12.34 (amount_unit='major'), "
         "got \"1,50\"; in a CSV file, csv_options={'decimal': ',', 'thousands': '.'} may read it, with "
         "amount_unit='major'"),
        ('{"items": [{"sku": {"price": true}}]}', "items[0].sku.price must be an amount such as 12.34 "
         "(amount_unit='major'), got true"),
        ('{"amount": 1e300}', "amount is too large an amount: 1E+300"),
        ('{"amount": 1e-999999999}', "amount has more than 2 decimals (amount_decimals), got 1E-999999999"),
        ('{"amount": 1e99999999999999999999}', "not a JSON object: [<class 'decimal.InvalidOperation'>]"),
        ('{"amount": "NaN"}', "amount must be an amount such as 12.34 (amount_unit='major'), got \"NaN\""),
        ('{"amount": 1', "not a JSON object: Input data was truncated"),
        ("7", "the order must be an object, got 7"),
    ],
)  # fmt: skip
def test_amounts_that_are_none(tmp_path, order: str, reason: str) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(order)
    assert reasons(make.source(paths=path, amount_unit="major")) == [reason]


def test_decimals_of_the_currency(tmp_path) -> None:
    orders = [{"amount": "1200"}, {"amount": 7}]
    assert sent(make.source(orders, amount_unit="major", amount_decimals=0)) == [
        {"amount": 1200},
        {"amount": 7},
    ]
    assert sent(make.source(orders, amount_unit="major", amount_decimals=3))[0] == {"amount": 1200000}
    assert reasons(make.source([{"amount": "0.5"}], amount_unit="major", amount_decimals=0)) == [
        'amount has more than 0 decimals (amount_decimals), got "0.5"'
    ]


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.decimal128(9, 2), pa.string(), pa.decimal256(40, 5)])
def test_amounts_in_columns_of_any_type(kind: pa.DataType) -> None:
    values = pa.array(["12.34", None, "0.07", "7.00", "4.35"]).cast(kind)
    table = pa.table({"amount": values, "source_id": list("abcde")})
    assert [order.get("amount") for order in sent(make.source(table, amount_unit="major"))] == [
        1234,
        None,
        7,
        700,
        435,
    ]


def test_csv_amounts(tmp_path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text('source_id;total;items\na;12.34;"[{""price"": 0.07}]"\nb;;\nc;1.234;\n')
    source = make.source(paths=path, amount_unit="major", column_mapping={"total": "amount"})
    assert sent(source) == [{"source_id": "a", "amount": 1234, "items": [{"price": 7}]}, {"source_id": "b"}]
    assert reasons(source) == ["amount has more than 2 decimals (amount_decimals), got 1.234"]


def test_without_a_unit_a_point_in_an_amount_is_refused() -> None:
    assert reasons(make.source([{"amount": 12.0}, {"items": [{"price": 1.5}]}])) == [
        "amount must be an integer in the smallest currency unit, got 12.0",
        "items[0].price must be an integer in the smallest currency unit, got 1.5",
    ]


@pytest.mark.parametrize(
    ("moment", "kept"),
    [
        ("2023-05-01", "2023-05-01"),
        ("2023-05-01T12:00:00Z", "2023-05-01T12:00:00Z"),
        ("2023-05-01 12:00:00", "2023-05-01T12:00:00"),
        ("2023-05-01T12:00:00.250+02:00", "2023-05-01T12:00:00.250000+02:00"),
    ],
)
def test_the_real_date_is_kept_in_metadata(moment: str, kept: str) -> None:
    key = "ordered_at"
    order = {"source_id": "a", "created_at": moment, "metadata": {"channel": "web"}}
    assert sent(make.source([order], order_date_metadata_key=key)) == [
        {"source_id": "a", "metadata": {"channel": "web", key: kept}}
    ]
    mapped = make.source([{"day": moment}], column_mapping={"day": "created_at"}, order_date_metadata_key=key)
    assert sent(mapped) == [{"metadata": {key: kept}}]


def test_dates_that_are_absent_there_already_or_none() -> None:
    orders = [
        {"source_id": "a"},
        {"created_at": None},
        {"created_at": "2023-05-01", "metadata": {"at": "2020-01-01"}},
        {"created_at": "01/05/2023"},
        {"created_at": 1682942400},
        {"created_at": "2023-05-01", "metadata": []},
    ]
    source = make.source(orders, order_date_metadata_key="at")
    assert sent(source) == [{"source_id": "a"}, {}, {"metadata": {"at": "2020-01-01"}}]
    assert reasons(source) == [
        'created_at must be an ISO 8601 date or time, got "01/05/2023"',
        "created_at must be an ISO 8601 date or time, got 1682942400",
        "metadata must be an object or null, got []",
    ]


def test_dates_in_columns() -> None:
    table = pa.table({"created_at": pa.array([1682942400123], pa.timestamp("ms", "Europe/Berlin"))})
    assert sent(make.source(table, order_date_metadata_key="at")) == [
        {"metadata": {"at": "2023-05-01T12:00:00.123000Z"}}
    ]


def test_fields_of_json_get_their_names() -> None:
    mapping = {"no": "source_id", "total": "amount", "shop": "metadata.shop", "who": "customer.source_id", "x": None}
    orders = [
        {"no": "a", "total": 7, "shop": "s", "who": "c", "x": 1, "metadata": {"k": "v"}, "status": "PAID"},
        {"no": "b", "customer": None},
        {"shop": "s", "metadata": {"shop": "t"}},
        {"who": "c", "customer": []},
        {"no": "c", "source_id": "d"},
    ]
    source = make.source(orders, column_mapping=mapping)
    assert sent(source) == [
        {
            "source_id": "a",
            "amount": 7,
            "status": "PAID",
            "customer": {"source_id": "c"},
            "metadata": {"k": "v", "shop": "s"},
        },
        {"source_id": "b", "customer": None},
    ]
    assert reasons(source) == [
        "shop is mapped to metadata.shop, and the order has something there",
        "who is mapped to customer.source_id, and the order has something there",
        "no is mapped to source_id, and the order has something there",
    ]
    assert [x for ids in source.source_ids() for x in ids] == ["a", "b", None, None, "d"]


def test_names_can_be_exchanged() -> None:
    rename = renamed({"amount": "metadata.net", "total": "amount"})
    assert json.loads(rename(b'{"amount": 1, "total": 2}')) == {"amount": 2, "metadata": {"net": 1}}
    assert rename(b"no json") == b"no json"
    with pytest.raises(InvalidOrderError, match="total is mapped to amount"):
        renamed({"total": "amount"})(b'{"amount": 1, "total": 2}')


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_rejected_orders_come_back_with_the_same_options(tmp_path, suffix: str) -> None:
    """Their payload has the names of the API, and amounts and dates as they were given."""
    options = {
        "column_mapping": {"total": "amount", "amount": "metadata.net"},
        "amount_unit": "major",
        "order_date_metadata_key": "at",
    }
    given_orders = [{"total": "1.005", "amount": "0.90", "created_at": "2023-05-01"}]
    path = tmp_path / f"orders.{suffix}"
    path.write_text(json.dumps(given_orders[0] if suffix == "jsonl" else given_orders))
    (chunk,) = chunks(make.source(paths=path, **options).read(), Cursor())
    payload = json.loads(chunk.invalid[0].payload)
    assert payload == {"amount": "1.005", "metadata": {"net": "0.90"}, "created_at": "2023-05-01"}

    line = {"position": "p", "source_id": None, "reason": "r", "payload": payload | {"amount": "1.05"}}
    path.write_text(json.dumps(line) if suffix == "jsonl" else json.dumps([line]))
    assert sent(make.source(paths=path, **options)) == [
        {"amount": 105, "metadata": {"net": "0.90", "at": "2023-05-01"}}
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount_unit": "cents"}, "amount_unit must be one of minor, major, or None, got 'cents'"),
        ({"amount_decimals": 9}, "amount_decimals must be 0 to 4, got 9"),
        ({"order_date_metadata_key": ""}, "order_date_metadata_key must not be empty"),
        ({"column_mapping": {"a": "amout"}}, "maps 'a' to 'amout', which is not a field of an order"),
        ({"column_mapping": {"a": "metadata..x"}}, "maps 'a' to 'metadata..x', which is not a field of an order"),
        ({"column_mapping": {"a": "items.prize"}}, "maps 'a' to 'items.prize', which is not a field of an order"),
        ({"file_format": "xml"}, "file_format must be one of jsonl, json, csv, parquet, or None, got 'xml'"),
    ],
)
def test_options_that_make_no_sense(options: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("..", r"\.\.")):
        make.source([], **options)
