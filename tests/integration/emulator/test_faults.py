"""Every fault, and when it happens."""

from __future__ import annotations

import time

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError

from airflow_provider_voucherify.emulator import FAULTS, Emulator
from airflow_provider_voucherify.emulator.fault_types import Slow
from airflow_provider_voucherify.emulator.faults import Faults, make_fault, parse_fault

from .api import KEYS, Api

IMPORT = "POST /v1/orders/import"
ORDER = [{"source_id": "order-1"}]


def test_there_are_the_faults_of_the_design():
    assert set(FAULTS) == {
        "response_lost", "server_error", "server_error_after", "rate_limited", "cycle_spent", "plan_exceeded",
        "subscription_ended", "slow", "still_running", "redirect", "body_limit", "rejected_order", "lowered_limit",
        "failed_rows", "action_failed", "export_error", "truncated_download", "expired_token",
        "locked", "late", "foreign_import", "visible_late", "empty_result", "drip", "bomb",
    }  # fmt: skip


def test_an_answer_is_lost_after_the_work_was_done(api, emulator):
    emulator.add_fault("response_lost", route="POST /v1/orders")
    with pytest.raises(requests.ConnectionError):
        api.post("/v1/orders", json={"source_id": "lost"})
    assert api.get("/v1/orders/lost").status_code == 200
    assert api.post("/v1/orders", json={}).status_code == 200
    account = emulator.calls()
    assert (account["responses_lost"], account["calls"]["POST /v1/orders"]) == (1, 2)


def test_only_an_answer_to_work_that_was_done_is_lost(api, emulator):
    emulator.add_fault("response_lost")
    assert api.get("/v1/orders/none").status_code == 404
    with pytest.raises(requests.ConnectionError):
        api.get("/v1/orders")


def test_a_lost_import_runs_all_the_same(api, emulator):
    emulator.add_fault("response_lost", route=IMPORT)
    with pytest.raises(requests.ConnectionError):
        api.post("/v1/orders/import", json=ORDER)
    [action] = api.get("/v1/async-actions").json()["async_actions"]
    assert api.finished_action(action["id"])["result"]["done_count"] == 1
    assert [entry["async_action_id"] for entry in emulator.calls()["imports"]] == [action["id"]]


def test_server_errors_come_before_or_after_the_work(api, emulator):
    emulator.add_fault("server_error", status=503)
    answer = api.post("/v1/orders", json={})
    assert (answer.status_code, answer.json()["code"], answer.json()["key"]) == (503, 503, "internal_error")
    assert emulator.count_orders() == 0
    emulator.add_fault("server_error_after")
    assert api.post("/v1/orders", json={}).status_code == 502
    assert emulator.count_orders() == 1
    assert api.post("/v1/orders", json={}).status_code == 200


def test_a_storm_of_429s(api, emulator):
    emulator.add_fault("rate_limited", times=2, retry_after=7, type="bulk_api_calls")
    for _ in range(2):
        answer = api.get("/v1/orders")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
        assert answer.headers["X-Rate-Limit-Type"] == "bulk_api_calls"
        assert answer.headers["X-Rate-Limit-Remaining"] == "0"
        assert abs(int(answer.headers["X-Rate-Limit-Retry"]) - time.time() - 7) < 10
    assert api.get("/v1/orders").status_code == 200
    assert emulator.calls()["refused"] == 2


@pytest.mark.parametrize(
    ("name", "status", "key", "kind"),
    [
        ("plan_exceeded", 402, "plan_exceeded", None),
        ("subscription_ended", 429, "subscription_ended", None),
        ("cycle_spent", 429, "too_many_requests", "api_calls_cycle"),
    ],
)
def test_the_end_of_the_contract(api, emulator, name, status, key, kind):
    emulator.add_fault(name)
    for _ in range(3):
        answer = api.post("/v1/orders/import", json=ORDER)
        assert (answer.status_code, answer.json()["key"]) == (status, key)
        assert answer.headers.get("X-Rate-Limit-Type") == kind
        assert ("Retry-After" in answer.headers) == (kind is not None)
    emulator.clear_faults()
    assert api.get("/v1/orders").json()["total"] == 0


def test_a_slow_answer(api, emulator):
    emulator.add_fault("slow", seconds=30, route="GET /v1/orders/{orderId}")
    with pytest.raises(requests.Timeout):
        api.get("/v1/orders/x", timeout=0.2)
    assert api.get("/v1/orders", timeout=10).status_code == 200


@pytest.mark.parametrize("route", ["/v1/async-actions", "/v1/exports"])
def test_what_has_ended_is_said_to_run_on(api, emulator, route):
    job = api.finished_export() if route == "/v1/exports" else api.import_orders(ORDER)
    emulator.add_fault("still_running", times=2)
    (listed,) = next(value for value in api.get(route).json().values() if isinstance(value, list))
    found = api.get(f"{route}/{job['id']}").json()
    assert (listed["status"], found["status"]) == ("IN_PROGRESS", "IN_PROGRESS")
    assert found.get("result") is None
    ended = api.get(f"{route}/{job['id']}").json()
    assert ended["status"] == "DONE"
    assert ended["result"]


def test_a_redirect_keeps_path_and_query(api, emulator):
    emulator.add_fault("redirect", to="http://127.0.0.1:9/", times=1, status=308)
    answer = api.get("/v1/orders?limit=2")
    assert (answer.status_code, answer.headers["Location"]) == (308, "http://127.0.0.1:9/v1/orders?limit=2")
    assert api.get("/v1/orders?limit=2").status_code == 200


def test_a_lower_limit_of_bytes(api, emulator):
    emulator.add_fault("body_limit", bytes=100, route=IMPORT)
    answer = api.post("/v1/orders/import", json=ORDER * 10)
    assert (answer.status_code, answer.json()["key"]) == (413, "payload_too_large")
    assert answer.json()["details"] == "A body can have at most 100 bytes"
    assert api.import_orders(ORDER)["status"] == "DONE"
    assert api.post("/v1/orders", json={"metadata": {"x": "y" * 200}}).status_code == 200


def test_a_lower_limit_of_orders(api, emulator):
    emulator.add_fault("lowered_limit", limit=2)
    answer = api.post("/v1/orders/import", json=ORDER * 3)
    assert (answer.status_code, answer.json()["key"]) == (400, "query_too_large")
    assert answer.json()["details"] == "An import can have at most 2 orders, this one has 3"
    assert api.import_orders(ORDER * 2)["status"] == "DONE"


def test_an_order_that_is_rejected_with_its_import(api, emulator):
    emulator.add_fault("rejected_order", source_id="bad-*", details="Property .customer is unwelcome")
    answer = api.post("/v1/orders/import", json=[*ORDER, {"source_id": "bad-7"}, {"amount": 1}])
    assert (answer.status_code, answer.json()["details"]) == (400, "Property .customer is unwelcome")
    assert api.import_orders([*ORDER, {"amount": 1}])["result"]["done_count"] == 2
    assert emulator.count_orders() == 2


def test_rows_fail_by_pattern_count_and_chance(api, emulator):
    orders = [{"source_id": f"o-{number}"} for number in range(100)]
    emulator.add_fault("failed_rows", source_id="o-?", every=5, reason="No luck")
    emulator.add_fault("failed_rows", source_id="o-99", null_source_id=True)
    result = api.import_orders(orders)["result"]
    assert result["failed"] == [
        {"source_id": "o-0", "reason": "No luck"},
        {"source_id": "o-5", "reason": "No luck"},
        {"source_id": None, "reason": "Internal error"},
    ]
    assert (result["done_count"], result["failed_count"], emulator.count_orders()) == (97, 3, 97)
    emulator.clear_faults()
    emulator.add_fault("failed_rows", times=2)
    assert api.import_orders(orders)["result"]["failed_count"] == 2
    assert api.import_orders(orders)["result"]["failed_count"] == 0
    chances = []
    for seed in (1, 1, 2):
        emulator.clear_faults()
        emulator.add_fault("failed_rows", share=0.2, seed=seed)
        chances.append([row["source_id"] for row in api.import_orders(orders)["result"]["failed"]])
    assert 5 < len(chances[0]) < 40
    assert chances[0] == chances[1] != chances[2]


@pytest.mark.parametrize("loaded", [0.0, 0.5])
def test_an_import_that_fails_as_a_whole(api, emulator, loaded):
    emulator.add_fault("action_failed", loaded=loaded, message="Timeout")
    action = api.import_orders([{"amount": number} for number in range(10)])
    assert (action["status"], action["result"]) == ("FAILED", {"message": "Timeout"})
    assert emulator.count_orders() == 10 * loaded
    assert api.import_orders(ORDER)["status"] == "DONE"


def test_an_export_that_ends_in_error(api, emulator):
    emulator.add_fault("export_error")
    export = api.finished_export()
    assert (export["status"], export["result"]) == ("ERROR", None)
    assert api.finished_export()["status"] == "DONE"


def exported_url(api) -> str:
    api.import_orders([{"source_id": f"order-{number:04d}"} for number in range(500)])
    return api.finished_export(fields=["source_id"])["result"]["url"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_download_that_breaks_off_where_one_can_tell(api, emulator, framing):
    url = exported_url(api)
    emulator.add_fault("truncated_download", bytes=800, framing=framing)
    with requests.get(url, headers=KEYS, stream=True, timeout=10) as answer:
        got = b""
        with pytest.raises((requests.exceptions.ChunkedEncodingError, HTTPError)):
            for block in answer.iter_content(100):
                got += block
    assert len(got) <= 800
    assert len(requests.get(url, headers=KEYS, timeout=10).content) > 5000


def test_a_download_that_breaks_off_in_silence(api, emulator):
    url = exported_url(api)
    emulator.add_fault("truncated_download", bytes=800, framing="close")
    answer = requests.get(url, headers=KEYS, timeout=10)
    assert (answer.status_code, len(answer.content)) == (200, 800)
    assert not {"Content-Length", "Transfer-Encoding"} & set(answer.headers)
    assert answer.content == requests.get(url, headers=KEYS, timeout=10).content[:800]


def test_a_token_that_has_expired(api, emulator):
    url = exported_url(api)
    emulator.add_fault("expired_token")
    assert requests.get(url, headers=KEYS, timeout=10).status_code == 401
    assert requests.get(url, headers=KEYS, timeout=10).status_code == 200
    form = {"grant_type": "client_credentials", "scope": "api"}
    token = api.post("/v1/oauth/token", data=form).json()["access_token"]
    bearer = Api(emulator, Authorization=f"Bearer {token}")
    emulator.add_fault("expired_token")
    assert api.get("/v1/orders").status_code == 200
    assert bearer.get("/v1/orders").json()["details"] == "The OAuth token has expired"
    assert bearer.get("/v1/orders").status_code == 200


def test_faults_happen_on_the_download_host_too(api, emulator):
    url = exported_url(api)
    emulator.add_fault("server_error", route="GET download /v1/exports/{exportId}")
    assert api.get("/v1/orders").status_code == 200
    assert requests.get(url, headers=KEYS, timeout=10).status_code == 500
    emulator.add_fault("response_lost", route="GET download /v1/exports/{exportId}")
    with pytest.raises(requests.ConnectionError):
        requests.get(url, headers=KEYS, timeout=10)
    assert emulator.calls()["calls"]["GET download /v1/exports/{exportId}"] == 2


def test_faults_over_the_admin_route(api):
    answer = api.post("/emulator/faults", json={"name": "server_error", "times": 2, "after": 1, "status": 599})
    assert answer.status_code == 200
    assert [api.get("/v1/orders").status_code for _ in range(4)] == [200, 599, 599, 200]
    [fault] = api.get("/emulator/faults").json()["faults"]
    assert (fault["name"], fault["times"], fault["seen"], fault["fired"]) == ("server_error", 2, 3, 2)
    assert api.delete("/emulator/faults").status_code == 204
    assert api.get("/emulator/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "Unknown fault 'nonsense'; there are response_lost, server_error"),
        ("", "Unknown fault ''"),
        ("slow:speed=1", "Fault slow has no parameter 'speed'; it has"),
        ("slow:seconds", "Fault slow: 'seconds' is not key=value"),
        ("slow:seconds=long", "Fault slow: Expected `float`, got `str` - at `$.seconds`"),
        ("slow:every=0", "Fault slow: Expected `int` >= 1 - at `$.every`"),
        ("failed_rows:share=2", "Fault failed_rows: Expected `float` <= 1"),
        ("server_error:status=404", "Fault server_error: Expected `int` >= 500"),
        ("rejected_order", "Fault rejected_order: Object missing required field `source_id`"),
        ("truncated_download:framing=none", "Fault truncated_download: Invalid enum value 'none'"),
        ("redirect:to=ftp://x", "Fault redirect: Expected `str` matching regex"),
    ],
)
def test_what_is_no_fault_is_told(api, text, message):
    with pytest.raises(ValueError, match="ault") as error:
        Emulator(faults=[text])
    assert str(error.value).startswith(message)
    name, _, rest = text.partition(":")
    parameters = dict([rest.split("=")]) if "=" in rest else {}
    answer = api.post("/emulator/faults", json={"name": name, **parameters})
    if text != "slow:seconds":
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(message)


def test_a_route_must_exist(api, emulator):
    with pytest.raises(ValueError, match=r"Unknown route 'POST /v1/import'; there are .*POST /v1/orders/import"):
        emulator.add_fault("server_error", route="POST /v1/import")
    with pytest.raises(ValueError, match="Unknown route"), Emulator(faults=["slow:route=GET /"]):
        pass
    answer = api.post("/emulator/faults", json=["server_error"])
    assert answer.status_code == 400


def test_text_becomes_the_right_types():
    fault = parse_fault("failed_rows:source_id=a*,every=3,share=0.5,null_source_id=true,reason=So it is: x=y")
    assert fault == make_fault(
        "failed_rows", {"source_id": "a*", "every": 3, "share": 0.5, "null_source_id": True, "reason": "So it is: x=y"}
    )


def test_the_first_faults_are_armed_again_by_a_reset():
    with Emulator(faults=["server_error:times=1", Slow(seconds=0)]) as emulator:
        api = Api(emulator)
        assert [api.get("/v1/orders").status_code for _ in range(2)] == [500, 200]
        emulator.add_fault("plan_exceeded")
        emulator.reset()
        assert [api.get("/v1/orders").status_code for _ in range(2)] == [500, 200]


@given(
    times=st.integers(0, 5),
    after=st.integers(0, 5),
    every=st.integers(1, 4),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 3),
    events=st.integers(0, 60),
)
def test_which_event_is_hit_follows_from_the_parameters_alone(times, after, every, share, seed, events):
    def hits() -> list[int]:
        faults = Faults(["GET /a", "GET /b"])
        parameters = {"times": times, "after": after, "every": every, "share": share, "seed": seed, "route": "GET /a"}
        faults.add(make_fault("slow", parameters))
        hit = []
        for event in range(events):
            assert faults.fires(Slow, "GET /b") is None
            if faults.fires(Slow, "GET /a"):
                hit.append(event)
        return hit

    found = hits()
    assert found == hits()
    due = [event for event in range(events) if event >= after and (event - after) % every == 0]
    assert set(found) <= set(due)
    if times:
        assert len(found) <= times
    if share == 1.0:
        assert found == (due[:times] if times else due)
    if share == 0.0:
        assert found == []
