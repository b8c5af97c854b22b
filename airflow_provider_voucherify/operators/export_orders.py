"""Orders out of Voucherify, as Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_voucherify.core.state_store import FileStateStore, NoStateStore, StateStore
from airflow_provider_voucherify.core.validation import check_choice, check_number, seconds_of
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.links.dashboard import ExportLink
from airflow_provider_voucherify.operators._base import WaitingOperator, storage_path
from airflow_provider_voucherify.order_export.checkpoint import ExportState, open_state
from airflow_provider_voucherify.order_export.request import ExportRequest, OnBadValue
from airflow_provider_voucherify.order_export.sink.layout import Output, check_partition
from airflow_provider_voucherify.order_export.window import Window, WindowField, parts_of
from airflow_provider_voucherify.task.lineage import openlineage_of_export, tell_of_export
from airflow_provider_voucherify.task.parameters import (
    JSON_FILES,
    from_json,
    is_templated,
)
from airflow_provider_voucherify.triggers.export import ExportTrigger
from airflow_provider_voucherify.triggers.polling import PollEvent

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


class OrdersExportOperator(WaitingOperator):
    """
    Exports orders and writes them as typed Parquet.

    The files are written beside their final names and take their places when all of them are whole: nobody ever sees a
    part of one. Amounts are int64, times timestamp[ms, UTC], the status a dictionary, everything else strings; an
    export without orders gives a file with all columns and no rows. A manifest beside them has rows, bytes, checksums,
    schema, window and export ids; it is taken away before the first file is replaced and comes back after the last.

    The result is ``{"path", "rows", "bytes", "export_id", "export_ids", "files", "parquet_files", "manifest_path",
    "window", "unknown_columns", "bad_rows", "bad_rows_path"}``. Assets among the ``outlets`` of the task get rows, path
    and window in the ``extra`` of their events.

    :param output_path: The Parquet file, on any file system that Airflow's ``ObjectStoragePath`` knows:
        ``s3://aws_default@bucket/orders.parquet``; a folder with ``max_rows_per_file`` or ``partition_by``. (templated)
    :param fields: The columns: order fields and ``metadata.X``. All order fields by default. (templated)
    :param filters: Which orders, as the API takes it:
        ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}``, or a ``.json`` file beside the DAG that
        has it. With a window, "and" alone. (templated)
    :param order: ``created_at``, ``updated_at`` or ``status``, with ``-`` before it for descending. (templated)
    :param metadata_schema: Arrow types of ``metadata.X`` columns by key, ``{"row": "int64"}``; strings by default.
    :param on_bad_value: What becomes of a row with a value that is not of its column's type: ``fail``, or
        ``side_file``, a file of JSON lines beside the Parquet file with row, reason and record.
    :param window_field: Which time a window is of: ``updated_at``, where that is empty ``created_at`` (an order that
        never changed may have none, unknown), or ``created_at``.
    :param window_start: The first moment of the window, ISO 8601 with an offset. (templated)
    :param window_end: The first moment behind it, alike; not in the future. (templated)
    :param max_window_splits: How often a window whose export ends in ERROR is split in half at most, in all.
    :param max_rows_per_file: Rows a file at most: ``output_path`` becomes a folder.
    :param partition_by: A time column among the fields: ``output_path`` becomes a dataset with a folder a day,
        ``updated_at_day=2026-01-01``.
    :param durable: Whether a retry, or the clearing of a failed task, takes up the exports of the last try. The state
        lives in Airflow's task store (3.3 and newer) or beside the output; success removes it.
    :param restart: Whether to begin anew, whatever an earlier run left; a retry in the same run goes on all the same.
    :param deferrable: Whether to wait in the triggerer, 5 seconds and more. By default as
        ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between two looks at most; the first ones come sooner.
    :param timeout: Seconds, or a timedelta, for the wait; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises ConfigurationError: if the API would refuse fields, filters or order, or the window is not over.
    :raises ExportFailedError: if an export ends in ERROR and its window cannot be split any more.
    :raises ExportFileError: if the file is not what was asked for.
    """

    template_fields: Sequence[str] = (
        "output_path",
        "fields",
        "filters",
        "order",
        "window_start",
        "window_end",
        "voucherify_conn_id",
    )
    template_fields_renderers = {"fields": "json", "filters": "json"}
    template_ext: Sequence[str] = JSON_FILES
    operator_extra_links = (ExportLink(),)

    def __init__(
        self,
        *,
        output_path: str,
        fields: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
        metadata_schema: Mapping[str, str] | None = None,
        on_bad_value: OnBadValue = "fail",
        window_field: WindowField = "updated_at",
        window_start: str | None = None,
        window_end: str | None = None,
        max_window_splits: int = 16,
        max_rows_per_file: int | None = None,
        partition_by: str | None = None,
        poll_interval: float | timedelta = 30.0,
        timeout: float | timedelta = timedelta(hours=6),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.output_path = output_path
        self.poll_interval = seconds_of("poll_interval", poll_interval)
        self.fields = fields
        self.filters = filters
        self.order = order
        self.metadata_schema = metadata_schema
        self.on_bad_value = on_bad_value
        self.window_field = window_field
        self.window_start = window_start
        self.window_end = window_end
        self.max_window_splits = max_window_splits
        self.max_rows_per_file = max_rows_per_file
        self.partition_by = partition_by
        self._result: dict[str, Any] | None = None
        self._state: ExportState | None = None
        check_choice("on_bad_value", on_bad_value, get_args(OnBadValue))
        check_choice("window_field", window_field, get_args(WindowField))
        check_number("max_window_splits", max_window_splits, 0)
        if max_rows_per_file is not None:
            check_number("max_rows_per_file", max_rows_per_file, 1)
        if (window_start is None) != (window_end is None):
            raise ConfigurationError("Give both window_start and window_end, or neither.")
        if not is_templated([fields, filters, order]):
            request = self._request()
            if not is_templated([window_start, window_end]):
                parts_of(self._window(), request.filters)

    def execute(self, context: Context) -> dict[str, Any]:
        """Export the orders, or go on with the exports that an earlier try asked for."""
        self._output().check_writable()
        state_store = self._state_store(context)
        state = open_state(
            state_store, self._request(), self._window(), restart=context["run_id"] if self.restart else None
        )
        self._tell_ids(context, state)
        return self._go_on(context, state, state_store, self._time_limit.deadline())

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on where the task was deferred."""
        resumed = PollEvent.parse(event)
        if self._is_of_an_earlier_try(resumed, context):
            return self.execute(context)
        state_store = self._state_store(context)
        state = ExportState.from_json(state_store.load() or resumed.resume_state["state"])
        self._tell_ids(context, state)
        self._check_time(resumed)
        return self._go_on(context, state, state_store, resumed.resume_state["deadline"], resumed.failures)

    def _go_on(
        self, context: Context, state: ExportState, state_store: StateStore, deadline: float, failures: int = 0
    ) -> dict[str, Any]:
        # pyarrow takes half a second to load: only a task that runs needs it
        from airflow_provider_voucherify.order_export.job import ExportJob

        self._state, self._is_durable = state, not isinstance(state_store, NoStateStore)
        job = ExportJob(
            self.hook,
            self._request(),
            self._window(),
            state,
            state_store,
            self._output(),
            on_bad_value=self.on_bad_value,
            max_splits=self.max_window_splits,
            poll_interval=seconds_of("poll_interval", self.poll_interval),
            failures=failures,
        )
        for pause in self._pauses(job, deadline):
            self._tell_ids(context, state)
            if pause.seconds:
                self.log.info("Waiting for %s.", pause.reason)
            self._wait(pause, job, context, deadline, ExportTrigger, export_ids=list(pause.ids))
        self._tell_ids(context, state)
        result = job.result()
        if result.unknown_columns:
            self.log.warning("Columns that were not asked for are left out: %s.", ", ".join(result.unknown_columns))
        self.log.info("%d orders are in %s (%d bytes).", result.rows, result.path, result.bytes)
        self._result = asdict(result)
        tell_of_export(context, self.outlets, self._result)
        state_store.clear()
        return self._result

    def _tell_ids(self, context: Context, state: ExportState) -> None:
        if state.export_ids:
            context["ti"].xcom_push(key="export_ids", value=state.export_ids)
            ExportLink().show(context, self.hook, state.export_ids[-1])

    def _running_at_voucherify(self) -> list[str]:
        asked_for = [part for part in self._state.parts if part.sent_at or part.export_id] if self._state else []
        return [f"export {part.export_id or 'without an answer yet'}" for part in asked_for]

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage, if its provider is installed, which columns are where."""
        return None if self._result is None else openlineage_of_export(self._result, self._request())

    def _state_store(self, context: Context) -> StateStore:
        beside = self._output().beside("state.json")
        return self._choose_state_store(context, "order_export", FileStateStore(beside.parent, beside.name))

    def _request(self) -> ExportRequest:
        request = ExportRequest(
            fields=from_json("fields", self.fields),
            filters=from_json("filters", self.filters),
            order=self.order or self.partition_by,  # rows of one day come together
            metadata_schema=self.metadata_schema or {},
        )
        if self.partition_by is not None:
            check_partition(self.partition_by, request.fields or ())
        return request

    def _window(self) -> Window | None:
        if self.window_start is None or self.window_end is None:
            return None
        return Window.parse(self.window_field, self.window_start, self.window_end)

    def _output(self) -> Output:
        window = self._window()
        return Output(
            path=storage_path("output_path", self.output_path),
            max_rows_per_file=self.max_rows_per_file,
            partition_by=self.partition_by,
            **({} if window is None else {"stem": window.name}),
        )
