"""A worker that exports one window with a state file, to be killed. Arguments: URL, folder, where to stop."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.order_export.sink.atomic import Publication
from airflow_provider_voucherify.order_export.window import ExportWindow
from tests.integration.order_export.timeline import job_of, run

WINDOW = ExportWindow(field="updated_at", start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
STOPS = {
    "before the request": (VoucherifyClient, "create_export", "before"),
    "after the request": (VoucherifyClient, "create_export", "after"),
    "after its id is kept": (FileStateStore, "save", "after 2"),
    "while waiting": (VoucherifyClient, "get_export", "after"),
    "while downloading": (pq.ParquetWriter, "write_table", "after"),
    "before publishing": (Publication, "_publish", "before"),
    "while publishing": (Path, "rename", "publishing"),
    "after publishing": (Publication, "_publish", "after"),
}


def kill_at(cls, name, when) -> None:
    """Kill this process when a method is called."""
    original, calls = getattr(cls, name), []

    def killing(self, *args, **kwargs):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(self, *args, **kwargs)
        if when == "publishing":
            calls.extend([self] if "parquet" in self.name and "state" not in self.name else [])
        else:
            calls.append(self)
        if when == "after" or (when == "after 2" and len(calls) == 2) or (when == "publishing" and len(calls) == 2):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(cls, name, killing)


if __name__ == "__main__":
    url, folder, stop = sys.argv[1:]
    if stop in STOPS:
        kill_at(*STOPS[stop])
    client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token="emulator-app-token", base_url=url))
    state_store = FileStateStore(Path(folder), "_state.json")
    run(job_of(client, Path(folder), window=WINDOW, state_store=state_store, max_rows_per_file=100))
