"""A download becomes a Parquet file, whole or not at all, whatever happens to it on the way."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify import __version__
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    BadRowError,
    ConfigurationError,
    ExportFileError,
    NotFoundError,
    ServerError,
    TooFewRowsError,
    TransportError,
    TruncatedDownloadError,
    VoucherifyError,
)
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.download import download_to_parquet
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window_parts import ExportPart
from tests.integration.order_export.export_server import EXPORT_ID, TOKEN

REQUEST = ExportRequest(fields=["id", "amount", "updated_at", "status", "metadata"])
FILES = ["_orders.parquet.manifest.json", "orders.parquet"]
FRAMINGS = [("length", False), ("chunked", False), ("length", True), ("chunked", True), ("close", True)]


def orders_csv(numbers):
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["ID", "Amount", "Updated At", "Status", "Metadata"])
    for number in numbers:
        metadata = json.dumps({"note": f'"{number}",\né'}, ensure_ascii=False)
        writer.writerow([f"ord_{number}", number, f"2022-09-09T09:20:01.{number % 1000:03d}Z", "PAID", metadata])
    return text.getvalue().encode()


def convert(server, path, request=REQUEST, *, attempts=3, row_group_rows=131_072, **options):
    return download_to_parquet(
        server.client(),
        [ExportPart(export_id=EXPORT_ID)],
        request,
        Output(path=path),
        ExportConfig(**options),
        attempts=attempts,
        row_group_rows=row_group_rows,
        sleep=lambda _: None,
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def ids(path):
    return pq.read_table(path)["id"].to_pylist()


def expected_ids(numbers):
    return [f"ord_{number}" for number in numbers]


@pytest.mark.parametrize(("framing", "zipped"), [*FRAMINGS, ("close", False)])
def test_a_whole_file_in_any_framing(server, path, framing, zipped):
    server.files = [orders_csv(range(3000))]
    server.framing, server.gzip = framing, zipped
    result = convert(server, path)
    assert ids(path) == expected_ids(range(3000))
    assert (result.rows, result.bytes, result.export_id) == (3000, path.stat().st_size, EXPORT_ID)
    assert json.loads(json.dumps(asdict(result)))["path"] == str(path)
    assert names(path.parent) == FILES
    assert server.calls["files"] == 1


def test_the_file_is_as_a_warehouse_wants_it(server, path):
    server.files = [orders_csv(range(5000))]
    convert(server, path, row_group_rows=2000)
    metadata = pq.read_metadata(path)
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sum(rows) == 5000
    assert all(number >= 2000 for number in rows[:-1])
    columns = [metadata.row_group(0).column(number) for number in range(metadata.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert [column.path_in_schema for column in columns if column.has_dictionary_page] == ["status"]


def test_several_files_become_one_in_their_order(server, path):
    server.files = [orders_csv(range(100)), orders_csv([]), orders_csv(range(100, 150))]
    result = convert(server, path)
    assert ids(path) == expected_ids(range(150))
    assert (result.files, result.rows) == (3, 150)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_file_without_a_header_is_not_an_export_without_orders(server, path, framing):
    server.files, server.framing = [b""], framing
    with pytest.raises(TransportError, match="does not even have a header"):
        convert(server, path)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"ID,Amount,Updated At,Status,Metadata", orders_csv([])])
@pytest.mark.parametrize(("framing", "zipped"), FRAMINGS)
def test_no_orders_give_a_file_with_all_columns(server, path, content, framing, zipped):
    server.files, server.framing, server.gzip = [content], framing, zipped
    assert convert(server, path).rows == 0
    assert pq.read_schema(path).names == list(REQUEST.fields)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1, exclude_max=True), framing=st.sampled_from(FRAMINGS), rows=st.integers(0, 2000))
def test_a_cut_download_is_taken_up_anew_and_leaves_nothing_before(server, tmp_path, cut, framing, rows):
    path = tmp_path / str(time.monotonic_ns()) / "orders.parquet"
    server.files = [orders_csv(range(rows))]
    server.framing, server.gzip = framing
    at = int(cut * len(server.body()))
    server.cuts.append(at)
    with pytest.raises(TransportError):
        convert(server, path, attempts=1)
    assert names(path.parent) == []
    server.cuts.append(at)
    before = server.calls["files"]
    assert convert(server, path).rows == rows
    assert ids(path) == expected_ids(range(rows))
    assert names(path.parent) == FILES
    assert server.calls["files"] - before == 2


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_that_nothing_announces_is_noticed_within_a_row(server, tmp_path, data):
    """And cannot be noticed between two rows: there, a whole file ends as well."""
    path = tmp_path / str(time.monotonic_ns()) / "orders.parquet"
    server.files, server.framing = [orders_csv(range(200))], "close"
    at = data.draw(st.integers(0, len(server.body()) - 1))
    part = server.body()[:at]
    server.cuts.append(at)
    if part.endswith((b"\r", b"\n")) and part.count(b'"') % 2 == 0:
        assert convert(server, path, attempts=1).rows == max(0, part.count(b"\nord_"))
    else:
        with pytest.raises(TruncatedDownloadError):
            convert(server, path, attempts=1)
        assert names(path.parent) == []
        assert convert(server, path).rows == 200


@pytest.mark.parametrize(("framing", "zipped"), FRAMINGS)
def test_a_file_whose_last_newline_is_missing_is_whole(server, path, framing, zipped):
    server.files, server.framing, server.gzip = [orders_csv(range(10)).rstrip()], framing, zipped
    assert convert(server, path).rows == 10
    assert server.calls["files"] == 1


def test_a_file_that_is_cut_at_the_same_byte_each_time_is_never_published(server, path):
    server.files, server.framing = [orders_csv(range(200))], "close"
    server.cuts.extend([5000] * 3)
    with pytest.raises(TruncatedDownloadError, match="nothing in the response proves its end"):
        convert(server, path)
    assert server.calls["files"] == 3
    assert names(path.parent) == []


def test_what_was_there_stays_until_the_new_file_is_whole(server, path):
    server.files = [orders_csv(range(5))]
    convert(server, path)
    server.files = [orders_csv(range(9))]
    server.cuts.extend([100, 200, 300])
    with pytest.raises(TruncatedDownloadError):
        convert(server, path)
    assert ids(path) == expected_ids(range(5))
    assert names(path.parent) == FILES
    convert(server, path)
    assert ids(path) == expected_ids(range(9))


def test_a_cut_in_the_second_file_begins_both_anew(server, path):
    server.files = [orders_csv(range(100)), orders_csv(range(100, 200))]
    server.cuts.extend([None, 500])
    assert convert(server, path).rows == 200
    assert ids(path) == expected_ids(range(200))
    assert server.calls["files"] == 4


def test_an_expired_token_and_a_server_error_are_gone_with_a_fresh_url(server, path):
    server.files = [orders_csv(range(10))]
    server.statuses.extend([401, 503, 401])
    assert convert(server, path).rows == 10
    assert server.calls["files"] == 4


@pytest.mark.parametrize(
    ("statuses", "error", "downloads"),
    [([503] * 3, ServerError, 3), ([401] * 2, AuthenticationError, 2), ([404], NotFoundError, 1)],
)
def test_an_error_that_stays_is_raised(server, path, statuses, error, downloads):
    server.statuses.extend(statuses)
    with pytest.raises(error):
        convert(server, path)
    assert server.calls["files"] == downloads
    assert names(path.parent) == []


@pytest.mark.parametrize("status", ["SCHEDULED", "IN_PROGRESS", "ERROR"])
def test_an_export_without_a_file_is_an_error(server, path, status):
    server.status = status
    with pytest.raises(ExportFileError, match=f"Export exp_1 is {status} and has no file to download"):
        convert(server, path)
    assert server.calls == {"v1": 1}


def test_a_bad_value_fails_with_its_place_and_leaves_nothing(server, path):
    server.files = [orders_csv(range(10)), orders_csv(range(10)).replace(b"ord_6,6", b"ord_6,six")]
    with pytest.raises(
        BadRowError, match=r"Export exp_1 \(file 2 of 2\), row 7: Amount: 'six' is not a valid int64"
    ) as caught:
        convert(server, path)
    assert (caught.value.file, caught.value.row) == (2, 7)
    assert names(path.parent) == []
    assert server.calls["files"] == 2


def test_bad_rows_go_to_a_side_file_and_out_of_it_when_they_are_mended(server, path):
    good = orders_csv(range(10))
    server.files = [good.replace(b"ord_3,3", b"ord_3,3.5").replace(b"ord_8,8,", b"ord_8,")]
    result = convert(server, path, on_bad_value="side_file", max_bad_rows=0.2)
    side_file = path.with_name("_orders.parquet.bad_rows.jsonl")
    lines = [json.loads(line) for line in side_file.open()]
    assert [(line["position"], line["code"], line["reason"]) for line in lines] == [
        ("Export exp_1, row 4", "bad_value", "Amount: '3.5' is not a valid int64"),
        ("Export exp_1, row 9", "bad_value", "4 cells where the header has 5"),
    ]
    assert lines[0]["payload"]["Metadata"] == '{"note": "\\"3\\",\\né"}'
    assert lines[1]["payload"].startswith("ord_8,2022")
    assert (result.rows, result.bad_rows, result.bad_rows_path) == (8, 2, str(side_file))
    assert ids(path) == expected_ids([0, 1, 2, 4, 5, 6, 7, 9])
    server.files = [good]
    result = convert(server, path, on_bad_value="side_file")
    assert (result.rows, result.bad_rows, result.bad_rows_path) == (10, 0, None)
    assert names(path.parent) == FILES


@pytest.mark.parametrize(
    "tolerance", [{"on_bad_value": "side_file"}, {"max_bad_rows": 0.19}, {"max_bad_rows": 1}], ids=str
)
def test_too_many_bad_rows_fail_with_their_ids_and_leave_the_side_file_alone(server, path, caplog, tolerance):
    good = orders_csv(range(10))
    server.files = [good]
    convert(server, path)
    server.files = [good.replace(b"ord_3,3", b"ord_3,3.5").replace(b"ord_8,8", b"ord_8,eight")]
    with pytest.raises(
        BadRowError,
        match=r"2 of 10 rows are bad \(at most .* tolerated by max_bad_rows\)\. The first: .*row 4: .*\(id ord_3\)",
    ):
        convert(server, path, **tolerance)
    assert "row 9: Amount: 'eight' is not a valid int64 (id ord_8)" in caplog.text
    side_file = path.with_name("_orders.parquet.bad_rows.jsonl")
    assert [json.loads(line)["payload"]["ID"] for line in side_file.open()] == ["ord_3", "ord_8"]
    assert (ids(path), names(path.parent)) == (expected_ids(range(10)), sorted([side_file.name, *FILES]))
    assert convert(server, path, max_bad_rows=2).bad_row_ids == ["ord_3", "ord_8"]


@pytest.mark.parametrize(
    ("options", "rows", "message"),
    [
        ({"on_empty": "fail"}, 0, r"has no rows \(on_empty='fail'\)"),
        ({"min_rows": 3}, 2, "has 2 rows, fewer than min_rows=3"),
        ({"min_rows": 3}, 0, "has 0 rows, fewer than min_rows=3"),
        ({"min_rows": 3, "on_empty": "skip"}, 1, "has 1 rows, fewer than min_rows=3"),
        ({"min_rows": 3, "on_empty": "skip"}, 0, None),
        ({"min_rows": 3, "on_empty": "fail"}, 3, None),
    ],
    ids=str,
)
def test_too_few_rows_fail_and_leave_what_was_there(server, path, options, rows, message):
    server.files = [orders_csv(range(5))]
    convert(server, path)
    server.files = [orders_csv(range(rows))]
    if message is None:
        assert convert(server, path, **options).rows == rows
        return
    with pytest.raises(TooFewRowsError, match=message):
        convert(server, path, **options)
    assert (len(ids(path)), names(path.parent)) == (5, FILES)


def test_metadata_that_no_order_has_and_keys_that_are_new_are_told(server, path, caplog):
    request = ExportRequest(fields=["id", "metadata", "metadata.channel", "metadata.chanel"])
    header = b"ID,Metadata,metadata.channel,metadata.chanel\n"
    for number, (row, new) in enumerate(
        [
            (b'ord_1,"{""channel"": ""web""}",web,\n', []),
            (b'ord_2,"{""channel"": ""web""}",web,\nord_3,"{""region"": ""EU""}",,\n', ["region"]),
            (b"", []),
        ],
        1,
    ):
        server.files = [header + row]
        result = convert(server, path.with_name(f"2026-01-{number:02}.parquet"), request=request)
        assert result.new_metadata_keys == new
        assert result.empty_fields == (["metadata.chanel"] if row else [])
    assert "metadata.chanel is null in every row. Is the key misspelled?" in caplog.text
    assert "keys that the last export had not: region." in caplog.text


def test_the_file_says_what_it_is_and_how_it_is_sorted(server, path):
    request = ExportRequest(fields=["id", "updated_at", "metadata.a b"], sort_order="-updated_at")
    times = [b"", b"2026-01-01T00:00:00Z", b"2026-01-03T00:00:00Z", b"2026-01-02T00:00:00Z"]
    server.files = [b"id,updated_at,metadata.a b\n" + b"".join(b"ord_%d,%s,x\n" % row for row in enumerate(times))]
    convert(server, path, request=request, column_names="snake_case", compression="snappy")
    file = pq.read_metadata(path)
    assert file.row_group(0).sorting_columns == (pq.SortingColumn(1, descending=True, nulls_first=False),)
    assert file.row_group(0).column(0).compression == "SNAPPY"
    assert pq.read_table(path).column_names == ["id", "updated_at", "metadata_a_b"]
    assert ids(path) == ["ord_2", "ord_3", "ord_1", "ord_0"]
    assert json.loads(file.metadata[b"voucherify.export_ids"]) == [EXPORT_ID]
    assert json.loads(file.metadata[b"voucherify.provider_version"]) == __version__
    assert json.loads(file.metadata[b"voucherify.window"]) is None


def test_wide_rows_make_small_row_groups(server, path, monkeypatch):
    monkeypatch.setattr("airflow_provider_voucherify.order_export.convert.rows.ROW_GROUP_BYTES", 2 << 20)
    row = b"ord_%d," + b'"{""note"": ""' + b"x" * 8000 + b'""}"\n'
    server.files = [b"ID,Metadata\n" + b"".join(row % number for number in range(1000))]
    convert(server, path, request=ExportRequest(fields=["id", "metadata"]))
    groups = [
        pq.read_metadata(path).row_group(number).num_rows for number in range(pq.read_metadata(path).num_row_groups)
    ]
    assert (sum(groups), len(groups)) == (1000, 3)


def test_columns_that_nobody_asked_for_are_told(server, path, caplog):
    server.files = [b"Currency,ID,Amount,\nEUR,ord_1,5,x\n"]
    result = convert(server, path, ExportRequest(fields=["amount", "id"]))
    assert pq.read_table(path).to_pylist() == [{"amount": 5, "id": "ord_1"}]
    assert result.unknown_columns == ["Currency", ""]
    assert "Export exp_1 has columns that were not requested: Currency, ." in caplog.text


def test_unknown_columns_can_be_an_error(server, path):
    server.files = [b"Currency,ID\nEUR,ord_1\n"]
    with pytest.raises(ExportFileError, match="columns that were not requested: Currency"):
        convert(server, path, ExportRequest(fields=["id"]), on_unknown_column="fail")
    assert names(path.parent) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ID,Status\nord_1,PAID\n", "Export exp_1 has no column for amount. Its columns are: ID, Status."),
        (b"ID,Amount,amount\n1,2,3\n", "Export exp_1 has 2 columns for amount: 'Amount' and 'amount'."),
    ],
)
def test_a_header_that_does_not_fit_is_an_error_at_once(server, path, content, message):
    server.files = [content]
    with pytest.raises(ExportFileError, match=message.replace(".", r"\.")):
        convert(server, path, ExportRequest(fields=["id", "amount"]))
    assert names(path.parent) == []
    assert server.calls["files"] == 1


def test_a_cell_larger_than_a_block_is_read_with_larger_blocks(server, path):
    cell = "x" * (3 << 20)
    server.files = [f"ID,Source ID\n1,{cell}\n2,\n".encode()]
    convert(server, path, ExportRequest(fields=["id", "source_id"]))
    assert pq.read_table(path)["source_id"].to_pylist() == [cell, None]
    assert server.calls["files"] == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whatever_stops_the_task_leaves_neither_file_nor_thread(server, path, monkeypatch, stop):
    server.files = [orders_csv(range(50_000))]

    def write_table(*_, **__):
        raise stop

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)
    with pytest.raises(stop):
        convert(server, path, row_group_rows=1000)
    assert names(path.parent) == []
    assert [thread for thread in threading.enumerate() if thread.name.startswith("voucherify-export")] == []


def test_a_task_stopped_while_it_waits_for_bytes_leaves_nothing_and_reads_no_further(server, path):
    """As by Airflow's timeout, which raises in the main thread whatever that does."""
    server.files, server.seconds_between_blocks = [orders_csv(range(50_000))] * 2, 0.05

    class TaskTimeout(BaseException):
        pass

    def interrupt(*_):
        raise TaskTimeout

    previous = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(TaskTimeout):
            convert(server, path)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, previous)
    assert names(path.parent) == []
    assert server.sent < len(server.body())
    assert server.calls["files"] == 1


def test_a_killed_worker_leaves_nothing_visible_and_its_retry_succeeds(server, path):
    server.files, server.seconds_between_blocks = [orders_csv(range(50_000))], 0.05
    program = f"""
from pathlib import Path
from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_export.download import download_to_parquet
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window_parts import ExportPart
client = VoucherifyClient(Settings(app_id="app", app_token="secret", base_url={server.url!r}))
request = ExportRequest(fields={list(REQUEST.fields)!r})
output = Output(path=Path({str(path)!r}))
download_to_parquet(client, [ExportPart(export_id={EXPORT_ID!r})], request, output, row_group_rows=1000)
"""
    with subprocess.Popen([sys.executable, "-c", program]) as worker:
        while worker.poll() is None and not any(file.stat().st_size > 4 for file in path.parent.glob(".*")):
            time.sleep(0.01)
        worker.kill()
    assert worker.returncode == -signal.SIGKILL
    assert [name for name in names(path.parent) if not name.startswith(".")] == []
    server.seconds_between_blocks = 0
    assert convert(server, path).rows == 50_000
    assert [name for name in names(path.parent) if not name.startswith(".")] == FILES


@pytest.mark.parametrize(
    "failure", [{"cuts": [3] * 3}, {"statuses": [401] * 2}, {"statuses": [500] * 3}, {"files": [b"x\n"]}]
)
def test_no_token_is_in_an_error_or_log(server, path, caplog, failure):
    caplog.set_level(logging.DEBUG, logger="airflow_provider_voucherify")
    server.files = [orders_csv([])]
    for name, value in failure.items():
        setattr(server, name, type(getattr(server, name))(value))
    with pytest.raises(VoucherifyError) as caught:
        convert(server, path)
    assert TOKEN not in "".join([str(caught.value), repr(caught.value), caplog.text])


def test_a_folder_and_an_unknown_policy_are_refused_before_any_call(server, tmp_path):
    with pytest.raises(ConfigurationError, match="is a folder"):
        convert(server, tmp_path)
    with pytest.raises(ConfigurationError, match="on_bad_value must be one of fail, side_file, got 'null'"):
        convert(server, tmp_path / "orders.parquet", on_bad_value="null")
    assert server.calls == {}
