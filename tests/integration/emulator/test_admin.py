"""Who may use the admin routes, and what they refuse."""

from __future__ import annotations

import socket

import pytest
import requests

from airflow_provider_voucherify.emulator import Emulator

RESET = "/emulator/reset"


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Origin": "https://shop.example"}, 403, "Origin 'https://shop.example' is another site"),
        ({"Origin": "null"}, 403, "Origin 'null' is another site"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "a browser sent it for another site"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "a browser sent it for another site"),
        ({"Host": "rebound.example:8600"}, 403, "Host 'rebound.example' is not a name of this machine"),
        ({"Host": ""}, 403, "Host '' is not a name of this machine"),
        ({"Content-Type": "text/plain"}, 415, "Content-Type should be application/json, got 'text/plain'"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "got 'application/x-www-form-urlencoded'"),
    ],
)
def test_no_web_page_can_use_them(api, emulator, headers, status, reason):
    api.post("/v1/orders", json={})
    response = requests.post(emulator.url + RESET, headers=headers, timeout=10)
    assert response.status_code == status
    assert reason in response.json()["message"]
    assert emulator.count_orders() == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_tools_of_this_machine_can_use_them(api, emulator, name):
    api.post("/v1/orders", json={})
    port = emulator.url.rpartition(":")[2]
    origin = f"http://{name}:{port}"
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert requests.post(origin + RESET, headers=headers, timeout=10).status_code == 204
    assert emulator.count_orders() == 0


def test_other_machines_cannot_use_them(monkeypatch):
    """Take another loopback address for the address of another machine."""
    monkeypatch.setattr(
        "airflow_provider_voucherify.emulator.local_only._is_loopback", lambda host: host == "127.0.0.1"
    )
    with Emulator(host="0.0.0.0") as emulator:
        port = int(emulator.url.rpartition(":")[2])
        request = b"GET /emulator/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        statuses = []
        for address in ("127.0.0.1", "127.0.0.2"):
            with socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0)) as connection:
                connection.sendall(request)
                statuses.append(connection.makefile("rb").readline().split()[1])
        assert statuses == [b"200", b"403"]


@pytest.mark.parametrize("path", ["faults", "async-actions"])
def test_a_body_that_is_nested_deeply_is_refused(emulator, path):
    body = '{"name": ' + "[" * 100_000
    headers = {"Content-Type": "application/json"}
    response = requests.post(f"{emulator.url}/emulator/{path}", data=body, headers=headers, timeout=10)
    assert (response.status_code, response.json()["code"]) == (400, 400)


@pytest.mark.parametrize("depth", [99, 100, 101, 900, *range(960, 1000, 5), 100_000])
@pytest.mark.parametrize("route", ["orders", "orders/import", "exports"])
def test_json_that_is_nested_deeply_is_a_400_or_a_failure(api, emulator, route, depth):
    order = '{"source_id": "deep", "metadata": ' + '{"a":' * depth + "1" + "}" * depth + "}"
    body = f"[{order}]" if route == "orders/import" else order
    response = api.post(f"/v1/{route}", data=body, headers={"Content-Type": "application/json"})
    kept = route != "exports" and depth <= 100
    if route == "orders/import" and response.status_code == 200:
        action = api.finished_action(response.json()["async_action_id"])
        assert action["status"] == "FAILED" or action["result"]["failed_count"] == (0 if kept else 1)
    else:
        assert response.status_code == (200 if kept else 400)
    assert emulator.count_orders() == kept
