"""The base of the operators that export objects of Voucherify to Parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_voucherify.core.state_store import STATE_FILE
from airflow_provider_voucherify.core.validation import check_switch
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.links.dashboard import ExportLink, publish_exports
from airflow_provider_voucherify.operators._base import WaitingOperator
from airflow_provider_voucherify.order_export import ExportConfig, ExportJob, ExportRequest
from airflow_provider_voucherify.order_export.checkpoint import ExportState
from airflow_provider_voucherify.order_export.sink.layout import Output, days_of
from airflow_provider_voucherify.task.lineage import exported_file, file_asset, in_voucherify, lineage
from airflow_provider_voucherify.task.observability import add_partitions, count_export
from airflow_provider_voucherify.task.parameters import (
    JSON_FILES,
    AnyPath,
    OptionalParameter,
    is_templated,
    storage_path,
)
from airflow_provider_voucherify.task.window import BOUNDS, WindowMixin, is_mapped

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Context, ObjectStoragePath
    from airflow.providers.openlineage.extractors import OperatorLineage


# in the place of a window that is known only at run time: what no export of a window can have is found all the same
ANY_WINDOW = dict(zip(BOUNDS, ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), strict=True))
EVENT_EXTRA = ("rows", "path", "uri", "window", "manifest_path", "bad_rows", "bad_rows_path", "bad_row_ids")


class ExportOperator(WindowMixin, WaitingOperator):
    """
    Base of the operators that export.

    Their options are those of :class:`~airflow_provider_voucherify.order_export.ExportRequest` and
    :class:`~airflow_provider_voucherify.order_export.ExportConfig`.

    :param output_path: The Parquet file, or a folder. (templated)
    :param asset_partitions: Whether the assets among the ``outlets`` get an event for each day of ``partition_by``.
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

    output_path = OptionalParameter()

    def __init__(self, *, output_path: AnyPath, asset_partitions: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_path = output_path
        check_switch("asset_partitions", asset_partitions)
        self.asset_partitions = asset_partitions
        self._check_known_options()

    def _job(self, context: Context, calls: int, **resume: Any) -> ExportJob:
        return ExportJob(
            self.hook.get_conn(), self._request_of(context), self._output_path, self._config_of(context), **resume
        )

    def _publish(self, context: Context, state: ExportState) -> None:
        publish_exports(context, self.hook, state.export_ids)

    def _finish(self, context: Context, job: ExportJob) -> dict[str, Any]:
        result = job.summary
        what = self._options(ExportRequest).kind.collection
        self.log.info("Exported %d %s to %s (%d bytes).", result.rows, what, result.path, result.bytes)
        exported = asdict(result)
        count_export(context, exported)
        if result.rows == 0 and self._options(ExportConfig).on_empty == "skip":
            raise AirflowSkipException(f"The export has no {what} (on_empty='skip').")
        if self.asset_partitions:
            add_partitions(context, self.outlets, days_of(self._output(context).manifest))
        return exported

    def _asset(self, result: dict[str, Any]) -> Asset | None:
        return file_asset(result["path"])

    def _event(self, result: dict[str, Any]) -> dict[str, Any]:
        return {name: result[name] for name in EVENT_EXTRA}

    def _lineage(self, result: dict[str, Any]) -> OperatorLineage[Any, Any]:
        request = self._options(ExportRequest)
        source = in_voucherify(self.hook.transport.settings, request.kind.collection)
        return lineage([source], [exported_file(result, request, self._options(ExportConfig))])

    def _running_at_voucherify(self) -> list[str]:
        requested = [part for part in self._state.parts if part.sent_at or part.export_id] if self._state else []
        return [f"export {part.export_id or 'without a response yet'}" for part in requested]

    def _check_known_options(self) -> None:
        """Check what the DAG file says about the request, as far as it is not templated."""
        values = {name: getattr(self, name) for name in ExportRequest.__struct_fields__}
        known = {name: value for name, value in values.items() if not is_templated(value)}
        if self.window is None and any(values[name] is None for name in BOUNDS):
            known |= {name: values[name] for name in BOUNDS}
        elif any(name not in known or values[name] is None for name in BOUNDS):
            known |= ANY_WINDOW
        config = self._options(ExportConfig)
        config.apply_to(ExportRequest(**known))
        if self.asset_partitions and config.partition_by is None:
            raise ConfigurationError("asset_partitions are the days of partition_by: give it too.")

    def _request_of(self, context: Context) -> ExportRequest:
        self._find_window(context)
        return self._options(ExportRequest)

    def _config_of(self, context: Context) -> ExportConfig:
        config = self._options(ExportConfig)
        if config.file_prefix is not None:
            return config
        prefix = f"{self.dag_id}.{self.task_id}"
        if is_mapped(context):  # not its index, which is another window's when the windows before change
            of_mapped = msgspec.json.encode([self.voucherify_conn_id, self._options(ExportRequest).filters])
            prefix += f"-{hashlib.sha256(of_mapped).hexdigest()[:8]}"
        return msgspec.structs.replace(config, file_prefix=prefix)

    @property
    def _output_path(self) -> Any:
        return storage_path("output_path", self.output_path)

    def _output(self, context: Context) -> Output:
        return Output.of(self._output_path, self._request_of(context), self._config_of(context))

    def _state_file(self, context: Context) -> ObjectStoragePath:
        file: ObjectStoragePath = self._output(context).beside(STATE_FILE)
        return file
