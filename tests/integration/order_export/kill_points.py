"""Kill an export once at each of its steps and resume it. Arguments: URL, folder. Prints a JSON line per step."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import requests

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.order_export import ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.integration.order_export.timeline import job_of, run
from tests.integration.order_export.worker import WINDOW

FILTERS = {"status": {"conditions": {"$is": ["PAID"]}}}  # so that a window takes two exports
STEPS = [
    (requests.Session, "send"),
    (FileStateStore, "save"),
    (FileStateStore, "clear"),
    *((Path, name) for name in ("open", "write_bytes", "rename", "replace", "unlink")),
]


def kill_at(step: int, moment: str, log: Path) -> None:
    """Kill this process before or after a step, counted over all kinds of them, and write down which it is."""
    taken = 0

    def kill(name) -> None:
        descriptor = os.open(log, os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, name.encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def counted(original, name):
        def call(self, *args, **kwargs):
            nonlocal taken
            taken += 1
            is_it = taken == step
            if is_it and moment == "before":
                kill(name)
            try:
                return original(self, *args, **kwargs)
            finally:
                if is_it:
                    kill(name)

        return call

    for cls, name in STEPS:
        setattr(cls, name, counted(getattr(cls, name), f"{cls.__name__}.{name}"))


def export(url: str, folder: Path, window: ExportWindow) -> None:
    client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url))
    request = ExportRequest(fields=["id", "amount"], filters=FILTERS)
    state_store = FileStateStore(folder, "_state.json")
    run(job_of(client, folder, request=request, window=window, state_store=state_store, max_rows_per_file=10))


def in_child(function, *arguments) -> int:
    """Run a function in a process of its own, and return its status: Arrow's threads stay there."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001 - shown, and the status says it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def killed_export(url: str, folder: Path, window: ExportWindow, step: int, moment: str, log: Path) -> None:
    kill_at(step, moment, log)
    export(url, folder, window)


def requested_exports(url: str) -> int:
    with VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url)) as client:
        return client.list_exports(limit=1).total


def outcome(folder: Path, window: ExportWindow) -> dict[str, object]:
    files = sorted(path.name for path in folder.iterdir())
    manifest = json.loads((folder / f"_{window.name}.manifest.json").read_bytes())
    named = [file["path"] for file in manifest["files"]]
    return {
        "ids": sorted(name for file in named for name in pq.read_table(folder / file)["id"].to_pylist()),
        "fits": files == sorted([*named, f"_{window.name}.manifest.json"]),
        "exports": manifest["export_ids"],
    }


def main(url: str, folder: Path) -> None:
    for step in range(1, 1000):
        for moment in ("before", "after"):
            place = folder / f"{step}-{moment}"
            place.mkdir()
            # a window for each, whose exports are no other's
            later = WINDOW.end + timedelta(milliseconds=2 * step + (moment == "after"))
            window = ExportWindow(field=WINDOW.field, start=WINDOW.start, end=later)
            log = place.with_suffix(".step")
            in_child(killed_export, url, place, window, step, moment, log)
            line = {
                "killed": f"{moment} {log.read_text()}" if log.exists() else None,
                "resumed": in_child(export, url, place, window),
                "requested": requested_exports(url),
                **outcome(place, window),
            }
            print(json.dumps(line), flush=True)
        if line["killed"] is None:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
