"""Orders that the emulator exports come out as they went in, in whichever way it writes its files."""

from __future__ import annotations

import json
import time

import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.download import download_to_parquet
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window_parts import ExportPart
from tests.orders import order

ORDERS = [order(number) for number in range(300)]
STYLES = [
    {"header_style": header, "metadata_style": metadata, "export_files": files}
    for header, files in (("display", 1), ("field", 3))
    for metadata in ("json", "columns")
]


def client_of(emulator):
    settings = Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, name="shop")
    return VoucherifyClient(settings)


def load(client, orders):
    action = client.import_orders(orders)
    while not client.get_async_action(action).ended:
        time.sleep(0.01)


def export(client, request, path, **options):
    export_id = request.submit(client)
    while not client.get_export(export_id).ended:
        time.sleep(0.01)
    return download_to_parquet(
        client, [ExportPart(export_id=export_id)], request, Output(path=path), sleep=lambda _: None, **options
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "orders.parquet"


@pytest.fixture
def emulator(voucherify_emulator):
    load(client_of(voucherify_emulator), ORDERS)
    return voucherify_emulator


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_orders_come_out_as_they_went_in(path, style):
    with Emulator(speed=1000, **style) as emulator, client_of(emulator) as client:
        load(client, ORDERS)
        request = ExportRequest(metadata_schema={"row": "int64"})
        result = export(client, request, path)
    assert (result.rows, result.files, result.unknown_columns) == (300, style["export_files"], [])
    table = pq.read_table(path)
    assert table.schema.equals(order_schema(request))
    rows = {row["source_id"]: row for row in table.to_pylist()}
    assert len(rows) == 300
    for given in ORDERS:
        row = rows[given["source_id"]]
        metadata = {key: str(value) for key, value in json.loads(row["metadata"]).items()}
        assert (row["amount"], row["status"], row["metadata.row"]) == (
            given["amount"],
            given["status"],
            given["metadata"]["row"],
        )
        assert metadata == {key: str(value) for key, value in given["metadata"].items()}
        assert row["created_at"].tzinfo is not None


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_no_orders_give_a_file_with_all_columns(path, style):
    with Emulator(speed=1000, **style) as emulator, client_of(emulator) as client:
        result = export(client, ExportRequest(), path)
    assert result.rows == 0
    assert pq.read_table(path).schema.equals(order_schema(ExportRequest()))


def test_fields_filters_and_order_are_what_was_asked_for(emulator, path):
    request = ExportRequest(
        fields=["metadata.channel", "source_id", "status"],
        filters={"junction": "and", "status": {"conditions": {"$in": ["PAID"]}}},
        sort_order="-created_at",
    )
    with client_of(emulator) as client:
        assert export(client, request, path).rows == 75
    table = pq.read_table(path)
    assert table.column_names == ["metadata.channel", "source_id", "status"]
    assert table["status"].unique().to_pylist() == ["PAID"]


@pytest.mark.parametrize(
    "fault",
    [
        "truncated_download:bytes=0,framing=length",
        "truncated_download:bytes=5000,framing=length",
        "truncated_download:bytes=5000,framing=chunked",
        "truncated_download:bytes=5001,framing=close",
        "expired_token",
        "server_error:route=GET /v1/exports/{exportId},times=2",
    ],
)
def test_a_fault_is_survived_with_a_fresh_url(emulator, path, fault):
    with client_of(emulator) as client:
        request = ExportRequest()
        export_id = request.submit(client)
        while not client.get_export(export_id).ended:
            time.sleep(0.01)
        name, _, parameters = fault.partition(":")
        emulator.add_fault(name, **dict(part.split("=") for part in parameters.split(",") if part))
        parts, output = [ExportPart(export_id=export_id)], Output(path=path)
        assert download_to_parquet(client, parts, request, output, sleep=lambda _: None).rows == 300
    assert len(set(pq.read_table(path)["source_id"].to_pylist())) == 300
