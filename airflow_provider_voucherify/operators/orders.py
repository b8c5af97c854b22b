"""Orders into Voucherify and out of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import BaseOperator, ObjectStoragePath, XComArg, conf

from airflow_provider_voucherify.api.errors import InvalidRequestError, QuotaError, VoucherifyError, WaitTimeoutError
from airflow_provider_voucherify.api.models import ExportStatus
from airflow_provider_voucherify.api.polling import Poll
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.task_store import TaskStoreLedger
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_import.chunk import MAX_BODY_BYTES, MAX_ORDERS
from airflow_provider_voucherify.order_import.ledger import (
    FileLedger,
    Ledger,
    NoLedger,
    SourceChangedError,
    open_state,
)
from airflow_provider_voucherify.order_import.order_import import (
    MAX_BISECTIONS,
    MAX_IN_FLIGHT,
    MAX_RESENDS,
    OnUnknown,
    OrderImport,
    Pause,
)
from airflow_provider_voucherify.order_import.report import Report
from airflow_provider_voucherify.order_import.source import JsonLinesSource, ListSource, Source
from airflow_provider_voucherify.order_import.state import ImportState
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.export import ExportTrigger
from airflow_provider_voucherify.triggers.polling import Wake, woken

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

OnBadValue = Literal["fail", "side_file"]

DEFER_FROM = 5.0  # seconds; a shorter wait ends before a task could be deferred and woken
SHOWN_REASONS = 5


class VoucherifyOperator(BaseOperator):
    """
    What the operators share: the connection.

    :param voucherify_conn_id: The connection. (templated)
    """

    ui_color = "#dfe6f5"

    def __init__(self, *, voucherify_conn_id: str = VoucherifyHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.voucherify_conn_id = voucherify_conn_id

    @cached_property
    def hook(self) -> VoucherifyHook:
        """The hook of the connection."""
        return VoucherifyHook(self.voucherify_conn_id)


class WaitingOperator(VoucherifyOperator):
    """
    What the operators share that wait for Voucherify, in the worker or deferred.

    :param deferrable: Whether to wait in the triggerer. By default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between two looks at most.
    :param timeout: Seconds, or a timedelta, from the start of the try to its end in a
        :class:`~airflow_provider_voucherify.api.errors.WaitTimeoutError`. What runs at Voucherify goes on.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30.0,
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.poll_interval = float(poll_interval)
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
        for name in ("poll_interval", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 seconds, got {getattr(self, name)}.")

    def _sleep(self, seconds: float, deadline: float, waiting_for: str) -> None:
        """Sleep in the worker, but not over the deadline."""
        left = deadline - time.time()
        if seconds >= left:
            time.sleep(max(0.0, left))
            raise self._timed_out(waiting_for)
        time.sleep(seconds)

    def _timed_out(self, waiting_for: str) -> WaitTimeoutError:
        return WaitTimeoutError(f"Stopped after {self.timeout:.0f} s (timeout), waiting for {waiting_for}.")


class ImportOrdersOperator(WaitingOperator):
    """
    Imports historical orders, in chunks, and says of every order what became of it.

    For an on-going synchronisation use :class:`CreateOrderOperator` or :class:`UpdateOrderOperator`: an import
    triggers no events, and ``created_at`` becomes the time of the import (documented).

    The result is ``{"orders", "loaded", "rejected", "unknown", "chunks", "async_action_ids", "api_calls",
    "report_path"}``, with ``loaded + rejected + unknown == orders`` and the ids of the first 100 actions.

    :param orders: The orders, or the XCom of a task that returns them. (templated)
    :param orders_path: A file with one order a line as JSON, on any file system that Airflow's
        ``ObjectStoragePath`` knows: ``s3://aws_default@bucket/orders.jsonl``. (templated)
    :param chunk_size: Orders a request at most. 2000 is the limit of the API (documented, may change).
    :param max_body_bytes: Bytes a request at most; the limit of the API is not documented.
    :param report_path: A folder for the orders that were not loaded, ``rejected/part-*.jsonl`` and
        ``unknown/part-*.jsonl``, each with position, source_id, reason and payload, and ``summary.json``.
        Without it, the first of each chunk are in the log. (templated)
    :param max_rejected: Orders that may be rejected without failing the task: a share of all when below 1, else
        a number. 0 by default.
    :param max_unknown: Orders that may be unknown, alike.
    :param max_in_flight: Chunks that wait at Voucherify at most. It imports one at a time (documented).
    :param max_bisections: Requests spent at most on finding the bad orders in refused chunks.
    :param max_resends: How often orders are sent again that failed for a passing reason.
    :param on_unknown: ``resend`` says that sending an order with a ``source_id`` twice is safe, because imports update
        by it, which is not documented: then orders are sent again instead of being unknown. ``report`` by default.
    :param durable: Whether a retry, or the clearing of a failed task, goes on where the last try stood. The state
        lives in Airflow's task store (3.3 and newer) or under ``report_path``; success removes it.
    :param restart: Whether to begin anew, whatever an earlier run left; a retry in the same run goes on all the same.
    :param wait_for_completion: Whether to wait for the outcome. If not, all orders that were sent are
        ``unknown``, and ``async_action_ids`` has all actions, for an ``AsyncActionSensor`` to wait for.
    :param deferrable: Whether to wait in the triggerer. By default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between two looks at most; the processing times seen make it less.
    :param timeout: Seconds, or a timedelta, for the whole import; 7 days by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersNotLoadedError: if more orders are rejected or unknown than tolerated, with the first reasons.
    """

    template_fields: Sequence[str] = ("orders", "orders_path", "report_path", "voucherify_conn_id")
    template_fields_renderers = {"orders": "json"}

    def __init__(
        self,
        *,
        orders: Sequence[Mapping[str, Any]] | None = None,
        orders_path: str | None = None,
        chunk_size: int = MAX_ORDERS,
        max_body_bytes: int = MAX_BODY_BYTES,
        report_path: str | None = None,
        max_rejected: float = 0,
        max_unknown: float = 0,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_bisections: int = MAX_BISECTIONS,
        max_resends: int = MAX_RESENDS,
        on_unknown: OnUnknown = "report",
        restart: bool = False,
        durable: bool = True,
        wait_for_completion: bool = True,
        timeout: float | timedelta = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        if (orders is None) == (orders_path is None):
            raise ValueError("Give the orders either as orders or as orders_path.")
        for name, value in (
            ("chunk_size", chunk_size),
            ("max_body_bytes", max_body_bytes),
            ("max_in_flight", max_in_flight),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value!r}.")
        for name, limit in (
            ("max_rejected", max_rejected),
            ("max_unknown", max_unknown),
            ("max_bisections", max_bisections),
            ("max_resends", max_resends),
        ):
            if limit < 0:
                raise ValueError(f"{name} must not be negative, got {limit!r}.")
        if on_unknown not in get_args(OnUnknown):
            raise ValueError(f"on_unknown must be one of {', '.join(get_args(OnUnknown))}, got {on_unknown!r}.")
        self.orders = orders
        self.orders_path = orders_path
        self.chunk_size = chunk_size
        self.max_body_bytes = max_body_bytes
        self.report_path = report_path
        self.max_rejected = max_rejected
        self.max_unknown = max_unknown
        self.max_in_flight = max_in_flight
        self.max_bisections = max_bisections
        self.max_resends = max_resends
        self.on_unknown = on_unknown
        self.restart = restart
        self.durable = durable
        self.wait_for_completion = wait_for_completion

    def execute(self, context: Context) -> dict[str, Any]:
        """Import the orders, or go on with the import that an earlier try began."""
        source, ledger = self._source(), self._ledger(context)
        state, begun = open_state(
            ledger,
            source.fingerprint(),
            restart=context["run_id"] if self.restart else None,
            max_orders=self.chunk_size,
            max_body_bytes=self.max_body_bytes,
        )
        report = Report(self._folder)
        if begun:
            self.log.info(
                "Going on: %d orders have an outcome, %d chunks in flight.", state.settled, len(state.in_flight)
            )
        else:
            report.clear()
        return self._go_on(context, source, state, ledger, time.time() + self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on where the task was deferred."""
        wake, handover = woken(event)
        source, ledger = self._source(), self._ledger(context)
        state = ImportState.from_json(ledger.load() or handover["state"])
        if wake is Wake.TIMEOUT:
            raise self._timed_out(f"{len(state.in_flight)} imports in flight")
        if source.fingerprint() != state.fingerprint:
            raise SourceChangedError(f"{source.name} changed while it was imported: the import cannot go on.")
        return self._go_on(context, source, state, ledger, handover["deadline"])

    def _go_on(
        self, context: Context, source: Source, state: ImportState, ledger: Ledger, deadline: float
    ) -> dict[str, Any]:
        report = Report(self._folder)
        job = OrderImport(
            self.hook,
            source,
            state,
            report=report,
            ledger=ledger,
            max_in_flight=self.max_in_flight,
            max_bisections=self.max_bisections,
            max_resends=self.max_resends,
            on_unknown=self.on_unknown,
            wait=self.wait_for_completion,
            poll_interval=self.poll_interval,
        )
        while pause := job.advance():
            context["ti"].xcom_push(key="async_action_ids", value=job.state.action_ids)
            self.log.info("%d orders have an outcome; %s.", job.state.settled, pause.reason)
            if self.deferrable and (pause.action_ids or pause.seconds >= DEFER_FROM):
                self._defer(job, pause, deadline)
            self._sleep(pause.seconds, deadline, pause.reason)
        context["ti"].xcom_push(key="async_action_ids", value=job.state.action_ids)
        summary = job.summary(self.report_path)
        report.write_summary(summary.to_xcom())
        self.log.info(
            "Of %d orders %d are loaded, %d rejected and %d unknown, with %d calls.",
            summary.orders, summary.loaded, summary.rejected, summary.unknown, summary.api_calls,
        )  # fmt: skip
        summary.check(self.max_rejected, self.max_unknown if self.wait_for_completion else summary.orders)
        ledger.clear()
        return summary.to_xcom()

    def _defer(self, job: OrderImport, pause: Pause, deadline: float) -> None:
        self.defer(
            trigger=AsyncActionTrigger(
                async_action_ids=list(pause.action_ids),
                enough=pause.enough,
                voucherify_conn_id=self.voucherify_conn_id,
                poll_interval=pause.seconds,
                not_before=time.time() + pause.seconds,
                deadline=deadline,
                handover={"state": job.state.to_json(), "deadline": deadline},
            ),
            method_name="execute_complete",
        )

    @property
    def _folder(self) -> ObjectStoragePath | None:
        return ObjectStoragePath(self.report_path) if self.report_path else None

    def _ledger(self, context: Context) -> Ledger:
        """Choose where the state is kept: in Airflow from 3.3 on, under ``report_path`` below it."""
        store = context.get("task_state_store")
        if not self.durable:
            return NoLedger()
        if store is not None:
            return TaskStoreLedger(store)
        if self._folder is not None:
            return FileLedger(self._folder)
        self.log.warning(
            "There is no place for the state of this import: a retry will begin anew. Give a report_path, or use "
            "Airflow 3.3 or newer; durable=False says that this is meant."
        )
        return NoLedger()

    def _source(self) -> Source:
        if self.orders_path is not None:
            return JsonLinesSource(ObjectStoragePath(self.orders_path))
        return ListSource(self.orders)  # type: ignore[arg-type]


class OrdersExportOperator(WaitingOperator):
    """
    Exports orders and writes them as typed Parquet.

    The file is written beside its final name and takes its place in one move: nobody ever sees a part of it.
    Amounts are int64, times timestamp[ms, UTC], the status a dictionary, everything else strings; an export without
    orders gives a file with all columns and no rows.

    The result is ``{"path", "rows", "bytes", "export_id", "files", "unknown_columns", "bad_rows", "bad_rows_path"}``.

    :param output_path: The Parquet file, on any file system that Airflow's ``ObjectStoragePath`` knows:
        ``s3://aws_default@bucket/orders.parquet``. (templated)
    :param fields: The columns: order fields and ``metadata.X``. All order fields by default. (templated)
    :param filters: Which orders, as the API takes it:
        ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}``. (templated)
    :param order: ``created_at``, ``updated_at`` or ``status``, with ``-`` before it for descending. (templated)
    :param metadata_schema: Arrow types of ``metadata.X`` columns by key, ``{"row": "int64"}``; strings by default.
    :param on_bad_value: What becomes of a row with a value that is not of its column's type: ``fail``, or
        ``side_file``, a file of JSON lines beside the Parquet file with row, reason and record.
    :param deferrable: Whether to wait in the triggerer. By default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between two looks at most; the first ones come sooner.
    :param timeout: Seconds, or a timedelta, for the wait; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises ConfigurationError: if the API would refuse fields, filters or order.
    :raises ExportFailedError: if the export ends in ERROR.
    :raises ExportFileError: if the file is not what was asked for.
    """

    template_fields: Sequence[str] = ("output_path", "fields", "filters", "order", "voucherify_conn_id")
    template_fields_renderers = {"filters": "json"}

    def __init__(
        self,
        *,
        output_path: str,
        fields: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
        metadata_schema: Mapping[str, str] | None = None,
        on_bad_value: OnBadValue = "fail",
        timeout: float | timedelta = timedelta(hours=6),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.output_path = output_path
        self.fields = fields
        self.filters = filters
        self.order = order
        self.metadata_schema = metadata_schema
        self.on_bad_value = on_bad_value
        if on_bad_value not in get_args(OnBadValue):
            raise ValueError(f"on_bad_value must be one of {', '.join(get_args(OnBadValue))}, got {on_bad_value!r}.")
        if not _templated([fields, filters, order]):
            self._request()

    def execute(self, context: Context) -> dict[str, Any]:
        """Export the orders."""
        return self._go_on(context, None, time.time() + self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on where the task was deferred."""
        wake, handover = woken(event)
        if wake is Wake.TIMEOUT:
            raise self._timed_out(f"export {handover['export_id']}")
        return self._go_on(context, handover["export_id"], handover["deadline"])

    def _go_on(self, context: Context, export_id: str | None, deadline: float) -> dict[str, Any]:
        # pyarrow takes half a second to load: only a task that runs needs it
        from airflow_provider_voucherify.order_export.export import download_to_parquet

        request = self._request()
        while export_id is None:
            try:
                export_id = request.submit(self.hook)
            except QuotaError as refused:
                self.log.info("%s", refused)
                self._wait(None, max(1.0, (refused.answer.retry_at or 0.0) - time.time()), deadline)
        context["ti"].xcom_push(key="export_id", value=export_id)
        poll = Poll(self.poll_interval)
        while (export := poll.look(lambda: self.hook.get_export(export_id))) is None or not export.ended:
            self._wait(export_id, poll.wait, deadline)
        if export.status == ExportStatus.ERROR:
            raise ExportFailedError(f"Export {export_id} ended in ERROR at Voucherify, which does not say why.")
        result = download_to_parquet(
            self.hook, export_id, request, ObjectStoragePath(self.output_path), on_bad_value=self.on_bad_value
        )
        if result.unknown_columns:
            self.log.warning("Columns that were not asked for are left out: %s.", ", ".join(result.unknown_columns))
        self.log.info("%d orders are in %s (%d bytes).", result.rows, result.path, result.bytes)
        return asdict(result)

    def _wait(self, export_id: str | None, seconds: float, deadline: float) -> None:
        if self.deferrable:
            self.defer(
                trigger=ExportTrigger(
                    export_id=export_id,
                    voucherify_conn_id=self.voucherify_conn_id,
                    poll_interval=self.poll_interval,
                    not_before=time.time() + seconds,
                    deadline=deadline,
                    handover={"export_id": export_id, "deadline": deadline},
                ),
                method_name="execute_complete",
            )
        self._sleep(seconds, deadline, f"export {export_id}")

    def _request(self) -> ExportRequest:
        return ExportRequest(
            fields=self.fields, filters=self.filters, order=self.order, metadata_schema=self.metadata_schema or {}
        )


class CreateOrderOperator(VoucherifyOperator):
    """
    Creates orders one by one, or updates those whose ``id`` or ``source_id`` exists (documented).

    This is the way of an on-going synchronisation: unlike an import it triggers events, distributions and
    earning rules. It takes one call an order; for history use :class:`ImportOrdersOperator`.

    The result is ``{"orders": n, "order_ids": [...]}`` with the first 100 ids.

    :param order: The order, or a list of orders, or the XCom of a task that returns them. (templated)
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersRefusedError: after all were tried, if Voucherify refused some, with position, source_id and
        reason of the first.
    """

    template_fields: Sequence[str] = ("order", "voucherify_conn_id")
    template_fields_renderers = {"order": "json"}

    def __init__(self, *, order: Mapping[str, Any] | Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order

    def execute(self, context: Context) -> dict[str, Any]:
        """Create or update the orders."""
        orders = [self.order] if isinstance(self.order, Mapping) else self.order
        ids, refused = [], []
        for index, order in enumerate(orders):
            if not isinstance(order, Mapping):
                raise ValueError(f"order[{index}] must be an object, got {order!r:.80}.")
            try:
                ids.append(self.hook.create_order(order)["id"])
            except InvalidRequestError as error:
                refused.append(f"order[{index}] (source_id {order.get('source_id')}): {error}")
        self.log.info("%d orders are created or updated, %d refused.", len(ids), len(refused))
        if refused:
            raise OrdersRefusedError(
                f"Voucherify refused {len(refused)} of {len(orders)} orders; the others are in. The first:"
                + "".join(f"\n  {reason}" for reason in refused[:SHOWN_REASONS])
            )
        return {"orders": len(ids), "order_ids": ids[:100]}


class UpdateOrderOperator(VoucherifyOperator):
    """
    Changes an order; what is not given stays as it is (documented).

    The result is ``{"id", "source_id", "status"}``.

    :param order_id: Its ``id`` or ``source_id``. (templated)
    :param changes: The fields to change. (templated)
    :param voucherify_conn_id: The connection. (templated)
    """

    template_fields: Sequence[str] = ("order_id", "changes", "voucherify_conn_id")
    template_fields_renderers = {"changes": "json"}

    def __init__(self, *, order_id: str, changes: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order_id = order_id
        self.changes = changes

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the order."""
        order = self.hook.update_order(self.order_id, self.changes)
        return {key: order.get(key) for key in ("id", "source_id", "status")}


class OrdersRefusedError(VoucherifyError):
    """Voucherify refused some of the orders."""


class ExportFailedError(VoucherifyError):
    """An export ended in ERROR."""


def _templated(value: Any) -> bool:
    """Tell whether a parameter is known only when the task runs."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(_templated(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_templated(part) for part in value)
    return isinstance(value, XComArg)
