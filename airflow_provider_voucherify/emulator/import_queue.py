"""The queue of order imports: one runs at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec
from msgspec import Struct

from airflow_provider_voucherify.emulator.async_actions import AsyncActions, Step
from airflow_provider_voucherify.emulator.call_log import CallLog
from airflow_provider_voucherify.emulator.database import Database
from airflow_provider_voucherify.emulator.errors import ResponseError, invalid_payload
from airflow_provider_voucherify.emulator.fault_types import ActionFailed, FailedRows, LoweredLimit, RejectedOrder
from airflow_provider_voucherify.emulator.faults import Faults, matches
from airflow_provider_voucherify.emulator.ids import new_id
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.order_schema import OrderPayload, decode_orders
from airflow_provider_voucherify.emulator.orders import Batch
from airflow_provider_voucherify.emulator.request import ApiRequest

_log = logging.getLogger(__name__)


class QueuedImport(Struct, frozen=True):
    """An import taken from the queue.

    :param action_id: Its async action.
    :param body: The JSON array as it was sent.
    :param milliseconds: Simulated duration.
    """

    action_id: str
    body: bytes
    milliseconds: float


class ImportQueue:
    """``POST /v1/orders/import`` and what follows it.

    Bodies wait in the database, so that a long queue takes no memory and outlives a restart on the same ``--db``.

    :param database: Where orders, actions and waiting bodies are.
    :param options: Limits, mode, durations.
    :param actions: The async actions of the project.
    :param faults: What goes wrong.
    :param call_log: Where accepted imports and the idle time of the queue are recorded.
    """

    def __init__(
        self,
        database: Database,
        options: EmulatorOptions,
        actions: AsyncActions,
        faults: Faults,
        call_log: CallLog,
    ) -> None:
        self._database = database
        self._options = options
        self._actions = actions
        self._faults = faults
        self._call_log = call_log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work = asyncio.Event()

    def submit(self, request: ApiRequest) -> dict[str, str]:
        """``POST /v1/orders/import``: check all orders, queue them, respond with the id of the action.

        What too many orders get is unknown: here a 400 ``query_too_large``, a key that the API is known to use, before
        their content is checked.
        """
        count = count_orders(request.body)
        limit = self._options.import_limit
        lowered = self._faults.fires(LoweredLimit, request.label, lambda fault: count > fault.limit)
        limit = limit if lowered is None else min(limit, lowered.limit)
        if count > limit:
            details = f"An import can have at most {limit} orders, this one has {count}"
            raise ResponseError(400, "query_too_large", "Query too large", details)
        payloads = decode_orders(request.body)
        if not payloads:
            raise invalid_payload("Property . should not have fewer than 1 items")
        rejected = self._faults.fires(
            RejectedOrder,
            request.label,
            lambda fault: any(matches(fault.source_id, payload.source_id) for payload in payloads),
        )
        if rejected is not None:
            raise invalid_payload(rejected.details)
        action_id = self._enqueue(request.body, len(payloads), request.request_id)
        self._call_log.import_accepted(action_id, len(payloads), request.body)
        return {"async_action_id": action_id}

    def submit_foreign(self, orders: int) -> None:
        """Queue an import of another client.

        :param orders: How many orders it has; their source ids begin with ``foreign-``.
        """
        request_id = new_id("v-")
        rows = [{"source_id": f"foreign-{request_id}-{number}", "amount": 100} for number in range(orders)]
        self._enqueue(msgspec.json.encode(rows), orders, request_id)

    def _enqueue(self, body: bytes, orders: int, request_id: str) -> str:
        with self._database.transaction() as connection:
            action_id = self._actions.add(connection, "ORDERS.IMPORT", request_id)
            connection.execute(
                "INSERT INTO import_queue (action_id, orders, body) VALUES (?, ?, ?)", (action_id, orders, body)
            )
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._work.set)
        return action_id

    async def run(self) -> None:
        """Process the queue in order of submission, for as long as the emulator runs."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._work.clear()
            start = time.monotonic()
            queued = await asyncio.to_thread(self._next)
            if queued is None:
                await self._work.wait()
            else:
                await self._process(queued, start)

    def _next(self) -> QueuedImport | None:
        rows = self._database.rows("SELECT action_id, orders, body FROM import_queue ORDER BY seq LIMIT 1")
        if not rows:
            return None
        action_id, orders, body = rows[0]
        milliseconds = self._options.import_base_ms + orders * self._options.import_order_ms
        self._actions.show(action_id, Step(status="IN_PROGRESS"), None)
        return QueuedImport(action_id, body, milliseconds)

    async def _process(self, queued: QueuedImport, start: float) -> None:
        seconds = queued.milliseconds / 1000 / self._options.speed
        self._call_log.import_started(start)
        self._actions.show_progress(queued.action_id, seconds)
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(self._load, queued, start)
        except Exception:  # noqa: BLE001 (logged, and reported as FAILED)
            _log.exception("Import %s failed", queued.action_id)
            await asyncio.to_thread(self._fail, queued, start, "Internal error")
        self._actions.show_progress(None)
        self._call_log.import_finished(time.monotonic())

    def _load(self, queued: QueuedImport, start: float) -> None:
        payloads = decode_orders(queued.body)
        failed: list[dict[str, Any]] = []
        with self._database.transaction() as connection:
            if not self._actions.exists(connection, queued.action_id):
                return  # the emulator was reset while this import was waiting for its end
            broken = self._faults.fires(ActionFailed)
            if broken is not None:
                payloads = payloads[: int(len(payloads) * broken.loaded)]
            rows_fail = self._faults.any(FailedRows)
            batch = Batch(connection, payloads, self._options)
            for payload in payloads:
                failure = self._failed_row(payload) if rows_fail else None
                failure = failure or self._put(batch, payload)
                if failure is not None:
                    failed.append(failure)
            batch.write()
            connection.execute("DELETE FROM import_queue WHERE action_id = ?", (queued.action_id,))
            if broken is None:
                step = Step(status="DONE", result=self._result(len(payloads) - len(failed), failed))
            else:
                step = Step(status="FAILED", result={"message": broken.message})
            self._actions.set(connection, queued.action_id, step, _milliseconds_since(start))

    def _put(self, batch: Batch, payload: OrderPayload) -> dict[str, Any] | None:
        if self._options.import_mode == "insert" and batch.knows(payload):
            return {
                "source_id": payload.source_id,
                "reason": "Order with this id or source_id already exists",
            }
        try:
            batch.put(payload)
        except ResponseError as error:
            return {"source_id": payload.source_id, "reason": error.details or error.message}
        return None

    def _failed_row(self, payload: OrderPayload) -> dict[str, Any] | None:
        fault = self._faults.fires(FailedRows, concerns=lambda fault: matches(fault.source_id, payload.source_id))
        if fault is None:
            return None
        return {"source_id": None if fault.null_source_id else payload.source_id, "reason": fault.reason}

    def _result(self, done: int, failed: list[dict[str, Any]]) -> dict[str, Any]:
        as_object = self._options.failed_style == "object"
        return {
            "message": f"{done} order(s) imported successfully, {len(failed)} failed.",
            "failed": (failed[0] if failed else {}) if as_object else failed,
            "done_count": done,
            "failed_count": len(failed),
        }

    def _fail(self, queued: QueuedImport, start: float, message: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM import_queue WHERE action_id = ?", (queued.action_id,))
            step = Step(status="FAILED", result={"message": message})
            self._actions.set(connection, queued.action_id, step, _milliseconds_since(start))


def count_orders(body: bytes) -> int:
    """Return how many orders a body holds; 0 if it is not a JSON array.

    :param body: Decompressed body of an import.
    """
    try:
        return len(msgspec.json.decode(body, type=list[msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _milliseconds_since(start: float) -> int:
    """Return the time that a client would measure: simulated time divided by the speed, and real time."""
    return round((time.monotonic() - start) * 1000)
