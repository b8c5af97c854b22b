"""Async actions of all types."""

from __future__ import annotations

import re
import time

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.async_actions import ACTION_TYPES

from .api import Api


def test_there_are_twenty_two_types(api):
    assert len(set(ACTION_TYPES)) == 22
    for action_type in ACTION_TYPES:
        answer = api.post("/emulator/async-actions", json={"type": action_type, "status": "DONE"})
        action = api.get(f"/v1/async-actions/{answer.json()['async_action_id']}").json()
        assert (action["type"], action["status"], action["progress"]) == (action_type, "DONE", 100)


def test_a_seeded_action_has_what_it_was_given(api, emulator):
    errors = [{"message": "m", "details": "d", "key": "k", "code": "c"}]
    reports = {"reports": [], "reports_available_till": "2024-11-06T08:26:13.304Z"}
    result = {"done_count": 1, "failed_count": 2, "errors": errors, **reports}
    action_id = emulator.seed_action(
        type="VOUCHERS.BULK_UPDATE", status="DONE", operation_status="FAILED", result=result, after_seconds=1000
    )
    first = api.get(f"/v1/async-actions/{action_id}").json()
    assert (first["status"], first["progress"]) == ("IN_PROGRESS", 0)
    last = api.finished_action(action_id)
    assert (last["status"], last["operation_status"], last["result"]) == ("DONE", "FAILED", result)
    assert last["processing_time"] == round(1_000_000 / emulator.options.speed)


def test_a_seeded_action_goes_through_its_steps(api):
    steps = [
        {"status": "DONE", "operation_status": "UNKNOWN", "after_seconds": 1000, "result": {"message": "odd"}},
        {"status": "ENQUEUED"},
        {"status": "IN_PROGRESS", "after_seconds": 200, "progress": 40},
    ]
    answer = api.post("/emulator/async-actions", json={"type": "CUSTOMERS.IMPORT_CSV", "steps": steps})
    path = f"/v1/async-actions/{answer.json()['async_action_id']}"
    seen = []
    while not seen or seen[-1][0] != "DONE":
        action = api.get(path).json()
        seen.append((action["status"], action["progress"]))
    assert list(dict.fromkeys(seen)) == [("ENQUEUED", 0), ("IN_PROGRESS", 40), ("DONE", 100)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "ORDERS.EXPORT", "status": "DONE"}, "Invalid enum value 'ORDERS.EXPORT'"),
        ({"type": "ORDERS.IMPORT"}, "Give either 'status' or 'steps' of the action"),
        ({"type": "ORDERS.IMPORT", "status": "DONE", "steps": [{"status": "DONE"}]}, "Give either 'status' or 'steps'"),
        ({"type": "ORDERS.IMPORT", "state": "DONE"}, "Object contains unknown field `state`"),
    ],
)
def test_what_is_no_action_is_refused(api, emulator, body, message):
    answer = api.post("/emulator/async-actions", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    with pytest.raises(ValueError, match=re.escape(message)):
        emulator.seed_action(**body)
    assert api.get("/v1/async-actions").json()["async_actions"] == []


def test_the_list_is_newest_first_and_ends_before_a_date(api, emulator):
    ids = []
    for _ in range(12):
        ids.insert(0, emulator.seed_action(type="ORDERS.IMPORT", status="DONE", operation_status="SUCCESS", result={}))
        time.sleep(0.002)
    page = api.get("/v1/async-actions").json()
    assert [action["id"] for action in page["async_actions"]] == ids[:10]
    assert page["has_more"] is True
    assert not {"result", "operation_status", "processing_time"} & set(page["async_actions"][0])
    page = api.get("/v1/async-actions?limit=12").json()
    assert (len(page["async_actions"]), page["has_more"]) == (12, False)
    end_date = page["async_actions"][3]["created_at"]
    page = api.get("/v1/async-actions", params={"limit": 100, "end_date": end_date}).json()
    assert [action["id"] for action in page["async_actions"]] == ids[4:]
    assert api.get("/v1/async-actions?end_date=2016-11-16").json()["async_actions"] == []
    assert len(api.get("/v1/async-actions?end_date=9999-11-16T14:14:31Z").json()["async_actions"]) == 10


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("end_date=soon", "Property .end_date cannot be recognized as a ISO-8601 compliant date"),
        ("limit=101", "Property .limit cannot be greater than 100"),
    ],
)
def test_the_list_refuses_what_it_cannot_do(api, query, details):
    answer = api.get(f"/v1/async-actions?{query}")
    assert (answer.status_code, answer.json()["key"]) == (400, "invalid_query_params")
    assert answer.json()["details"] == details


def test_an_action_that_is_not_there(api):
    answer = api.get("/v1/async-actions/aa_0").json()
    assert (answer["code"], answer["resource_id"], answer["resource_type"]) == (404, "aa_0", "async_action")


def test_seeded_actions_are_divided_by_the_speed_too():
    with Emulator(speed=0.001) as emulator:
        api = Api(emulator)
        action_id = emulator.seed_action(type="ORDERS.IMPORT", status="DONE", after_seconds=1)
        time.sleep(0.05)
        assert api.get(f"/v1/async-actions/{action_id}").json()["status"] == "IN_PROGRESS"
