"""Exports of other kinds than orders, from rows given; headers and metadata in every style; orders to start with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.export_kinds import EXPORT_KINDS, ROW_KINDS

from .api import KEYS, Api

VOUCHERS = [
    {
        "code": "A",
        "value": 5,
        "active": True,
        "redemption.quantity": 5,
        "created_at": "2024-01-02T00:00:00.000Z",
        "metadata": {"x": "1"},
    },
    {"code": "B", "value": 70, "active": False, "redemption.quantity": 70, "created_at": "2024-01-03T00:00:00.000Z"},
    {"code": "C", "created_at": "2024-01-01T00:00:00.000Z", "metadata": {"x": "2", "y": True}},
]


def exported(api: Api, kind: str, **parameters: object) -> str:
    body = {"exported_object": kind, "parameters": parameters}
    response = api.post("/v1/exports", json=body)
    assert (response.status_code, response.json()["exported_object"]) == (200, kind), response.text
    done = api.finished(response.json()["id"])
    return requests.get(done["result"]["url"], headers=KEYS, timeout=10).text


@pytest.mark.parametrize("kind", ROW_KINDS)
def test_each_kind_is_exported_from_rows_given(api, emulator, kind):
    fields = list(EXPORT_KINDS[kind].fields or ("id", "name", "price"))
    plain = [field for field in fields if field != "metadata"]
    emulator.add_export_rows(kind, [{field: f"{field}-{number}" for field in plain} for number in range(3)])
    lines = exported(api, kind, fields=plain).splitlines()
    assert lines[1:] == [",".join(f"{field}-{number}" for field in plain) for number in range(3)]
    response = api.post("/v1/exports", json={"exported_object": kind, "parameters": {"fields": ["No such"]}})
    assert (response.status_code, response.json()["key"]) == (400, "invalid_export_fields")


def test_rows_are_filtered_sorted_and_written_like_orders(api, emulator):
    response = api.post("/emulator/export-rows/voucher", json=VOUCHERS)
    assert response.json() == {"rows": 3}
    fields = ["code", "value", "active", "metadata.x", "metadata"]
    assert exported(api, "voucher", fields=fields, order="-created_at").splitlines() == [
        "Code,Value,Active,Metadata.x,Metadata",
        "B,70,false,,{}",
        'A,5,true,1,"{""x"":""1""}"',
        'C,,,2,"{""x"":""2"",""y"":true}"',
    ]

    def codes(**filters: dict[str, object]) -> list[str]:
        conditions = {name: {"conditions": condition} for name, condition in filters.items()}
        return exported(api, "voucher", fields=["code"], order="code", filters=conditions).split()[1:]

    assert codes(**{"redemption.quantity": {"$more_than": [5]}}) == ["B"]
    assert codes(active={"$is": ["true"]}) == ["A"]
    assert codes(created_at={"$after": ["2024-01-01T12:00:00Z"]}) == ["A", "B"]
    assert codes(created_at={"$is": ["2024-01-01T00:00:00.000Z"]}) == ["C"]
    assert codes(**{"metadata.x": {"$is": ["2"]}}) == ["C"]


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("order", [], "Unknown kind of export 'order'; rows can be given for voucher, redemption"),
        ("voucher", [{"colour": 1}], "A voucher export has no field 'colour'; it has active, additional_info"),
        ("customer", [{"metadata.x": 1}], "A customer export has no field 'metadata.x'"),
        ("product", [{"No name": 1}], "A product export has no field 'No name'"),
    ],
)
def test_wrong_rows_are_refused(api, emulator, kind, rows, message):
    with pytest.raises(ValueError, match=message):
        emulator.add_export_rows(kind, rows)
    response = api.post(f"/emulator/export-rows/{kind}", json=rows)
    assert response.status_code == 400
    assert response.json()["message"].startswith(message)
    with pytest.raises(ValueError, match=message), Emulator(export_rows={kind: rows}):
        pass


@pytest.mark.parametrize(
    ("kind", "name", "condition", "message"),
    [
        ("voucher", "campaign", "$is", "campaign is not allowed. Allowed filters: created_at, "),
        ("customer", "address.", "$is", "address. is not allowed"),
        (
            "points_expiration",
            "metadata.x",
            "$is",
            "metadata.x is not allowed. Allowed filters: campaign_id, voucher_id",
        ),
        ("redemption", "campaign", "$contains", "campaign can have $is, not $contains"),
    ],
)
def test_what_the_documents_do_not_filter_by_is_refused(api, kind, name, condition, message):
    body = {"exported_object": kind, "parameters": {"filters": {name: {"conditions": {condition: ["x"]}}}}}
    response = api.post("/v1/exports", json=body)
    assert response.status_code == 400
    assert response.json()["details"].startswith(f"Property .parameters.filters.{message}")


def test_rows_of_the_start_are_there_again_after_a_reset():
    with Emulator(speed=1000, export_rows={"sku": [{"id": "s", "order": 1}]}) as emulator:
        for _ in range(2):
            assert exported(Api(emulator), "sku", fields=["id", "order"], order="-order") == "ID,Order\ns,1\n"
            emulator.reset()


def test_an_unknown_kind_or_sort_order_is_refused(api):
    response = api.post("/v1/exports", json={"exported_object": "campaign"})
    assert "allowed values [ order, voucher, " in response.json()["details"]
    body = {"exported_object": "voucher", "parameters": {"order": "value"}}
    assert api.post("/v1/exports", json=body).json()["details"].startswith("Property .parameters.order should be")


@pytest.mark.parametrize(
    ("header_style", "metadata_style", "header"),
    [
        ("label", "json", "Source ID,Creation Date,Last Update Date,Metadata,Metadata.Region"),
        ("label", "bare", "Source ID,Creation Date,Last Update Date,Region,channel,Region"),
        ("field", "bare", "source_id,created_at,updated_at,Region,channel,Region"),
        ("display", "columns", "Source ID,Created At,Updated At,Metadata.Region,Metadata.channel,Metadata.Region"),
    ],
)
def test_headers_and_metadata_in_every_style(header_style, metadata_style, header):
    with Emulator(speed=1000, header_style=header_style, metadata_style=metadata_style) as emulator:
        api = Api(emulator)
        api.post("/v1/orders", json={"source_id": "o", "metadata": {"channel": "web", "Region": "EU"}})
        fields = ["source_id", "created_at", "updated_at", "metadata", "metadata.Region"]
        first, row = api.exported_text(fields=fields).splitlines()
        assert first == header
        assert row.endswith("EU,web,EU" if metadata_style != "json" else '"{""channel"":""web"",""Region"":""EU""}",EU')


def test_orders_of_the_past_to_start_with(tmp_path):
    before = datetime.now(UTC)
    with Emulator(speed=1000, seed=300, days=10, db=str(tmp_path / "db.sqlite")) as emulator:
        api = Api(emulator)
        assert emulator.count_orders() == 300
        orders = api.get("/v1/orders?limit=100").json()["orders"]
        moments = [datetime.fromisoformat(order["created_at"]) for order in orders]
        assert moments == sorted(moments)
        assert before - timedelta(days=10, minutes=1) < moments[0] < before - timedelta(days=9)
        changed = [order for order in orders if order["updated_at"] is not None]
        assert 10 < len(changed) < 90
        assert all(order["updated_at"] >= order["created_at"] for order in changed)
        assert all(len(exported(api, kind).splitlines()) == 31 for kind in ROW_KINDS)
        first = [order["source_id"] for order in orders], [order["total_amount"] for order in orders]
        emulator.reset()
        orders = api.get("/v1/orders?limit=100").json()["orders"]
        assert ([order["source_id"] for order in orders], [order["total_amount"] for order in orders]) == first
        api.post("/v1/orders", json={})
    with Emulator(speed=1000, seed=300, db=str(tmp_path / "db.sqlite")) as emulator:
        assert emulator.count_orders() == 301


def test_an_action_read_by_id_names_user_and_log(api):
    action = api.import_orders([{}])
    assert action["log_id"].startswith("log_")
    assert action["user"] is None
    [listed] = api.get("/v1/async-actions").json()["async_actions"]
    assert not {"log_id", "user"} & set(listed)
