"""Faults that an importer must not take for something else: late, foreign, invisible, empty, endless, huge."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
import time_machine

from airflow_provider_voucherify.emulator import Emulator

from .api import DEADLINE_SECONDS, Api

IMPORT = "POST /v1/orders/import"
EXPORT = "GET /v1/exports/{exportId}"
ORDERS = [{"source_id": "order-1"}, {"source_id": "order-2"}]


def wait_for(found):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def actions(api: Api) -> list[dict[str, object]]:
    return api.get("/v1/async-actions").json()["async_actions"]


def test_locked_is_a_423_before_the_work(api, emulator):
    emulator.add_fault("locked", route=IMPORT, times=2)
    for _ in range(2):
        response = api.post("/v1/orders/import", json=ORDERS)
        assert (response.status_code, response.json()["message"]) == (423, "Resource locked")
    assert actions(api) == []
    assert api.import_orders(ORDERS)["result"]["done_count"] == 2


def test_a_late_request_is_carried_out_after_its_connection_was_dropped(api, emulator):
    emulator.add_fault("late", route=IMPORT, seconds=0.5)
    sent_at = datetime.now(UTC)
    with pytest.raises(requests.ConnectionError):
        api.post("/v1/orders/import", json=ORDERS)
    [action] = wait_for(lambda: actions(api))
    assert datetime.fromisoformat(action["created_at"]) - sent_at > timedelta(seconds=0.4)
    assert api.finished_action(action["id"])["result"]["done_count"] == 2
    calls = emulator.calls()
    assert (calls["responses_lost"], calls["calls"][IMPORT]) == (1, 1)
    assert [entry["async_action_id"] for entry in calls["imports"]] == [action["id"]]


def test_a_late_request_that_is_refused_leaves_nothing(api, emulator):
    emulator.add_fault("late", route="POST /v1/orders", seconds=0)
    with pytest.raises(requests.ConnectionError):
        api.post("/v1/orders", json={"amount": -1})
    assert api.post("/v1/orders", json={"source_id": "next"}).status_code == 200
    assert emulator.count_orders() == 1


def test_a_reset_and_a_stop_forget_late_requests():
    with Emulator(speed=1000) as emulator:
        api = Api(emulator)
        emulator.add_fault("late", seconds=0.3)
        with pytest.raises(requests.ConnectionError):
            api.post("/v1/orders", json={})
        emulator.reset()
        emulator.add_fault("late", seconds=60, times=0)
        with pytest.raises(requests.ConnectionError):
            api.post("/v1/orders", json={})
        time.sleep(0.5)
        assert emulator.count_orders() == 0
        emulator.clear_faults()
        start = time.monotonic()
    assert time.monotonic() - start < 30


def test_another_client_imports_as_many_orders_though_ours_was_refused(api, emulator):
    emulator.add_fault("server_error", route=IMPORT)
    emulator.add_fault("foreign_import", every=2)
    assert api.post("/v1/orders/import", json=ORDERS).status_code == 500
    [foreign] = actions(api)
    assert api.finished_action(foreign["id"])["result"]["done_count"] == 2
    ours = api.accepted_import(ORDERS)
    api.finished_action(ours)
    assert [entry["async_action_id"] for entry in emulator.calls()["imports"]] == [ours]
    listed = api.get("/v1/orders").json()["orders"]
    assert sorted(order["source_id"].partition("-")[0] for order in listed) == ["foreign", "foreign", "order", "order"]
    assert foreign["request_id"] != api.get(f"/v1/async-actions/{ours}").json()["request_id"]


def test_another_clients_import_may_come_some_time_after_ours(api, emulator):
    emulator.add_fault("foreign_import", seconds=2)
    ours = api.accepted_import(ORDERS)
    later, earlier = wait_for(lambda: found if len(found := actions(api)) == 2 else None)
    assert earlier["id"] == ours
    assert later["id"] != ours


def test_a_body_that_is_no_import_brings_no_other_import(api, emulator):
    emulator.add_fault("foreign_import", times=0)
    for body in (b"[", b"{}", b"[" * 100_000, b"[]", b"\xff"):
        response = api.post("/v1/orders/import", data=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400
    assert actions(api) == []


@pytest.mark.parametrize("kind", ["async-actions", "exports"])
def test_what_is_fresh_cannot_be_read_for_some_time(api, emulator, kind):
    emulator.add_fault("visible_late", seconds=60)
    exports = kind == "exports"
    resource = api.post("/v1/orders/export", json={}).json()["id"] if exports else api.accepted_import(ORDERS)
    response = api.get(f"/v1/{kind}/{resource}")
    assert (response.status_code, response.json()["resource_id"]) == (404, resource)
    listed = api.get(f"/v1/{kind}").json()
    assert listed[listed["data_ref"]] == []
    with time_machine.travel(timedelta(minutes=2)):
        assert api.get(f"/v1/{kind}/{resource}").status_code == 200
        listed = api.get(f"/v1/{kind}").json()
    assert [one["id"] for one in listed[listed["data_ref"]]] == [resource]


@pytest.mark.parametrize(
    ("result", "shown"),
    [("missing", "none"), ("null", None), ("object", {}), ("text", "The result cannot be read")],
)
def test_an_action_is_done_without_a_readable_result(api, emulator, result, shown):
    session = requests.Session()  # the judge of the other would refuse such an action, rightly
    session.headers.update(api.headers)
    action = api.accepted_import(ORDERS)
    api.finished_action(action)
    emulator.add_fault("empty_result", result=result, times=2)
    url = f"{emulator.url}/v1/async-actions/{action}"
    for _ in range(2):
        document = session.get(url, timeout=10).json()
        assert (document["status"], document.get("result", "none")) == ("DONE", shown)
    assert session.get(url, timeout=10).json()["result"]["done_count"] == 2


def test_an_export_is_done_without_a_url(api, emulator):
    export = api.finished_export()
    emulator.add_fault("empty_result", route=EXPORT, times=1)
    response = requests.get(f"{emulator.url}/v1/exports/{export['id']}", headers=api.headers, timeout=10)
    assert (response.json()["status"], "result" in response.json()) == ("DONE", False)
    assert api.get(f"/v1/exports/{export['id']}").json()["result"]["url"]


def test_a_response_drips(api, emulator):
    plain = api.get("/v1/orders").content
    emulator.add_fault("drip", seconds=0.01, bytes=10)
    start = time.monotonic()
    assert api.get("/v1/orders").content == plain
    assert time.monotonic() - start > 0.01 * len(plain) / 10
    emulator.add_fault("drip", seconds=60)
    with pytest.raises(requests.ConnectionError, match="Read timed out"):
        api.get("/v1/orders", timeout=0.3)


def test_a_download_drips_and_ends_with_the_emulator():
    with Emulator(speed=1000, faults=["drip:seconds=60,route=GET download /v1/exports/{exportId}"]) as emulator:
        api = Api(emulator)
        api.import_orders(ORDERS)
        url = api.finished_export()["result"]["url"]
        response = requests.get(url, headers=api.headers, stream=True, timeout=10)
        assert response.status_code == 200
        start = time.monotonic()
    assert time.monotonic() - start < 30
    response.close()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_bomb(api, emulator, encoding):
    emulator.add_fault("bomb", bytes=50_000_000, encoding=encoding, status=500)
    response = requests.get(f"{emulator.url}/v1/orders", headers=api.headers, stream=True, timeout=10)
    assert response.status_code == 500
    sent = sum(map(len, response.raw.stream(1 << 20, decode_content=False)))
    assert sent == 50_000_000 if encoding == "identity" else sent < 1_000_000
    emulator.add_fault("bomb", bytes=9_000_000, encoding=encoding)
    response = requests.get(f"{emulator.url}/v1/orders", headers=api.headers, timeout=10)
    assert (response.status_code, response.content) == (200, b" " * 9_000_000)
    assert api.get("/v1/orders").json()["total"] == 0
