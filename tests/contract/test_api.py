"""What the provider relies on, asked of the API alone: of emulators with all their switches, or of a real sandbox.

With ``VOUCHERIFY_APP_ID`` and ``VOUCHERIFY_APP_TOKEN`` (and ``VOUCHERIFY_HOST``) in the environment it is asked of that
project, which has to be a sandbox: about 60 calls and 20 orders. ``nox -s contract`` does so.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from datetime import timedelta

import pytest

from airflow_provider_voucherify.api import Settings, VoucherifyClient
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    ProjectRefusedError,
)
from airflow_provider_voucherify.order_export.convert.header import match_columns

from .probing import QUICK, settings_of
from .project import Project, real_project
from .switches import covering_selection

IS_REAL = "VOUCHERIFY_APP_ID" in os.environ
SEED = 29
PROJECTS = [{}] if IS_REAL else covering_selection(SEED)


@pytest.fixture(scope="module", params=PROJECTS, ids=["sandbox"] if IS_REAL else map(str, range(len(PROJECTS))))
def project(request, record_differences):
    if IS_REAL:
        found = real_project(os.environ)
        yield found
        record_differences(found.differences)
        return
    with Emulator(**QUICK, **request.param) as emulator:
        yield Project(VoucherifyClient(settings_of(emulator)), is_real=False, first_pause=0.01)


def test_an_order_is_created_read_updated_and_upserted(project):
    client, sent = project.client, project.order(amount=1000, metadata={"kept": "yes"})
    created = client.create_order(sent)
    assert created["id"]
    for name, value in sent.items():
        project.expect(f"{name} of a new order", value, created.get(name))
    assert client.get_order(sent["source_id"]) == client.get_order(created["id"])
    changed = client.update_order(sent["source_id"], {"amount": 2000})
    project.expect("what an update keeps", {**sent, "amount": 2000}, {name: changed.get(name) for name in sent})
    again = client.create_order({**sent, "amount": 3000})
    project.expect("an order that is created twice", (created["id"], 3000), (again["id"], again.get("amount")))


def test_orders_are_listed_whole_in_pages(project):
    client = project.client
    sent = [project.order(amount=100 * number) for number in (1, 2, 3)]
    ids = [client.create_order(order)["id"] for order in sent]
    pages = [client.list_orders(limit=2, page=page, sort_order="-created_at") for page in (1, 2)]
    listed = [order["id"] for page in pages for order in page.orders]
    project.expect("the newest orders", ids[::-1], listed[:3])
    assert len(listed) == len(set(listed))
    assert pages[0].total >= 3
    project.expect("a listed order", client.get_order(ids[2]), pages[0].orders[0])
    for options in ({"limit": 101}, {"page": 101}):
        with pytest.raises(ApiError) as refused:
            client.list_orders(**options)
        project.expect(f"the status of {options}", 400, refused.value.response.status)


def test_an_import_ends_with_counts_that_add_up(project):
    client, count = project.client, 3
    orders = [project.order(amount=100) for _ in range(count)]
    action = project.action(client.import_orders(orders))
    assert action.status == "DONE"
    project.expect("type", "ORDERS.IMPORT", action.type)
    project.expect("counts", (count, 0), (action.done_count, action.failed_count))
    project.expect("request_id", True, bool(action.request_id))
    project.expect("progress", 100.0, action.progress)
    assert action.created_at is not None
    assert action.created_at <= action.updated_at
    listed = client.list_orders(limit=100, sort_order="-created_at").orders
    assert {order["source_id"] for order in orders} <= {order.get("source_id") for order in listed}


def test_an_import_of_known_orders_says_what_became_of_each(project):
    client = project.client
    order = project.order(amount=100)
    assert project.action(client.import_orders([order])).status == "DONE"
    again = project.action(client.import_orders([{**order, "amount": 200}, project.order(amount=300)]))
    assert again.status == "DONE"
    project.expect("done and failed", 2, (again.done_count or 0) + again.failed_count)
    assert all(failure.reason for failure in again.failures)
    amount = client.get_order(order["source_id"])["amount"]
    project.expect("the amount after the second import", 100 if again.failed_count else 200, amount)


def test_async_actions_are_listed_newest_first_and_in_pages(project):
    client = project.client
    ids = [client.import_orders([project.order()]) for _ in range(3)]
    for action_id in ids:
        project.action(action_id)
    page = client.list_async_actions(limit=2)
    project.expect("the newest actions", ids[:0:-1], [action.id for action in page.async_actions])
    project.expect("has_more", True, page.has_more)
    project.expect("results in a listing", {None}, {action.result for action in page.async_actions})
    oldest = page.async_actions[-1].created_at
    earlier = client.list_async_actions(limit=100, end_date=oldest + timedelta(milliseconds=1))
    assert ids[0] in {action.id for action in earlier.async_actions}
    project.expect("polled together", ids, [action.id for action in client.poll_async_actions(ids)])


def test_an_export_has_the_orders_that_its_filters_ask_for(project):
    client = project.client
    orders = [project.order(amount=100 * number) for number in (1, 2)]
    created = [client.create_order(order) for order in orders]
    fields = ["id", "source_id", "created_at", "updated_at", "amount", "metadata"]
    ours = {"source_id": {"conditions": {"$in": [order["source_id"] for order in orders]}}, "junction": "and"}
    requested = client.create_order_export(fields=fields, filters=ours, sort_order="created_at")
    export = project.export(requested.id)
    assert (export.status, export.exported_object) == ("DONE", "order")
    assert client.find_exports([export.id]).keys() == {export.id}
    rows = []
    for number in range(len(export.urls)):
        with client.download_export(export.id, file=number) as download:
            data = download.read()
            plain = gzip.decompress(data) if download.encoding == "gzip" else data
            assert plain.endswith(b"\n")
        header, *more = csv.reader(io.StringIO(plain.decode(), newline=""))
        columns = match_columns(header, fields, "the file").fields
        rows += [[row[columns[name]] for name in ("id", "source_id", "amount")] for row in more]
    expected = [[order["id"], order["source_id"], str(order["amount"])] for order in created]
    project.expect("the rows", expected, rows)
    client.delete_export(export.id)
    with pytest.raises(NotFoundError):
        client.get_export(export.id)


def test_errors_have_a_status_a_message_and_mostly_a_key(project):
    client, settings = project.client, project.client.transport.settings
    for what, call in (
        ("an order", lambda: client.get_order("contract-no-such-order")),
        ("an action", lambda: client.get_async_action("aa_000000000000000000")),
        ("an export", lambda: client.get_export("exp_00000000000000000000000")),
    ):
        with pytest.raises(NotFoundError) as missing:
            call()
        project.expect(f"the key of {what} that is not there", "not_found", missing.value.response.key)
        assert missing.value.response.from_api
    with pytest.raises(InvalidRequestError) as invalid:
        client.import_orders([{"items": [{"initial_quantity": 0}]}])
    project.expect("a refusal names the property", True, "initial_quantity" in invalid.value.response.reason)
    wrong = Settings(app_id=settings.app_id, app_token="wrong", base_url=settings.base_url)
    with VoucherifyClient(wrong) as stranger, pytest.raises(AuthenticationError) as refused:
        stranger.list_orders(limit=1)
    project.expect("the status of wrong keys", 401, refused.value.response.status)


@pytest.mark.parametrize("options", [{"plan": "sandbox", "seed": 500}, {"plan": "business"}, {"app_id": "shop-live"}])
def test_no_shop_is_taken_for_a_sandbox(options):
    with Emulator(**QUICK, **options) as emulator:
        environ = {"APP_ID": emulator.app_id, "APP_TOKEN": emulator.app_token, "HOST": emulator.url}
        with pytest.raises(ProjectRefusedError):
            real_project({f"VOUCHERIFY_{name}": value for name, value in environ.items()})
        assert all(route.startswith("GET ") for route in emulator.calls()["calls"])
