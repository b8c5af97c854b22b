"""Kill an import once at each of its steps and resume it. Arguments: URL, folder. Prints a JSON line per step."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import requests

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.order_source.source import ListSource
from airflow_provider_voucherify.reporting import read_chunks
from tests.integration.kill_points import STEPS, Kill, in_child, kills
from tests.orders import order

ORDERS = 8
UNNAMED, BAD, REPEATS_4 = (0, 1), 2, 5
CONFIG = ImportConfig(
    chunk_size=2,
    max_in_flight=3,
    poll_interval=0.01,
    lost_request_timeout=0.000_001,  # what is killed here was sent or not: nothing arrives late
    on_duplicate="first",
    max_rejected=ORDERS,
    max_unknown=ORDERS,
)
IMPORT_STEPS = (*STEPS, (os, "open"), (os, "fsync"))


def orders() -> list[dict[str, object]]:
    given = [order(number) for number in range(ORDERS)]
    for number in UNNAMED:
        del given[number]["source_id"]
    given[BAD]["amount"] = "much"
    given[REPEATS_4]["source_id"] = given[4]["source_id"]
    return given


def import_orders(url: str, folder: Path) -> None:
    client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url))
    source = ListSource(orders(), SourceOptions(require_source_id=False))
    job = ImportJob(client, source, CONFIG, report_path=folder, run="killed")
    while pause := job.advance():
        time.sleep(min(pause.seconds, 0.01))


def outcome(url: str, folder: Path) -> dict[str, object]:
    summary = json.loads((folder / "summary.json").read_bytes())
    lines = list(read_chunks(folder))
    calls = requests.get(f"{url}/emulator/calls", timeout=10).json()
    return {
        "counts": [summary[name] for name in ("loaded", "rejected", "unknown", "superseded")],
        "stored": requests.get(f"{url}/emulator/orders/count", timeout=10).json()["count"],
        "sent": sum(entry["orders"] for entry in calls["imports"]),
        "sent_twice": calls["repeated_imports"],
        "chunks": sorted(
            (line.positions, line.attempt, line.loaded, line.rejected, line.unknown, line.resent) for line in lines
        ),
        "not_logged": len(
            {entry["async_action_id"] for entry in calls["imports"]} - {line.async_action_id for line in lines}
        ),
        **{kind: told(folder / kind) for kind in ("rejected", "unknown", "superseded")},
    }


def told(folder: Path) -> list[str]:
    return sorted(json.loads(line)["position"] for part in folder.glob("part-*.jsonl") for line in part.open())


def main(url: str, folder: Path) -> None:
    def job(kill: Kill) -> None:
        import_orders(url, kill.folder)

    for kill in kills(folder, IMPORT_STEPS, job):
        resumed = in_child(job, kill)
        print(json.dumps({"killed": kill.step, "resumed": resumed, **outcome(url, kill.folder)}), flush=True)
        requests.post(f"{url}/emulator/reset", timeout=10).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
