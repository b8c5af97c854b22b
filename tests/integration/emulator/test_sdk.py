"""The official SDK, unchanged, pointed at the emulator."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from voucherify import ApiClient, Configuration
from voucherify.api.async_actions_api import AsyncActionsApi
from voucherify.api.exports_api import ExportsApi
from voucherify.api.orders_api import OrdersApi
from voucherify.exceptions import BadRequestException, NotFoundException, UnauthorizedException
from voucherify.models.exports_create_request_body import ExportsCreateRequestBody
from voucherify.models.orders_create_request_body import OrdersCreateRequestBody
from voucherify.models.orders_export_create_request_body import OrdersExportCreateRequestBody
from voucherify.models.orders_import_create_request_body_item import OrdersImportCreateRequestBodyItem
from voucherify.models.orders_update_request_body import OrdersUpdateRequestBody

ORDER = {
    "source_id": "sdk-1",
    "status": "PAID",
    "discount_amount": 100,
    "customer": {"source_id": "ann", "name": "Ann", "birthdate": "1990-02-03", "address": {"city": "Linz"}},
    "items": [
        {"source_id": "pen", "related_object": "product", "quantity": 3, "price": 250, "product": {"name": "Pen"}}
    ],
    "metadata": {"channel": "web"},
}


def client(host: str, app_id: str, app_token: str) -> ApiClient:
    made = ApiClient(Configuration(host=host))
    made.default_headers |= {"X-App-Id": app_id, "X-App-Token": app_token}
    return made


@pytest.fixture
def sdk(emulator) -> ApiClient:
    return client(emulator.url, emulator.app_id, emulator.app_token)


def test_orders_are_created_read_changed_and_listed(sdk):
    api = OrdersApi(sdk)
    created = api.create_order(orders_create_request_body=OrdersCreateRequestBody.from_dict(ORDER))
    assert (created.amount, created.total_amount, created.status) == (750, 650, "PAID")
    assert created.items[0].subtotal_amount == 750
    assert created.customer_id == created.customer.id
    assert api.get_order("sdk-1").to_dict() == api.get_order(created.id).to_dict() == created.to_dict()
    change = OrdersUpdateRequestBody.from_dict({"status": "CANCELED"})
    changed = api.update_order("sdk-1", orders_update_request_body=change)
    assert (changed.status, changed.amount, changed.metadata) == ("CANCELED", 750, {"channel": "web"})
    listed = api.list_orders(limit=1, page=1, order="-created_at")
    assert listed.total == 1
    assert listed.orders[0].id == created.id


def test_orders_are_imported_and_the_action_read(sdk):
    items = [OrdersImportCreateRequestBodyItem.from_dict({**ORDER, "source_id": f"sdk-{n}"}) for n in range(20)]
    accepted = OrdersApi(sdk).import_orders(orders_import_create_request_body_item=items)
    actions = AsyncActionsApi(sdk)
    while (action := actions.get_async_action(accepted.async_action_id)).status != "DONE":
        time.sleep(0.01)
    assert action.type == "ORDERS.IMPORT"
    assert (action.result["done_count"], action.result["failed"]) == (20, [])
    listed = actions.list_async_actions(limit=5)
    assert [found.id for found in listed.async_actions] == [action.id]
    assert listed.has_more is False
    assert OrdersApi(sdk).list_orders().total == 20


def test_orders_are_exported_downloaded_and_the_export_deleted(sdk, emulator):
    orders, exports = OrdersApi(sdk), ExportsApi(sdk)
    created = orders.create_order(orders_create_request_body=OrdersCreateRequestBody.from_dict(ORDER))
    parameters = {"parameters": {"fields": ["id", "source_id", "amount"], "order": "-created_at"}}
    scheduled = orders.create_order_export(
        orders_export_create_request_body=OrdersExportCreateRequestBody.from_dict(parameters)
    )
    assert (scheduled.status, scheduled.result) == ("SCHEDULED", None)
    body = ExportsCreateRequestBody.from_dict({"exported_object": "order", **parameters})
    other = exports.create_export(exports_create_request_body=body)
    for export_id in (scheduled.id, other.id):
        while (export := exports.get_export(export_id)).status != "DONE":
            time.sleep(0.01)
        url = urlsplit(export.result.url)
        host = client(f"{url.scheme}://{url.netloc}", emulator.app_id, emulator.app_token)
        text = ExportsApi(host).download_export(export_id, token=parse_qs(url.query)["token"][0])
        assert text == f"ID,Source ID,Amount\n{created.id},sdk-1,750\n"
    assert exports.list_exports(limit=10).total == 2
    exports.delete_export(other.id)
    assert [export.id for export in exports.list_exports().exports] == [scheduled.id]


def test_errors_become_the_exceptions_of_the_sdk(sdk, emulator):
    with pytest.raises(NotFoundException, match="Cannot find order with id nope"):
        OrdersApi(sdk).get_order("nope")
    bad = OrdersCreateRequestBody.from_dict({"items": [{"initial_quantity": 0}]})
    with pytest.raises(BadRequestException, match="initial_quantity cannot be lower than 1"):
        OrdersApi(sdk).create_order(orders_create_request_body=bad)
    with pytest.raises(UnauthorizedException, match="unauthorized"):
        OrdersApi(client(emulator.url, emulator.app_id, "wrong")).list_orders()
