"""Fields of JSON orders move to their names in the API, at any depth."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_voucherify.order_source.mapping.json_fields import renamed
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError


def moved(order: Any, mapping: dict[str, str | None], **constants: str) -> Any:
    return json.loads(renamed(mapping, constants)(json.dumps(order).encode()))


@pytest.mark.parametrize(
    ("order", "mapping", "result"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a.b": "source_id"}, {"a": {"c": 2}, "source_id": 1}),
        ({"a": {"b": 1}, "a.b": 2}, {"a.b": "source_id"}, {"a": {"b": 1}, "source_id": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a.b": "source_id", "a": None}, {"source_id": 1}),
        ({"a": None}, {"a.b": "source_id"}, {"a": None}),
        (
            {"lines": [{"n": 1, "x": 1}, {"m": 2}, {"n": 3}]},
            {"lines.n": "items.quantity", "lines.m": "items.product.name", "lines": None},
            {"items": [{"quantity": 1}, {"product": {"name": 2}}, {"quantity": 3}]},
        ),
        ({"items": [{"n": 1, "price": 5}]}, {"items.n": "items.quantity"}, {"items": [{"quantity": 1, "price": 5}]}),
        ({"codes": [{"code": "A"}]}, {"codes.code": "metadata.code"}, {"codes": [{}], "metadata": {"code": "A"}}),
        ({"id": 1.10}, {"id": "metadata.id", "a.b": None}, {"metadata": {"id": 1.10}}),
        ([1], {"a.b": "source_id"}, [1]),
    ],
)
def test_fields_at_any_depth(order, mapping, result) -> None:
    assert moved(order, mapping) == result


def test_numbers_keep_their_digits() -> None:
    body = renamed({"a.b": "metadata.b"})(b'{"a":{"b":12345678901234567.10}}')
    assert body == b'{"a":{},"metadata":{"b":12345678901234567.10}}'


@pytest.mark.parametrize(
    ("order", "mapping"),
    [
        ({"a": {"b": 1}, "source_id": 2}, {"a.b": "source_id"}),
        ({"codes": [{"code": "A"}, {"code": "B"}]}, {"codes.code": "metadata.code"}),
        ({"a": {"b": 1}, "items": "none"}, {"a.b": "items.quantity"}),
        ({"a": {"b": 1}, "customer": "Ada"}, {"a.b": "customer.name"}),
        ({"a": {"b": 1}, "items": ["rose"]}, {"a.b": "items.quantity"}),
    ],
)
def test_a_place_that_is_taken_rejects_the_order(order, mapping) -> None:
    with pytest.raises(InvalidOrderError, match=r"is mapped to .*, and the order has something there"):
        moved(order, mapping)


def test_values_of_all_orders() -> None:
    assert moved({"a": {"b": 1}}, {"a.b": "source_id", "a": None}, **{"metadata.shop": "de"}) == {
        "source_id": 1,
        "metadata": {"shop": "de"},
    }


def test_what_is_not_json_is_left_for_the_check() -> None:
    assert renamed({"a.b": "source_id"})(b"{") == b"{"
