"""The import of orders and its queue."""

from __future__ import annotations

import gzip
import json
import time
from hashlib import sha256

import pytest

from airflow_provider_voucherify.emulator import Emulator

from .api import Api


def orders(count: int, prefix: str = "order-") -> list[dict]:
    return [{"source_id": f"{prefix}{number}", "amount": number} for number in range(count)]


def test_an_import_is_an_action_that_ends_with_counts(api, emulator):
    action = api.import_orders(orders(3))
    assert action["type"] == "ORDERS.IMPORT"
    assert (action["status"], action["progress"], action["object"]) == ("DONE", 100, "async_action")
    assert action["processing_time"] >= round(503 / emulator.options.speed)
    assert action["updated_at"] >= action["created_at"]
    assert action["request_id"].startswith("v-")
    assert "operation_status" not in action
    assert action["result"] == {
        "message": "3 order(s) imported successfully, 0 failed.",
        "failed": [],
        "done_count": 3,
        "failed_count": 0,
    }
    assert emulator.count_orders() == 3


def test_the_creation_time_is_the_time_of_the_import(api):
    posted = api.post("/v1/orders/import", json=[{"source_id": "old", "created_at": "2019-01-01T00:00:00.000Z"}])
    api.finished_action(posted.json()["async_action_id"])
    assert api.get("/v1/orders/old").json()["created_at"] > "2026"


def test_an_import_changes_the_orders_it_knows(api, emulator):
    first = api.post("/v1/orders", json={"source_id": "order-0", "amount": 99, "status": "PAID"}).json()
    api.import_orders(orders(2))
    changed = api.get("/v1/orders/order-0").json()
    assert (changed["amount"], changed["status"]) == (0, "PAID")
    assert (changed["id"], changed["created_at"]) == (first["id"], first["created_at"])
    assert changed["updated_at"] is not None
    assert emulator.count_orders() == 2


def test_duplicates_in_one_import_are_handled_in_order(api, emulator):
    twice = [{"source_id": "d", "amount": 1, "metadata": {"v": 1}}, {"source_id": "d", "amount": 2}]
    assert api.import_orders(twice)["result"]["done_count"] == 2
    order = api.get("/v1/orders/d").json()
    assert (order["amount"], order["metadata"]) == (2, {"v": 1})
    assert emulator.count_orders() == 1


def test_orders_without_source_id_are_new_every_time(api, emulator):
    api.import_orders([{"amount": 1}, {"amount": 1}])
    api.import_orders([{"amount": 1}])
    assert emulator.count_orders() == 3


def test_where_imports_insert_a_known_order_fails():
    with Emulator(speed=1000, import_mode="insert") as emulator:
        api = Api(emulator)
        api.import_orders(orders(1))
        result = api.import_orders([*orders(2), {"source_id": "order-1", "amount": 7}])["result"]
        reason = "Order with this id or source_id already exists"
        assert result == {
            "message": "1 order(s) imported successfully, 2 failed.",
            "failed": [{"source_id": "order-0", "reason": reason}, {"source_id": "order-1", "reason": reason}],
            "done_count": 1,
            "failed_count": 2,
        }
        assert api.get("/v1/orders/order-1").json()["amount"] == 1


def test_failed_may_be_an_object_as_the_schema_says():
    with Emulator(speed=1000, failed_style="object", import_mode="insert") as emulator:
        api = Api(emulator)
        assert api.import_orders(orders(1))["result"]["failed"] == {}
        assert api.import_orders(orders(1))["result"]["failed"]["source_id"] == "order-0"


def test_an_order_that_cannot_be_calculated_fails_alone(api, emulator):
    too_much = {"source_id": "big", "items": [{"price": 2**53 - 1, "quantity": 3}]}
    result = api.import_orders([*orders(1), too_much])["result"]
    assert result["failed"] == [
        {"source_id": "big", "reason": "Property .amount cannot be greater than 9007199254740991"}
    ]
    assert emulator.count_orders() == 1


def test_one_bad_order_rejects_all_and_is_not_named(api, emulator):
    bad = {"source_id": "bad", "items": [{"initial_quantity": 0}]}
    answer = api.post("/v1/orders/import", json=[*orders(5), bad, *orders(5, "more-")])
    assert (answer.status_code, answer.json()["key"]) == (400, "invalid_payload")
    assert answer.json()["details"] == "Property .items[0].initial_quantity cannot be lower than 1"
    assert emulator.count_orders() == 0
    assert api.get("/v1/async-actions").json()["async_actions"] == []
    assert emulator.calls()["imports"] == []


def test_two_thousand_orders_and_no_more(api, emulator):
    assert api.import_orders(orders(2000))["result"]["done_count"] == 2000
    answer = api.post("/v1/orders/import", json=orders(2001))
    assert (answer.status_code, answer.json()["key"]) == (400, "query_too_large")
    assert answer.json()["details"] == "An import can have at most 2000 orders, this one has 2001"
    assert emulator.count_orders() == 2000


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ([], "Property . should not have fewer than 1 items"),
        ({}, "Property . should be an array"),
        ([1], "Property . should be an object"),
    ],
)
def test_bodies_that_are_no_imports(api, body, details):
    answer = api.post("/v1/orders/import", json=body)
    assert (answer.status_code, answer.json()["details"]) == (400, details)


def test_a_body_over_the_limit_is_refused_after_it_was_read():
    with Emulator(speed=1000, body_limit=1000) as emulator:
        api = Api(emulator)
        answer = api.post("/v1/orders/import", json=[{"metadata": {"text": "x" * 3_000_000}}])
        assert (answer.status_code, answer.json()["key"]) == (413, "payload_too_large")
        assert answer.json()["details"] == "A body can have at most 1000 bytes"
        assert api.import_orders(orders(1))["result"]["done_count"] == 1


def test_compressed_bodies_where_they_are_allowed():
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with Emulator(speed=1000, gzip_bodies=True, body_limit=100_000) as emulator:
        api = Api(emulator)

        def post(body):
            return api.post("/v1/orders/import", data=body, headers=headers)

        answer = post(gzip.compress(json.dumps(orders(10)).encode()))
        assert api.finished_action(answer.json()["async_action_id"])["result"]["done_count"] == 10
        assert post(gzip.compress(b" " * 200_000)).status_code == 413
        answer = post(b"no gzip")
        assert (answer.status_code, answer.json()["details"][:25]) == (400, "Payload is not valid gzip")
        answer = api.post("/v1/orders/import", data=b"", headers={**headers, "Content-Encoding": "br"})
        assert answer.status_code == 415


def test_imports_run_one_at_a_time_in_the_order_of_their_posts():
    with Emulator(speed=10, import_base_ms=2000) as emulator:
        api = Api(emulator)
        ids = [api.accepted_import([{"source_id": "same", "amount": number}]) for number in range(4)]
        seen = set()
        while api.get(f"/v1/async-actions/{ids[-1]}").json()["status"] != "DONE":
            actions = api.get("/v1/async-actions").json()["async_actions"]
            assert [action["id"] for action in actions] == ids[::-1]
            statuses = [action["status"] for action in reversed(actions)]
            running = statuses.count("IN_PROGRESS")
            assert running <= 1
            done = statuses.count("DONE")
            assert statuses == ["DONE"] * done + ["IN_PROGRESS"] * running + ["ENQUEUED"] * (4 - done - running)
            assert all(action["progress"] == 0 for action in actions if action["status"] == "ENQUEUED")
            seen |= {(action["status"], 0 < action["progress"] < 100) for action in actions}
        assert {("ENQUEUED", False), ("IN_PROGRESS", True), ("DONE", False)} <= seen
        assert api.get("/v1/orders/same").json()["amount"] == 3
        ended = [api.get(f"/v1/async-actions/{action_id}").json()["updated_at"] for action_id in ids]
        assert ended == sorted(ended)


def test_the_call_log_shows_idle_time_and_bodies_posted_twice():
    with Emulator(speed=100, import_base_ms=5000, import_order_ms=0) as emulator:
        api = Api(emulator)
        body = json.dumps(orders(1)).encode()
        headers = {"Content-Type": "application/json"}
        for pause in (0, 0.3):
            time.sleep(pause)
            answer = api.post("/v1/orders/import", data=body, headers=headers).json()
            api.finished_action(answer["async_action_id"])
        account = api.get("/emulator/calls").json()
        assert account == emulator.calls()
        queue = account["import_queue"]
        assert queue["done"] == 2
        assert queue["busy_seconds"] >= 0.1
        assert queue["idle_seconds"] >= 0.3
        assert queue["idle_share"] == pytest.approx(
            queue["idle_seconds"] / (queue["idle_seconds"] + queue["busy_seconds"])
        )
        assert [entry["sha256"] for entry in account["imports"]] == [sha256(body).hexdigest()] * 2
        assert [(entry["orders"], entry["bytes"]) for entry in account["imports"]] == [(1, len(body))] * 2
        assert account["repeated_imports"] == 1
        assert account["calls"]["POST /v1/orders/import"] == 2


def test_the_queue_is_not_idle_while_imports_wait_in_it():
    with Emulator(speed=2, import_base_ms=1000) as emulator:
        api = Api(emulator)
        ids = [api.accepted_import(orders(1)) for _ in range(4)]
        api.finished_action(ids[-1])
        queue = emulator.calls()["import_queue"]
        assert queue["done"] == 4
        assert queue["idle_share"] < 0.5


def test_waiting_imports_outlive_the_emulator(tmp_path):
    db = str(tmp_path / "emulator.sqlite")
    with Emulator(db=db) as emulator:
        first = Api(emulator).accepted_import(orders(2))
        second = Api(emulator).accepted_import(orders(3, "later-"))
    with Emulator(db=db, speed=1000) as emulator:
        api = Api(emulator)
        assert api.finished_action(second)["result"]["done_count"] == 3
        assert api.finished_action(first)["result"]["done_count"] == 2
        assert emulator.count_orders() == 5


def test_a_reset_forgets_everything_also_what_is_under_way():
    with Emulator(speed=1, import_base_ms=300) as emulator:
        api = Api(emulator)
        api.post("/v1/orders", json={"amount": 1})
        for _ in range(3):
            lost = api.accepted_import(orders(2))
        assert api.post("/emulator/reset").status_code == 204
        assert api.get(f"/v1/async-actions/{lost}").status_code == 404
        action = api.import_orders(orders(1, "new-"))
        assert action["result"]["done_count"] == 1
        assert api.get("/emulator/orders/count").json() == {"count": 1}
        account = emulator.calls()
        assert account["calls"]["POST /v1/orders/import"] == 1
        assert account["import_queue"]["done"] == 1
