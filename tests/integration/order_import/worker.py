"""An import in a process of its own, which kills itself at a chosen moment: `URL TOKEN SOURCE FOLDER MOMENT`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.api.transport import Transport
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.reporting.reject_files import Report

left = 0


def moment() -> None:
    """Die, when it is time."""
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(cls: type, name: str) -> None:
    """Make the moments before and after a method ones at which the process may die."""
    method = getattr(cls, name)

    def around(*args, **kwargs):
        moment()
        result = method(*args, **kwargs)
        moment()
        return result

    setattr(cls, name, around)


def main() -> None:
    global left
    url, token, path, folder, left_text = sys.argv[1:]
    left = int(left_text)
    for cls, name in ((Transport, "_send"), (FileStateStore, "save"), (Report, "write")):
        watched(cls, name)
    source, state_store = open_source(paths=Path(path)), FileStateStore(Path(folder))
    client = VoucherifyClient(Settings(app_id="emulator-app-id", app_token=token, base_url=url))
    config = ImportConfig(
        chunk_size=100,
        max_in_flight=4,
        poll_interval=0.05,
        lost_request_timeout=0.5,
        max_rejected=10**9,
        max_unknown=10**9,
        on_duplicate=None,
    )
    job = ImportJob(client, source, config, report_path=Path(folder), state_store=state_store, run="killed")
    while pause := job.advance():
        moment()
        time.sleep(min(pause.seconds, 0.05) if pause.async_action_ids else pause.seconds)
    summary = job.summary
    print(summary.orders, summary.loaded, summary.rejected, summary.unknown)


if __name__ == "__main__":
    main()
