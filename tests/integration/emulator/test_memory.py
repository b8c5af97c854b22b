"""The memory of the emulator does not grow with the orders in it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
import requests

from airflow_provider_voucherify.emulator.export_kinds import FIELDS

from .api import KEYS
from .test_command import started

BATCH = 2000
GROWTH_MIB = 24


def peak_mib(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_three_times_the_orders_take_no_more_memory():
    items = [{"source_id": f"prod-{n}", "related_object": "product", "quantity": 1, "price": 1000} for n in range(3)]
    order = {"source_id": "#", "status": "PAID", "customer": {"source_id": "c"}, "items": items}
    order["metadata"] = {"note": "x" * 100, "ordered_at": "2021-03-04T05:06:07.000Z"}
    bodies = json.dumps([{**order, "source_id": f"#-{n}"} for n in range(BATCH)]).encode()
    with started("--port", "0", "--speed", "1000000000") as (process, url):
        session = requests.Session()
        session.headers.update({"X-App-Id": "emulator-app-id", "X-App-Token": "emulator-app-token"})

        def fill(start: int, end: int) -> float:
            """Import up to so many orders, all posts at once, export them all, and return the peak of the memory."""
            headers = {"Content-Type": "application/json"}
            for batch in range(start // BATCH, end // BATCH):
                body = bodies.replace(b"#", str(batch).encode())
                answer = session.post(f"{url}/v1/orders/import", data=body, headers=headers, timeout=60)
                assert answer.status_code == 200, answer.text
            while session.get(f"{url}/emulator/calls", timeout=60).json()["import_queue"]["done"] < end // BATCH:
                time.sleep(0.1)
            assert session.get(f"{url}/emulator/orders/count", timeout=60).json() == {"count": end}
            parameters = {"parameters": {"fields": list(FIELDS)}}
            export = session.post(f"{url}/v1/orders/export", json=parameters, timeout=60).json()
            while export["status"] != "DONE":
                time.sleep(0.1)
                export = session.get(f"{url}/v1/exports/{export['id']}", timeout=60).json()
            lines = 0
            with requests.get(export["result"]["url"], headers=KEYS, stream=True, timeout=60) as answer:
                for block in answer.iter_content(1 << 20):
                    lines += block.count(b"\n")
            assert lines == end + 1
            return peak_mib(process.pid)

        small = fill(0, 100_000)
        assert fill(100_000, 300_000) < small + GROWTH_MIB
