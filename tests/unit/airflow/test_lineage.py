"""Datasets that an export reports to OpenLineage."""

from __future__ import annotations

import pytest

from airflow_provider_voucherify.operators.orders import OrdersExportOperator

RESULT = {"rows": 7, "bytes": 700, "parquet_files": 2}


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("s3://lake@warehouse/orders/night.parquet", "s3://warehouse", "orders/night.parquet"),
        ("file:///data/night.parquet", "file", "/data/night.parquet"),
        ("/data/night.parquet", "file", "/data/night.parquet"),
    ],
)
def test_the_output_has_schema_and_size(path, namespace, name):
    operator = OrdersExportOperator(task_id="export", output_path=path, fields=["id", "amount", "created_at"])
    operator._result = {**RESULT, "path": path}
    (output,) = operator.get_openlineage_facets_on_complete(None).outputs
    assert (output.namespace, output.name) == (namespace, name)
    fields = {field.name: field.type for field in output.facets["schema"].fields}
    assert fields == {"id": "string", "amount": "int64", "created_at": "timestamp[ms, tz=UTC]"}
    statistics = output.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.size, statistics.fileCount) == (7, 700, 2)


def test_a_task_that_did_not_end_reports_no_datasets():
    assert OrdersExportOperator(task_id="export", output_path="x").get_openlineage_facets_on_complete(None) is None
