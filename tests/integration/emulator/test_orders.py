"""Creating, reading, changing and listing orders."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.emulator import Emulator

from .api import Api


def test_amounts_are_worked_out_from_items(api):
    items = [
        {"source_id": "a", "quantity": 2, "price": 500, "discount_amount": 100},
        {"source_id": "b", "amount": 300},
        {"source_id": "c", "price": 50},
    ]
    order = api.post("/v1/orders", json={"items": items, "discount_amount": 40, "amount": 1}).json()
    assert order["amount"] == 1350
    assert (order["discount_amount"], order["items_discount_amount"]) == (40, 100)
    assert (order["total_discount_amount"], order["total_amount"]) == (140, 1210)
    assert [item["amount"] for item in order["items"]] == [1000, 300, 50]
    assert [item["subtotal_amount"] for item in order["items"]] == [900, 300, 50]
    assert {item["object"] for item in order["items"]} == {"order_item"}
    assert all("initial_quantity" not in item for item in order["items"])
    assert not {"initial_amount", "initial_quantity"} & {*order, *order["items"][0]}  # as it was recorded


def test_the_items_an_order_has_determine_its_amount(api):
    api.post("/v1/orders", json={"source_id": "o", "items": [{"price": 5, "quantity": 2}]})
    assert api.put("/v1/orders/o", json={"amount": 99}).json()["amount"] == 10
    assert api.put("/v1/orders/o", json={"amount": 99, "items": [{"source_id": "gift"}]}).json()["amount"] == 99
    assert api.put("/v1/orders/o", json={"amount": 98}).json()["amount"] == 98
    assert api.put("/v1/orders/o", json={"amount": 97, "items": [{"amount": 1}]}).json()["amount"] == 1


def test_what_is_not_known_is_left_out_and_identities_are_null(api):
    order = api.post("/v1/orders", json={}).json()
    assert order["status"] == "CREATED"
    assert [order[name] for name in ("source_id", "customer_id", "referrer_id")] == [None] * 3
    absent = {
        "amount",
        "initial_amount",
        "discount_amount",
        "total_amount",
        "customer",
        "referrer",
        "items",
        "metadata",
    }
    assert not absent & set(order)


def test_people_become_ids_that_stay_the_same(api):
    first = api.post("/v1/orders", json={"customer": {"source_id": "ann"}, "referrer": {"id": "cust_1"}}).json()
    second = api.post(
        "/v1/orders", json={"customer": {"source_id": "ann", "name": "Ann"}, "referrer_id": "cust_1"}
    ).json()
    assert first["customer_id"] == second["customer_id"] == first["customer"]["id"]
    assert first["customer"] == {"id": first["customer_id"], "object": "customer"}
    assert first["referrer"] == second["referrer"] == {"id": "cust_1", "object": "customer"}


def test_an_override_prices_later_items(api):
    product = {"name": "Pen", "price": 120, "metadata": {"ink": "blue"}, "override": True}
    api.post("/v1/orders", json={"items": [{"source_id": "pen", "related_object": "product", "product": product}]})
    item = {"source_id": "pen", "related_object": "product", "quantity": 3}
    order = api.post("/v1/orders", json={"items": [item]}).json()
    assert order["amount"] == 360
    stored = order["items"][0]["product"]
    assert (stored["name"], stored["price"], stored["metadata"]) == ("Pen", 120, {"ink": "blue"})
    sku = {"sku": "Red", "price": 200, "override": True}
    product = {"source_id": "pen", "price": 130, "override": True}
    item = {"source_id": "pen-red", "related_object": "sku", "quantity": 1, "sku": sku, "product": product}
    order = api.post("/v1/orders", json={"items": [item]}).json()
    assert order["amount"] == 200
    item = {"sku_id": order["items"][0]["sku"]["id"], "quantity": 2}
    order = api.post("/v1/orders", json={"items": [item]}).json()
    assert order["amount"] == 400
    assert order["items"][0]["product"]["price"] == 130
    assert "override" not in str(order)


def test_create_changes_the_order_with_the_same_id_or_source_id(api, emulator):
    created = api.post("/v1/orders", json={"source_id": "A", "amount": 10, "metadata": {"x": 1}}).json()
    by_source = api.post("/v1/orders", json={"source_id": "A", "status": "PAID"}).json()
    by_id = api.post("/v1/orders", json={"id": created["id"], "amount": 20}).json()
    assert created["id"] == by_source["id"] == by_id["id"]
    assert created["updated_at"] is None
    assert by_id["updated_at"] >= by_source["updated_at"] >= created["created_at"] == by_id["created_at"]
    assert (by_id["status"], by_id["amount"], by_id["metadata"]) == ("PAID", 20, {"x": 1})
    assert emulator.count_orders() == 1


def test_get_and_update_take_an_id_or_a_source_id(api):
    order = api.post("/v1/orders", json={"source_id": "a/b c?d", "amount": 5}).json()
    for key, status in ((order["id"], "PAID"), ("a%2Fb%20c%3Fd", "CANCELED")):
        assert api.get(f"/v1/orders/{key}").json() == order
        changed = api.put(f"/v1/orders/{key}", json={"status": status}).json()
        assert changed == {**order, "status": status, "updated_at": changed["updated_at"]}
        order = changed
    answer = api.put("/v1/orders/nothing", json={"status": "PAID"})
    assert answer.status_code == 404
    assert answer.json()["details"] == "Cannot find order with id nothing"


def test_update_refuses_the_source_id_of_another_order(api):
    api.post("/v1/orders", json={"source_id": "one"})
    api.post("/v1/orders", json={"source_id": "two"})
    answer = api.put("/v1/orders/two", json={"source_id": "one"})
    assert (answer.status_code, answer.json()["key"]) == (409, "duplicated_source_id")
    assert api.put("/v1/orders/two", json={"source_id": "three"}).status_code == 200
    assert api.get("/v1/orders/two").status_code == 404
    assert api.get("/v1/orders/three").json()["source_id"] == "three"


def test_created_at_is_taken_from_a_create(api):
    order = api.post("/v1/orders", json={"created_at": "2021-12-22T11:13:06.487+01:00"}).json()
    assert order["created_at"] == "2021-12-22T10:13:06.487Z"


def test_a_null_is_not_sent(api):
    sent = {"source_id": "n", "amount": 7, "status": "PAID", "metadata": {"k": None}, "customer": {"source_id": "c"}}
    created = api.post("/v1/orders", json=sent).json()
    nulls = dict.fromkeys((*sent, "items", "referrer", "referrer_id", "discount_amount"))
    changed = api.put("/v1/orders/n", json=nulls).json()
    assert changed == {**created, "updated_at": changed["updated_at"]}


def test_new_orders_may_carry_an_updated_at():
    with Emulator(speed=1000, new_updated_at="created") as emulator:
        order = Api(emulator).post("/v1/orders", json={}).json()
        assert order["updated_at"] == order["created_at"]


def test_the_list_has_pages_and_orders(api):
    for number in range(5):
        api.post("/v1/orders", json={"source_id": str(number)})
        time.sleep(0.002)
    api.put("/v1/orders/1", json={"status": "PAID"})
    time.sleep(0.002)
    api.put("/v1/orders/0", json={"status": "PAID"})

    def ids(**query):
        answer = api.get("/v1/orders", params=query).json()
        assert (answer["object"], answer["data_ref"], answer["total"]) == ("list", "orders", 5)
        return "".join(order["source_id"] for order in answer["orders"])

    assert ids() == ids(order="created_at") == "01234"
    assert ids(order="-created_at") == "43210"
    assert ids(order="-updated_at", limit=2) == "01"
    assert ids(order="updated_at").endswith("10")
    assert [ids(limit=2, page=page) for page in (1, 2, 3, 4)] == ["01", "23", "4", ""]


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("limit=0", "Property .limit cannot be lower than 1"),
        ("limit=101", "Property .limit cannot be greater than 100"),
        ("limit=many", "Property .limit should be an integer"),
        ("page=101", "Property .page cannot be greater than 100"),
        (
            "order=amount",
            "Property .order should be equal to one of the allowed values"
            " [ created_at, -created_at, updated_at, -updated_at ]",
        ),
    ],
)
def test_the_list_refuses_what_it_cannot_do(api, query, details):
    answer = api.get(f"/v1/orders?{query}")
    assert answer.status_code == 400
    assert answer.json() | {"request_id": ""} == {
        "code": 400,
        "key": "invalid_query_params",
        "message": "Invalid query params",
        "details": details,
        "request_id": "",
    }


INVALID = [
    ({"items": [{"initial_quantity": 0}]}, "Property .items[0].initial_quantity cannot be lower than 1"),
    ({"items": [{}, {"price": -1}]}, "Property .items[1].price cannot be lower than 0"),
    ({"amount": 1.5}, "Property .amount should be an integer"),
    ({"amount": "1"}, "Property .amount should be an integer"),
    ({"amount": 2**53}, "Property .amount cannot be greater than 9007199254740991"),
    ({"items": [{"price": 2**53 - 1, "quantity": 2}]}, "Property .amount cannot be greater than 9007199254740991"),
    (
        {"status": "SENT"},
        "Property .status should be equal to one of the allowed values [ CREATED, PAID, CANCELED, FULFILLED ]",
    ),
    (
        {"items": [{"related_object": "x"}]},
        "Property .items[0].related_object should be equal to one of the allowed values [ product, sku ]",
    ),
    (
        {"items": [{"object": "order"}]},
        "Property .items[0].object should be equal to one of the allowed values [ order_item ]",
    ),
    ({"items": [{}] * 501}, "Property .items should not have more than 500 items"),
    ({"items": {}}, "Property .items should be an array"),
    ({"metadata": []}, "Property .metadata should be an object"),
    ({"source_id": 5}, "Property .source_id should be a string"),
    ({"customer": {"metadata": "x"}}, "Property .customer.metadata should be an object"),
    ({"items": [{"product": {"price": "1"}}]}, "Property .items[0].product.price should be a number"),
    ({"created_at": "yesterday"}, "Property .created_at cannot be recognized as a ISO-8601 compliant date"),
    (
        {"created_at": "0001-01-01T00:00:00+14:00"},
        "Property .created_at cannot be recognized as a ISO-8601 compliant date",
    ),
    ([], "Property . should be an object"),
]


@pytest.mark.parametrize(("order", "details"), INVALID, ids=[details for _, details in INVALID])
def test_bodies_that_break_the_schema(api, emulator, order, details):
    api.post("/v1/orders", json={"source_id": "there"})
    for method, path in (("POST", "/v1/orders"), ("PUT", "/v1/orders/there")):
        answer = api.request(method, path, json=order)
        assert (answer.status_code, answer.json()["key"]) == (400, "invalid_payload")
        assert answer.json()["details"] == details
    assert emulator.count_orders() == 1


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":1}}', b'{"source_id": "\xff"}', b"\x1f\x8b"])
def test_bodies_that_are_no_json(api, body):
    answer = api.post("/v1/orders", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["key"]) == (400, "invalid_payload")
    assert answer.json()["details"].startswith("Payload is not valid JSON")


def test_a_body_with_the_wrong_type_or_encoding(api):
    wrong = [
        {"Content-Type": "text/csv"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ]
    for headers in wrong:
        answer = api.post("/v1/orders", data=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["key"]) == (415, "unsupported_media_type")


def test_unknown_paths_and_methods(api):
    for path in ("/v1/vouchers", "/", "/v1/async-actions/a/b", "/v2/orders"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["key"]) == (404, "not_found")
    for method, path, allowed in (
        ("DELETE", "/v1/orders", {"GET", "HEAD", "POST"}),
        ("PATCH", "/v1/orders/x", {"GET", "HEAD", "PUT"}),
        ("PUT", "/v1/orders/import", {"POST"}),
    ):
        answer = api.request(method, path)
        if path == "/v1/orders/import":  # the path of an order with that source id
            assert answer.status_code == 415
            continue
        assert (answer.status_code, answer.json()["key"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed


AMOUNTS = st.none() | st.integers(0, 10**9)
QUANTITIES = st.none() | st.integers(0, 10**6)  # four items of 10**9 stay below the largest amount, 2**53 - 1
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "price": AMOUNTS,
        "quantity": QUANTITIES,
        "amount": AMOUNTS,
        "discount_amount": AMOUNTS,
        "source_id": st.text(max_size=5),
    },
)
ORDERS = st.fixed_dictionaries(
    {},
    optional={
        "source_id": st.sampled_from(["a", "b", "\0", "é\n"]),
        "status": st.sampled_from(["CREATED", "PAID", "CANCELED", "FULFILLED"]),
        "amount": AMOUNTS,
        "discount_amount": AMOUNTS,
        "items": st.lists(ITEMS, max_size=4),
        "metadata": st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=3),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=st.lists(ORDERS, min_size=1, max_size=6))
def test_any_orders_one_by_one_come_to_what_they_come_to_in_one_import(api, emulator, orders):
    """Creating and importing do the same: amounts agree with themselves, and a get returns what a create returned."""
    emulator.reset()
    answers = [api.post("/v1/orders", json=order) for order in orders]
    assert {answer.status_code for answer in answers} == {200}
    for order in (answer.json() for answer in answers):
        items = order.get("items", [])
        amounts = [item["amount"] for item in items if "amount" in item]
        if amounts:
            assert order["amount"] == sum(amounts)
        discount = order.get("discount_amount", 0) + sum(item.get("discount_amount", 0) for item in items)
        assert order.get("total_discount_amount", 0) == discount
        if "amount" in order:
            assert order["total_amount"] == max(order["amount"] - discount, 0)
    created = api.get("/v1/orders", params={"limit": 100}).json()
    latest = {answer.json()["id"]: answer.json() for answer in answers}
    assert created["orders"] == list(latest.values())
    emulator.reset()
    action = api.import_orders(orders)
    assert (action["result"]["done_count"], action["result"]["failed_count"]) == (len(orders), 0)
    imported = api.get("/v1/orders", params={"limit": 100}).json()["orders"]
    for pair in itertools.zip_longest(imported, created["orders"]):
        assert len({str({**order, "id": 0, "created_at": 0, "updated_at": 0}) for order in pair}) == 1
