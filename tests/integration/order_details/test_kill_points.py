"""Reading that is killed at any of its steps is resumed, and ends exact."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from airflow_provider_voucherify.emulator import Emulator
from tests.integration.order_details.details import DAY, FIRST, LISTING, items_of_versions, put

pytestmark = pytest.mark.slow


def test_reading_killed_at_each_step_is_resumed_and_exact(fast_path):
    """Steps are requests, saves of the state, and operations on files; each is killed after it."""
    with Emulator(speed=5000) as emulator:
        given = [(f"ord_{n:03}", n % 5) for n in range(130)]
        put(
            emulator,
            [
                (name, FIRST - DAY, FIRST + n * timedelta(minutes=1), version)
                if n % 3
                else (name, FIRST + n * timedelta(minutes=1), None, version)
                for n, (name, version) in enumerate(given)
            ],
        )
        program = [sys.executable, "-m", "tests.integration.order_details.kill_points", emulator.url, str(fast_path)]
        lines = subprocess.run(program, check=True, capture_output=True, text=True).stdout.splitlines()
        calls = emulator.calls()["calls"][LISTING]
    outcomes = [json.loads(line) for line in lines]
    assert len(outcomes) > 30
    wanted = {
        "orders": [list(pair) for pair in given],
        "items": len(items_of_versions(given)),
        "fits": True,
        "resumed": 0,
    }
    wrong = [outcome for outcome in outcomes if not wanted.items() <= outcome.items()]
    assert wrong == []
    assert calls < 5 * len(outcomes)  # 2 without a kill, one more where a response was not kept, 2 where all was done
