"""Where the faults of requests happen: before the work of a request, and after it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_voucherify.emulator.errors import ResponseError, not_found
from airflow_provider_voucherify.emulator.fault_types import (
    Bomb,
    CycleSpent,
    Drip,
    EmptyResult,
    ForeignImport,
    Locked,
    PlanExceeded,
    RateLimited,
    Redirect,
    ResponseLost,
    ServerError,
    ServerErrorAfter,
    Slow,
    StillRunning,
    SubscriptionEnded,
    VisibleLate,
)
from airflow_provider_voucherify.emulator.faults import Faults
from airflow_provider_voucherify.emulator.ids import new_id
from airflow_provider_voucherify.emulator.import_queue import count_orders
from airflow_provider_voucherify.emulator.limits import limit_reached
from airflow_provider_voucherify.emulator.project import Project
from airflow_provider_voucherify.emulator.request import ApiResponse
from airflow_provider_voucherify.emulator.responses import BombResponse, CutResponse, DripResponse, json_response
from airflow_provider_voucherify.emulator.routes import IMPORT_ROUTE


async def send_foreign_import(project: Project, body: bytes) -> None:
    """Let another client import as many orders as a request that has arrived.

    :param project: The project with its faults.
    :param body: Decompressed body of the request; a request that is not an import is not an event.
    """
    if not project.faults.any(ForeignImport) or not (orders := count_orders(body)):
        return
    fault = project.faults.fires(ForeignImport, IMPORT_ROUTE)
    if fault is not None and fault.seconds:
        project.spawn(_import_later(project, orders, fault.seconds))
    elif fault is not None:
        await run_in_threadpool(project.imports.submit_foreign, orders)


async def _import_later(project: Project, orders: int, seconds: float) -> None:
    if await project.pause(seconds):
        await run_in_threadpool(project.imports.submit_foreign, orders)


async def fail_before(project: Project, label: str, request: Request) -> None:
    """Let the faults happen that come before the work.

    :param project: The project with its faults.
    :param label: Label of the route.
    :param request: The HTTP request.
    :raises ResponseError: as the fault says.
    """
    faults = project.faults
    if (slow := faults.fires(Slow, label)) is not None:
        await project.pause(slow.seconds)
    if (redirect := faults.fires(Redirect, label)) is not None:
        query = f"?{request.url.query}" if request.url.query else ""
        location = {"Location": redirect.to.rstrip("/") + request.url.path + query}
        raise ResponseError(redirect.status, "redirect", "Moved", headers=location)
    if (error := faults.fires(ServerError, label)) is not None:
        raise _server_error(error.status)
    if faults.fires(Locked, label) is not None:
        raise ResponseError(423, "resource_locked", "Resource locked", "Another request works on this resource")
    if faults.fires(PlanExceeded, label) is not None:
        details = "The plan of this project does not allow this request"
        raise ResponseError(402, "plan_exceeded", "Plan exceeded", details)
    if faults.fires(SubscriptionEnded, label) is not None:
        details = "The subscription of this project has ended"
        raise ResponseError(429, "subscription_ended", "Subscription ended", details)
    if (spent := faults.fires(CycleSpent, label)) is not None:
        raise limit_reached("api_calls_cycle", 100_000, time.time() + spent.retry_after)
    if (limited := faults.fires(RateLimited, label)) is not None:
        raise limit_reached(limited.type, 100, time.time() + limited.retry_after)


def alter(faults: Faults, label: str, document: dict[str, Any]) -> None:
    """Let the faults happen that change what a response shows of async actions and exports.

    :param faults: The faults of the project.
    :param label: Label of the route.
    :param document: The document of the response, changed in place.
    :raises ResponseError: 404, where the one that was asked for cannot be read yet.
    """
    shown = _shown(document)
    read = shown if label.startswith("GET ") else []  # what creates an export shows it too
    hidden = faults.fires(VisibleLate, label, lambda fault: any(_is_young(one, fault) for one in read))
    if hidden is not None:
        if shown == [document]:
            raise not_found(document["object"], document["id"])
        shown[:] = [one for one in shown if not _is_young(one, hidden)]
    if shown and faults.fires(StillRunning, label) is not None:
        for one in shown:
            _keep_running(one)
    empty = faults.fires(EmptyResult, label, lambda _: any(_has_result(one) for one in shown))
    if empty is not None:
        for one in filter(_has_result, shown):
            _empty_result(one, empty)


def finish(project: Project, label: str, response: Response) -> Response:
    """Let the faults happen that come after the work, and count the response.

    :param project: The project with its faults.
    :param label: Label of the route.
    :param response: The response of the work.
    :return: What is sent.
    """
    if response.status_code < 400:
        if project.faults.fires(ResponseLost, label) is not None:
            project.call_log.responded(None)
            return CutResponse()
        if (error := project.faults.fires(ServerErrorAfter, label)) is not None:
            response = json_response(ApiResponse.of_error(_server_error(error.status), new_id("v-")))
    if (bomb := project.faults.fires(Bomb, label)) is not None:
        response = BombResponse(bomb.bytes, bomb.status, gzip=bomb.encoding == "gzip")
    elif not isinstance(response, CutResponse) and (drip := project.faults.fires(Drip, label)) is not None:
        response = DripResponse(response, drip.bytes, lambda: project.pause(drip.seconds))
    project.call_log.responded(response.status_code)
    return response


def _server_error(status: int) -> ResponseError:
    return ResponseError(status, "internal_error", "Internal error")


def _shown(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Find the async actions and exports in a document."""
    kind = document.get("data_ref", document.get("object"))
    if kind in ("async_action", "export"):
        return [document]
    listed: list[dict[str, Any]] = document[kind] if kind in ("async_actions", "exports") else []
    return listed


def _keep_running(resource: dict[str, Any]) -> None:
    resource["status"] = "IN_PROGRESS"
    if resource["object"] == "export":
        resource["result"] = None
    else:
        for name in ("result", "operation_status", "processing_time"):
            resource.pop(name, None)


def _is_young(resource: dict[str, Any], fault: VisibleLate) -> bool:
    created_at = datetime.fromisoformat(resource["created_at"])
    return datetime.now(UTC) - created_at < timedelta(seconds=fault.seconds)


def _has_result(resource: dict[str, Any]) -> bool:
    return resource["status"] == "DONE" and resource.get("result") is not None


def _empty_result(resource: dict[str, Any], fault: EmptyResult) -> None:
    if fault.result == "missing":
        del resource["result"]
    else:
        resource["result"] = {"null": None, "object": {}, "text": "The result cannot be read"}[fault.result]
