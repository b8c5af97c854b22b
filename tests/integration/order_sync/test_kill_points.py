"""Killed at any step, each order is in with its last content, and no more are sent twice than are sent at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.order_sync.kill_points import CALLS, INVALID, NUMBERS, REFUSED

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_killed_at_each_step(voucherify_emulator, fast_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.order_sync.kill_points", voucherify_emulator.url, str(fast_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    killed = Counter(step["killed"] for step in steps)
    assert {name for name in killed if name} >= {"Session.send", "FileStateStore.save"}
    assert killed[None] >= 1
    sent = len(NUMBERS) - 1  # all but the invalid one
    last = [
        max(version for version, other in enumerate(NUMBERS) if other == number)
        for number in sorted(set(NUMBERS) - {INVALID, REFUSED})
    ]
    for step in steps:
        assert step["resumed"] == 0, (step, done.stderr)
        assert step["versions"] == last, step
        assert [name.rpartition("-")[2] for name in step["rejected"]] == [str(INVALID), str(REFUSED)], step
        assert sent <= step["sent"] <= sent + CALLS, step
