"""
Import many orders while one request of twenty fails in some way, and count what is lost, doubled or wrongly called.

    python -m tests.soak --orders 300000

The emulator has the limits of the plan "business", and its time is sped up. The import runs in a process of its own,
whose peak of memory (VmHWM) is printed when a tenth of the orders were read, when all were sent and no order was read
back yet, and at the end: reading back writes an export to Parquet, and takes its memory. After an error the import is
started again, as Airflow does. The program ends with status 1 if an order is lost, doubled or wrongly called.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import open_source
from tests.orders import order, write_jsonl

CHUNK_SIZE = 500
TRIES = 100
SPEED = 20
SHARE = 0.05
IMPORT = "POST /v1/orders/import"
LIST = "GET /v1/async-actions"
GET = "GET /v1/async-actions/{asyncActionId}"
FAULTS = {
    IMPORT: {
        "response_lost": {},
        "server_error": {},
        "server_error_after": {},
        "late": {"seconds": 1.0},
        "locked": {},
        "rate_limited": {"retry_after": 1},
        "foreign_import": {},
    },
    LIST: {
        "response_lost": {},
        "server_error": {},
        "locked": {},
        "rate_limited": {"retry_after": 1},
        "visible_late": {"seconds": 1.0},
        "still_running": {},
    },
    GET: {
        "response_lost": {},
        "server_error": {},
        "locked": {},
        "rate_limited": {"retry_after": 1},
        "visible_late": {"seconds": 1.0},
        "empty_result": {},
    },
}


def peak() -> int:
    """Return the peak of the memory of this process in KiB; ``ru_maxrss`` begins with that of its parent."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def import_orders(url: str, path: Path, folder: Path) -> None:
    """Import in this process, again after each error; print the peaks of memory and the counts."""
    tenth, sent, reads_back = 0, 0, False
    for tries in range(1, TRIES + 1):
        client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url))
        config = ImportConfig(
            chunk_size=CHUNK_SIZE, poll_interval=1.0, lost_request_timeout=5.0, max_rejected=10**9, max_unknown=10**9
        )
        job = ImportJob(client, open_source(paths=path), config, report_path=folder, run="soak")
        try:
            while pause := job.advance():
                if not tenth and (job.progress().share or 0) >= 0.1:
                    tenth = peak()
                reads_back = reads_back or job.state.export is not None
                if not reads_back:
                    sent = peak()
                time.sleep(pause.seconds)
        except VoucherifyError as error:
            print(f"try {tries}: {error}", file=sys.stderr, flush=True)
            continue
        summary = job.summary
        counts = {name: getattr(summary, name) for name in ("loaded", "rejected", "unknown", "api_calls")}
        print(
            json.dumps(counts | {"tries": tries, "peak KiB at 10 %": tenth, "peak KiB, sent": sent, "peak KiB": peak()})
        )
        return
    raise SystemExit(f"no end after {TRIES} tries")


def arm(emulator: Emulator) -> None:
    """Let one request of twenty fail, one order of two thousand, and one import of a hundred after half of it."""
    for route, faults in FAULTS.items():
        for seed, (name, parameters) in enumerate(faults.items()):
            emulator.add_fault(name, route=route, times=0, share=SHARE / len(faults), seed=seed, **parameters)
    emulator.add_fault("failed_rows", share=SHARE / 100)
    emulator.add_fault("action_failed", times=0, share=SHARE / 5, loaded=0.5)


def told(folder: Path) -> set[int]:
    """Return the rows of the orders that the files of a report are about."""
    lines = (json.loads(line) for part in folder.glob("part-*.jsonl") for line in part.open())
    return {line["payload"]["metadata"]["row"] for line in lines}


def main(orders: int) -> int:
    """Import, compare what the report says with what the emulator has, and return the status."""
    options = {"plan": "business", "speed": SPEED, "import_order_ms": 0.1}
    with tempfile.TemporaryDirectory() as name, Emulator(**options) as emulator:
        path, folder = write_jsonl(Path(name) / "orders.jsonl", map(order, range(orders))), Path(name) / "report"
        arm(emulator)
        started = time.monotonic()
        command = [sys.executable, "-m", "tests.soak", "--import", emulator.url, str(path), str(folder)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.monotonic() - started
        rows = emulator.project.database.rows(
            "SELECT json_extract(metadata, '$.row'), updated_at FROM orders WHERE source_id NOT LIKE 'foreign-%'"
        )
        rejected, unknown = told(folder / "rejected"), told(folder / "unknown")
        refused, fired = emulator.calls()["refused"], sum(fault["fired"] for fault in emulator.faults())
    counts = json.loads(done.stdout.splitlines()[-1])
    stored = {row for row, _ in rows}
    loaded = set(range(orders)) - rejected - unknown
    figures = {
        "orders": orders,
        **counts,
        "lost": len(loaded - stored),
        "doubled": len([row for row, updated_at in rows if updated_at]) + len(rows) - len(stored),
        "rejected, but in": len(rejected & stored),
        "miscounted": abs(counts["loaded"] - len(loaded)),
        "faults": fired,
        "429s": refused,
        "seconds": round(seconds),
    }
    for figure, value in figures.items():
        print(f"{figure:<20}{value:>12,}")
    return int(any(figures[wrong] for wrong in ("lost", "doubled", "rejected, but in", "miscounted")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=300_000)
    parser.add_argument("--import", nargs=3, dest="import_of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.import_of:
        address, orders_path, report_path = options.import_of
        import_orders(address, Path(orders_path), Path(report_path))
    else:
        sys.exit(main(options.orders))
