"""The API host and the download host as ASGI applications: routes, and what every call goes through."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from airflow_provider_voucherify.emulator.admin import admin_routes
from airflow_provider_voucherify.emulator.call import Answer, Call
from airflow_provider_voucherify.emulator.downloads import send_file, truncated_bytes
from airflow_provider_voucherify.emulator.errors import ApiError, unauthorized
from airflow_provider_voucherify.emulator.faults import (
    AnswerLost,
    BodyLimit,
    CycleSpent,
    ExpiredToken,
    PlanExceeded,
    RateLimited,
    Redirect,
    ServerError,
    ServerErrorAfter,
    Slow,
    StillRunning,
    SubscriptionEnded,
    TruncatedDownload,
)
from airflow_provider_voucherify.emulator.ids import new_id
from airflow_provider_voucherify.emulator.limits import limit_reached
from airflow_provider_voucherify.emulator.project import Project

TRANSPORT = "emulator.transport"
UNKNOWN_ROUTE = "unknown route"

Handler = Callable[[Call], Any]


class ApiRoute(Struct, frozen=True):
    """An endpoint of the API.

    :param label: method and path template of the reference.
    :param handler: finds the handler in a project; it runs in a thread and returns a document or an :class:`Answer`.
    :param scope: OAuth scope that allows it besides ``api``; None where it takes the key pair alone.
    :param body: form of the body, None where it has none.
    :param bulk: whether it may count as a bulk call.
    """

    label: str
    handler: Callable[[Project], Handler]
    scope: str | None = None
    body: Literal["json", "form"] | None = None
    bulk: bool = False


_ROUTES = (
    ApiRoute("POST /v1/oauth/token", lambda p: p.authentication.create_token, body="form"),
    ApiRoute("POST /v1/oauth/introspect", lambda p: p.authentication.introspect_token, body="form"),
    ApiRoute("POST /v1/oauth/token/revoke", lambda p: p.authentication.revoke_token, body="form"),
    ApiRoute("POST /v1/orders", lambda p: p.orders.create, "orders", "json"),
    ApiRoute("GET /v1/orders", lambda p: p.orders.list, "orders"),
    ApiRoute("POST /v1/orders/import", lambda p: p.imports.submit, "orders", "json", bulk=True),
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
ROUTE_LABELS = (*(route.label for route in _ROUTES), DOWNLOAD_ROUTE)


def api_app(project: Project) -> Starlette:
    """Return the application of the API host, with the admin routes under ``/emulator/``.

    :param project: the project it serves.
    """
    by_path: dict[str, dict[str, ApiRoute]] = {}
    for route in _ROUTES:
        method, path = route.label.split(" ")
        by_path.setdefault(path, {})[method] = route
    routes = [
        # A source id may hold slashes, which arrive decoded.
        Route(
            path.replace("{orderId}", "{orderId:path}"),
            _Endpoint(project, found).respond,
            methods=list(found),
        )
        for path, found in by_path.items()
    ]
    return _app(project, [*admin_routes(project), *routes])


def download_app(project: Project) -> Starlette:
    """Return the application of the download host.

    :param project: the project whose exports it serves.
    """

    async def download(request: Request) -> Response:
        call = Call(
            label=DOWNLOAD_ROUTE,
            request_id=new_id("v-"),
            path=request.path_params,
            query=request.query_params,
            headers=request.headers,
        )
        project.calls.received(DOWNLOAD_ROUTE)
        try:
            await _fail_before(project, call, request)
            response = await run_in_threadpool(_download, project, call)
        except ApiError as error:
            response = _response(Answer.of_error(error, call.request_id))
        return _sent(project, DOWNLOAD_ROUTE, response)

    return _app(project, [Route("/v1/exports/{exportId}", download)])


def _download(project: Project, call: Call) -> Response:
    if project.options.download_needs_keys:
        project.authentication.check_keys(call.headers)
    if project.faults.fires(ExpiredToken, call.label) is not None:
        raise unauthorized("The token of the download URL has expired: get the export again")
    number = project.download_tokens.check(call.path["exportId"], call.query)
    path = project.exports.file(call.path["exportId"], number)
    fault = project.faults.fires(TruncatedDownload)
    if fault is not None:
        return _Cut(truncated_bytes(path, fault))
    return send_file(path, call.headers.get("accept-encoding", ""))


class _Endpoint:
    """The endpoints of one path, by method."""

    def __init__(self, project: Project, routes: dict[str, ApiRoute]) -> None:
        self._project = project
        self._routes = routes

    async def respond(self, request: Request) -> Response:
        """Answer a call, and let the faults happen that come after the work."""
        project = self._project
        route = self._routes["GET" if request.method == "HEAD" else request.method]
        project.calls.received(route.label)
        call = Call(
            label=route.label,
            request_id=new_id("v-"),
            path=request.path_params,
            query=request.query_params,
            headers=request.headers,
        )
        rate_headers: dict[str, str] = {}
        try:
            answer = await self._answer(route, call, request, rate_headers)
        except ApiError as error:
            answer = Answer.of_error(error, call.request_id)
        except ClientDisconnect:
            project.calls.answered(None)
            return _Cut(b"")
        answer.headers = {**rate_headers, **answer.headers}
        return _sent(project, route.label, _response(answer))

    async def _answer(self, route: ApiRoute, call: Call, request: Request, rate_headers: dict[str, str]) -> Answer:
        project, options = self._project, self._project.options
        body, size = await _read(request, options.body_limit)
        await _fail_before(project, call, request)
        by_token = project.authentication.check(call.headers, route.scope)
        if by_token and project.faults.fires(ExpiredToken, call.label) is not None:
            raise unauthorized("The OAuth token has expired")
        rate_headers.update(project.limits.take(bulk=route.bulk))
        if size > options.body_limit:
            raise _too_large(options.body_limit)
        limit = project.faults.fires(BodyLimit, call.label, lambda fault: size > fault.bytes)
        if limit is not None:
            raise _too_large(limit.bytes)
        if route.body is not None:
            call.body = _checked_body(route.body, call, body, project)
        document = await run_in_threadpool(route.handler(project), call)
        if isinstance(document, Answer):
            return document
        if (jobs := _jobs(document)) and project.faults.fires(StillRunning, call.label) is not None:
            for job in jobs:
                _let_run_on(job)
        return Answer(document=document)


def _jobs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Find the async actions and exports in an answer."""
    kind = document.get("data_ref", document.get("object"))
    if kind in ("async_action", "export"):
        return [document]
    jobs: list[dict[str, Any]] = document[kind] if kind in ("async_actions", "exports") else []
    return jobs


def _let_run_on(job: dict[str, Any]) -> None:
    job["status"] = "IN_PROGRESS"
    if job["object"] == "export":
        job["result"] = None
    else:
        for name in ("result", "operation_status", "processing_time"):
            job.pop(name, None)


async def _read(request: Request, limit: int) -> tuple[bytes, int]:
    """Read a body to its end, so that a client can send it all before it is refused; keep no more than allowed."""
    blocks: list[bytes] = []
    size = 0
    async for block in request.stream():
        size += len(block)
        if size <= limit:
            blocks.append(block)
    return b"".join(blocks), size


def _checked_body(form: str, call: Call, body: bytes, project: Project) -> bytes:
    wanted = "application/json" if form == "json" else "application/x-www-form-urlencoded"
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise ApiError(415, "unsupported_media_type", "Unsupported media type", f"Content-Type should be {wanted}")
    encoding = call.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding != "gzip" or not project.options.gzip_bodies:
        details = f"Content-Encoding {encoding} is not supported"
        raise ApiError(415, "unsupported_media_type", "Unsupported media type", details)
    limit = project.options.body_limit
    try:
        plain = zlib.decompressobj(wbits=31).decompress(body, limit + 1)
    except zlib.error as error:
        raise ApiError(400, "invalid_payload", "Invalid payload", f"Payload is not valid gzip: {error}") from None
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> ApiError:
    return ApiError(413, "payload_too_large", "Payload too large", f"A body can have at most {limit} bytes")


async def _fail_before(project: Project, call: Call, request: Request) -> None:
    """Let the faults happen that come before the work."""
    faults, label = project.faults, call.label
    if (slow := faults.fires(Slow, label)) is not None:
        await project.pause(slow.seconds)
    if (redirect := faults.fires(Redirect, label)) is not None:
        query = f"?{request.url.query}" if request.url.query else ""
        location = {"Location": redirect.to.rstrip("/") + request.url.path + query}
        raise ApiError(redirect.status, "redirect", "Moved", headers=location)
    if (error := faults.fires(ServerError, label)) is not None:
        raise _server_error(error.status)
    if faults.fires(PlanExceeded, label) is not None:
        raise ApiError(402, "plan_exceeded", "Plan exceeded", "The plan of this project does not allow this request")
    if faults.fires(SubscriptionEnded, label) is not None:
        raise ApiError(429, "subscription_ended", "Subscription ended", "The subscription of this project has ended")
    if (spent := faults.fires(CycleSpent, label)) is not None:
        raise limit_reached("api_calls_cycle", 100_000, time.time() + spent.retry_after)
    if (limited := faults.fires(RateLimited, label)) is not None:
        raise limit_reached(limited.type, 100, time.time() + limited.retry_after)


def _sent(project: Project, label: str, response: Response) -> Response:
    """Let the faults happen that come after the work, and count the answer."""
    if response.status_code < 400:
        if project.faults.fires(AnswerLost, label) is not None:
            project.calls.answered(None)
            return _Cut(b"")
        if (error := project.faults.fires(ServerErrorAfter, label)) is not None:
            response = _response(Answer.of_error(_server_error(error.status), new_id("v-")))
    project.calls.answered(response.status_code)
    return response


def _server_error(status: int) -> ApiError:
    return ApiError(status, "internal_error", "Internal error")


def _response(answer: Answer) -> Response:
    if answer.document is msgspec.UNSET:
        return Response(status_code=answer.status, headers=answer.headers)
    content = msgspec.json.encode(answer.document)
    return Response(content, answer.status, answer.headers, "application/json; charset=utf-8")


class _Cut(Response):
    """Raw bytes, or nothing, and the connection closed behind them."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport = scope[TRANSPORT]
        if self._data:
            transport.write(self._data)
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def _app(project: Project, routes: list[Route]) -> Starlette:
    async def refuse(request: Request, error: Exception) -> Response:
        project.calls.received(f"{request.method} {UNKNOWN_ROUTE}")
        details = f"There is no {request.method} {request.url.path}"
        if isinstance(error, HTTPException) and error.status_code == 405:
            refusal = ApiError(405, "method_not_allowed", "Method not allowed", details, headers=error.headers)
        else:
            refusal = ApiError(404, "not_found", "Resource not found", details)
        project.calls.answered(refusal.code)
        return _response(Answer.of_error(refusal, new_id("v-")))

    async def break_down(_: Request, error: Exception) -> Response:
        project.calls.answered(500)
        details = f"The emulator itself has failed, see its log: {type(error).__name__}"
        return _response(Answer.of_error(ApiError(500, "internal_error", "Internal error", details), new_id("v-")))

    app = Starlette(routes=routes, exception_handlers={404: refuse, 405: refuse, 500: break_down})
    app.router.redirect_slashes = False
    return app
