"""
How fast orders are kept in step: calls a minute against what the quota allows, with a live shop beside it.

``python -m tests.benchmarks.order_sync [PLAN] [MINUTES]``: an emulator with the limits of a plan (``organization`` or
``business``) in real time and 100 ms for each call, orders for as many minutes as given, and a shop that makes half as
many calls as the reserve leaves to it. The share says how much of the limit less the reserve both used: the reserve is
left for a rush.
"""

from __future__ import annotations

import logging
import sys
import threading
import time

import requests

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.quota import DEFAULT_RESERVE
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_sync import SyncJob
from tests.orders import order

LATENCY = 0.1
LIMITS = {"organization": 2000, "business": 100}
TOO_MANY = 429


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


def main(plan: str, minutes: float) -> None:
    allowed = LIMITS[plan] * (1 - DEFAULT_RESERVE)
    orders = [order(number) for number in range(round(allowed * minutes))]
    with Emulator(plan=plan) as emulator:
        emulator.add_fault("slow", seconds=LATENCY)
        client = VoucherifyClient(Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url))
        shop = Shop(emulator, LIMITS[plan] * DEFAULT_RESERVE / 2)
        shop.start()
        start = time.monotonic()
        summary = SyncJob(client, open_source(orders)).run()
        elapsed = (time.monotonic() - start) / 60
        shop.over.set()
        shop.join()
    rate, all_calls = summary.api_calls / elapsed, (summary.api_calls + shop.calls) / elapsed
    print(
        f"{plan}: {summary.loaded:,} of {summary.orders:,} orders in {elapsed:.2f} min, {rate:,.0f} calls a minute, "
        f"{all_calls:,.0f} with the shop's, {all_calls / allowed:.1%} of {allowed:,.0f}; "
        f"the shop: {shop.calls:,} calls, {shop.refused:,} refused"
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(sys.argv[1] if len(sys.argv) > 1 else "organization", float(sys.argv[2]) if len(sys.argv) > 2 else 3)
