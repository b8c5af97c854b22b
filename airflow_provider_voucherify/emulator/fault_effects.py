"""Where the faults of requests happen: before the work of a request, and after it."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_voucherify.emulator.errors import ResponseError
from airflow_provider_voucherify.emulator.fault_types import (
    AnswerLost,
    CycleSpent,
    PlanExceeded,
    RateLimited,
    Redirect,
    ServerError,
    ServerErrorAfter,
    Slow,
    StillRunning,
    SubscriptionEnded,
)
from airflow_provider_voucherify.emulator.faults import Faults
from airflow_provider_voucherify.emulator.ids import new_id
from airflow_provider_voucherify.emulator.limits import limit_reached
from airflow_provider_voucherify.emulator.project import Project
from airflow_provider_voucherify.emulator.request import ApiResponse
from airflow_provider_voucherify.emulator.responses import CutResponse, json_response


async def fail_before(project: Project, label: str, request: Request) -> None:
    """Let the faults happen that come before the work.

    :param project: the project with its faults.
    :param label: label of the route.
    :param request: the HTTP request.
    :raises ResponseError: the response of the fault.
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

    :param faults: the faults of the project.
    :param label: label of the route.
    :param document: the document of the response, changed in place.
    """
    shown = _shown(document)
    if shown and faults.fires(StillRunning, label) is not None:
        for resource in shown:
            _keep_running(resource)


def finish(project: Project, label: str, response: Response) -> Response:
    """Let the faults happen that come after the work, and count the response.

    :param project: the project with its faults.
    :param label: label of the route.
    :param response: the response of the work.
    :return: what is sent.
    """
    if response.status_code < 400:
        if project.faults.fires(AnswerLost, label) is not None:
            project.call_log.responded(None)
            return CutResponse()
        if (error := project.faults.fires(ServerErrorAfter, label)) is not None:
            response = json_response(ApiResponse.of_error(_server_error(error.status), new_id("v-")))
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
