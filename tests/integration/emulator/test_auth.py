"""Keys and OAuth tokens."""

from __future__ import annotations

import time

import pytest

from airflow_provider_voucherify.emulator import Emulator

from .api import Api

PATHS = ["/v1/orders", "/v1/orders/x", "/v1/async-actions", "/v1/async-actions/x", "/v1/exports", "/v1/exports/x"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X": ""},
        {"X-App-Id": "{id}"},
        {"X-App-Id": "{id}", "X-App-Token": "wrong"},
        {"X-App-Id": "é", "X-App-Token": "{token}"},
    ],
)
def test_nothing_is_answered_without_the_right_keys(emulator, headers):
    sent = {name: value.format(id=emulator.app_id, token=emulator.app_token) for name, value in headers.items()}
    api = Api(emulator, **sent)
    for path in PATHS:
        answer = api.get(path)
        body = answer.json()
        assert (answer.status_code, body["code"], body["key"], body["message"]) == (
            401,
            401,
            "unauthorized",
            "Unauthorized",
        )
        assert emulator.app_token not in answer.text
    assert api.post("/v1/orders/import", json=[{}]).status_code == 401
    assert api.post("/v1/oauth/token", data={"grant_type": "client_credentials", "scope": "api"}).status_code == 401
    assert emulator.calls()["import_queue"]["done"] == 0


def test_the_keys_can_be_chosen():
    with Emulator(app_id="me", app_token="secret") as emulator:
        assert Api(emulator, **{"X-App-Id": "me", "X-App-Token": "secret"}).get("/v1/orders").status_code == 200


def token(api: Api, scope: str = "api") -> dict:
    answer = api.post("/v1/oauth/token", data={"grant_type": "client_credentials", "scope": scope})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_token_opens_the_paths_of_its_scopes(api, emulator):
    allowed = {"api": 6, "orders": 2, "async-actions": 2, "exports": 2, "orders exports": 4, "vouchers": 0}
    for scope, count in allowed.items():
        given = token(api, scope)
        assert (given["expires_in"], given["scope"], given["token_type"]) == (900, scope, "Bearer")
        assert abs(given["expires_at"] - time.time() - 900) < 5
        bearer = Api(emulator, Authorization=f"Bearer {given['access_token']}")
        assert [bearer.get(path).status_code != 401 for path in PATHS].count(True) == count
        again = bearer.post("/v1/oauth/token", data={"grant_type": "client_credentials", "scope": scope})
        assert again.status_code == 401


@pytest.mark.parametrize(
    ("form", "key", "message"),
    [
        (
            {"grant_type": "client_credentials", "scope": "vouchers,campaigns"},
            "invalid_scope",
            "Invalid scope: vouchers,campaigns",
        ),
        ({"grant_type": "client_credentials"}, "invalid_scope", "Invalid scope: "),
        ({"grant_type": "password", "scope": "api"}, "invalid_grant_type", "Invalid grant_type"),
        ({}, "invalid_grant_type", "Invalid grant_type"),
    ],
)
def test_forms_that_give_no_token(api, form, key, message):
    answer = api.post("/v1/oauth/token", data=form or {"x": "y"})
    assert (answer.status_code, answer.json()["key"], answer.json()["message"]) == (400, key, message)


def test_a_token_must_be_asked_for_with_a_form(api):
    assert api.post("/v1/oauth/token", json={"grant_type": "client_credentials", "scope": "api"}).status_code == 415


def test_introspection_and_revocation(api, emulator):
    given = token(api, "orders")
    found = api.post("/v1/oauth/introspect", data={"access_token": given["access_token"]}).json()
    assert found == {**given, "expires_in": found["expires_in"], "active": True}
    assert api.post("/v1/oauth/introspect", data={"access_token": "none"}).json() == {"active": False}
    assert api.post("/v1/oauth/introspect", data={"x": "y"}).json()["key"] == "missing_parameters"
    answer = api.post("/v1/oauth/token/revoke", data={"access_token": given["access_token"]})
    assert (answer.status_code, answer.content) == (204, b"")
    answer = api.post("/v1/oauth/token/revoke", data={"access_token": given["access_token"]})
    assert (answer.status_code, answer.content) == (404, b"")
    assert Api(emulator, Authorization=f"Bearer {given['access_token']}").get("/v1/orders").status_code == 401


def test_tokens_expire_and_make_room_for_others():
    with Emulator(oauth_token_seconds=0.001, oauth_token_limit=1) as emulator:
        api = Api(emulator)
        for _ in range(3):
            bearer = Api(emulator, Authorization=f"Bearer {token(api)['access_token']}")
            time.sleep(0.01)
            answer = bearer.get("/v1/orders")
            assert answer.json()["details"] == "The OAuth token does not exist, has expired or was revoked"


def test_there_are_only_so_many_tokens_at_a_time():
    with Emulator(oauth_token_limit=2) as emulator:
        api = Api(emulator)
        first, _ = token(api), token(api)
        answer = api.post("/v1/oauth/token", data={"grant_type": "client_credentials", "scope": "api"})
        assert (answer.status_code, answer.json()["key"]) == (400, "oauth_tokens_limit_exceeded")
        api.post("/v1/oauth/token/revoke", data={"access_token": first["access_token"]})
        token(api)
