"""A secret planted in the connection is found nowhere: not in what is printed, nor in any file or table of Airflow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_voucherify.emulator import Emulator
from tests.airflow_home import connection
from tests.orders import order, write_jsonl

pytestmark = pytest.mark.no_cover  # takes twice as long if measured, and what it runs others measure
SECRET = "planted-secret-7f3a9c"
DOWNLOAD_TOKEN = re.compile(rb"token=(?!\*\*\*)[\w%.~-]+")
DEFERRED = b"running trigger in line"
BEARER = re.compile(rb"Bearer (?!\*\*\*)\S+")
ROOT = Path(__file__).parents[3]


def round_trip(
    folder, conn: str, deferrable: bool, level: str = "DEBUG", **params
) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": level,
        "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": str(deferrable),
        "AIRFLOW_CONN_VOUCHERIFY_DEFAULT": conn,
    }
    params = {
        "orders_path": write_jsonl(folder / "orders.jsonl", [order(1), order(2), {"amount": 1.5}]).as_uri(),
        "report_path": (folder / "report").as_uri(),
        "output_path": (folder / "orders.parquet").as_uri(),
    } | params
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], check=True, capture_output=True, env=environment)
    return subprocess.run(
        [*airflow, "dags", "test", "voucherify_round_trip", "--conf", json.dumps(params)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        check=False,
    )


def duration(deferrable: bool) -> dict[str, float]:
    """Let Voucherify take longer than what is waited for in the worker, where the wait is to be deferred."""
    return {"import_base_ms": 20_000, "export_base_ms": 9000} if deferrable else {"speed": 200}


def leaks(folder: Path, printed: bytes, pattern: re.Pattern[bytes]) -> list[str]:
    """Name every place where a pattern is found: the output, and all files, the database among them."""
    # at this level `airflow dags test` itself prints each secret that it is asked to mask; no worker does
    lines = [line for line in printed.splitlines() if b"msg=MaskSecret(" not in line]
    places = {"output": b"\n".join(lines)} | {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    return [f"{place}: {match.group()!r}" for place, text in places.items() if (match := pattern.search(text))]


@pytest.mark.parametrize(("deferrable", "oauth"), [(False, True), (True, False)], ids=["worker-oauth", "deferred-keys"])
def test_no_secret_leaves_the_round_trip(tmp_path, deferrable, oauth):
    # faults bring the errors and retries into the log; nine of ten rows lost make the tolerance of the DAG fail
    faults = ["response_lost:route=POST /v1/orders/import", "expired_token"]
    with Emulator(app_token=SECRET, faults=faults, **duration(deferrable)) as emulator:
        done = round_trip(tmp_path, connection(emulator, oauth=oauth), deferrable)
    assert (DEFERRED in done.stdout) == deferrable
    assert b"voucherify_round_trip" in done.stdout
    assert b"Task failed with exception" in done.stdout  # one of three orders is bad, a hundredth is tolerated
    for pattern in (re.compile(SECRET.encode()), DOWNLOAD_TOKEN, BEARER):
        assert leaks(tmp_path, done.stdout, pattern) == []


def test_no_secret_leaves_a_successful_export(tmp_path):
    with Emulator(app_token=SECRET, faults=["expired_token"], **duration(deferrable=True)) as emulator:
        orders = write_jsonl(tmp_path / "good.jsonl", [order(1), order(2)]).as_uri()
        done = round_trip(tmp_path, connection(emulator, oauth=True), True, orders_path=orders)
    assert done.returncode == 0, done.stdout[-3000:]
    assert DEFERRED in done.stdout
    assert b"/v1/exports/exp_" in done.stdout  # the debug log of urllib3 shows the download
    for pattern in (re.compile(SECRET.encode()), DOWNLOAD_TOKEN, BEARER):
        assert leaks(tmp_path, done.stdout, pattern) == []


def test_the_test_would_find_a_secret(tmp_path):
    (tmp_path / "log").write_bytes(b"GET /v1/exports/exp_1?token=abc with " + SECRET.encode())
    assert len(leaks(tmp_path, b"", DOWNLOAD_TOKEN)) == len(leaks(tmp_path, b"", re.compile(SECRET.encode()))) == 1
