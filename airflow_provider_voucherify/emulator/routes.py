"""The endpoints of the API: label, handler, OAuth scope and body of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from airflow_provider_voucherify.emulator.project import Project
from airflow_provider_voucherify.emulator.request import ApiRequest
from airflow_provider_voucherify.emulator.request_body import BodyForm

Handler = Callable[[ApiRequest], Any]


class ApiRoute(Struct, frozen=True):
    """An endpoint of the API.

    :param label: Method and path template as in the OpenAPI documents.
    :param handler: Finds the handler in a project; it runs in a thread and returns a document or an
        :class:`~airflow_provider_voucherify.emulator.request.ApiResponse`.
    :param scope: OAuth scope that allows it besides ``api``; None where it takes the key pair alone.
    :param body: Form of the body, None where it has none.
    :param bulk: Whether it may count as a bulk call.
    """

    label: str
    handler: Callable[[Project], Handler]
    scope: str | None = None
    body: BodyForm | None = None
    bulk: bool = False


IMPORT_ROUTE = "POST /v1/orders/import"
API_ROUTES = (
    ApiRoute("POST /v1/oauth/token", lambda p: p.authentication.create_token, body="form"),
    ApiRoute("POST /v1/oauth/introspect", lambda p: p.authentication.introspect_token, body="form"),
    ApiRoute("POST /v1/oauth/token/revoke", lambda p: p.authentication.revoke_token, body="form"),
    ApiRoute("POST /v1/orders", lambda p: p.orders.create, "orders", "json"),
    ApiRoute("GET /v1/orders", lambda p: p.orders.list, "orders"),
    ApiRoute(IMPORT_ROUTE, lambda p: p.imports.submit, "orders", "json", bulk=True),
    ApiRoute("POST /v1/orders/export", lambda p: p.exports.create_of_orders, "orders", "json"),
    ApiRoute("GET /v1/orders/{orderId}", lambda p: p.orders.get, "orders"),
    ApiRoute("PUT /v1/orders/{orderId}", lambda p: p.orders.update, "orders", "json"),
    ApiRoute("GET /v1/async-actions", lambda p: p.actions.list, "async-actions"),
    ApiRoute("GET /v1/async-actions/{asyncActionId}", lambda p: p.actions.get, "async-actions"),
    ApiRoute("POST /v1/exports", lambda p: p.exports.create, "exports", "json"),
    ApiRoute("GET /v1/exports", lambda p: p.exports.list, "exports"),
    ApiRoute("GET /v1/exports/{exportId}", lambda p: p.exports.get, "exports"),
    ApiRoute("DELETE /v1/exports/{exportId}", lambda p: p.exports.delete, "exports"),
)
DOWNLOAD_ROUTE = "GET download /v1/exports/{exportId}"
ROUTE_LABELS = (*(route.label for route in API_ROUTES), DOWNLOAD_ROUTE)
UNKNOWN_ROUTE = "unknown route"
