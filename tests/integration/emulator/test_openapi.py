"""The emulator against the OpenAPI files of the reference: their examples are sent, and every response has to be valid.

So has every answer in the other tests of the emulator: see :class:`Api`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_provider_voucherify.emulator.export_kinds import EXPORT_KINDS
from airflow_provider_voucherify.order_export.kinds import KINDS

from .api import Api
from .openapi import CONTRADICTIONS, KINDS_WITHOUT_SCHEMA, REFERENCE, Specification, specification

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"the OpenAPI files are not at {REFERENCE}")


def examples(kind: str) -> list[tuple[str, str, str, str, str, str, Any]]:
    """Return document, path, method, status (or ``REQUEST``), media type, name and value of the official examples."""
    if not REFERENCE.is_dir():
        return []
    found = []
    for document, path, method, operation in Specification([]).operations():
        bodies = operation["responses"] if kind == "responses" else {"REQUEST": operation.get("requestBody", {})}
        for status, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                for name, example in content.get("examples", {}).items():
                    found.append((document, path, method, status, media_type, name, example["value"]))
    return found


def example(operation_id: str, status: str, name: str) -> Any:
    [operation] = [found for *_, found in Specification([]).operations() if found["operationId"] == operation_id]
    return operation["responses"][status]["content"]["application/json"]["examples"][name]["value"]


def refused(judge: Specification) -> set[str]:
    """Return the official examples of responses that are not valid."""
    return {
        f"{document} {method} {path} {status} {name}"
        for document, path, method, status, media_type, name, value in examples("responses")
        if judge.answer_errors(document, path, method, status, media_type, value)
    }


def test_each_contradiction_is_one_of_the_official_examples():
    """Without any one of the exceptions an official example would be invalid; with them none about orders is."""
    accepted = refused(Specification(CONTRADICTIONS))
    assert all(name.startswith("exports get /v1/exports") for name in accepted), accepted
    for contradiction in CONTRADICTIONS:
        others = [other for other in CONTRADICTIONS if other is not contradiction]
        if "filter values" in contradiction.reason:  # no example of an answer has a filter
            value = {"discount_amount": {"conditions": {"$more_than": 100_000}}}
            pointer = ("components", "schemas", "ExportOrderFilters")
            assert Specification(others).errors("orders", pointer, value)
            assert not specification().errors("orders", pointer, value)
        else:
            assert refused(Specification(others)) > accepted, contradiction.reason


@pytest.mark.parametrize(
    ("document", "path", "method", "name", "value"),
    [(document, path, method, name, value) for document, path, method, _, _, name, value in examples("requests")],
    ids=str,
)
def test_the_examples_of_requests_are_understood(api, document, path, method, name, value):
    path = path.replace("{orderId}", api.post("/v1/orders", json={"source_id": "o", "amount": 5}).json()["id"])
    answer = api.request(method.upper(), path, **({"data": value} if document == "oauth" else {"json": value}))
    assert answer.status_code == (404 if path.endswith("revoke") else 200)
    if path == "/v1/orders/import":
        assert api.finished_action(answer.json()["async_action_id"])["result"]["done_count"] == len(value)
    if path == "/v1/orders/export":
        assert answer.json()["parameters"] == {
            **value["parameters"],
            "order": value["parameters"].get("order", ""),
            "filters": {"junction": "and", **value["parameters"].get("filters", {})},
            "response_format": "CSV",
        }
        assert api.finished_export(**value["parameters"])["status"] == "DONE"


@pytest.mark.parametrize("name", sorted(set(KINDS) - set(KINDS_WITHOUT_SCHEMA)))
def test_exports_are_filtered_by_what_the_documents_have(name):
    title = "".join(word.capitalize() for word in name.split("_"))
    schema = specification().documents["exports"]["components"]["schemas"][f"Export{title}Filters"]
    fields = {field: rule for field, rule in schema["properties"].items() if field != "junction"}
    few = {
        field: tuple(rule["properties"]["conditions"]["properties"])
        for field, rule in fields.items()
        if "properties" in rule
    }
    prefixes = tuple(re.findall(r'"(\w+\.)"', schema.get("description", "")))
    ours, emulated = KINDS[name], EXPORT_KINDS[name].filters
    assert (set(ours.filters), ours.filter_prefixes, dict(ours.conditions)) == (set(fields), prefixes, few)
    assert (set(emulated.names or ()), emulated.prefixes, dict(emulated.conditions)) == (set(fields), prefixes, few)


def shape(value: Any) -> Any:
    """Return a value with its names, but ids and times reduced to what they look like."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items() if not key.startswith("initial_")}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, str):
        prefix = value.partition("_")[0]
        known = prefix in ("ord", "prod", "sku", "cust", "exp", "aa") and value != "prod_1"
        return prefix if known else "TIME" if value.endswith("Z") and value[4:5] == "-" else value
    return value


def test_an_order_looks_like_the_official_one(api):
    """Apart from the initial amounts and quantities, which the schema has and the example, older, has not."""
    [request] = [value for *_, path, method, _, _, name, value in examples("requests") if name == "Example 2"]
    api.post("/v1/orders", json={"source_id": request["source_id"]})
    answer = api.post("/v1/orders", json=request).json()
    assert shape(answer) == shape(example("create-order", "200", "Example"))


ACTIONS = [entry[-1] for entry in examples("responses") if entry[1].endswith("{asyncActionId}") and entry[3] == "200"]


@pytest.mark.parametrize("value", ACTIONS, ids=[value["id"] for value in ACTIONS])
def test_an_action_of_any_type_looks_like_the_official_one(api, emulator, value):
    given = {name: value[name] for name in ("type", "status", "result", "operation_status") if name in value}
    action_id = emulator.seed_action(**given, after_seconds=0.5)
    action = api.finished_action(action_id)
    variable = ("id", "created_at", "updated_at", "request_id", "processing_time")
    assert action.pop("log_id").startswith("log_")  # described for an action by its id, and so is the user
    assert action.pop("user") is None
    assert {**action, **dict.fromkeys(variable)} == {**value, **dict.fromkeys(variable)}
    assert set(action) == set(value)
    [listed] = api.get("/v1/async-actions").json()["async_actions"]
    [official] = example("list-async-actions", "200", "List Async Actions")["async_actions"][:1]
    assert set(listed) == set(official)


ERRORS = [
    ("get-order", "404", "Not Found", "GET", "/v1/orders/{resource_id}", None),
    ("get-export", "404", "Not Found", "GET", "/v1/exports/{resource_id}", None),
    ("delete-export", "404", "Export Not Found", "DELETE", "/v1/exports/{resource_id}", None),
    ("get-async-action", "404", "Async-Action-Not-Found", "GET", "/v1/async-actions/{resource_id}", None),
    ("list-async-actions", "400", "Invalid Query Parameters", "GET", "/v1/async-actions?end_date=x", None),
    ("import-orders", "400", "Invalid Payload", "POST", "/v1/orders/import", [{"items": [{"initial_quantity": 0}]}]),
]


@pytest.mark.parametrize(("operation_id", "status", "name", "method", "path", "body"), ERRORS)
def test_an_error_is_the_official_one(api, operation_id, status, name, method, path, body):
    official = example(operation_id, status, name)
    answer = api.request(method, path.format(**official), json=body)
    assert answer.status_code == int(status)
    assert {**answer.json(), "request_id": ""} == {**official, "request_id": ""}


def test_errors_of_exports_are_the_official_ones_but_for_their_lists(api):
    for operation_id, name, parameters in (
        ("create-export", "Invalid Export Fields", {"fields": ["items"]}),
        ("create-order-export", "Invalid payload", {"filters": {"status": {"conditions": {"$like": ["x"]}}}}),
    ):
        official = example(operation_id, "400", name)
        answer = api.post("/v1/exports", json={"exported_object": "order", "parameters": parameters}).json()
        assert {**answer, "details": "", "request_id": ""} == {**official, "details": "", "request_id": ""}
        text, _, conditions = official["details"].partition(": ")
        answered, _, known = answer["details"].partition(": ")
        assert answered == text
        if name == "Invalid payload":
            assert set(known.split(", ")) == set(conditions.split(", "))
    official = example("create-export", "400", "Invalid Payload")
    answer = api.post("/v1/exports", json={"exported_object": "campaign"}).json()
    assert answer["details"].partition("[")[0] == official["details"].partition("[")[0]


def test_every_documented_answer_is_given(api):
    """Each operation and status of the four files is seen once here, and is valid."""
    oauth = {"grant_type": "client_credentials", "scope": "api"}
    api.post("/v1/oauth/token", data={"x": "y"})
    token = {"access_token": api.post("/v1/oauth/token", data=oauth).json()["access_token"]}
    for form in (token, {"access_token": "x"}, {"x": "y"}):
        api.post("/v1/oauth/introspect", data=form)
    for _ in range(2):
        api.post("/v1/oauth/token/revoke", data=token)
    api.post("/v1/orders", json={"source_id": "o", "amount": 5, "customer": {"source_id": "c"}})
    api.get("/v1/orders")
    api.get("/v1/orders/o")
    api.get("/v1/orders/none")
    api.put("/v1/orders/o", json={"status": "PAID"})
    api.import_orders([{"source_id": "p"}])
    api.post("/v1/orders/import", json=[{"amount": -1}])
    api.get("/v1/async-actions")
    api.get("/v1/async-actions?limit=0")
    api.get("/v1/async-actions/none")
    dates = {"created_at": {"conditions": {"$after": ["2022-09-09T09:20:01.660Z"]}}}
    export = api.finished_export(fields=["id", "metadata.x"], filters=dates, order="-created_at")
    api.post("/v1/orders/export", json={"parameters": {"order": "x"}})
    api.post("/v1/exports", json={"exported_object": "order"})
    api.post("/v1/exports", json={})
    api.get("/v1/exports")
    api.get("/v1/exports/none")
    api.get(export["result"]["url"])
    api.get(export["result"]["url"] + "x")
    for _ in range(2):
        api.delete(f"/v1/exports/{export['id']}")
    documented = {
        (operation["operationId"], int(status))
        for _, _, _, operation in specification().operations()
        for status in operation["responses"]
    }
    assert {found for found in api.checked if found in documented} == documented


def test_the_judge_refuses_what_is_wrong(api, monkeypatch):
    """A check that could not fail would be worth nothing."""
    answer = api.get("/v1/orders")
    for wrong in (
        {"object": "list"},
        {**answer.json(), "total": "many"},
        {**answer.json(), "orders": [{"amount": 1.5}]},
    ):
        monkeypatch.setattr(answer, "_content", json.dumps(wrong).encode())
        with pytest.raises(AssertionError, match="/v1/orders 200"):
            specification().check(answer, download=False)
    answer.status_code = 201
    with pytest.raises(AssertionError, match="not documented to answer 201"):
        specification().check(answer, download=False)
    error = api.get("/v1/orders/none")
    monkeypatch.setattr(error, "_content", b'{"code": 404}')
    with pytest.raises(AssertionError, match="'message' is a required property"):
        specification().check(error, download=False)


def test_responses_are_checked_on_both_hosts(api):
    url = api.finished_export()["result"]["url"]
    api.checked.clear()
    assert isinstance(api, Api)
    api.get(url)
    api.get("/v1/exports")
    assert api.checked == [("download-export", 200), ("list-exports", 200)]
