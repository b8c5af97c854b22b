"""An import that is killed at any of its steps is resumed, and ends exact."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_voucherify.emulator import Emulator

pytestmark = pytest.mark.slow
FAULTS = [
    "response_lost:route=POST /v1/orders/import",
    "rejected_order:source_id=order-3",
    "failed_rows:source_id=order-4,times=1",
    "failed_rows:source_id=order-6,null_source_id=true,reason=Customer not found",
]
EXACT = {
    "resumed": 0,
    "counts": [2, 4, 2, 1],
    "stored": 4,
    "sent_twice": 1,  # the half whose order failed for a passing reason
    "rejected": ["orders[2]", "orders[3]", "orders[6]"],
    "unknown": ["orders[0]", "orders[1]"],
    "superseded": ["orders[5]"],
}

# what differs: the orders that were sent, the audit log of the chunks, and how many actions it cannot say the chunk of.
# Where the response about the last chunk is lost too, it is read back, and the one that is not there is sent again.
LOGGED = [["orders[4]", 1, 0, 0, 0, 1], ["orders[4]", 2, 1, 0, 0, 0]]
WAYS = [
    {"sent": 6, "chunks": [*LOGGED, ["orders[6-7]", 1, 1, 1, 0, 0]], "not_logged": 1},
    {"sent": 7, "chunks": [*LOGGED, ["orders[6]", 2, 0, 1, 0, 0]], "not_logged": 2},
]


def test_an_import_killed_at_each_step_is_resumed_and_exact(fast_path):
    """
    Steps are requests, saves of the state, and operations on files; each is killed after it.

    The import has a bad and a repeated order, one that Voucherify refuses so that its chunk is bisected, one that fails
    for a passing reason, one that is read back because it is not said which of its chunk failed, and a lost response to
    orders that cannot be read back.
    """
    with Emulator(speed=100_000, faults=FAULTS) as emulator:
        program = [sys.executable, "-m", "tests.integration.order_import.kill_points", emulator.url, str(fast_path)]
        lines = subprocess.run(program, check=True, capture_output=True, text=True).stdout.splitlines()
    *outcomes, last = [json.loads(line) for line in lines]
    assert len(outcomes) > 150
    ways = [{name: outcome.pop(name) for name in WAYS[0]} for outcome in (*outcomes, last)]
    assert [way for way in ways if way not in WAYS] == []
    assert {way["sent"] for way in ways} == {6, 7}
    assert last.pop("killed") is None
    assert [outcome for outcome in outcomes if {"killed": outcome["killed"], **EXACT} != outcome] == []
    assert last == EXACT
