"""What has effects beyond the orders is sent, stripped or refused, and nothing else changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_import.chunk import Cause, chunks
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Cursor
from airflow_provider_voucherify.reporting.reject_files import OutcomeCode
from tests.unit.order_source import strategies as make

CUSTOMER = ("customer", "customer_id", "referrer", "referrer_id")


def chunk_of(orders: list[dict], **rules: str):
    (chunk,) = chunks(make.source(orders).read(), Cursor(), rules=Rules(**rules))
    return chunk


def stripped(order: dict, customers: bool, overrides: bool) -> dict:
    order = json.loads(json.dumps(order))
    if customers:
        order = {name: value for name, value in order.items() if name not in CUSTOMER}
    for item in order.get("items", []) if overrides else []:
        item.get("product", {}).pop("override", None)
    return order


def overrides(order: dict) -> bool:
    return any(item.get("product", {}).get("override") for item in order.get("items", []))


@settings(max_examples=200, deadline=None)
@given(
    orders=st.lists(make.orders, min_size=1, max_size=5),
    customers=st.sampled_from(["send", "strip", "reject"]),
    product_overrides=st.sampled_from(["send", "strip", "reject"]),
)
def test_treatments(orders: list[dict], customers: str, product_overrides: str) -> None:
    chunk = chunk_of(orders, customers=customers, product_overrides=product_overrides)
    expected = [
        stripped(order, customers == "strip", product_overrides == "strip" and overrides(order))
        for order in orders
        if not (customers == "reject" and any(name in order for name in CUSTOMER))
        and not (product_overrides == "reject" and overrides(order))
    ]
    assert json.loads(chunk.body()) == expected
    assert len(chunk.invalid) == len(orders) - len(expected)


def test_what_is_refused_says_why_and_can_be_given_back() -> None:
    order = {"source_id": "a", "referrer_id": "r", "items": [{"sku": {"override": True}}]}
    (outcome,) = chunk_of([order], customers="reject").invalid
    assert outcome.reason == "has a customer or referrer, who would move through segments (customers='reject')"
    assert json.loads(outcome.payload) == order
    (outcome,) = chunk_of([order], product_overrides="reject").invalid
    assert outcome.reason == "overrides products of the catalogue (product_overrides='reject')"


def test_what_is_stripped_is_whole_in_the_outcome() -> None:
    order = {"source_id": "a", "customer": {"source_id": "c"}, "metadata": {"x": 1.50}}
    chunk = chunk_of([order], customers="strip")
    assert json.loads(chunk.outcome(0, Cause("why", OutcomeCode.REFUSED)).payload) == order
    assert (chunk.with_customer, chunk.bodies) == (0, [b'{"source_id":"a","metadata":{"x":1.5}}'])


def test_orders_without_such_parts_go_as_the_bytes_they_came_in(tmp_path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(
        '{"source_id":   "a", "items": [{"product": {"override": false}}, {"sku": null}], "customer": null}'
    )
    rules = Rules(customers="strip", product_overrides="strip")
    (chunk,) = chunks(make.source(paths=path).read(), Cursor(), rules=rules)
    assert chunk.bodies == [path.read_bytes()]


@pytest.mark.parametrize("name", ["customers", "product_overrides"])
def test_unknown_treatments(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be one of send, strip, reject, got 'drop'"):
        Rules(**{name: "drop"})
