"""
How fast orders are kept in step beside a live shop, and in how much memory.

    python tests/benchmarks/order_sync.py --plans organization business --minutes 3.125 --orders 10000 1000000

Speed: an emulator with the limits of a plan in real time and 100 ms for each call (and 3 seconds for each fiftieth with
--spikes), orders for as many minutes as given, and a shop that uses a share of the reserve. It says how much of the
limit less the reserve our own calls used, and how many calls of the shop were refused. Memory: a file of orders and a
client that answers at once, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import requests

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.quota import DEFAULT_RESERVE
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import NoStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_sync import SyncJob

LATENCY, SPIKE, SPIKE_EVERY = 0.1, 3.0, 50
LIMITS = {"organization": 2000, "business": 100}
TOO_MANY = 429


def order(number: int) -> dict[str, Any]:
    """Make an order with an item."""
    item = {"source_id": f"rose-{number % 50}", "related_object": "product", "quantity": 2, "price": 500}
    return {"source_id": f"order-{number}", "status": "PAID", "amount": 1000, "items": [item]}


class Shop(threading.Thread):
    """Calls of a checkout, evenly over time, and how many of them were refused."""

    def __init__(self, emulator: Emulator, calls_a_minute: float) -> None:
        super().__init__(daemon=True)
        self._url = f"{emulator.url}/v1/orders?limit=1"
        self._keys = {"X-App-Id": emulator.app_id, "X-App-Token": emulator.app_token}
        self._interval = 60 / calls_a_minute
        self.over = threading.Event()
        self.calls = self.refused = 0

    def run(self) -> None:
        with requests.Session() as session:
            while not self.over.wait(self._interval):
                status = session.get(self._url, headers=self._keys, timeout=30).status_code
                self.calls += 1
                self.refused += status == TOO_MANY


def speed(plan: str, minutes: float, shop_share: float, spikes: bool) -> None:
    """Print how many calls a minute a plan lets through."""
    allowed = LIMITS[plan] * (1 - DEFAULT_RESERVE)
    orders = [order(number) for number in range(round(allowed * minutes))]
    with Emulator(plan=plan) as emulator:
        emulator.add_fault("slow", seconds=LATENCY)
        if spikes:
            emulator.add_fault("slow", route="POST /v1/orders", seconds=SPIKE, every=SPIKE_EVERY)
        client = VoucherifyClient(Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url))
        shop = Shop(emulator, LIMITS[plan] * DEFAULT_RESERVE * shop_share)
        shop.start()
        start = time.monotonic()
        summary = SyncJob(client, open_source(orders)).run()
        elapsed = (time.monotonic() - start) / 60
        shop.over.set()
        shop.join()
    rate = summary.api_calls / elapsed
    print(
        f"{plan}: {summary.loaded:,} of {summary.orders:,} orders in {elapsed:.2f} min, {rate:,.0f} calls a minute, "
        f"{rate / allowed:.1%} of {allowed:,.0f}; the shop: {shop.calls:,} calls, {shop.refused:,} refused"
    )


def memory(count: int) -> None:
    """Print the peak memory of this process with so many orders."""
    client = VoucherifyClient(Settings(app_id="app", app_token="token"))
    client.create_order = lambda _body: {"id": "ord_1"}  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.jsonl"
        with path.open("w") as file:
            file.writelines(json.dumps(order(number)) + "\n" for number in range(count))
        summary = SyncJob(client, open_source(paths=path), state_store=NoStateStore()).run()
    (peak,) = (
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    print(f"{summary.loaded:,} orders: {int(peak) / 1024:.0f} MB at most")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plans", nargs="*", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--minutes", type=float, default=3.125)
    parser.add_argument("--shop", type=float, default=0.5, help="the share of the reserve that the shop uses")
    parser.add_argument("--spikes", action="store_true")
    parser.add_argument("--orders", nargs="*", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--memory-of", type=int)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if given.memory_of is not None:
        memory(given.memory_of)
        return
    for plan in given.plans:
        speed(plan, given.minutes, given.shop, given.spikes)
    for count in given.orders:
        subprocess.run([sys.executable, __file__, "--memory-of", str(count)], check=True)


if __name__ == "__main__":
    main()
