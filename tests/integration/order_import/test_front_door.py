"""The import as a script uses it, without Airflow: what the job does by itself."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import ConfigurationError, OrdersNotLoadedError
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import open_source
from tests.orders import order, write_jsonl


@pytest.fixture(scope="module")
def emulator():
    with Emulator(speed=1000) as running:
        yield running


@pytest.fixture
def client(emulator):
    emulator.reset()
    return VoucherifyClient(Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url))


def test_a_repeated_source_id_is_rejected_and_the_loss_is_an_error(client, emulator):
    job = ImportJob(client, open_source([order(1), order(1)]))
    with pytest.raises(
        OrdersNotLoadedError, match=r"(?s)connection 'voucherify': Of 2 orders 1 were .* repeats the source_id"
    ) as error:
        job.run()
    assert (error.value.summary.loaded, error.value.summary.rejected) == (1, 1)
    assert emulator.count_orders() == 1


def test_a_tolerated_loss_ends_with_a_report(client, tmp_path):
    job = ImportJob(client, open_source([order(1), order(1)]), ImportConfig(max_rejected=1), report_path=tmp_path)
    summary = job.run()
    assert (summary.loaded, summary.rejected, summary.report_path) == (1, 1, str(tmp_path))
    assert job.summary is summary
    assert json.loads((tmp_path / "summary.json").read_bytes())["rejected"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        "rejected", "chunks.jsonl", "state.json", ".state.json.owner", "summary.json", "report.html",
    }  # fmt: skip


def test_the_report_of_an_earlier_import_is_removed(client, tmp_path):
    config = ImportConfig(max_rejected=1)
    ImportJob(client, open_source([order(1), order(1)]), config, report_path=tmp_path).run()
    ImportJob(client, open_source([order(2)]), config, report_path=tmp_path).run()
    assert list((tmp_path / "rejected").iterdir()) == []


def test_an_interrupted_import_resumes_from_its_report_path(client, emulator, tmp_path):
    source = open_source([order(number) for number in range(20)])
    config = ImportConfig(chunk_size=10, wait_for_completion=True)
    ImportJob(client, source, config, report_path=tmp_path).advance()
    assert (tmp_path / "state.json").exists()
    summary = ImportJob(client, source, config, report_path=tmp_path).run()
    assert (summary.loaded, summary.chunks) == (20, 2)
    assert emulator.calls()["repeated_imports"] == 0


@pytest.mark.parametrize(
    ("again", "sent"),
    [
        ({"run": "monday"}, 0),
        ({"run": "monday", "restart": True}, 1),
        ({"run": "tuesday"}, 1),
        ({"run": None}, 1),
    ],
)
def test_a_finished_import_is_over_for_its_run_alone(client, emulator, tmp_path, again, sent):
    source = open_source([order(1)])
    first = ImportJob(client, source, report_path=tmp_path, run="monday").run()
    emulator.reset()
    job = ImportJob(client, source, report_path=tmp_path, **again)
    assert msgspec.structs.replace(job.run(), api_calls=0) == msgspec.structs.replace(
        first, api_calls=0, async_action_ids=job.summary.async_action_ids
    )
    assert emulator.count_orders() == len(emulator.calls()["imports"]) == sent


def test_a_restart_is_over_for_its_run_too(client, emulator, tmp_path):
    source = open_source([order(1)])
    ImportJob(client, source, report_path=tmp_path, run="monday").run()
    for _ in range(2):
        ImportJob(client, source, report_path=tmp_path, run="tuesday", restart=True).run()
    assert len(emulator.calls()["imports"]) == 2


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_sent(client, emulator, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="report_path"):
        ImportJob(client, open_source([order(1)]), report_path=tmp_path / "file").run()
    assert emulator.count_orders() == 0


def test_there_is_no_summary_before_the_end(client):
    with pytest.raises(RuntimeError, match="not finished"):
        _ = ImportJob(client, open_source([order(1)])).summary


def test_the_engines_import_without_airflow(emulator, tmp_path):
    path = write_jsonl(tmp_path / "orders.jsonl", [order(1), order(1)])
    script = f"""
import sys
sys.modules["airflow"] = None
from pathlib import Path
from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import open_source
client = VoucherifyClient(Settings(app_id={emulator.app_id!r}, app_token={emulator.app_token!r},
    base_url={emulator.url!r}))
print(ImportJob(client, open_source(paths=Path({str(path)!r})), ImportConfig(max_rejected=1)).run())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Imported 2 orders: 1 loaded, 1 rejected, 0 unknown" in done.stdout, done.stderr
