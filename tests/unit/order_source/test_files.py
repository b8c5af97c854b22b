"""Files are found, known again and opened on any file system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from moto.server import ThreadedMotoServer

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.files import SAMPLE_BYTES, find_files, fingerprint
from airflow_provider_voucherify.order_source.open_source import open_source
from tests.unit.order_source import strategies as make


def names(paths: object) -> list[str]:
    return [file.name for file in find_files(paths)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.json", "2023/c.csv.gz", "2023/_temporary/x.csv", "2022/d.parquet", "_SUCCESS", ".x.crc"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"")
    return tmp_path


def test_folders_globs_and_lists(folder: Path) -> None:
    assert names(folder) == names(str(folder)) == ["2022/d.parquet", "2023/c.csv.gz", "a.json", "b.jsonl"]
    assert names(folder / "*.json*") == ["a.json", "b.jsonl"]
    assert names(folder / "20[2]*" / "*") == names(folder / "*/*") == ["2022/d.parquet", "2023/c.csv.gz"]
    assert names([folder / "b.jsonl", folder / "a.json"]) == ["b.jsonl", "a.json"]
    assert names([folder / "2023", folder / "2022"]) == ["c.csv.gz", "d.parquet"]


def test_names_that_are_not_distinct_are_told_in_full(folder: Path) -> None:
    (folder / "2022" / "b.jsonl").touch()
    assert names([folder / "b.jsonl", folder / "2022" / "b.jsonl"]) == [
        str(folder / "b.jsonl"),
        str(folder / "2022" / "b.jsonl"),
    ]


def test_a_name_with_signs_of_a_glob_is_a_name_where_there_is_such_a_file(tmp_path: Path) -> None:
    path = make.write_jsonl(tmp_path / "orders[1].jsonl", [{}])
    assert names(path) == ["orders[1].jsonl"]


def test_a_path_of_airflow_to_a_local_file_is_read_as_one(tmp_path: Path) -> None:
    path = make.write_jsonl(tmp_path / "orders.jsonl", [{"source_id": "a"}])
    for given in (ObjectStoragePath(str(path)), ObjectStoragePath(f"file://{path}")):
        (file,) = find_files(given)
        assert file.local
        assert [record.body for record in open_source(paths=given).read()] == [b'{"source_id": "a"}\n']


def test_a_fingerprint_changes_with_the_content_and_not_with_the_time(tmp_path: Path) -> None:
    path = make.write_jsonl(tmp_path / "orders.jsonl", [{"source_id": str(number)} for number in range(20_000)])
    before = open_source(paths=path).fingerprint()
    os.utime(path, (0, 0))
    assert open_source(paths=path).fingerprint() == before
    content = path.read_bytes()
    middle = len(content) // 2
    for changed in (content[:middle] + b"7" + content[middle + 1 :], b"7" + content[1:], content + b"\n", content[:-1]):
        path.write_bytes(changed)
        assert open_source(paths=path).fingerprint() != before
    path.write_bytes(content)
    assert open_source(paths=path).fingerprint() == before
    for options in (
        {"amount_unit": "major"},
        {"column_mapping": {"a": "source_id"}},
        {"order_date_metadata_key": "at"},
        {"amount_unit": "major", "amount_decimals": 3},
    ):
        assert open_source(paths=path, **options).fingerprint() != before


def test_a_fingerprint_of_many_files_takes_few_samples(tmp_path: Path, monkeypatch) -> None:
    for number in range(1000):
        (tmp_path / f"{number:04}.jsonl").write_text(str(number) * SAMPLE_BYTES)
    files = find_files(tmp_path)
    read: list[int] = []
    sample = type(files[0])._part
    monkeypatch.setattr(
        type(files[0]), "_part", lambda file, start, end: read.append(end - start) or sample(file, start, end)
    )
    before = fingerprint(files)
    assert len(read) <= 34
    assert sum(read) <= 34 * SAMPLE_BYTES
    (tmp_path / "0500.jsonl").unlink()
    assert fingerprint(find_files(tmp_path)) != before


@pytest.fixture(scope="session")
def bucket() -> str:
    """A bucket on a real HTTP server, one for all: Airflow keeps the file system of a connection."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        connection = {
            "conn_type": "aws",
            "login": "key",
            "password": "secret",
            "extra": {"endpoint_url": url, "region_name": "us-east-1"},
        }
        patch.setenv("AIRFLOW_CONN_MOTO", json.dumps(connection))
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
        )
        client.create_bucket(Bucket="orders")
        yield "s3://moto@orders"
    server.stop()


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "json", "tsv.zst", "parquet"])
def test_object_storage(bucket: str, tmp_path: Path, kind: str) -> None:
    orders = [{"source_id": f"{kind} {number}", "metadata": {"x": "y" * 200}} for number in range(5000)]
    folder = ObjectStoragePath(f"{bucket}/{kind}")
    for part in range(2):
        path = make.FILES[kind](tmp_path, orders[part * 2500 : part * 2500 + 2500])
        path = path.rename(path.with_name(f"part-{part}.{kind}"))
        (folder / path.name).write_bytes(path.read_bytes())

    for paths in (folder, ObjectStoragePath(f"{bucket}/{kind}/part-*")):
        source = open_source(paths=paths, amount_unit="minor")
        records = list(source.read())
        assert [json.loads(record.body)["source_id"] for record in records] == [order["source_id"] for order in orders]
        assert records[0].position.startswith("part-0.")
        for number in (0, 1999, 2499, 2500, 4998):
            rest = list(source.read(records[number].after))
            assert [record.body for record in rest] == [record.body for record in records[number + 1 :]]
        assert source.fingerprint() == open_source(paths=folder, amount_unit="minor").fingerprint()
    before = open_source(paths=folder, amount_unit="minor").fingerprint()
    (folder / path.name).write_bytes(path.read_bytes() + b"\n")
    assert open_source(paths=folder, amount_unit="minor").fingerprint() != before


@pytest.mark.parametrize(("kind", "unneeded"), [("csv", {"pandas", "pyarrow", "airflow"}), ("parquet", {"pandas"})])
def test_reading_imports_no_more_than_it_needs(tmp_path: Path, kind: str, unneeded: set[str]) -> None:
    orders = [{"source_id": "a", "status": "PAID", "items": [{"price": 1}], "metadata": {"x": 'y"'}}, {"amount": 7}]
    path = make.FILES[kind](tmp_path, orders)
    code = (
        "import sys\n"
        "from airflow_provider_voucherify.order_import.chunk import chunks\n"
        "from airflow_provider_voucherify.order_source.open_source import open_source\n"
        "from airflow_provider_voucherify.order_source.source import Cursor\n"
        f"options = {{'require_source_id': False, 'amount_unit': 'minor'}}\n"
        f"(chunk,) = chunks(open_source(paths={str(path)!r}, **options).read(), Cursor())\n"
        "assert chunk.source_ids == ['a', None], chunk\n"
        f"assert not {unneeded!r} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("orders", "report"),
    [
        ("{folder}/in", "{folder}/in"),
        ("{folder}/in", "{folder}/in/report"),
        ("{folder}/in", "file://{folder}/in/"),
        ("{folder}/in", "{folder}//in/./report"),
        ("{folder}/in", "{folder}/other/../in"),
        ("{folder}/in", "{folder}/link/report"),
        ("{folder}/link", "{folder}/in/report"),
        ("{folder}/in/rejected/part-1.jsonl", "{folder}/in"),
        ("{folder}/in/rejected", "{folder}/link"),
        ("{folder}/in/**/*.jsonl", "{folder}/in/report"),
        ("{folder}/in/*/*.jsonl", "{folder}/in/report"),
    ],
)
def test_a_report_among_the_orders_is_refused_in_every_spelling(tmp_path: Path, orders: str, report: str) -> None:
    (tmp_path / "in" / "rejected").mkdir(parents=True)
    (tmp_path / "in" / "rejected" / "part-1.jsonl").write_text('{"source_id": "a"}\n')
    (tmp_path / "link").symlink_to(tmp_path / "in")
    path = report.format(folder=tmp_path)
    for given in (path, ObjectStoragePath(path if "://" in path else f"file://{path}")):
        source = open_source(paths=orders.format(folder=tmp_path))
        with pytest.raises(ConfigurationError, match="contain one another"):
            source.check_report_path(given)


@pytest.mark.parametrize(
    ("orders", "report"),
    [
        ("{folder}/in", "{folder}/in-report"),
        ("{folder}/in/a.jsonl", "{folder}/in/report"),
        ("{folder}/in/*.jsonl", "{folder}/in/report"),
        ("{folder}/*/a.jsonl", "{folder}/in/report/of/today"),
    ],
)
def test_a_report_beside_the_orders_is_accepted(tmp_path: Path, orders: str, report: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"source_id": "a"}\n')
    open_source(paths=orders.format(folder=tmp_path)).check_report_path(report.format(folder=tmp_path))
