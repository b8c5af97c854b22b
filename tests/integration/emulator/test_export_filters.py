"""Filters of exports, and what an export cannot be."""

from __future__ import annotations

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.export_kinds import FIELDS

from .api import Api

ORDERS = [
    {
        "source_id": "web-1",
        "status": "PAID",
        "amount": 100,
        "metadata": {"means": ["paypal", "card"], "n": 1, "vip": True},
    },
    {
        "source_id": "web-2",
        "status": "CREATED",
        "amount": 200,
        "metadata": {"means": "cash", "n": 2, "on": "2022-01-02"},
    },
    {
        "source_id": "shop-3",
        "status": "CANCELED",
        "discount_amount": 5,
        "amount": 300,
        "metadata": {"n": 3, "vip": False},
    },
    {"status": "FULFILLED", "customer": {"id": "cust_x"}, "metadata": {"means": None, "on": "2022-03-04T05:00:00Z"}},
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "0123"),
        ({"junction": "and"}, "0123"),
        ({"status": {"conditions": {"$is": ["PAID"]}}}, "0"),
        ({"status": {"conditions": {"$is": "PAID"}}}, "0"),
        ({"status": {"conditions": {"$in": ["PAID", "CREATED"]}}}, "01"),
        ({"status": {"conditions": {"$not_in": ["PAID", "CREATED"]}}}, "23"),
        ({"status": {"conditions": {"$is_not": ["PAID"]}}}, "123"),
        ({"source_id": {"conditions": {"$has_value": ["x"]}}}, "012"),
        ({"source_id": {"conditions": {"$is_unknown": []}}}, "3"),
        ({"source_id": {"conditions": {"$is_not": ["web-1"]}}}, "123"),
        ({"source_id": {"conditions": {"$contains": ["eb", "op"]}}}, "012"),
        ({"source_id": {"conditions": {"$not_contain": ["eb", "op"]}}}, "3"),
        ({"source_id": {"conditions": {"$starts_with": ["web-"]}}}, "01"),
        ({"source_id": {"conditions": {"$ends_with": ["-2", "-3"]}}}, "12"),
        ({"amount": {"conditions": {"$more_than": 100}}}, "12"),
        ({"amount": {"conditions": {"$more_than": [100], "$less_than": ["300"]}}}, "1"),
        ({"amount": {"conditions": {"$more_than_equal": [200]}}}, "12"),
        ({"amount": {"conditions": {"$less_than_equal": [200]}}}, "01"),
        ({"discount_amount": {"conditions": {"$is_unknown": []}}}, "013"),
        ({"total_amount": {"conditions": {"$is": [295]}}}, "2"),
        ({"metadata.means": {"conditions": {"$is": "paypal"}}}, "0"),
        ({"metadata.means": {"conditions": {"$in": ["card", "cash"]}}}, "01"),
        ({"metadata.means": {"conditions": {"$is_not": ["card"]}}}, "123"),
        ({"metadata.means": {"conditions": {"$has_value": []}}}, "01"),
        ({"metadata.means": {"conditions": {"$is_unknown": []}}}, "23"),
        ({"metadata.means": {"conditions": {"$starts_with": "ca"}}}, "01"),
        ({"metadata.n": {"conditions": {"$more_than": [1]}}}, "12"),
        ({"metadata.vip": {"conditions": {"$is": ["true"]}}}, "0"),
        ({"metadata.on": {"conditions": {"$after": ["2022-02-01"]}}}, "3"),
        ({"metadata.on": {"conditions": {"$before": ["2022-02-01T00:00:00Z"]}}}, "1"),
        ({"created_at": {"conditions": {"$after": ["2020-01-01"], "$before": ["2099-01-01"]}}}, "0123"),
        ({"created_at": {"conditions": {"$after": ["2099-01-01"]}}}, ""),
        ({"updated_at": {"conditions": {"$after": ["2000-01-01"]}}}, ""),
        ({"status": {"conditions": {"$is": ["PAID"]}}, "amount": {"conditions": {"$is": [200]}}}, ""),
        (
            {"junction": "or", "status": {"conditions": {"$is": ["PAID"]}}, "amount": {"conditions": {"$is": [200]}}},
            "01",
        ),
    ],
    ids=str,
)
def test_filters(api, filters, expected):
    ids = [api.post("/v1/orders", json=order).json()["id"] for order in ORDERS]
    rows = api.exported_rows(fields=["id"], filters=filters, order="created_at")
    assert "".join(str(ids.index(row[0])) for row in rows) == expected


@pytest.mark.parametrize(("bounds", "expected"), [("inclusive", "bcd"), ("exclusive", "c")])
def test_a_window_includes_its_bounds_or_not(bounds, expected):
    with Emulator(speed=1000, window_bounds=bounds) as emulator:
        api = Api(emulator)
        for second, source_id in enumerate("abcde"):
            api.post("/v1/orders", json={"source_id": source_id, "created_at": f"2022-01-01T00:00:0{second}.000Z"})
        window = {"$after": ["2022-01-01T00:00:01Z"], "$before": ["2022-01-01T01:00:03+01:00"]}
        rows = api.exported_rows(fields=["source_id"], filters={"created_at": {"conditions": window}})
        assert "".join(row[0] for row in rows) == expected


FORM = "Property .parameters.filters should match either `filters[${field}][conditions][${condition}][${index}]` or "


@pytest.mark.parametrize(
    ("parameters", "key", "details"),
    [
        (
            {"fields": ["id", "items"]},
            "invalid_export_fields",
            f"Unsupported field used. Allowed fields: {', '.join(FIELDS)}",
        ),
        ({"fields": "id"}, "invalid_payload", "Property .parameters.fields should be an array of strings"),
        ({"fields": ["metadata."]}, "invalid_payload", "Property .parameters: metadata. names no metadata property"),
        (
            {"order": "amount"},
            "invalid_payload",
            "Property .parameters.order should be equal to one of the allowed values",
        ),
        ({"filters": []}, "invalid_payload", "Property .parameters.filters should be an object"),
        ({"filters": {"status": {"conditions": {"$like": ["x"]}}}}, "invalid_payload", FORM),
        ({"filters": {"status": {"$is": ["x"]}}}, "invalid_payload", FORM),
        ({"filters": {"status": "PAID"}}, "invalid_payload", FORM),
        (
            {"filters": {"status": {"conditions": {"$today": []}}}},
            "invalid_payload",
            "Property .parameters.filters.status: the emulator cannot evaluate $today",
        ),
        (
            {"filters": {"colour": {"conditions": {"$is": ["x"]}}}},
            "invalid_payload",
            "Property .parameters.filters.colour is not allowed",
        ),
        (
            {"filters": {"customer_id": {"conditions": {"$is": ["x"]}}}},
            "invalid_payload",
            "Property .parameters.filters.customer_id is not allowed. Allowed filters: created_at, updated_at, ",
        ),
        ({"filters": {"junction": "xor"}}, "invalid_payload", "Property .parameters.filters.junction should be equal"),
        (
            {"filters": {"created_at": {"conditions": {"$is": ["x"]}}}},
            "invalid_payload",
            "Property .parameters.filters.created_at can have $after and $before",
        ),
        (
            {"filters": {"created_at": {"conditions": {"$after": ["x"]}}}},
            "invalid_payload",
            "Property .parameters.filters.created_at.conditions.$after cannot be recognized",
        ),
        (
            {"filters": {"status": {"conditions": {"$is": []}}}},
            "invalid_payload",
            "Property .parameters.filters.status.conditions.$is has no value",
        ),
        (
            {"filters": {"status": {"conditions": {"$is": [{}]}}}},
            "invalid_payload",
            "Property .parameters.filters.status.conditions.$is should hold",
        ),
        (
            {"filters": {"metadata.vip": {"conditions": {"$is": True}}}},
            "invalid_payload",
            "Property .parameters.filters.metadata.vip.conditions.$is should hold",
        ),
        (
            {"filters": {"amount": {"conditions": {"$is": [2**70]}}}},
            "invalid_payload",
            "Property .parameters.filters.amount.conditions.$is should hold",
        ),
    ],
    ids=str,
)
def test_what_an_export_cannot_be(api, parameters, key, details):
    for path, extra in (("/v1/orders/export", {}), ("/v1/exports", {"exported_object": "order"})):
        answer = api.post(path, json={**extra, "parameters": parameters})
        assert (answer.status_code, answer.json()["key"]) == (400, key)
        assert answer.json()["details"].startswith(details)
    assert api.get("/v1/exports").json()["total"] == 0
