"""Export whole orders, with line items and redemptions, from Voucherify to Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.core.state_store import STATE_FILE
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.links.dashboard import ExportLink, publish_exports
from airflow_provider_voucherify.operators._base import WaitingOperator
from airflow_provider_voucherify.order_details import DetailsConfig, DetailsJob
from airflow_provider_voucherify.order_details.checkpoint import DetailsState
from airflow_provider_voucherify.order_details.config import check_tables
from airflow_provider_voucherify.order_export.window import ExportWindow
from airflow_provider_voucherify.task.lineage import file_asset, files, in_voucherify, lineage
from airflow_provider_voucherify.task.observability import count_export
from airflow_provider_voucherify.task.parameters import (
    AnyPath,
    OptionalParameter,
    is_templated,
    storage_path,
    takes_options,
)
from airflow_provider_voucherify.task.window import RunWindow, WindowMixin

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Context, ObjectStoragePath
    from airflow.providers.openlineage.extractors import OperatorLineage


class OrderDetailsExportOperator(WindowMixin, WaitingOperator):
    """
    Exports whole orders to typed Parquet files: with line items and redemptions, which no export of Voucherify has.

    They are read from the listing, 100 orders a call, the newest first: by ``updated_at``, and by ``created_at`` for
    those that never changed, leaping over those that are known. So a window costs about one call for 100 orders that
    changed since its beginning, and the listing reaches 10,000 orders (documented): beyond that, see ``max_calls``.

    Each table is a dataset of its own, ``output_path/orders``, ``output_path/order_items`` and
    ``output_path/order_redemptions``, with the API's names and types and the keys to join by: ``order_id``,
    ``order_updated_at``, ``item_index`` (from 0) and ``redemption_id``. Metadata, product, SKU and customer are JSON
    text. Files appear complete and together, with a manifest beside the folders. The same window again replaces its own
    files and no others; an order that changed since is in the window of that change.

    The result is ``{"path", "rows", "bytes", "parquet_files", "tables", "manifest_path", "window", "unknown_fields",
    "changed_since", "export_ids", "api_calls"}``, with the number of orders in ``rows``, and path, rows, bytes and
    files of each table in ``tables``. Assets among the ``outlets`` of the task get rows, path and window in their
    events.

    :param output_path: The folder of the tables, on any file system that Airflow's ``ObjectStoragePath`` knows.
        (templated)
    :param window: ``data_interval`` takes the window from the run: ``window_start`` and ``window_end`` of its
        configuration if somebody triggered it with them, otherwise its data interval, otherwise the ``params`` of the
        DAG of these names. A run without any fails, saying how to give it one.
    :param durable: Whether a retry, or the clearing of a failed task, reads only the pages that are left. They are kept
        beside the output until all are there; the state is in Airflow's task state store (3.3 and newer) or beside the
        output.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param deferrable: Whether to wait in the triggerer, if the quota makes a wait of 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for all of it; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises ConfigurationError: if the window is none, or is not over.
    :raises PagingLimitError: if the window has more orders than the listing reaches and ``max_calls`` allows, naming
        one that fits.
    :raises ExportFileError: if an order is not what the API documents, naming order, field and value.
    """

    template_fields: Sequence[str] = ("output_path", "window_start", "window_end", "tables", "voucherify_conn_id")
    template_fields_renderers = {"tables": "json"}
    operator_extra_links = (ExportLink(),)
    state_type = DetailsState
    state_key = "order_details"

    output_path = OptionalParameter()

    @takes_options(DetailsConfig)
    def __init__(
        self,
        *,
        output_path: AnyPath,
        window: RunWindow | None = None,
        timeout: float | timedelta = timedelta(hours=6),
        **kwargs: Any,
    ) -> None:
        super().__init__(window=window, timeout=timeout, **kwargs)
        self.output_path = output_path
        self._check_known_options()

    def _job(self, context: Context, calls: int, **resume: Any) -> DetailsJob:
        return DetailsJob(self.hook.get_conn(), self._output_path, self._config_of(context), calls=calls, **resume)

    def _publish(self, context: Context, state: DetailsState) -> None:
        publish_exports(context, self.hook, state.export_ids)

    def _finish(self, context: Context, job: DetailsJob) -> dict[str, Any]:
        result = asdict(job.summary)
        rows = ", ".join(f"{table['rows']} {name}" for name, table in result["tables"].items())
        self.log.info("Exported %s to %s (%d API calls).", rows, result["path"], result["api_calls"])
        count_export(context, result | {"bad_rows": 0})
        return result

    def _asset(self, result: dict[str, Any]) -> Asset | None:
        return file_asset(result["path"])

    def _event(self, result: dict[str, Any]) -> dict[str, Any]:
        return {name: result[name] for name in ("rows", "path", "window", "manifest_path")}

    def _lineage(self, result: dict[str, Any]) -> OperatorLineage[Any, Any]:
        source = in_voucherify(self.hook.transport.settings)
        return lineage([source], [files(table["path"]) for table in result["tables"].values()])

    def _running_at_voucherify(self) -> list[str]:
        return [f"export {export_id}" for export_id in self._state.export_ids] if self._state else []

    def _check_known_options(self) -> None:
        """Check what the DAG file says, as far as it is not templated."""
        tables, bounds = self.tables, (self.window_start, self.window_end)  # type: ignore[attr-defined]
        if not is_templated(tables):
            check_tables(tables)
        if self.window is None and not self._has_bounds:
            raise ConfigurationError("Give window='data_interval', or window_start and window_end.")
        if self.window is None and not any(is_templated(bound) for bound in bounds):
            ExportWindow.parse("updated_at", *bounds)

    def _config_of(self, context: Context) -> DetailsConfig:
        self._find_window(context)
        return self._options(DetailsConfig)

    @property
    def _output_path(self) -> Any:
        return storage_path("output_path", self.output_path)

    def _state_file(self, context: Context) -> ObjectStoragePath:
        file: ObjectStoragePath = self._output_path / f"_{self._config_of(context).window_name}.{STATE_FILE}"
        return file
