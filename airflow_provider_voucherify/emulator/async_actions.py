"""Async actions: the record of every import, and of actions of other types that a test asks for."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from airflow_provider_voucherify.emulator.database import Database
from airflow_provider_voucherify.emulator.errors import not_found
from airflow_provider_voucherify.emulator.ids import derived_id, new_id, timestamp
from airflow_provider_voucherify.emulator.request import DEFAULT_LIMIT, MAX_LIMIT, ApiRequest

ActionStatus = Literal["ENQUEUED", "IN_PROGRESS", "DONE", "FAILED"]
OperationStatus = Literal["SUCCESS", "FAILED", "UNKNOWN"]
ActionType = Literal[
    "CAMPAIGN.VOUCHERS_IMPORT",
    "CAMPAIGN.VOUCHERS_IMPORT_CSV",
    "CAMPAIGN.VOUCHERS_UPDATE",
    "CAMPAIGN.VOUCHERS_DELETE",
    "CAMPAIGN.VOUCHERS_GENERATE",
    "CAMPAIGNS.METADATA_KEY_PURGE",
    "CUSTOMERS.IMPORT_CSV",
    "CUSTOMERS.BULK_UPDATE",
    "CUSTOMERS.METADATA_UPDATE",
    "CUSTOMERS.METADATA_KEY_PURGE",
    "PRODUCTS.BULK_UPDATE",
    "PRODUCTS.METADATA_UPDATE",
    "PRODUCTS.METADATA_KEY_PURGE",
    "PRODUCTS.IMPORT_CSV",
    "SKUS.IMPORT_CSV",
    "VOUCHERS.IMPORT",
    "VOUCHERS.IMPORT_CSV",
    "VOUCHERS.BULK_UPDATE",
    "VOUCHERS.METADATA_UPDATE",
    "VOUCHERS.METADATA_KEY_PURGE",
    "ORDERS.IMPORT",
    "ORDERS.METADATA_KEY_PURGE",
]
ACTION_TYPES: tuple[str, ...] = get_args(ActionType)

_COLUMNS = (
    "id",
    "type",
    "status",
    "operation_status",
    "created_at",
    "updated_at",
    "request_id",
    "progress",
    "processing_time",
    "result",
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM async_actions"  # noqa: S608 (names from this module)


class Step(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a seeded action shows from a moment on.

    :param after_seconds: Simulated seconds since it was made.
    """

    status: ActionStatus
    after_seconds: Annotated[float, Meta(ge=0)] = 0
    operation_status: OperationStatus | None = None
    progress: Annotated[int, Meta(ge=0, le=100)] | None = None
    result: dict[str, Any] | None = None


class SeededAction(Struct, kw_only=True, forbid_unknown_fields=True):
    """An action of any type that goes through any statuses, which no endpoint of the emulator can bring about.

    Either ``status`` and its companions, which hold after ``after_seconds`` (``IN_PROGRESS`` until then), or ``steps``.
    """

    type: ActionType
    status: ActionStatus | None = None
    operation_status: OperationStatus | None = None
    progress: Annotated[int, Meta(ge=0, le=100)] | None = None
    result: dict[str, Any] | None = None
    after_seconds: Annotated[float, Meta(ge=0)] = 0
    steps: list[Step] = []

    @classmethod
    def of(cls, fields: dict[str, Any]) -> SeededAction:
        """Check the fields of an action.

        :param fields: Values by name.
        :raises ValueError: if a field is unknown or wrong.
        """
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"Async action: {error}") from None

    def timeline(self) -> list[Step]:
        """Return the steps with their times, in order.

        :raises ValueError: if neither a status nor steps are given, or both.
        """
        if (self.status is None) == (not self.steps):
            raise ValueError("Give either 'status' or 'steps' of the action")
        if self.status is None:
            return sorted(self.steps, key=lambda step: step.after_seconds)
        last = Step(
            status=self.status,
            after_seconds=self.after_seconds,
            operation_status=self.operation_status,
            progress=self.progress,
            result=self.result,
        )
        return [Step(status="IN_PROGRESS"), last] if self.after_seconds else [last]


class AsyncActions:
    """Actions in the database, and the endpoints under ``/v1/async-actions``.

    :param database: Where they are.
    :param speed: Simulated seconds in a second.
    """

    def __init__(self, database: Database, speed: float) -> None:
        self._database = database
        self._speed = speed
        self._running: tuple[str, float, float] | None = None

    def add(self, connection: sqlite3.Connection, action_type: str, request_id: str) -> str:
        """Write a new action, ``ENQUEUED``.

        :param connection: Connection inside a transaction.
        :param action_type: One of the 22.
        :param request_id: Id of the request that made it.
        :return: Id of the action.
        """
        action_id, now = new_id("aa_"), timestamp()
        connection.execute(
            "INSERT INTO async_actions (id, type, status, created_at, updated_at, request_id, progress)"
            " VALUES (?, ?, 'ENQUEUED', ?, ?, ?, 0)",
            (action_id, action_type, now, now, request_id),
        )
        return action_id

    def set(
        self,
        connection: sqlite3.Connection,
        action_id: str,
        step: Step,
        processing_time: int | None = None,
    ) -> None:
        """Set the status of an action.

        :param connection: Connection inside a transaction.
        :param action_id: The action.
        :param step: Its status, operation status, progress (100 when left out of DONE) and result.
        :param processing_time: Real milliseconds, once it is over.
        """
        progress = step.progress if step.progress is not None else 100 if step.status == "DONE" else 0
        result = None if step.result is None else msgspec.json.encode(step.result).decode()
        connection.execute(
            "UPDATE async_actions SET status = ?, operation_status = ?, updated_at = ?, progress = ?,"
            " processing_time = ?, result = ? WHERE id = ?",
            (step.status, step.operation_status, timestamp(), progress, processing_time, result, action_id),
        )

    def exists(self, connection: sqlite3.Connection, action_id: str) -> bool:
        """Return whether an action exists: after a reset it does not.

        :param connection: Connection inside a transaction.
        :param action_id: The action.
        """
        return connection.execute("SELECT 1 FROM async_actions WHERE id = ?", (action_id,)).fetchone() is not None

    def show_progress(self, action_id: str | None, seconds: float = 0) -> None:
        """Increase the progress of the running action with time.

        :param action_id: The action, or None when none runs any more.
        :param seconds: Real seconds it will take.
        """
        self._running = None if action_id is None else (action_id, time.monotonic(), seconds)

    async def play(self, action_id: str, steps: list[Step]) -> None:
        """Show the steps of a seeded action, each at its time.

        :param action_id: An action that has been added.
        :param steps: In the order of time.
        """
        start = time.monotonic()
        for step in steps:
            await asyncio.sleep(max(start + step.after_seconds / self._speed - time.monotonic(), 0))
            elapsed = round(step.after_seconds / self._speed * 1000) if step.status in ("DONE", "FAILED") else None
            await asyncio.to_thread(self.show, action_id, step, elapsed)

    def show(self, action_id: str, step: Step, processing_time: int | None) -> None:
        """Give an action a status in a transaction of its own; the parameters are those of :meth:`set`."""
        with self._database.transaction() as connection:
            self.set(connection, action_id, step, processing_time)

    def get(self, request: ApiRequest) -> dict[str, Any]:
        """``GET /v1/async-actions/{asyncActionId}``: with the result."""
        action_id = request.path["asyncActionId"]
        rows = self._database.rows(f"{_SELECT} WHERE id = ?", (action_id,))
        if not rows:
            raise not_found("async_action", action_id)
        # Documented since 2025-10-16, but not in the OpenAPI documents; their form is unknown.
        return {**self._document(rows[0]), "user": None, "log_id": derived_id("log_", action_id)}

    def list(self, request: ApiRequest) -> dict[str, Any]:
        """``GET /v1/async-actions``: newest first, before ``end_date``.

        Like the example, entries have neither result nor ``operation_status`` nor ``processing_time`` (the schema would
        allow the latter two). The default limit is unknown; 10 as of the other lists.
        """
        limit = request.integer("limit", DEFAULT_LIMIT, MAX_LIMIT)
        end_date = request.moment("end_date")
        where, parameters = ("WHERE created_at < ?", (end_date,)) if end_date else ("", ())
        sql = f"{_SELECT} {where} ORDER BY created_at DESC, seq DESC LIMIT ?"
        rows = self._database.rows(sql, (*parameters, limit + 1))
        actions = [self._document(row) for row in rows[:limit]]
        for action in actions:
            for name in ("result", "operation_status", "processing_time"):
                action.pop(name, None)
        return {
            "object": "list",
            "data_ref": "async_actions",
            "async_actions": actions,
            "has_more": len(rows) > limit,
        }

    def _document(self, row: tuple[Any, ...]) -> dict[str, Any]:
        document = {name: value for name, value in zip(_COLUMNS, row, strict=True) if value is not None}
        if "result" in document:
            document["result"] = msgspec.Raw(document["result"].encode())
        running = self._running
        if running is not None and document["id"] == running[0] and document["status"] == "IN_PROGRESS":
            elapsed = time.monotonic() - running[1]
            document["progress"] = min(99, int(100 * elapsed / running[2])) if running[2] else 99
        document["object"] = "async_action"
        return document
