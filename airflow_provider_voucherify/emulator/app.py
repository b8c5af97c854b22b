"""The API host and the download host as ASGI applications."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_voucherify.emulator.admin import admin_routes
from airflow_provider_voucherify.emulator.downloads import send_file, truncated_bytes
from airflow_provider_voucherify.emulator.errors import ResponseError, unauthorized
from airflow_provider_voucherify.emulator.fault_effects import alter, fail_before, finish, send_foreign_import
from airflow_provider_voucherify.emulator.fault_types import BodyLimit, ExpiredToken, Late, TruncatedDownload
from airflow_provider_voucherify.emulator.ids import new_id
from airflow_provider_voucherify.emulator.project import Project
from airflow_provider_voucherify.emulator.request import ApiRequest, ApiResponse
from airflow_provider_voucherify.emulator.request_body import Body, plain_body, read_body, too_large
from airflow_provider_voucherify.emulator.responses import CutResponse, json_response
from airflow_provider_voucherify.emulator.routes import (
    API_ROUTES,
    DOWNLOAD_ROUTE,
    IMPORT_ROUTE,
    UNKNOWN_ROUTE,
    ApiRoute,
)

_log = logging.getLogger(__name__)


def api_app(project: Project) -> Starlette:
    """Return the application of the API host, with the admin routes under ``/emulator/``.

    :param project: The project it serves.
    """
    by_path: dict[str, dict[str, ApiRoute]] = {}
    for route in API_ROUTES:
        method, path = route.label.split(" ")
        by_path.setdefault(path, {})[method] = route
    routes = [
        # A source id may hold slashes, which arrive decoded.
        Route(path.replace("{orderId}", "{orderId:path}"), _Endpoint(project, found).respond, methods=list(found))
        for path, found in by_path.items()
    ]
    return _app(project, [*admin_routes(project), *routes])


def download_app(project: Project) -> Starlette:
    """Return the application of the download host.

    :param project: The project whose exports it serves.
    """

    async def download(http_request: Request) -> Response:
        request = _api_request(DOWNLOAD_ROUTE, http_request)
        project.call_log.received(DOWNLOAD_ROUTE)
        try:
            await fail_before(project, DOWNLOAD_ROUTE, http_request)
            response = await run_in_threadpool(_download, project, request)
        except ResponseError as error:
            response = json_response(ApiResponse.of_error(error, request.request_id))
        return finish(project, DOWNLOAD_ROUTE, response)

    return _app(project, [Route("/v1/exports/{exportId}", download)])


def _download(project: Project, request: ApiRequest) -> Response:
    if project.options.download_needs_keys:
        project.authentication.check(request.headers, "exports")
    if project.faults.fires(ExpiredToken, request.label) is not None:
        raise unauthorized("The token of the download URL has expired: get the export again")
    number = project.download_tokens.check(request.path["exportId"], request.query)
    path = project.exports.file(request.path["exportId"], number)
    fault = project.faults.fires(TruncatedDownload)
    if fault is not None:
        return CutResponse(truncated_bytes(path, fault))
    return send_file(path, request.headers.get("accept-encoding", ""))


class _Endpoint:
    """The endpoints of one path, by method."""

    def __init__(self, project: Project, routes: dict[str, ApiRoute]) -> None:
        self._project = project
        self._routes = routes

    async def respond(self, http_request: Request) -> Response:
        """Respond to a request, and let the faults of requests happen."""
        project = self._project
        route = self._routes["GET" if http_request.method == "HEAD" else http_request.method]
        project.call_log.received(route.label)
        request = _api_request(route.label, http_request)
        try:
            body = await read_body(http_request, project.options.body_limit)
        except ClientDisconnect:
            return self._drop()
        if route.label == IMPORT_ROUTE:
            await send_foreign_import(project, body.data)
        if (late := project.faults.fires(Late, route.label)) is not None:
            project.spawn(self._work_later(late.seconds, route, request, body))
            return self._drop()
        rate_headers: dict[str, str] = {}
        try:
            await fail_before(project, route.label, http_request)
            response = await self._work(route, request, body, rate_headers)
        except ResponseError as error:
            response = ApiResponse.of_error(error, request.request_id)
        response.headers = {**rate_headers, **response.headers}
        return finish(project, route.label, json_response(response))

    def _drop(self) -> Response:
        self._project.call_log.responded(None)
        return CutResponse()

    async def _work_later(self, seconds: float, route: ApiRoute, request: ApiRequest, body: Body) -> None:
        if not await self._project.pause(seconds):
            return
        try:
            await self._work(route, request, body, {})
        except ResponseError as error:
            _log.info("A late %s was refused: %s", route.label, error)

    async def _work(
        self, route: ApiRoute, request: ApiRequest, body: Body, rate_headers: dict[str, str]
    ) -> ApiResponse:
        project, options = self._project, self._project.options
        by_token = project.authentication.check(request.headers, route.scope)
        if by_token and project.faults.fires(ExpiredToken, route.label) is not None:
            raise unauthorized("The OAuth token has expired")
        rate_headers.update(project.limits.take(bulk=route.bulk))
        if body.size > options.body_limit:
            raise too_large(options.body_limit)
        limit = project.faults.fires(BodyLimit, route.label, lambda fault: body.size > fault.bytes)
        if limit is not None:
            raise too_large(limit.bytes)
        if route.body is not None:
            request.body = plain_body(
                body.data, route.body, request.headers, options.body_limit, gzip=options.gzip_bodies
            )
        document = await run_in_threadpool(route.handler(project), request)
        if isinstance(document, ApiResponse):
            return document
        alter(project.faults, route.label, document)
        return ApiResponse(document=document)


def _api_request(label: str, request: Request) -> ApiRequest:
    return ApiRequest(
        label=label,
        request_id=new_id("v-"),
        path=request.path_params,
        query=request.query_params,
        headers=request.headers,
    )


def _app(project: Project, routes: list[Route]) -> Starlette:
    async def refuse(request: Request, error: Exception) -> Response:
        project.call_log.received(f"{request.method} {UNKNOWN_ROUTE}")
        details = f"There is no {request.method} {request.url.path}"
        if isinstance(error, HTTPException) and error.status_code == 405:
            refusal = ResponseError(405, "method_not_allowed", "Method not allowed", details, headers=error.headers)
        else:
            refusal = ResponseError(404, "not_found", "Resource not found", details)
        project.call_log.responded(refusal.code)
        return json_response(ApiResponse.of_error(refusal, new_id("v-")))

    async def break_down(_: Request, error: Exception) -> Response:
        project.call_log.responded(500)
        details = f"The emulator itself has failed, see its log: {type(error).__name__}"
        refusal = ResponseError(500, "internal_error", "Internal error", details)
        return json_response(ApiResponse.of_error(refusal, new_id("v-")))

    app = Starlette(routes=routes, exception_handlers={404: refuse, 405: refuse, 500: break_down})
    app.router.redirect_slashes = False
    return app
