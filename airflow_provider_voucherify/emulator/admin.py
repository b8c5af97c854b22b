"""Routes under ``/emulator/`` that control the emulator: they need no keys, and do not count as calls."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_voucherify.emulator.async_actions import SeededAction
from airflow_provider_voucherify.emulator.faults import make_fault
from airflow_provider_voucherify.emulator.local_only import local_only
from airflow_provider_voucherify.emulator.project import Project

T = TypeVar("T")


def admin_routes(project: Project) -> list[Route]:
    """Return the admin routes.

    :param project: The project that they read and change.
    """

    async def health(_: Request) -> Response:
        return _json({"status": "ok"})

    async def options(_: Request) -> Response:
        shown = {name: value for name, value in msgspec.structs.asdict(project.options).items() if name != "app_token"}
        return _json(shown)

    async def calls(_: Request) -> Response:
        return _json(project.call_log.report())

    async def count_orders(_: Request) -> Response:
        return _json({"count": await run_in_threadpool(project.orders.count)})

    async def reset(_: Request) -> Response:
        await run_in_threadpool(project.reset)
        return Response(status_code=204)

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            project.faults.clear()
            return Response(status_code=204)
        if request.method == "POST":
            try:
                parameters = _decoded(await request.body(), dict[str, Any])
                project.faults.add(make_fault(str(parameters.pop("name", "")), parameters))
            except ValueError as error:
                return _refused(error)
        return _json({"faults": project.faults.report()})

    async def seed_action(request: Request) -> Response:
        try:
            action = _decoded(await request.body(), SeededAction)
            action_id = await run_in_threadpool(project.seed_action, action)
        except ValueError as error:
            return _refused(error)
        return _json({"async_action_id": action_id})

    async def add_export_rows(request: Request) -> Response:
        try:
            rows = _decoded(await request.body(), list[dict[str, Any]])
            count = await run_in_threadpool(project.add_export_rows, request.path_params["kind"], rows)
        except ValueError as error:
            return _refused(error)
        return _json({"rows": count})

    handlers = [
        ("health", health, ["GET"]),
        ("options", options, ["GET"]),
        ("calls", calls, ["GET"]),
        ("orders/count", count_orders, ["GET"]),
        ("reset", reset, ["POST"]),
        ("faults", faults, ["GET", "POST", "DELETE"]),
        ("async-actions", seed_action, ["POST"]),
        ("export-rows/{kind}", add_export_rows, ["POST"]),
    ]
    return [Route(f"/emulator/{path}", local_only(handler), methods=methods) for path, handler, methods in handlers]


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"The body is not valid: {error}") from None


def _json(document: Any) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _refused(error: ValueError) -> Response:
    return Response(msgspec.json.encode({"code": 400, "message": str(error)}), 400, media_type="application/json")
