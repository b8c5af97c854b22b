"""
What many waits and many processes of one project leave to the live shop.

    python tests/benchmarks/shared_quota.py --minutes 4 --waits 1000 --triggers 300 --exports 40 --slots 8 [--airflow]

An emulator with the limits of the plan "business" in real time (100 calls a minute, 20 of them reserved), and a shop
that makes 15 calls a minute. Waits: how many calls one poll takes for so many triggers. Triggers: so many async
actions, which end one after the other, awaited in one event loop as in a triggerer. Exports: so many, in slots that
start a process for each, as workers do; these know nothing of each other. Airflow: the same as a mapped task that is
deferred, on a real Airflow; it needs the group `system` of the dependencies.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from airflow_provider_voucherify.emulator import Emulator

SHOP_CALLS = 15
TOO_MANY = 429


class Shop(threading.Thread):
    """Calls of a checkout, evenly over time; which of them were refused, and the fewest calls that were left."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(daemon=True)
        self._emulator = emulator
        self._over = threading.Event()
        self.calls = self.refused = 0
        self.fewest = 100

    def __enter__(self) -> Shop:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        keys = {"X-App-Id": self._emulator.app_id, "X-App-Token": self._emulator.app_token}
        with requests.Session() as session:
            while not self._over.wait(60 / SHOP_CALLS):
                response = session.get(f"{self._emulator.url}/v1/orders?limit=1", headers=keys, timeout=30)
                self.calls += 1
                self.refused += response.status_code == TOO_MANY
                self.fewest = min(self.fewest, int(response.headers.get("X-Rate-Limit-Remaining", 0)))


def report(title: str, emulator: Emulator, shop: Shop, seconds: float, more: str = "") -> None:
    """Print what came of it."""
    calls = emulator.calls()
    ours, minutes = calls["total"] - shop.calls, seconds / 60
    print(
        f"{title}: {ours} calls in {minutes:.1f} min ({ours / minutes:.0f} a minute), "
        f"{calls['refused'] - shop.refused} of them refused; the shop: {shop.calls} calls, {shop.refused} refused, "
        f"at least {shop.fewest} left{more}\n  {json.dumps(calls['calls'])}",
        flush=True,
    )


def connect(emulator: Emulator) -> None:
    """Let the default connection lead to an emulator."""
    os.environ["AIRFLOW_CONN_VOUCHERIFY_DEFAULT"] = emulator.connection_uri


def trigger_of(action_id: str, seconds: float) -> Any:
    """Make the trigger of a task that has just submitted an import, with the default interval."""
    from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
    from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger

    project, deadline = VoucherifyHook().transport.settings.project, time.time() + seconds
    return AsyncActionTrigger(
        voucherify_conn_id="voucherify_default", project=project, poll_interval=30.0, wait=5.0, deadline=deadline,
        async_action_ids=[action_id], min_ended=1,
    )  # fmt: skip


async def wait_for(ids: list[str], seconds: float) -> list[str]:
    """Run a trigger for each id in one event loop, and return the status of each event."""

    async def status(action_id: str) -> str:
        async for event in trigger_of(action_id, seconds).run():
            return str(event.payload["status"])
        return "no event"

    return await asyncio.gather(*map(status, ids))


def waits(count: int) -> None:
    """Print what a poll of many waits takes."""
    with Emulator() as emulator:
        connect(emulator)
        ids = []
        for _ in range(count):
            ids.append(emulator.seed_action(type="ORDERS.IMPORT", status="DONE"))
            time.sleep(0.001)  # no two in the same millisecond, as those of tasks
        asyncio.run(wait_for(ids, 60.0))
        print(f"one poll for {count:,} waits: {emulator.calls()['total']} calls", flush=True)


def triggers(count: int, minutes: float) -> None:
    """Print what many triggers of one triggerer leave."""
    with Emulator(plan="business") as emulator:
        connect(emulator)
        seconds = minutes * 60
        ends = [seconds * number / count for number in range(count)]
        ids = [emulator.seed_action(type="ORDERS.IMPORT", status="DONE", after_seconds=end) for end in ends]
        start = time.monotonic()
        with Shop(emulator) as shop:
            events = asyncio.run(wait_for(ids, seconds + 240))
        report(f"{count} triggers", emulator, shop, time.monotonic() - start, f"; {events.count('ready')} ready")


def export_one(base_url: str, path: Path) -> None:
    """Make one export, as a process of its own."""
    from airflow_provider_voucherify.api import Settings, VoucherifyClient
    from airflow_provider_voucherify.order_export import ExportJob, ExportRequest

    settings = Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=base_url)
    ExportJob(VoucherifyClient(settings), ExportRequest(fields=["id", "source_id"]), path).run()


def processes(count: int, slots: int) -> None:
    """Print what many processes leave that know nothing of each other."""
    with Emulator(plan="business", export_base_ms=20_000, seed=100) as emulator, tempfile.TemporaryDirectory() as home:

        def export(number: int) -> int:
            command = [sys.executable, __file__, "--export", emulator.url, f"{home}/{number}.parquet"]
            return subprocess.run(command, check=False).returncode

        start = time.monotonic()
        with Shop(emulator) as shop, ThreadPoolExecutor(slots) as pool:
            codes = list(pool.map(export, range(count)))
        title = f"{count} exports in {slots} slots"
        report(title, emulator, shop, time.monotonic() - start, f"; {codes.count(0)} succeeded")


def mapped(count: int, slots: int) -> None:
    """Print what a mapped task leaves on a real Airflow."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.system.airflow import Airflow

    options = {"plan": "business", "export_base_ms": 20_000, "seed": 100}
    with Emulator(**options) as emulator, tempfile.TemporaryDirectory() as home:
        settings = {
            "AIRFLOW__CORE__PARALLELISM": str(slots),
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(count),
            "AIRFLOW_CONN_VOUCHERIFY_DEFAULT": emulator.connection_uri,
        }
        with Airflow(Path(home) / "airflow", settings, dags=Path(__file__).parent / "dags") as airflow:
            start = time.monotonic()
            with Shop(emulator) as shop:
                conf = {"folder": f"file://{home}", "count": count}
                run = airflow.post("/dags/mapped_exports/dagRuns", {"logical_date": None, "conf": conf})
                path = f"/dags/mapped_exports/dagRuns/{run['dag_run_id']}"
                ended = {"success", "failed"}
                state = airflow.wait_for(lambda: (state := airflow.get(path)["state"]) in ended and state, 900, "end")
            title = f"{count} mapped exports in {slots} slots of Airflow"
            report(title, emulator, shop, time.monotonic() - start, f"; {state}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--triggers", type=int, default=300)
    parser.add_argument("--exports", type=int, default=40)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--airflow", action="store_true")
    parser.add_argument("--export", nargs=2)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if given.export:
        export_one(given.export[0], Path(given.export[1]))
        return
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        if given.waits:
            waits(given.waits)
        if given.triggers:
            triggers(given.triggers, given.minutes)
    if given.exports and given.airflow:
        mapped(given.exports, given.slots)
    elif given.exports:
        processes(given.exports, given.slots)


if __name__ == "__main__":
    main()
