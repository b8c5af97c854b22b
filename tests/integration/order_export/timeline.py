"""Orders of the emulator whose times are what a test says."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import NoStateStore, StateStore
from airflow_provider_voucherify.emulator.ids import timestamp
from airflow_provider_voucherify.order_export.checkpoint import open_state
from airflow_provider_voucherify.order_export.job import ExportJob
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output
from airflow_provider_voucherify.order_export.window import Window

COLUMNS = "id, source_id, created_at, updated_at, status, amount, metadata, items"
ROW = f"INSERT INTO orders ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, '{{}}', '[]')"


def put(emulator, orders) -> None:
    """Write orders: id, created_at, updated_at (or None), amount."""
    rows = [
        (name, f"source-{name}", timestamp(created), updated and timestamp(updated), "PAID", amount)
        for name, created, updated, amount in orders
    ]
    with emulator.project.database.transaction() as connection:
        connection.executemany(ROW, rows)


def change(emulator, name: str, moment: datetime) -> None:
    """Change an order: its amount counts its versions."""
    with emulator.project.database.transaction() as connection:
        connection.execute(
            "UPDATE orders SET amount = amount + 1, updated_at = ? WHERE id = ?", (timestamp(moment), name)
        )


def client_of(emulator) -> VoucherifyClient:
    settings = Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, name="shop")
    return VoucherifyClient(settings)


def job_of(
    client,
    path: Path,
    *,
    request=None,
    window: Window | None = None,
    state_store: StateStore | None = None,
    output=None,
    **options,
) -> ExportJob:
    """Make a job, or go on with the one that the state store knows."""
    request, state_store = request or ExportRequest(), state_store or NoStateStore()
    state = open_state(state_store, request, window, restart=None)
    return ExportJob(
        client, request, window, state, state_store, output or Output(path=path), poll_interval=0.05, **options
    )


def run(job: ExportJob):
    """Drive a job to its end."""
    while pause := job.advance():
        time.sleep(min(pause.seconds, 0.05))
    return job.result()
