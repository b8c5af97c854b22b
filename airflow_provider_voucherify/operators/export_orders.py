"""Export orders from Voucherify to Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.core.state_store import STATE_FILE
from airflow_provider_voucherify.links.dashboard import ExportLink, publish_exports
from airflow_provider_voucherify.operators._base import WaitingOperator
from airflow_provider_voucherify.order_export import ExportConfig, ExportJob, ExportRequest
from airflow_provider_voucherify.order_export.checkpoint import ExportState
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.task.observability import export_lineage, publish_export
from airflow_provider_voucherify.task.parameters import (
    JSON_FILES,
    OptionsMixin,
    is_templated,
    storage_path,
    takes_options,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath
    from airflow.providers.openlineage.extractors import OperatorLineage


class OrdersExportOperator(OptionsMixin, WaitingOperator):
    """
    Exports orders to typed Parquet files.

    The files are written beside their final names and moved there when all of them are complete: nobody ever sees a
    part of one. Amounts are int64, times timestamp[ms, UTC], the status is a dictionary, everything else strings; an
    export without orders is a file with all columns and no rows. A manifest beside them has rows, bytes, checksums,
    schema, window and export ids; it is removed before the first file is replaced and written again after the last.

    The result is ``{"path", "rows", "bytes", "export_id", "export_ids", "files", "parquet_files", "manifest_path",
    "window", "unknown_columns", "bad_rows", "bad_rows_path"}``. Assets among the ``outlets`` of the task get rows, path
    and window in the ``extra`` of their events.

    ``fields`` and ``filters`` may be templates that render to JSON, and ``filters`` a ``.json`` file beside the DAG.

    :param output_path: The Parquet file, on any file system that Airflow's ``ObjectStoragePath`` knows:
        ``s3://aws_default@bucket/orders.parquet``; a folder with ``max_rows_per_file`` or ``partition_by``. (templated)
    :param durable: Whether a retry, or the clearing of a failed task, resumes the exports of the last try. The state is
        saved in Airflow's task state store (3.3 and newer) or beside the output; success removes it.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param deferrable: Whether to wait in the triggerer, if a wait takes 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for the whole export; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises ConfigurationError: if the API would refuse fields, filters or sort order, or the window is not over.
    :raises ExportFailedError: if an export ends in ERROR and its window cannot be split any more.
    :raises ExportFileError: if the file is not what was requested.
    """

    template_fields: Sequence[str] = (
        "output_path",
        "fields",
        "filters",
        "sort_order",
        "window_start",
        "window_end",
        "voucherify_conn_id",
    )
    template_fields_renderers = {"fields": "json", "filters": "json"}
    template_ext: Sequence[str] = JSON_FILES
    operator_extra_links = (ExportLink(),)
    state_type = ExportState
    state_key = "order_export"

    @takes_options(ExportRequest, ExportConfig)
    def __init__(self, *, output_path: str, timeout: float | timedelta = timedelta(hours=6), **kwargs: Any) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.output_path = output_path
        self._result: dict[str, Any] | None = None
        self._check_known_options()

    def _job(self, context: Context, calls: int, **resume: Any) -> ExportJob:
        return ExportJob(
            self.hook, self._options(ExportRequest), self._output_path, self._options(ExportConfig), **resume
        )

    def _publish(self, context: Context, state: ExportState) -> None:
        publish_exports(context, self.hook, state.export_ids)

    def _finish(self, context: Context, job: ExportJob) -> dict[str, Any]:
        result = job.summary
        if result.unknown_columns:
            self.log.warning("Columns that were not requested are left out: %s.", ", ".join(result.unknown_columns))
        self.log.info("Exported %d orders to %s (%d bytes).", result.rows, result.path, result.bytes)
        self._result = asdict(result)
        publish_export(context, self.outlets, self._result)
        return self._result

    def _running_at_voucherify(self) -> list[str]:
        requested = [part for part in self._state.parts if part.sent_at or part.export_id] if self._state else []
        return [f"export {part.export_id or 'without a response yet'}" for part in requested]

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Describe the output for OpenLineage, if its provider is installed."""
        return None if self._result is None else export_lineage(self._result, self._options(ExportRequest))

    def _check_known_options(self) -> None:
        """Check what the DAG file says about the request, as far as it is not templated."""
        values = {name: getattr(self, name) for name in ExportRequest.__struct_fields__}
        known = {name: value for name, value in values.items() if not is_templated(value)}
        window = ("window_start", "window_end")
        if any(values[name] is None for name in window):
            known |= {name: values[name] for name in window}
        elif any(name not in known for name in window):
            known = {name: value for name, value in known.items() if name not in window}
        self._options(ExportConfig).apply_to(ExportRequest(**known))

    @property
    def _output_path(self) -> Any:
        return storage_path("output_path", self.output_path)

    def _state_file(self) -> ObjectStoragePath:
        output = Output.of(self._output_path, self._options(ExportRequest), self._options(ExportConfig))
        file: ObjectStoragePath = output.beside(STATE_FILE)
        return file
