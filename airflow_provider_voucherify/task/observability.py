"""Show how a job runs: counters among Airflow's metrics, and its progress in the task state store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from airflow.providers.common.compat.sdk import Asset, Stats

from airflow_provider_voucherify.order_export import ExportRequest
from airflow_provider_voucherify.reporting.progress import Progress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

PROGRESS_KEY = "progress"
COUNTERS = ("loaded", "rejected", "unknown", "chunks", "api_calls")


class Telemetry:
    """
    Reports the metrics ``voucherify.import.*`` or ``voucherify.sync.*``, and the progress.

    :param context: The context of the task.
    :param counters: The counters of the job as they are now: only what is added later is counted.
    :param job: ``import`` or ``sync``.
    """

    def __init__(self, context: Context, counters: object, job: str) -> None:
        self._job = job
        self._store = context.get("task_state_store")
        self._tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
        self._counted = self._counts(counters)

    def count(self, counters: object) -> None:
        """
        Add to the metrics what was counted since the last call.

        :param counters: The counters of the job.
        """
        counts = self._counts(counters)
        for name, value in counts.items():
            if more := value - self._counted[name]:
                Stats.incr(f"voucherify.{self._job}.{name}", more, tags=self._tags)
        self._counted = counts

    def show(self, progress: Progress) -> None:
        """
        Put the progress where the UI shows it.

        :param progress: The progress.
        """
        if self._store is not None:
            shown: dict[str, Any] = {"summary": str(progress), **msgspec.to_builtins(progress)}
            self._store.set(PROGRESS_KEY, shown)

    def clear(self) -> None:
        """Remove the progress of a job that has finished."""
        if self._store is not None:
            self._store.delete(PROGRESS_KEY)

    @staticmethod
    def _counts(counters: object) -> dict[str, int]:
        return {name: getattr(counters, name) for name in COUNTERS if hasattr(counters, name)}


def publish_export(context: Context, outlets: Sequence[Any], result: Mapping[str, Any]) -> None:
    """
    Add the result of an export to the events of the assets that the task updates, and to the metrics.

    :param context: The task.
    :param outlets: The outlets of the task.
    :param result: The result of the export.
    """
    extra = {name: result[name] for name in ("rows", "path", "window", "manifest_path")}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(extra)
    tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
    Stats.incr("voucherify.export.rows", result["rows"], tags=tags)
    Stats.incr("voucherify.export.bytes", result["bytes"], tags=tags)
    Stats.incr("voucherify.export.bad_rows", result["bad_rows"], tags=tags)


def export_lineage(result: Mapping[str, Any], request: ExportRequest) -> OperatorLineage[Any, Any]:
    """
    Describe the output of an export for OpenLineage, with its columns and size.

    :param result: The result of the export.
    :param request: The request.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_voucherify.order_export.convert.schema import order_schema

    fields = [SchemaDatasetFacetFields(name=column.name, type=str(column.type)) for column in order_schema(request)]
    path = urlsplit(result["path"])
    is_local = path.scheme in ("", "file")
    statistics = OutputStatisticsOutputDatasetFacet(
        rowCount=result["rows"], size=result["bytes"], fileCount=result["parquet_files"]
    )
    return OperatorLineage(
        inputs=[Dataset(namespace="voucherify", name=request.kind.collection)],
        outputs=[
            OutputDataset(
                namespace="file" if is_local else f"{path.scheme}://{path.netloc.rpartition('@')[2]}",
                name=path.path if is_local else path.path.lstrip("/"),
                facets={"schema": SchemaDatasetFacet(fields=fields)},
                outputFacets={"outputStatistics": statistics},
            )
        ],
    )


def report_labels(context: Context) -> dict[str, str]:
    """
    Name a task in its report.

    :param context: The task.
    """
    ti = context["ti"]
    index = "" if ti.map_index is None or ti.map_index < 0 else f" [{ti.map_index}]"
    return {"DAG": ti.dag_id, "Task": f"{ti.task_id}{index}"}
