"""Publishing on S3 (moto's server), by the paths of ``upath`` and of Airflow, and by Airflow's for local files."""

from __future__ import annotations

import json
import uuid

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from upath import UPath

from airflow_provider_voucherify.exceptions import BadRowError, ConfigurationError, TruncatedDownloadError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.download import download_to_parquet
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window_parts import ExportPart
from tests.integration.order_export.export_server import EXPORT_ID
from tests.integration.s3 import BUCKET, keys

FILES = ["_orders.parquet.manifest.json", "orders.parquet"]
REQUEST = ExportRequest(fields=["id", "amount"])
GOOD = b"ID,Amount\n" + b"".join(b"ord_%d,%d\n" % (number, number) for number in range(1000))
BAD = GOOD.replace(b"ord_999,999", b"ord_999,9.99")


@pytest.fixture(params=["upath", "upath in parts", "airflow"])
def path(request, s3, monkeypatch):
    folder, endpoint = uuid.uuid4().hex, s3.meta.endpoint_url
    if request.param == "airflow":
        extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "key-id", "password": "secret-key", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
        return ObjectStoragePath(f"s3://lake@{BUCKET}/{folder}/day=2022-09-09/orders.parquet")
    options = {"default_block_size": 5 << 20} if request.param == "upath in parts" else {}
    return UPath(
        f"s3://{BUCKET}/{folder}/day=2022-09-09/orders.parquet",
        endpoint_url=endpoint,
        key="key-id",
        secret="secret-key",
        **options,
    )


def folder_of(path):
    return str(path.parent).partition(f"{BUCKET}/")[2]


def convert(server, path, *, max_bad_rows=0, compression="zstd", **options):
    return download_to_parquet(
        server.client(),
        [ExportPart(export_id=EXPORT_ID)],
        REQUEST,
        Output(path=path),
        ExportConfig(max_bad_rows=max_bad_rows, compression=compression),
        sleep=lambda _: None,
        **options,
    )


def read(path):
    with path.open("rb") as file:
        return pq.read_table(file)


def test_a_second_run_replaces_the_first(server, s3, path):
    for rows in (3, 1000):
        server.files = [b"\n".join(GOOD.split(b"\n")[: rows + 1]) + b"\n"]
        result = convert(server, path)
        assert keys(s3, folder_of(path)) == FILES
        head = s3.head_object(Bucket=BUCKET, Key=f"{folder_of(path)}/orders.parquet")
        assert (result.rows, result.bytes) == (rows, head["ContentLength"])
        assert read(path).num_rows == rows


def test_a_failure_leaves_what_was_there_and_nothing_else(server, s3, path):
    server.files = [GOOD]
    convert(server, path)
    server.files = [BAD]
    with pytest.raises(BadRowError, match=r"row 1000: Amount: '9\.99' is not a valid int64"):
        convert(server, path)
    server.files, server.cuts = [GOOD + GOOD], type(server.cuts)([50] * 3)
    with pytest.raises(TruncatedDownloadError):
        convert(server, path)
    assert keys(s3, folder_of(path)) == FILES
    assert read(path).num_rows == 1000
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_the_side_file_comes_and_goes(server, s3, path):
    server.files = [BAD]
    result = convert(server, path, max_bad_rows=1)
    assert keys(s3, folder_of(path)) == ["_orders.parquet.bad_rows.jsonl", *FILES]
    assert (result.path, result.uri) == (str(path), f"s3://{BUCKET}/{folder_of(path)}/orders.parquet")
    assert result.bad_rows_path == str(path.with_name("_orders.parquet.bad_rows.jsonl"))
    server.files = [GOOD]
    convert(server, path, max_bad_rows=1)
    assert keys(s3, folder_of(path)) == FILES


def test_a_file_of_several_parts_is_whole(server, s3, path):
    rows = 200_000
    server.files = [b"ID,Amount\n" + b"".join(b"%s,%d\n" % (uuid.uuid4().hex.encode(), row) for row in range(rows))]
    result = convert(server, path, compression="none", row_group_rows=10_000)
    assert result.bytes > 8_000_000
    table = read(path)
    assert table["amount"].to_pylist() == list(range(rows))
    assert keys(s3, folder_of(path)) == FILES


def test_a_folder_is_refused(server, path):
    server.files = [GOOD]
    convert(server, path)
    with pytest.raises(ConfigurationError, match="is a folder"):
        convert(server, path.parent)


def test_a_bucket_that_is_missing_is_an_error(server, s3, path):
    server.files = [GOOD]
    missing = type(path)(str(path).replace(BUCKET, "nowhere"), **getattr(path, "storage_options", {}))
    with pytest.raises(FileNotFoundError):
        convert(server, missing)
    with pytest.raises(ConfigurationError, match=r"output_path .*nowhere.* cannot be written"):
        Output(path=missing).check_writable()
    assert "nowhere" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


@pytest.mark.parametrize("prefix", ["file://", ""])
def test_airflow_paths_of_local_files(server, tmp_path, prefix):
    path = ObjectStoragePath(f"{prefix}{tmp_path}/lake/orders.parquet")
    for content, rows in ((GOOD, 1000), (GOOD.partition(b"ord_5,")[0], 5)):
        server.files = [content]
        assert convert(server, path).rows == rows
        assert pq.read_table(tmp_path / "lake" / "orders.parquet").num_rows == rows
    server.files = [BAD]
    with pytest.raises(BadRowError):
        convert(server, path)
    assert sorted(file.name for file in (tmp_path / "lake").iterdir()) == FILES
    with pytest.raises(ConfigurationError, match="is a folder"):
        convert(server, path.parent)
