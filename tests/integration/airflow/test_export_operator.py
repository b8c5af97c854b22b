from __future__ import annotations

import gzip
import json
from datetime import UTC

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import OrdersExportOperator
from tests.airflow_home import run_dag
from tests.orders import order

EXPORT = "POST /v1/orders/export"
FILES = ["_orders.parquet.manifest.json", "orders.parquet"]
# in the task store where there is one
LEFT_FOR_THE_NEXT_TRY = (
    [] if AIRFLOW_V_3_3_PLUS else ["._orders.parquet.state.json.owner", "_orders.parquet.state.json"]
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run_export(path, **parameters):
    with DAG("export", schedule=None) as dag:
        OrdersExportOperator(task_id="export", **({"poll_interval": 0.2, "output_path": path.as_uri()} | parameters))
    return run_dag(dag)


@pytest.fixture
def orders(emulator):
    """Twenty orders in the emulator."""
    given = [order(number) for number in range(20)]
    for single in given:
        VoucherifyHook().create_order(single)
    return given


def test_orders_come_back_typed(emulator, orders, tmp_path):
    path = tmp_path / "new-folder" / "orders.parquet"
    run = run_export(path)
    assert run.state == "success"
    result = run.xcoms["export"]
    assert (result["path"], result["rows"], result["bytes"]) == (path.as_uri(), 20, path.stat().st_size)
    assert result["export_id"].startswith("exp_")
    table = pq.read_table(path)
    assert table.schema.field("total_amount").type == pa.int64()
    assert table.schema.field("created_at").type == pa.timestamp("ms", tz="UTC")
    rows = {row["source_id"]: row for row in table.to_pylist()}
    for given in orders:
        row = rows[given["source_id"]]
        assert row["amount"] == given["amount"]
        assert row["status"] == given["status"]
        assert json.loads(row["metadata"]) == given["metadata"]
        assert row["created_at"].tzinfo is not None
        assert row["created_at"].astimezone(UTC).year >= 2026
    assert emulator.calls()["calls"][EXPORT] == 1
    assert names(path.parent) == FILES


def test_fields_filters_order_and_types(emulator, orders, tmp_path):
    path = tmp_path / "orders.parquet"
    run = run_export(
        path,
        fields=["source_id", "metadata.channel", "metadata.row"],
        filters={"status": {"conditions": {"$is": ["{{ 'PAID' }}"]}}, "junction": "and"},
        sort_order="-created_at",
        metadata_schema={"row": "int32"},
    )
    assert run.state == "success"
    table = pq.read_table(path)
    assert table.column_names == ["source_id", "metadata.channel", "metadata.row"]
    assert table["metadata.row"].to_pylist() == [17, 13, 9, 5, 1]
    assert table["metadata.channel"].to_pylist() == ["app"] * 5


def test_no_orders_make_a_file_with_all_columns(emulator, tmp_path):
    path = tmp_path / "orders.parquet"
    assert run_export(path).xcoms["export"]["rows"] == 0
    assert len(pq.read_schema(path)) == 13


@pytest.mark.parametrize(("on_empty", "state"), [("skip", "skipped"), ("fail", "failed")])
def test_no_orders_skip_or_fail_the_task(emulator, tmp_path, on_empty, state, log):
    run = run_export(tmp_path / "orders.parquet", on_empty=on_empty, retries=1)
    assert run.states["export"] == state
    assert f"on_empty='{on_empty}'" in log()
    assert names(tmp_path) == (FILES if on_empty == "skip" else LEFT_FOR_THE_NEXT_TRY)
    assert emulator.calls()["calls"][EXPORT] == (1 if on_empty == "skip" else 2)  # a retry asks again


def test_an_export_that_ends_in_error_fails_the_task(emulator, tmp_path, log):
    emulator.add_fault("export_error")
    assert run_export(tmp_path / "orders.parquet").state == "failed"
    assert "ended in ERROR at Voucherify" in log()
    assert names(tmp_path) == LEFT_FOR_THE_NEXT_TRY


@pytest.mark.parametrize(
    "fault", ["expired_token", "truncated_download", "server_error:route=GET /v1/exports/{exportId}"]
)
def test_a_passing_fault_of_the_download_is_survived(emulator, orders, tmp_path, fault):
    name, _, route = fault.partition(":route=")
    emulator.add_fault(name, **({"route": route} if route else {}))
    path = tmp_path / "orders.parquet"
    assert run_export(path).state == "success"
    assert pq.read_table(path).num_rows == 20
    assert emulator.calls()["calls"][EXPORT] == 1


def test_a_lasting_fault_of_the_download_leaves_what_was_there(emulator, orders, tmp_path, log):
    emulator.add_fault("truncated_download", times=0, bytes=500)
    path = tmp_path / "orders.parquet"
    path.write_bytes(b"the file of yesterday")
    assert run_export(path).state == "failed"
    assert "broke off after 500 bytes" in log()
    assert names(tmp_path) == [*LEFT_FOR_THE_NEXT_TRY, "orders.parquet"]
    assert path.read_bytes() == b"the file of yesterday"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fields": ["id", "total_amout"]}, "'total_amout' is not a field of an order; did you mean 'total_amount'"),
        ({"fields": []}, "fields must be a list of at least one name"),
        ({"sort_order": "amount"}, "'amount' is not a sort order of an export"),
        ({"filters": {"state": {"conditions": {"$is": ["PAID"]}}}}, "'state' is not a field to filter by"),
        ({"filters": {"status": {"conditions": {"$equals": ["PAID"]}}}}, r"'\$equals' of status is not a condition"),
        ({"metadata_schema": {"row": "integer"}, "fields": ["metadata.row"]}, "'integer' of 'row' is not a type"),
    ],
)
def test_what_the_api_would_refuse_is_refused_when_the_dag_is_parsed(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        OrdersExportOperator(task_id="export", output_path="x", **parameters)


def test_an_unknown_way_with_bad_values_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="on_bad_value must be one of fail, side_file, got 'null'"):
        OrdersExportOperator(task_id="export", output_path="x", on_bad_value="null")


def test_filters_come_from_a_file_or_a_template(emulator, orders, tmp_path):
    conditions = '{"status": {"conditions": {"$is": ["{{ params.status }}"]}}, "junction": "and"}'
    (tmp_path / "paid.json").write_text(conditions)
    with DAG("export", schedule=None, template_searchpath=str(tmp_path), params={"status": "PAID"}) as dag:
        OrdersExportOperator(
            task_id="export",
            output_path=str(tmp_path / "orders.parquet"),
            fields="{{ ['source_id', 'status'] | tojson }}",
            filters="paid.json",
            poll_interval=0.2,
        )
    assert run_dag(dag).state == "success"
    assert set(pq.read_table(tmp_path / "orders.parquet")["status"].to_pylist()) == {"PAID"}


def test_a_template_that_gives_no_json_is_named(emulator, tmp_path, log):
    assert run_export(tmp_path / "orders.parquet", filters="{{ {'status': 1} }}").state == "failed"
    assert "filters is text that is not valid JSON" in log()


def test_templated_parameters_are_checked_when_the_task_runs(emulator, tmp_path, log):
    assert run_export(tmp_path / "orders.parquet", fields=["{{ 'total' }}"]).state == "failed"
    assert "'total' is not a field of an order" in log()
    assert EXPORT not in emulator.calls()["calls"]


def served(monkeypatch, emulator, content: bytes) -> None:
    """Let the download host send another file than the one it made."""
    from airflow_provider_voucherify.api import download

    monkeypatch.setattr(download.Download, "encoding", "gzip")
    body = [gzip.compress(content)]

    def readinto(self, buffer):
        chunk, body[0] = body[0][: len(buffer)], body[0][len(buffer) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)

    monkeypatch.setattr(download.Download, "readinto", readinto)
    monkeypatch.setattr(download.Download, "length", len(body[0]))


@pytest.mark.parametrize(
    ("content", "rows", "message"),
    [
        (b"Amount,ID\n5,ord_1\n", [{"id": "ord_1", "amount": 5}], None),
        (b"ID,Amount,News\nord_1,5,x\n", [{"id": "ord_1", "amount": 5}], "News"),
        (b'ID,Amount\n"ord\n1",5\n', [{"id": "ord\n1", "amount": 5}], None),
        (b"ID\nord_1\n", None, "amount"),
        (b"ID,Amount\nord_1,5.5\n", None, "5.5"),
        (b"ID,Amount\nord_1\n", None, "row 1"),
    ],
)
def test_files_that_are_not_as_expected(emulator, orders, tmp_path, monkeypatch, log, content, rows, message):
    served(monkeypatch, emulator, content)
    path = tmp_path / "orders.parquet"
    run = run_export(path, fields=["id", "amount"])
    if rows is None:
        assert run.state == "failed"
        assert names(tmp_path) == LEFT_FOR_THE_NEXT_TRY
    else:
        assert run.state == "success"
        assert pq.read_table(path).to_pylist() == rows
    if message:
        assert message in log()


@pytest.mark.parametrize("layout", [{}, {"max_rows_per_file": 10}], ids=["file", "folder"])
def test_a_place_that_cannot_be_written_is_told_before_an_export_is_asked_for(emulator, tmp_path, layout, log):
    (tmp_path / "file").touch()
    assert run_export(tmp_path / "file" / "orders" / "orders.parquet", **layout).state == "failed"
    assert f"output_path {(tmp_path / 'file' / 'orders').as_uri()}" in log()
    assert "cannot be written" in log()
    assert EXPORT not in emulator.calls()["calls"]
