"""Orders of the emulator whose times are what a test says."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import msgspec

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.emulator.ids import timestamp
from airflow_provider_voucherify.order_export import ExportConfig, ExportJob, ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow

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


def client_of(emulator, facts: Facts = Facts()) -> VoucherifyClient:  # noqa: B008  # frozen
    keys = {"app_id": emulator.app_id, "app_token": emulator.app_token}
    settings = Settings(**keys, base_url=emulator.url, name="shop", facts=facts)
    return VoucherifyClient(settings)


def job_of(
    client,
    path: Path,
    *,
    request: ExportRequest | None = None,
    window: ExportWindow | None = None,
    state_store: StateStore | None = None,
    **options,
) -> ExportJob:
    """Make a job, or resume the one that the state store knows."""
    config = ExportConfig(poll_interval=0.05, **options)
    return ExportJob(client, of_window(request or ExportRequest(), window), path, config, state_store=state_store)


def of_window(request: ExportRequest, window: ExportWindow | None) -> ExportRequest:
    """Limit a request to a window."""
    if window is None:
        return request
    return msgspec.structs.replace(request, window_field=window.field, window_start=window.start, window_end=window.end)


def run(job: ExportJob):
    """Drive a job to its end."""
    while pause := job.advance():
        time.sleep(min(pause.seconds, 0.05))
    return job.summary
