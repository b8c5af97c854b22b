"""Kill the reading of whole orders once at each of its steps and resume it. Arguments: URL, folder."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.integration.kill_points import STEPS, Kill, in_child, kills
from tests.integration.order_details.details import DAY, FIRST, items, job_of, run, versions, window


def window_of(kill: Kill) -> ExportWindow:
    """Make a window for each, so that its files and state are no other's."""
    return window(FIRST, FIRST + DAY + timedelta(milliseconds=kill.number))


def read(url: str, kill: Kill) -> None:
    client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url))
    run(job_of(client, kill.folder, window_of(kill), state_store=FileStateStore(kill.folder, "_state.json")))


def main(url: str, folder: Path) -> None:
    for kill in kills(folder, STEPS, lambda kill: read(url, kill)):
        resumed = in_child(read, url, kill)
        manifest = json.loads(next(kill.folder.glob("_*.manifest.json")).read_bytes())
        files = sorted(str(path.relative_to(kill.folder)) for path in kill.folder.rglob("*") if path.is_file())
        named = [*(file["path"] for file in manifest["files"]), f"_{window_of(kill).name}.manifest.json"]
        line = {
            "killed": kill.step,
            "resumed": resumed,
            "orders": versions(kill.folder),
            "items": len(items(kill.folder)),
            "fits": files == sorted(named),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
