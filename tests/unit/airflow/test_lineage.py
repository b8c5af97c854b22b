"""What is reported to OpenLineage, as paths and results say."""

from __future__ import annotations

import pytest

from airflow_provider_voucherify.operators.orders import OrdersExportOperator
from airflow_provider_voucherify.order_export import ExportConfig, ExportRequest
from airflow_provider_voucherify.task.lineage import exported_file, file_asset, files

RESULT = {"rows": 7, "bytes": 700, "parquet_files": 2}


@pytest.mark.parametrize(
    ("path", "namespace", "name", "uri"),
    [
        ("s3://lake@warehouse/a b/é.parquet", "s3://warehouse", "a b/é.parquet", "s3://warehouse/a b/%C3%A9.parquet"),
        ("file:///data/night.parquet", "file", "/data/night.parquet", "file:///data/night.parquet"),
        ("/data/night.parquet", "file", "/data/night.parquet", "file:///data/night.parquet"),
    ],
)
def test_the_output_of_an_export_has_schema_and_size(path, namespace, name, uri):
    request = ExportRequest(fields=["id", "amount", "created_at"])
    output = exported_file({**RESULT, "path": path}, request, ExportConfig())
    assert (output.namespace, output.name) == (namespace, name)
    fields = {field.name: field.type for field in output.facets["schema"].fields}
    assert fields == {"id": "string", "amount": "int64", "created_at": "timestamp[ms, tz=UTC]"}
    statistics = output.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.size, statistics.fileCount) == (7, 700, 2)
    assert file_asset(path).uri == uri


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("s3://warehouse/orders/2026-*/part-?.jsonl", "s3://warehouse", "orders"),
        ("s3://warehouse/*.jsonl", "s3://warehouse", "/"),
        ("/data/*/orders.jsonl", "file", "/data"),
        ("file:///data/orders", "file", "/data/orders"),
    ],
)
def test_files_of_a_pattern_are_named_by_their_folder(path, namespace, name):
    dataset = files(path)
    assert (dataset.namespace, dataset.name) == (namespace, name)


def test_a_task_that_did_not_end_reports_no_datasets():
    assert OrdersExportOperator(task_id="export", output_path="x").get_openlineage_facets_on_complete(None) is None
