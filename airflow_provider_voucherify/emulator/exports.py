"""Exports: schedule them, write their files, serve their endpoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_voucherify.emulator.database import Database
from airflow_provider_voucherify.emulator.errors import invalid_payload, not_found
from airflow_provider_voucherify.emulator.export_csv import write_csv
from airflow_provider_voucherify.emulator.export_kinds import EXPORT_KINDS, ExportKind
from airflow_provider_voucherify.emulator.fault_types import ExportError
from airflow_provider_voucherify.emulator.faults import Faults
from airflow_provider_voucherify.emulator.ids import new_id, timestamp
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.request import DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE, ApiRequest, ApiResponse

_log = logging.getLogger(__name__)

_LIST_ORDERS = ("created_at", "-created_at", "status", "-status")
_SELECT = "SELECT id, created_at, status, parameters, files, exported_object FROM exports"

FileUrl = Callable[[str, int, ApiRequest], str]
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Exports:
    """``POST /v1/orders/export``, the endpoints under ``/v1/exports``, and the work of an export.

    :param database: Where orders and exports are; files lie beside it.
    :param options: Styles, durations, number of files.
    :param faults: What goes wrong.
    :param url: Makes the URL of a file: export id, number of the file from 0, the request that asks for it.
    :param spawn: Runs a coroutine in the background of the emulator.
    """

    def __init__(
        self, database: Database, options: EmulatorOptions, faults: Faults, url: FileUrl, spawn: Spawn
    ) -> None:
        self._database = database
        self._options = options
        self._faults = faults
        self._url = url
        self._spawn = spawn

    def create_of_orders(self, request: ApiRequest) -> dict[str, Any]:
        """``POST /v1/orders/export``."""
        return self._schedule(EXPORT_KINDS["order"], _object(request.json(), "."))

    def create(self, request: ApiRequest) -> dict[str, Any]:
        """``POST /v1/exports``: of orders, or of rows that were given to the emulator for another kind."""
        body = _object(request.json(), ".")
        name = body.get("exported_object")
        if not isinstance(name, str) or name not in EXPORT_KINDS:
            allowed = ", ".join(EXPORT_KINDS)
            raise invalid_payload(
                f"Property .exported_object should be equal to one of the allowed values [ {allowed} ]"
            )
        return self._schedule(EXPORT_KINDS[name], body)

    def get(self, request: ApiRequest) -> dict[str, Any]:
        """``GET /v1/exports/{exportId}``: once DONE with a URL that holds a fresh token."""
        return self._document(self._row(request.path["exportId"]), request)

    def list(self, request: ApiRequest) -> dict[str, Any]:
        """``GET /v1/exports``. The default order is unknown; newest first, as in the example."""
        limit = request.integer("limit", DEFAULT_LIMIT, MAX_LIMIT)
        page = request.integer("page", 1, MAX_PAGE)
        order = request.choice("order", _LIST_ORDERS, "-created_at")
        column, direction = order.removeprefix("-"), "DESC" if order.startswith("-") else "ASC"
        sql = f"{_SELECT} ORDER BY {column} {direction}, seq {direction} LIMIT ? OFFSET ?"
        rows = self._database.rows(sql, (limit, (page - 1) * limit))
        total = self._database.rows("SELECT count(*) FROM exports")[0][0]
        exports = [self._document(row, request) for row in rows]
        return {"object": "list", "data_ref": "exports", "exports": exports, "total": total}

    def delete(self, request: ApiRequest) -> ApiResponse:
        """``DELETE /v1/exports/{exportId}``."""
        export_id = request.path["exportId"]
        files = self._row(export_id)[4]
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM exports WHERE id = ?", (export_id,))
        self._delete_files(export_id, files)
        return ApiResponse(status=204)

    def file(self, export_id: str, number: int) -> Path:
        """Return the path of an exported file.

        :param export_id: The export.
        :param number: Number of the file from 0.
        """
        return self._database.files / f"{export_id}-{number}.csv"

    def resume(self) -> None:
        """Resume the exports that an earlier emulator left unfinished in the same database."""
        for (export_id,) in self._database.rows("SELECT id FROM exports WHERE status IN ('SCHEDULED', 'IN_PROGRESS')"):
            self._spawn(self._run(export_id))

    def _schedule(self, kind: ExportKind, body: dict[str, Any]) -> dict[str, Any]:
        parameters = kind.check(_object(body.get("parameters") or {}, ".parameters"))
        export_id, now = new_id("exp_"), timestamp()
        text = msgspec.json.encode(parameters).decode()
        row = (export_id, now, "SCHEDULED", text, self._options.export_files, kind.name)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO exports (id, created_at, status, parameters, files, exported_object)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
        self._spawn(self._run(export_id))
        return self._document(row, None)

    async def _run(self, export_id: str) -> None:
        speed = 1000 * self._options.speed
        await asyncio.sleep(self._options.export_base_ms / 2 / speed)
        try:
            if not await asyncio.to_thread(self._set_status, export_id, "IN_PROGRESS"):
                return
            if self._faults.fires(ExportError) is not None:
                await asyncio.to_thread(self._set_status, export_id, "ERROR")
                return
            orders = await asyncio.to_thread(self._write, export_id)
            await asyncio.sleep((self._options.export_base_ms / 2 + orders * self._options.export_order_ms) / speed)
            if not await asyncio.to_thread(self._set_status, export_id, "DONE"):
                self._delete_files(export_id, self._options.export_files)  # the export was deleted meanwhile
        except Exception:  # noqa: BLE001 (logged, and reported as ERROR)
            _log.exception("Export %s failed", export_id)
            await asyncio.to_thread(self._set_status, export_id, "ERROR")

    def _delete_files(self, export_id: str, files: int) -> None:
        for number in range(files):
            self.file(export_id, number).unlink(missing_ok=True)

    def _write(self, export_id: str) -> int:
        rows = self._database.rows("SELECT parameters, exported_object FROM exports WHERE id = ?", (export_id,))
        if not rows:
            return 0  # the export was deleted before the first order was written
        parameters = msgspec.json.decode(rows[0][0])
        kind = EXPORT_KINDS[rows[0][1]]
        where = kind.compile(parameters.get("filters"), inclusive=self._options.window_bounds == "inclusive")
        files = [self.file(export_id, number) for number in range(self._options.export_files)]
        order = parameters.get("order") or ("created_at" if kind.name == "order" else "seq")
        with self._database.snapshot() as connection:
            return write_csv(
                connection, kind.table(parameters), parameters["fields"], where, order, files, self._options
            )

    def _set_status(self, export_id: str, status: str) -> bool:
        with self._database.transaction() as connection:
            cursor = connection.execute("UPDATE exports SET status = ? WHERE id = ?", (status, export_id))
            return cursor.rowcount == 1

    def _row(self, export_id: str) -> Any:
        rows = self._database.rows(f"{_SELECT} WHERE id = ?", (export_id,))
        if not rows:
            raise not_found("export", export_id)
        return rows[0]

    def _document(self, row: Any, request: ApiRequest | None) -> dict[str, Any]:
        export_id, created_at, status, parameters, files, exported_object = row
        result = None
        if status == "DONE" and request is not None:
            urls = [self._url(export_id, number, request) for number in range(files)]
            result = {"url": urls[0]} if files == 1 else {"url": urls[0], "urls": urls}
        return {
            "id": export_id,
            "object": "export",
            "created_at": created_at,
            "status": status,
            "channel": "API",
            "exported_object": exported_object,
            "parameters": self._echo(msgspec.json.decode(parameters)),
            "result": result,
            "user_id": None,
        }

    def _echo(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if self._options.export_echo == "sent":
            return parameters
        filters = {"junction": "and", **parameters.get("filters", {})}
        return {"order": "", **parameters, "filters": filters, "response_format": "CSV"}


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_payload(f"Property {name} should be an object")
    return value
