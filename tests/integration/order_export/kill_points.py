"""Kill an export once at each of its steps and resume it. Arguments: URL, folder. Prints a JSON line per step."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.order_export import ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.integration.kill_points import STEPS, Kill, in_child, kills
from tests.integration.order_export.timeline import job_of, run
from tests.integration.order_export.worker import WINDOW

FILTERS = {"status": {"conditions": {"$is": ["PAID"]}}}  # so that a window takes two exports


def window_of(kill: Kill) -> ExportWindow:
    """Make a window for each, whose exports are no other's."""
    later = WINDOW.end + timedelta(milliseconds=kill.number)
    return ExportWindow(field=WINDOW.field, start=WINDOW.start, end=later)


def export(url: str, kill: Kill) -> None:
    client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url))
    request = ExportRequest(fields=["id", "amount"], filters=FILTERS)
    state_store = FileStateStore(kill.folder, "_state.json")
    window = window_of(kill)
    layout = {"max_rows_per_file": 10, "file_prefix": "paid"}
    run(job_of(client, kill.folder, request=request, window=window, state_store=state_store, **layout))


def requested_exports(url: str) -> int:
    with VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url)) as client:
        return client.list_exports(limit=1).total


def outcome(folder: Path, window: ExportWindow) -> dict[str, object]:
    files = sorted(path.name for path in folder.iterdir())
    stem = f"{window.name}-paid"
    manifest = json.loads((folder.with_name(f"_{folder.name}") / f"{stem}.manifest.json").read_bytes())
    beside = [path.name for path in folder.with_name(f"_{folder.name}").iterdir()]
    named = [file["path"] for file in manifest["files"]]
    return {
        "ids": sorted(name for file in named for name in pq.read_table(folder / file)["id"].to_pylist()),
        "fits": files == sorted(named) and beside == [f"{stem}.manifest.json"],
        "exports": manifest["export_ids"],
    }


def main(url: str, folder: Path) -> None:
    for kill in kills(folder, STEPS, lambda kill: export(url, kill)):
        line = {
            "killed": kill.step,
            "resumed": in_child(export, url, kill),
            "requested": requested_exports(url),
            **outcome(kill.folder, window_of(kill)),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
