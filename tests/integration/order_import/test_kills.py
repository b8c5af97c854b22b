"""Killed at any moment and started again, an import sends no chunk twice and skips none."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_voucherify.emulator import Emulator
from tests.orders import order, write_jsonl

ORDERS = 5000
BAD = {17, 1234, 4999}
KILLS = 20
ROOT = Path(__file__).parents[3]


def work(emulator, path, folder, moment):
    arguments = [emulator.url, emulator.app_token, str(path), str(folder), str(moment)]
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.order_import.worker", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_twenty_random_moments(tmp_path, seed):
    orders = [order(number) if number not in BAD else order(number) | {"amount": "much"} for number in range(ORDERS)]
    path, folder = write_jsonl(tmp_path / "orders.jsonl", orders), tmp_path / "report"
    chance = random.Random(seed)
    kills = 0
    with Emulator(speed=1000) as emulator:
        emulator.add_fault("failed_rows", source_id="order-2?00", reason="Customer not found")
        for _ in range(KILLS):
            done = work(emulator, path, folder, chance.randint(1, 40))
            assert done.returncode in (-signal.SIGKILL, 0), done.stderr
            kills += done.returncode == -signal.SIGKILL
        done = work(emulator, path, folder, 0)
        assert done.returncode == 0, done.stderr
        assert kills == KILLS
        calls = emulator.calls()
        assert done.stdout.split()[-4:] == [str(ORDERS), str(ORDERS - 13), "13", "0"]
        assert emulator.count_orders() == ORDERS - 13
        assert calls["repeated_imports"] == 0
        assert sum(entry["orders"] for entry in calls["imports"]) == ORDERS - len(BAD)
    rejected = [json.loads(line) for part in (folder / "rejected").iterdir() for line in part.open()]
    expected = {f"order-{number}" for number in BAD} | {f"order-2{digit}00" for digit in range(10)}
    assert sorted(entry["source_id"] for entry in rejected) == sorted(expected)
    assert not (folder / "unknown").exists()
