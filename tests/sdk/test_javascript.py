"""The official SDK of JavaScript, unchanged, pointed at the emulator. ``nox -s sdk`` installs it; it needs Node.js."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from airflow_provider_voucherify.emulator import Emulator

SCRIPT = Path(__file__).with_name("orders.js")


def test_it_creates_imports_and_fails_as_with_the_real_one():
    with Emulator(speed=1000) as emulator:
        environment = {
            **os.environ,
            "VOUCHERIFY_HOST": emulator.url,
            "VOUCHERIFY_APP_ID": emulator.app_id,
            "VOUCHERIFY_APP_TOKEN": emulator.app_token,
        }
        run = subprocess.run(["node", SCRIPT], env=environment, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        assert len(run.stdout.splitlines()) == 3
        called = emulator.calls()["calls"]
    assert {"POST /v1/orders", "PUT /v1/orders/{orderId}", "POST /v1/orders/import"} <= called.keys()
    assert {"GET /v1/async-actions", "GET /v1/async-actions/{asyncActionId}"} <= called.keys()
