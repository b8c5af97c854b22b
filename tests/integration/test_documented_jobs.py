"""What the documentation shows of the jobs without Airflow runs."""

from __future__ import annotations

import shutil

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
