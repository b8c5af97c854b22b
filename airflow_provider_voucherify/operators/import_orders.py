"""Historical orders into Voucherify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_voucherify.core.state_store import FileStateStore, NoStateStore, StateStore
from airflow_provider_voucherify.core.validation import check_choice, check_number, check_switch
from airflow_provider_voucherify.exceptions import ConfigurationError, SourceChangedError
from airflow_provider_voucherify.links.dashboard import AsyncActionLink
from airflow_provider_voucherify.operators._base import WaitingOperator, storage_path
from airflow_provider_voucherify.order_import.checkpoint import ImportState, open_state
from airflow_provider_voucherify.order_import.chunk import MAX_BODY_BYTES, MAX_ORDERS
from airflow_provider_voucherify.order_import.dry_run import dry_run as make_plan
from airflow_provider_voucherify.order_import.job import (
    MAX_BISECTIONS,
    MAX_IN_FLIGHT,
    MAX_RESENDS,
    ImportJob,
)
from airflow_provider_voucherify.order_import.outcomes import OnUnknown
from airflow_provider_voucherify.order_source.duplicates import Duplicates, OnDuplicate, find_duplicates
from airflow_provider_voucherify.order_source.files import Format
from airflow_provider_voucherify.order_source.mapping.normalize import AMOUNT_DECIMALS, AmountUnit
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_source.schema.side_effects import Rules, Treatment
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.reporting.html_report import html_report
from airflow_provider_voucherify.reporting.progress import Progress
from airflow_provider_voucherify.reporting.reject_files import Report
from airflow_provider_voucherify.task.observability import Telemetry
from airflow_provider_voucherify.task.parameters import from_json
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.polling import PollEvent

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

DRY_RUN_FOLDER = "dry_run"
KEPT_DUPLICATES = 500  # of 24 bytes each: the task store takes 64 KiB


class ImportOrdersOperator(WaitingOperator):
    """
    Imports historical orders, in chunks, and says of every order what became of it.

    For an on-going synchronisation use :class:`CreateOrderOperator` or :class:`UpdateOrderOperator`: an import
    triggers no events, and ``created_at`` becomes the time of the import (documented).

    The result is ``{"orders", "loaded", "rejected", "unknown", "chunks", "async_action_ids", "api_calls",
    "report_path"}``, with ``loaded + rejected + unknown == orders`` and the ids of the first 100 actions.

    :param orders: A list of orders, a pandas DataFrame or an Arrow table, or the XCom of a task that returns one of
        them. (templated)
    :param orders_path: A file, a glob or a folder, or a list of these, on any file system that Airflow's
        ``ObjectStoragePath`` knows: ``s3://aws_default@bucket/orders/*.parquet``. JSON lines, JSON arrays and CSV, each
        also as ``.gz`` or ``.zst``, and Parquet; and ``rejected/`` of a former import as it is. (templated)
    :param file_format: ``jsonl``, ``json``, ``csv`` or ``parquet``, where the names of the files do not say it.
    :param column_mapping: Paths in an order by column: ``{"order_no": "source_id", "shop": "metadata.shop"}``.
        Columns that bear the API's names, as ``customer.source_id``, need none; None leaves a column out. (templated)
    :param amount_unit: ``minor``, or ``major`` where 12.34 means 1234; computed as decimals, never as floats.
    :param amount_decimals: Digits of the smallest unit behind the point, with ``major``: 2, 0 for JPY, 3 for KWD.
    :param order_date_metadata_key: Where in the metadata to keep ``created_at``, which the API overwrites.
    :param on_duplicate: What becomes of orders that repeat a ``source_id``: ``error`` rejects them, ``first`` and
        ``last`` let one order count and the others give way (``superseded/`` in the report), None sends them all.
    :param customers: ``send``, ``strip`` or ``reject`` customers and referrers, whom an import moves through segments.
    :param product_overrides: ``send``, ``strip`` or ``reject`` what overwrites products of the catalogue.
    :param chunk_size: Orders a request at most. 2000 is the limit of the API (documented, may change).
    :param max_body_bytes: Bytes a request at most; the limit of the API is not documented.
    :param report_path: A folder for the orders that were not loaded, ``rejected/part-*.jsonl`` and
        ``unknown/part-*.jsonl``, each with position, source_id, reason and payload; ``summary.json`` and
        ``report.html``. Without it, the first of each chunk are in the log. Mapped tasks need one each:
        ``…/{{ ti.map_index }}``. (templated)
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
        fails. (templated)
    :param wait_for_completion: Whether to wait for the outcome. If not, all orders that were sent are
        ``unknown``, and ``async_action_ids`` has all actions, for an ``AsyncActionSensor`` to wait for.
    :param deferrable: Whether to wait in the triggerer, 5 seconds and more. By default as
        ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between two looks at most; the processing times seen make it less.
    :param timeout: Seconds, or a timedelta, for the whole import; 7 days by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises OrdersNotLoadedError: if more orders are rejected or unknown than tolerated, with the first reasons.
    """

    template_fields: Sequence[str] = (
        "orders", "orders_path", "column_mapping", "report_path", "cycle_calls_left", "voucherify_conn_id",
    )  # fmt: skip
    template_fields_renderers = {"orders": "json", "column_mapping": "json"}
    # no template_ext: the content of a file must not take the place of its path in orders_path
    operator_extra_links = (AsyncActionLink(),)

    def __init__(
        self,
        *,
        orders: Any = None,
        orders_path: str | Sequence[str] | None = None,
        file_format: Format | None = None,
        column_mapping: Mapping[str, str | None] | None = None,
        amount_unit: AmountUnit = "minor",
        amount_decimals: int = AMOUNT_DECIMALS,
        order_date_metadata_key: str | None = None,
        on_duplicate: OnDuplicate | None = "error",
        customers: Treatment = "send",
        product_overrides: Treatment = "send",
        chunk_size: int = MAX_ORDERS,
        max_body_bytes: int = MAX_BODY_BYTES,
        report_path: str | None = None,
        max_rejected: float = 0,
        max_unknown: float = 0,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_bisections: int = MAX_BISECTIONS,
        max_resends: int = MAX_RESENDS,
        on_unknown: OnUnknown = "report",
        dry_run: bool = False,
        cycle_calls_left: int | str | None = None,
        wait_for_completion: bool = True,
        timeout: float | timedelta = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        if (orders is None) == (orders_path is None):
            raise ConfigurationError("Give the orders either as orders or as orders_path.")
        for name, choice, choices in (
            ("file_format", file_format, (None, *get_args(Format))),
            ("amount_unit", amount_unit, get_args(AmountUnit)),
            ("on_duplicate", on_duplicate, (None, *get_args(OnDuplicate))),
            ("customers", customers, get_args(Treatment)),
            ("product_overrides", product_overrides, get_args(Treatment)),
            ("on_unknown", on_unknown, get_args(OnUnknown)),
        ):
            check_choice(name, choice, choices)
        for name, number, least in (
            ("chunk_size", chunk_size, 1),
            ("max_body_bytes", max_body_bytes, 1),
            ("max_in_flight", max_in_flight, 1),
            ("max_bisections", max_bisections, 0),
            ("max_resends", max_resends, 0),
            ("amount_decimals", amount_decimals, 0),
        ):
            check_number(name, number, least)
        check_number("max_rejected", max_rejected, 0, whole=False)
        check_number("max_unknown", max_unknown, 0, whole=False)
        check_switch("dry_run", dry_run)
        check_switch("wait_for_completion", wait_for_completion)
        self._state: ImportState | None = None
        self.orders = orders
        self.orders_path = orders_path
        self.file_format = file_format
        self.column_mapping = column_mapping
        self.amount_unit = amount_unit
        self.amount_decimals = amount_decimals
        self.order_date_metadata_key = order_date_metadata_key
        self.on_duplicate = on_duplicate
        self.customers = customers
        self.product_overrides = product_overrides
        self.chunk_size = chunk_size
        self.max_body_bytes = max_body_bytes
        self.report_path = report_path
        self.max_rejected = max_rejected
        self.max_unknown = max_unknown
        self.max_in_flight = max_in_flight
        self.max_bisections = max_bisections
        self.max_resends = max_resends
        self.on_unknown = on_unknown
        self.dry_run_only = dry_run  # dry_run is a method of every operator
        self.cycle_calls_left = cycle_calls_left
        self.wait_for_completion = wait_for_completion

    def execute(self, context: Context) -> dict[str, Any]:
        """Import the orders, or go on with the import that an earlier try began."""
        source = self._source()
        if self.dry_run_only:
            return self._plan(source)
        report = Report(self._folder)
        report.check_writable()
        state_store = self._state_store(context)
        state, begun = open_state(
            state_store,
            source.fingerprint(),
            restart=context["run_id"] if self.restart else None,
            max_orders=self.chunk_size,
            max_body_bytes=self.max_body_bytes,
        )
        if begun:
            self.log.info(
                "Going on: %d orders have an outcome, %d chunks in flight.", state.settled, len(state.in_flight)
            )
            self._tell_ids(context, state)
        else:
            report.clear()
        return self._go_on(context, source, state, state_store, self._time_limit.deadline())

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on where the task was deferred."""
        resumed = PollEvent.parse(event)
        if self._is_of_an_earlier_try(resumed, context):
            return self.execute(context)
        source, state_store = self._source(), self._state_store(context)
        state = ImportState.from_json(state_store.load() or resumed.resume_state["state"])
        self._tell_ids(context, state)
        state.api_calls += resumed.calls
        self._check_time(resumed)
        if source.fingerprint() != state.fingerprint:
            raise SourceChangedError(f"{source.name} changed while it was imported: the import cannot go on.")
        return self._go_on(context, source, state, state_store, resumed.resume_state["deadline"], resumed.failures)

    def _go_on(
        self,
        context: Context,
        source: Source,
        state: ImportState,
        state_store: StateStore,
        deadline: float,
        failures: int = 0,
    ) -> dict[str, Any]:
        self._state, self._is_durable = state, not isinstance(state_store, NoStateStore)
        report, telemetry = Report(self._folder), Telemetry(context, state)

        def show(progress: Progress) -> None:
            telemetry.show(progress)
            self._tell_ids(context, state)

        job = ImportJob(
            self.hook,
            source,
            state,
            report=report,
            state_store=state_store,
            max_in_flight=self.max_in_flight,
            max_bisections=self.max_bisections,
            max_resends=self.max_resends,
            on_unknown=self.on_unknown,
            wait=self.wait_for_completion,
            rules=self._rules(source, state),
            poll_interval=self.poll_interval,
            on_progress=show,
            failures=failures,
        )
        for pause in self._pauses(job, deadline):
            telemetry.count(job.state)
            self._wait(
                pause,
                job,
                context,
                deadline,
                AsyncActionTrigger,
                async_action_ids=list(pause.ids),
                min_ended=pause.min_ended,
            )
        self._tell_ids(context, job.state)
        summary = job.summary(self.report_path)
        telemetry.count(job.state)
        report.write_summary(summary.to_xcom(), html_report(summary, job.state.observations()))
        for count, effect in (
            (summary.with_customer, "had customers, who move through segments (customers)"),
            (summary.with_override, "had products that overwrite the catalogue (product_overrides)"),
        ):
            if count:
                self.log.warning("%d orders %s.", count, effect)
        self.log.info(
            "Of %d orders %d are loaded, %d rejected (%d of them superseded) and %d unknown, with %d calls.",
            summary.orders, summary.loaded, summary.rejected, summary.superseded, summary.unknown, summary.api_calls,
        )  # fmt: skip
        summary.check(self.max_rejected, self.max_unknown if self.wait_for_completion else summary.orders)
        telemetry.clear()
        state_store.clear()
        return summary.to_xcom()

    def _tell_ids(self, context: Context, state: ImportState) -> None:
        context["ti"].xcom_push(key="async_action_ids", value=state.action_ids)
        if state.recent_ids:
            AsyncActionLink().show(context, self.hook, state.recent_ids[-1])

    def _running_at_voucherify(self) -> list[str]:
        submissions = self._state.in_flight if self._state else []
        return [
            f"async action {submission.action_id}"
            if submission.action_id
            else f"{submission.orders} orders without an answer yet"
            for submission in submissions
        ]

    def _plan(self, source: Source) -> dict[str, Any]:
        calls_left = from_json("cycle_calls_left", self.cycle_calls_left)
        if calls_left is not None:
            check_number("cycle_calls_left", calls_left, 0)
        self.hook.list_async_actions(limit=1)  # its headers tell the limit; and wrong keys show here
        report = Report(self._folder / DRY_RUN_FOLDER if self._folder else None)
        report.check_writable()
        report.clear()
        plan = make_plan(
            source,
            self._rules(source, ImportState(fingerprint="")),
            self.hook.transport.quota,
            report,
            max_orders=self.chunk_size,
            max_body_bytes=self.max_body_bytes,
            max_in_flight=self.max_in_flight,
        )
        report.write_summary(msgspec.to_builtins(plan))
        self.log.info("Dry run: %s", plan)
        plan.check(self.max_rejected, calls_left)
        return {"dry_run": True, **msgspec.to_builtins(plan)}

    @property
    def _folder(self) -> ObjectStoragePath | None:
        return storage_path("report_path", self.report_path) if self.report_path else None

    def _state_store(self, context: Context) -> StateStore:
        folder = self._folder
        state_store = self._choose_state_store(
            context, "order_import", None if folder is None else FileStateStore(folder)
        )
        if self.durable and isinstance(state_store, NoStateStore):
            self.log.warning(
                "There is no place for the state of this import: a retry will begin anew. Give a report_path, or use "
                "Airflow 3.3 or newer; durable=False says that this is meant."
            )
        return state_store

    def _source(self) -> Source:
        paths = [self.orders_path] if isinstance(self.orders_path, str) else self.orders_path
        if self.report_path and any(path.startswith(self.report_path.rstrip("/") + "/") for path in paths or ()):
            raise ConfigurationError(
                f"orders_path {self.orders_path} lies under report_path {self.report_path}, which this import writes "
                "anew. Give it another report_path."
            )
        return open_source(
            self.orders,
            None if paths is None else [storage_path("orders_path", path) for path in paths],
            file_format=self.file_format,
            column_mapping=from_json("column_mapping", self.column_mapping),
            amount_unit=self.amount_unit,
            amount_decimals=self.amount_decimals,
            order_date_metadata_key=self.order_date_metadata_key,
        )

    def _rules(self, source: Source, state: ImportState) -> Rules:
        found = state.duplicates
        if found is None and self.on_duplicate is not None:
            found = find_duplicates(source, self.on_duplicate)
            self.log.info("%d of %d orders repeat a source_id (on_duplicate).", len(found), found.records)
            if len(found) <= KEPT_DUPLICATES:
                state.duplicates = found
        duplicates = Duplicates(source, found) if found else None
        return Rules(customers=self.customers, product_overrides=self.product_overrides, duplicates=duplicates)
