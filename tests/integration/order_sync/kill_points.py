"""Kill a synchronisation once at each step and resume it. Arguments: URL, folder. Prints a JSON line per step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_sync import SyncConfig, SyncJob
from tests.integration.kill_points import STEPS, Kill, in_child, kills
from tests.orders import order

CALLS = 3
NUMBERS = [0, 1, 2, 0, 3, 4, 5, 6]  # order 0 has two versions
INVALID, REFUSED = 2, 5
SETTINGS = {"app_id": "emulator-app-id", "app_token": "emulator-app-token"}


def orders(prefix: str) -> list[dict[str, object]]:
    """Make orders that are no other step's, one of them invalid, and one that Voucherify refuses."""
    made = [
        order(number) | {"source_id": f"{prefix}-{number}", "metadata": {"version": version}}
        for version, number in enumerate(NUMBERS)
    ]
    made[NUMBERS.index(INVALID)]["amount"] = "much"
    made[NUMBERS.index(REFUSED)]["items"] = [{"source_id": "rose", "quantity": 3, "price": 1 << 52}]
    return made


def sync(url: str, place: Path) -> None:
    config = SyncConfig(max_concurrent_calls=CALLS, max_rejected=2, poll_interval=0.01)
    client = VoucherifyClient(Settings(**SETTINGS, base_url=url))
    summary = SyncJob(client, open_source(orders(place.name)), config, report_path=place, run="killed").run()
    assert (summary.orders, summary.loaded, summary.rejected) == (len(NUMBERS), len(NUMBERS) - 2, 2), summary


def calls(url: str) -> int:
    """Count the orders that were sent."""
    made: int = requests.get(f"{url}/emulator/calls", timeout=10).json()["calls"].get("POST /v1/orders", 0)
    return made


def outcome(url: str, place: Path) -> dict[str, object]:
    with VoucherifyClient(Settings(**SETTINGS, base_url=url)) as client:
        loaded = [name for name in sorted(set(NUMBERS)) if name not in (INVALID, REFUSED)]
        versions = [client.get_order(f"{place.name}-{number}")["metadata"]["version"] for number in loaded]
    rejected = [json.loads(line)["source_id"] for part in (place / "rejected").iterdir() for line in part.open()]
    return {"versions": versions, "rejected": sorted(rejected)}


def main(url: str, folder: Path) -> None:
    def job(kill: Kill) -> None:
        sync(url, kill.folder)

    before = 0
    for kill in kills(folder, STEPS, job):
        resumed, sent = in_child(job, kill), calls(url)
        line = {"killed": kill.step, "resumed": resumed, "sent": sent - before, **outcome(url, kill.folder)}
        print(json.dumps(line), flush=True)
        before = sent


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
