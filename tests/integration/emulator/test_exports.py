"""Exports: their life and their CSV text."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.emulator import Emulator, exports
from airflow_provider_voucherify.emulator.export_kinds import FIELDS

from .api import KEYS, Api


def test_an_export_is_scheduled_and_ends_with_a_url_on_the_download_host(api, emulator):
    scheduled = api.post("/v1/orders/export", json={}).json()
    assert scheduled == {
        "id": scheduled["id"],
        "object": "export",
        "created_at": scheduled["created_at"],
        "status": "SCHEDULED",
        "channel": "API",
        "exported_object": "order",
        "parameters": {
            "order": "",
            "fields": ["id", "source_id", "status"],
            "filters": {"junction": "and"},
            "response_format": "CSV",
        },
        "result": None,
        "user_id": None,
    }
    done = api.finished_export()
    assert list(done["result"]) == ["url"]
    assert done["result"]["url"].startswith(f"{emulator.download_url}/v1/exports/{done['id']}?token=")
    assert emulator.download_url != emulator.url


def test_an_export_may_show_what_was_sent_alone():
    sent = {"fields": ["id"], "order": "-created_at", "filters": {"status": {"conditions": {"$is": ["PAID"]}}}}
    with Emulator(speed=1000, export_echo="sent") as emulator:
        assert Api(emulator).post("/v1/orders/export", json={"parameters": sent}).json()["parameters"] == sent
    with Emulator(speed=1000) as emulator:
        echo = Api(emulator).post("/v1/orders/export", json={"parameters": sent}).json()["parameters"]
    assert echo == {**sent, "filters": {"junction": "and", **sent["filters"]}, "response_format": "CSV"}


def test_exports_go_through_their_statuses():
    with Emulator(speed=10, export_base_ms=6000) as emulator:
        api = Api(emulator)
        export = api.post("/v1/exports", json={"exported_object": "order"}).json()
        seen = [export["status"]]
        while seen[-1] != "DONE":
            export = api.get(f"/v1/exports/{export['id']}").json()
            assert (export["result"] is not None) == (export["status"] == "DONE")
            seen.append(export["status"])
        assert list(dict.fromkeys(seen)) == ["SCHEDULED", "IN_PROGRESS", "DONE"]


def test_all_fields_as_csv(api):
    sent = {
        "source_id": 'a "quoted", one',
        "status": "PAID",
        "amount": 1000,
        "discount_amount": 100,
        "items": [{"price": 500, "quantity": 2, "discount_amount": 50}],
        "customer": {"source_id": "c"},
        "metadata": {"note": "two\nlines", "paid": True, "tags": ["x", "y"], "n": 5, "none": None},
    }
    order = api.post("/v1/orders", json=sent).json()
    bare = api.post("/v1/orders", json={}).json()
    metadata = ["metadata.note", "metadata.paid", "metadata.tags", "metadata.n", "metadata.none", "metadata.absent"]
    text = api.exported_text(fields=[*FIELDS, *metadata])
    header, first, second = csv.reader(io.StringIO(text, newline=""))
    assert ",".join(header) == (
        "ID,Source ID,Created At,Updated At,Status,Amount,Discount Amount,Items Discount Amount,Total Discount Amount,"
        "Total Amount,Customer ID,Referrer ID,Metadata,Metadata.note,Metadata.paid,Metadata.tags,Metadata.n,"
        "Metadata.none,Metadata.absent"
    )
    assert first[:2] == [order["id"], sent["source_id"]]
    assert first[2:12] == [order["created_at"], "", "PAID", "1000", "100", "50", "150", "850", order["customer_id"], ""]
    assert json.loads(first[12]) == sent["metadata"]
    assert first[13:] == ["two\nlines", "true", '["x","y"]', "5", "", ""]
    assert second == [bare["id"], "", bare["created_at"], "", "CREATED", *[""] * 7, "{}", *[""] * 6]
    assert '"a ""quoted"", one"' in text


def test_headers_may_be_the_fields_and_metadata_columns():
    with Emulator(speed=1000, header_style="field", metadata_style="columns") as emulator:
        api = Api(emulator)
        api.post("/v1/orders", json={"source_id": "1", "metadata": {"b": "x", "a c": 1}})
        api.post("/v1/orders", json={"source_id": "2", "metadata": {"d": False}})
        text = api.exported_text(fields=["source_id", "metadata", "status"])
        assert text.splitlines() == [
            "source_id,metadata.a c,metadata.b,metadata.d,status",
            "1,1,x,,CREATED",
            "2,,,false,CREATED",
        ]


def test_an_export_without_orders_has_a_header(api):
    assert api.exported_text() == "ID,Source ID,Status\n"


@pytest.mark.parametrize("order", ["created_at", "-created_at", "updated_at", "-updated_at", "status", "-status"])
def test_the_order_of_rows(api, order):
    for source_id, status in (("a", "PAID"), ("b", "CREATED"), ("c", "FULFILLED")):
        api.post("/v1/orders", json={"source_id": source_id, "status": status})
        time.sleep(0.002)
    for source_id in "bca":
        api.put(f"/v1/orders/{source_id}", json={"metadata": {}})
        time.sleep(0.002)
    rows = "".join(row[0] for row in api.exported_rows(fields=["source_id"], order=order))
    expected = {"created_at": "abc", "updated_at": "bca", "status": "bca"}[order.removeprefix("-")]
    assert rows == (expected[::-1] if order.startswith("-") else expected)


def test_another_exported_object_is_refused(api):
    for exported_object in ("campaign", "order ", None, ["order"]):
        answer = api.post("/v1/exports", json={"exported_object": exported_object})
        assert (
            answer.json()["details"]
            == "Property .exported_object should be equal to one of the allowed values [ order, voucher, redemption,"
            " customer, publication, points_expiration, voucher_transactions, product, sku ]"
        )


def test_the_list_has_pages_and_orders(api):
    ids = []
    for _ in range(3):
        ids.append(api.finished_export()["id"])
        time.sleep(0.002)

    def listed(**query):
        answer = api.get("/v1/exports", params=query).json()
        assert (answer["object"], answer["data_ref"], answer["total"]) == ("list", "exports", 3)
        return [export["id"] for export in answer["exports"]]

    assert listed() == listed(order="-created_at") == ids[::-1]
    assert listed(order="created_at", limit=2) == ids[:2]
    assert listed(order="status", limit=2, page=2) == ids[2:]
    urls = [export["result"]["url"] for export in api.get("/v1/exports").json()["exports"]]
    assert all(requests.get(url, headers=KEYS, timeout=10).status_code == 200 for url in urls)
    assert api.get("/v1/exports?order=updated_at").status_code == 400


def test_a_deleted_export_is_gone(api):
    export = api.finished_export()
    path = f"/v1/exports/{export['id']}"
    answer = api.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(path).status_code == api.delete(path).status_code == 404
    assert requests.get(export["result"]["url"], headers=KEYS, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("place", "name"),
    [(exports.Exports, "_write"), (exports, "write_csv")],
    ids=["before it is read", "as it is written"],
)
def test_an_export_that_is_deleted_while_it_runs_leaves_no_file(api, emulator, monkeypatch, caplog, place, name):
    begun, deleted, written = threading.Event(), threading.Event(), threading.Event()
    write = getattr(place, name)

    def write_late(*arguments: Any) -> int:
        begun.set()
        deleted.wait(10)
        orders = write(*arguments)
        written.set()
        return orders

    monkeypatch.setattr(place, name, write_late)
    export = api.post("/v1/orders/export", json={}).json()
    assert begun.wait(10)
    assert api.delete(f"/v1/exports/{export['id']}").status_code == 204
    deleted.set()
    assert written.wait(10)
    while list(emulator.project.database.files.iterdir()):
        time.sleep(0.005)
    assert "failed" not in caplog.text


def test_the_content_is_that_of_the_time_the_export_ran():
    with Emulator(speed=1, export_base_ms=400) as emulator:
        api = Api(emulator)
        api.post("/v1/orders", json={"source_id": "before", "amount": 1})
        export = api.post("/v1/orders/export", json={"parameters": {"fields": ["source_id", "amount"]}}).json()
        while not emulator.project.exports.file(export["id"], 0).exists():
            time.sleep(0.005)
        api.post("/v1/orders", json={"source_id": "before", "amount": 2})
        api.post("/v1/orders", json={"source_id": "after"})
        while (export := api.get(f"/v1/exports/{export['id']}").json())["status"] != "DONE":
            time.sleep(0.01)
        assert requests.get(export["result"]["url"], headers=KEYS, timeout=10).text == "Source ID,Amount\nbefore,1\n"


def test_an_export_may_come_in_several_files():
    with Emulator(speed=1000, export_files=3) as emulator:
        api = Api(emulator)
        api.import_orders([{"source_id": str(number)} for number in range(7)])
        result = api.finished_export(fields=["source_id"])["result"]
        assert result["url"].partition("?")[0] == result["urls"][0].partition("?")[0]
        texts = [requests.get(url, headers=KEYS, timeout=10).text for url in result["urls"]]
        assert texts == ["Source ID\n0\n1\n2\n", "Source ID\n3\n4\n5\n", "Source ID\n6\n"]


def test_unfinished_exports_outlive_the_emulator(tmp_path):
    db = str(tmp_path / "emulator.sqlite")
    with Emulator(db=db) as emulator:
        api = Api(emulator)
        api.post("/v1/orders", json={"source_id": "kept"})
        export = api.post("/v1/orders/export", json={"parameters": {"fields": ["source_id"]}}).json()
    with Emulator(db=db, speed=1000) as emulator:
        api = Api(emulator)
        while (found := api.get(f"/v1/exports/{export['id']}").json())["status"] != "DONE":
            time.sleep(0.01)
        assert requests.get(found["result"]["url"], headers=KEYS, timeout=10).text == "Source ID\nkept\n"


# SQLite's JSON functions end a text at its first NUL.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(TEXT, TEXT, st.integers(0, 2**53 - 1)), min_size=1, max_size=8, unique_by=lambda row: row[0]
    )
)
def test_any_text_comes_back_through_csv(api, emulator, rows):
    emulator.reset()
    orders = [{"source_id": key, "amount": amount, "metadata": {"note": note}} for key, note, amount in rows]
    assert api.import_orders(orders)["result"]["done_count"] == len(rows)
    exported = api.exported_rows(fields=["source_id", "metadata.note", "amount", "metadata"])
    assert [(key, note, int(amount)) for key, note, amount, _ in exported] == rows
    assert [json.loads(metadata) for *_, metadata in exported] == [order["metadata"] for order in orders]
