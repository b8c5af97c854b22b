"""Historical orders into Voucherify."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_voucherify.operators.base import WaitingOperator
from airflow_provider_voucherify.operators.task_store import TaskStoreLedger
from airflow_provider_voucherify.operators.telemetry import Telemetry
from airflow_provider_voucherify.order_import.chunk import MAX_BODY_BYTES, MAX_ORDERS
from airflow_provider_voucherify.order_import.dry_run import dry_run as make_plan
from airflow_provider_voucherify.order_import.html_report import html_report
from airflow_provider_voucherify.order_import.ledger import (
    FileLedger,
    Ledger,
    NoLedger,
    SourceChangedError,
    open_state,
)
from airflow_provider_voucherify.order_import.open_source import open_source
from airflow_provider_voucherify.order_import.order_import import (
    MAX_BISECTIONS,
    MAX_IN_FLIGHT,
    MAX_RESENDS,
    OnUnknown,
    OrderImport,
    Pause,
)
from airflow_provider_voucherify.order_import.report import Report
from airflow_provider_voucherify.order_import.source import Source
from airflow_provider_voucherify.order_import.state import ImportState
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.polling import Wake, woken

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

DRY_RUN_FOLDER = "dry_run"
DEFER_FROM = 5.0  # seconds; a shorter wait ends before a task could be deferred and woken


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
        ``unknown/part-*.jsonl``, each with position, source_id, reason and payload; ``summary.json`` and
        ``report.html``. Without it, the first of each chunk are in the log. (templated)
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
    :param dry_run: Read and validate everything, send nothing, and say what it would send, cost and take. What would
        be rejected is written under ``dry_run/`` in ``report_path``.
    :param cycle_calls_left: Calls left in the billing cycle, as the dashboard shows them: a dry run that needs more
        fails.
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
        dry_run: bool = False,
        cycle_calls_left: int | None = None,
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
        self.dry_run_only = dry_run  # dry_run is a method of every operator
        self.cycle_calls_left = cycle_calls_left
        self.wait_for_completion = wait_for_completion

    def execute(self, context: Context) -> dict[str, Any]:
        """Import the orders, or go on with the import that an earlier try began."""
        source = self._source()
        if self.dry_run_only:
            return self._plan(source)
        ledger = self._ledger(context)
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
        report, telemetry = Report(self._folder), Telemetry(context, state)
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
            on_progress=telemetry.show,
        )
        while pause := job.advance():
            telemetry.count(job.state)
            context["ti"].xcom_push(key="async_action_ids", value=job.state.action_ids)
            self.log.info("%d orders have an outcome; %s.", job.state.settled, pause.reason)
            if self.deferrable and (pause.action_ids or pause.seconds >= DEFER_FROM):
                self._defer(job, pause, deadline)
            self._sleep(pause.seconds, deadline, pause.reason)
        context["ti"].xcom_push(key="async_action_ids", value=job.state.action_ids)
        summary = job.summary(self.report_path)
        telemetry.count(job.state)
        report.write_summary(summary.to_xcom(), html_report(summary, job.state))
        self.log.info(
            "Of %d orders %d are loaded, %d rejected and %d unknown, with %d calls.",
            summary.orders, summary.loaded, summary.rejected, summary.unknown, summary.api_calls,
        )  # fmt: skip
        summary.check(self.max_rejected, self.max_unknown if self.wait_for_completion else summary.orders)
        telemetry.clear()
        ledger.clear()
        return summary.to_xcom()

    def _plan(self, source: Source) -> dict[str, Any]:
        self.hook.list_async_actions(limit=1)  # its headers tell the limit; and wrong keys show here
        report = Report(self._folder / DRY_RUN_FOLDER if self._folder else None)
        report.clear()
        plan = make_plan(
            source,
            self.hook.transport.quota,
            report,
            max_orders=self.chunk_size,
            max_body_bytes=self.max_body_bytes,
            max_in_flight=self.max_in_flight,
        )
        report.write_summary(msgspec.to_builtins(plan))
        self.log.info("Dry run: %s", plan)
        plan.check(self.max_rejected, self.cycle_calls_left)
        return {"dry_run": True, **msgspec.to_builtins(plan)}

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
        path = None if self.orders_path is None else ObjectStoragePath(self.orders_path)
        return open_source(self.orders, path)
