"""A million orders: few calls, constant memory, and a queue at Voucherify that is never empty."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_import import ImportConfig
from tests.orders import order

ROOT = Path(__file__).parents[3]
IMPORT = """
import re, sys, time
from pathlib import Path
from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import open_source

url, token, path, folder = sys.argv[1:]
client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token=token, base_url=url))
source = open_source(paths=Path(path))
job = ImportJob(client, source, ImportConfig(on_duplicate=None), report_path=Path(folder))
fewest = 10**9
while pause := job.advance():
    checkpoint = job.state.checkpoint
    if not checkpoint.source_read:
        fewest = min(fewest, len(checkpoint.in_flight))
    time.sleep(pause.seconds)
# not ru_maxrss: that begins with the memory of the process that started this one
print(job.summary.loaded, fewest, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """A file of a million orders; the first 100,000 of them in another."""
    folder = tmp_path_factory.mktemp("orders")
    lines = [json.dumps(order(number) | {"source_id": "{}"}).replace("{}", "%d") + "\n" for number in range(1000)]
    with (folder / "1000000.jsonl").open("w") as file:
        for number in range(1_000_000):
            file.write(lines[number % 1000] % number)
    with (folder / "1000000.jsonl").open() as whole, (folder / "100000.jsonl").open("w") as part:
        part.writelines(line for line, _ in zip(whole, range(100_000), strict=False))
    return folder


def import_file(path, folder):
    with Emulator(import_base_ms=200, import_order_ms=0) as emulator:
        done = subprocess.run(
            [sys.executable, "-c", IMPORT, emulator.url, emulator.app_token, str(path), str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded, fewest, peak = map(int, done.stdout.split()[-3:])
        assert emulator.count_orders() == loaded
        assert (
            fewest == ImportConfig().max_in_flight
        )  # it never waits while it could send: the queue is as full as it may be
        return loaded, peak, emulator.calls()


@pytest.mark.slow
def test_a_million_orders(orders, tmp_path):
    few, few_peak, _ = import_file(orders / "100000.jsonl", tmp_path / "few")
    many, many_peak, calls = import_file(orders / "1000000.jsonl", tmp_path / "many")
    # how idle the queue is depends on what else the machine does besides: it is told (pytest -s), and not judged
    print(f"peak {few_peak} and {many_peak} KiB, {calls['total']} calls, queue {calls['import_queue']}")
    assert (few, many) == (100_000, 1_000_000)
    assert calls["total"] <= 1100
    assert many_peak <= 1.1 * few_peak
    assert calls["repeated_imports"] == 0
