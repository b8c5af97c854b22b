"""An export that is killed at any of its steps is resumed, and ends exact."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from datetime import timedelta

import pytest

from airflow_provider_voucherify.emulator import Emulator
from tests.integration.order_export.timeline import put
from tests.integration.order_export.worker import WINDOW

pytestmark = pytest.mark.slow
EXPORTS_OF_A_WINDOW = 2


def test_an_export_killed_at_each_step_is_resumed_and_exact(fast_path):
    """Steps are requests, saves of the state, and operations on files; each is killed after it."""
    with Emulator(speed=5000) as emulator:
        orders = [
            (f"ord_{n:02}", WINDOW.start + n * timedelta(minutes=1), WINDOW.start + timedelta(hours=n % 2 + 1), n)
            if n % 3
            else (f"ord_{n:02}", WINDOW.start + n * timedelta(minutes=1), None, n)
            for n in range(25)
        ]
        put(emulator, orders)
        program = [sys.executable, "-m", "tests.integration.order_export.kill_points", emulator.url, str(fast_path)]
        lines = subprocess.run(program, check=True, capture_output=True, text=True).stdout.splitlines()
    outcomes = [json.loads(line) for line in lines]
    assert len(outcomes) > 50
    ids = [name for name, *_ in orders]
    wrong = [outcome for outcome in outcomes if outcome["ids"] != ids or not outcome["fits"] or outcome["resumed"]]
    assert wrong == []
    requested = [0, *(outcome["requested"] for outcome in outcomes)]
    more = [later - earlier for earlier, later in itertools.pairwise(requested)]
    anew = {
        outcome["killed"] for outcome, exports in zip(outcomes, more, strict=True) if exports != EXPORTS_OF_A_WINDOW
    }
    # only what had removed its state is exported again, and the last one, which was never killed: not each run has such
    # a step, as a busy machine makes polls more, which move the steps
    assert {None} < anew <= {"Path.unlink", "FileStateStore.clear", None}
