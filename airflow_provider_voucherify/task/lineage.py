"""What an export tells others: asset events, OpenLineage, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Asset, Stats

from airflow_provider_voucherify.order_export.request import ExportRequest

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


def tell_of_export(context: Context, outlets: Sequence[Any], result: Mapping[str, Any]) -> None:
    """
    Add what came of an export to the events of the assets that the task updates, and to the metrics.

    :param context: The task.
    :param outlets: Its outlets; those that are assets are told of.
    :param result: The result of the export.
    """
    told = {name: result[name] for name in ("rows", "path", "window", "manifest_path")}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(told)
    tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
    Stats.incr("voucherify.export.rows", result["rows"], tags=tags)
    Stats.incr("voucherify.export.bytes", result["bytes"], tags=tags)
    Stats.incr("voucherify.export.bad_rows", result["bad_rows"], tags=tags)


def openlineage_of_export(result: Mapping[str, Any], request: ExportRequest) -> OperatorLineage[Any, Any]:
    """
    Describe the output of an export, with its columns and size. The provider of OpenLineage calls this, if installed.

    :param result: The result of the export.
    :param request: What was asked for.
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
        inputs=[Dataset(namespace="voucherify", name="orders")],
        outputs=[
            OutputDataset(
                namespace="file" if is_local else f"{path.scheme}://{path.netloc.rpartition('@')[2]}",
                name=path.path if is_local else path.path.lstrip("/"),
                facets={"schema": SchemaDatasetFacet(fields=fields)},
                outputFacets={"outputStatistics": statistics},
            )
        ],
    )
