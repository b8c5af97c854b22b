"""Describe for OpenLineage where a task reads, and where it writes."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import Asset, BaseHook

from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.assets import ORDERS, asset_of, convert_asset_to_openlineage
from airflow_provider_voucherify.core.storage import uri_of
from airflow_provider_voucherify.order_export import ExportConfig, ExportRequest

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset, OutputDataset
    from airflow.providers.openlineage.extractors import OperatorLineage

GLOB = re.compile(r"/[^/]*[*?\[].*")
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s")  # of a driver; the parser of OpenLineage does not understand it


def file_asset(path: str) -> Asset:
    """
    Make the asset of a file or folder.

    :param path: The path, as ``s3://connection@bucket/orders.parquet``: the connection is not part of the asset.
    """
    scheme, netloc, name = _located(path)
    return Asset(uri=quote(f"{scheme}://{netloc}{name}", safe=string.printable))


def lineage(
    inputs: Sequence[Dataset] = (), outputs: Sequence[Dataset] = (), query: OperatorLineage[Any, Any] | None = None
) -> OperatorLineage[Any, Any]:
    """
    Describe a task.

    :param inputs: What it reads.
    :param outputs: What it writes.
    :param query: What is known of its query, whose inputs are read, too.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[*inputs, *(query.inputs if query else [])],
        outputs=list(outputs),
        run_facets=query.run_facets if query else {},
        job_facets=query.job_facets if query else {},
    )


def in_voucherify(settings: Settings, resource: str = ORDERS) -> Dataset:
    """
    Name what the project of a connection has of one kind.

    :param settings: The settings of the connection.
    :param resource: What it is.
    """
    return convert_asset_to_openlineage(asset_of(settings, resource), None)


def loaded_orders(settings: Settings, count: int) -> OutputDataset:
    """
    Name the orders that a task has written to Voucherify.

    :param settings: The settings of the connection.
    :param count: How many.
    """
    from airflow.providers.common.compat.openlineage.facet import OutputDataset, OutputStatisticsOutputDatasetFacet

    dataset = in_voucherify(settings)
    return OutputDataset(
        namespace=dataset.namespace,
        name=dataset.name,
        outputFacets={"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=count)},
    )


def files(path: str) -> Dataset:
    """
    Name the files of a path; those of a pattern by their folder.

    :param path: A file, a folder or a pattern.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, name = _named(GLOB.sub("", path) or "/")
    return Dataset(namespace=namespace, name=name)


def exported_file(result: Mapping[str, Any], request: ExportRequest, config: ExportConfig) -> OutputDataset:
    """
    Describe the output of an export, with its columns and size.

    :param result: The result of the export.
    :param request: The request.
    :param config: The options.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )

    from airflow_provider_voucherify.order_export.convert.schema import file_schema

    namespace, name = _named(result["path"])
    fields = [
        SchemaDatasetFacetFields(name=column.name, type=str(column.type)) for column in file_schema(request, config)
    ]
    statistics = OutputStatisticsOutputDatasetFacet(
        rowCount=result["rows"], size=result["bytes"], fileCount=result["parquet_files"]
    )
    return OutputDataset(
        namespace=namespace,
        name=name,
        facets={"schema": SchemaDatasetFacet(fields=fields)},
        outputFacets={"outputStatistics": statistics},
    )


def queried(conn_id: str, queries: Sequence[str]) -> OperatorLineage[Any, Any] | None:
    """
    Find the tables that queries read.

    :param conn_id: The connection that they run on.
    :param queries: The queries.
    :return: What the provider of OpenLineage finds; None if the hook does not say how its database is named.
    """
    from airflow.providers.common.compat.openlineage.utils.sql import get_openlineage_facets_with_sql

    named = [PLACEHOLDER.sub(lambda found: f":{found[1] or 'parameter'}", query) for query in queries]
    hook = BaseHook.get_connection(conn_id).get_hook()
    return get_openlineage_facets_with_sql(hook=hook, sql=named, conn_id=conn_id, database=None)


def _located(path: str) -> tuple[str, str, str]:
    parts = urlsplit(uri_of(path))
    return parts.scheme or "file", parts.netloc, parts.path


def _named(path: str) -> tuple[str, str]:
    scheme, netloc, name = _located(path)
    return ("file", name) if scheme == "file" else (f"{scheme}://{netloc}", name.lstrip("/") or "/")
