"""What the documentation shows of the jobs without Airflow runs."""

from __future__ import annotations

import importlib
import inspect
import shutil
import textwrap

import pyarrow.parquet

from airflow_provider_voucherify.emulator import Emulator
from tests.documentation import ROOT, python_block


def test_the_shown_jobs_run(tmp_path, monkeypatch):
    shutil.copy(ROOT / "docs" / "samples" / "orders.jsonl", tmp_path)
    monkeypatch.chdir(tmp_path)
    with Emulator(speed=1000) as emulator:
        own = f'app_id="{emulator.app_id}", app_token="{emulator.app_token}", base_url="{emulator.url}"'
        names: dict = {}
        exec(python_block("client = VoucherifyClient(").replace('app_id="APP_ID", app_token="APP_TOKEN"', own), names)
    assert names["summary"].loaded == 3
    assert names["trace"].outcome == "loaded"
    assert pyarrow.parquet.read_table(tmp_path / "orders.parquet").num_rows == names["result"].rows == 3


def test_the_front_doors_run_as_their_docstrings_show(tmp_path, monkeypatch):
    for name in ("orders.jsonl", "changed.jsonl"):
        shutil.copy(ROOT / "docs" / "samples" / "orders.jsonl", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with Emulator(speed=1000) as emulator:
        own = f'app_id="{emulator.app_id}", app_token="{emulator.app_token}", base_url="{emulator.url}"'
        for door in ("order_import", "order_sync", "reconciliation", "order_export", "order_details"):
            docstring = inspect.getdoc(importlib.import_module(f"airflow_provider_voucherify.{door}")) or ""
            shown = textwrap.dedent(docstring.partition("::\n")[2]).replace('app_id="…", app_token="…"', own)
            names[door] = {}
            exec(shown, names[door])
    assert names["order_import"]["summary"].loaded == names["order_sync"]["summary"].loaded == 3
    assert names["reconciliation"]["result"].matched == 3
    assert names["order_export"]["result"].rows == 3
    assert names["order_details"]["result"].parquet_files == 3
