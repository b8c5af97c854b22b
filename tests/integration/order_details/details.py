"""Orders of the emulator whose times and items are what a test says, and the tables that are made of them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.dataset as ds

from airflow_provider_voucherify.emulator.ids import timestamp
from airflow_provider_voucherify.order_details import DetailsConfig, DetailsJob
from airflow_provider_voucherify.order_export.window import ExportWindow

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LISTING = "GET /v1/orders"
COLUMNS = "id, source_id, created_at, updated_at, status, amount, metadata, items"
WRITE = (
    f"INSERT INTO orders ({COLUMNS}) VALUES (?, ?, ?, ?, 'PAID', ?, '{{}}', ?)"
    " ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, amount = excluded.amount, items = excluded.items"
)


def items_of(name: str, version: int) -> list[dict[str, object]]:
    """Items that name order and version, none of some orders."""
    return [
        {"object": "order_item", "source_id": f"{name}-{version}-{index}", "quantity": index + 1, "amount": version}
        for index in range(version % 4)
    ]


def put(emulator, orders) -> None:
    """Write orders: id, created_at, updated_at (or None), version."""
    rows = [
        (
            name,
            f"source-{name}",
            timestamp(created),
            updated and timestamp(updated),
            version,
            json.dumps(items_of(name, version)),
        )
        for name, created, updated, version in orders
    ]
    with emulator.project.database.transaction() as connection:
        connection.executemany(WRITE, rows)


def window(start: datetime, end: datetime) -> ExportWindow:
    return ExportWindow(field="updated_at", start=start, end=end)


def job_of(client, path: Path, of: ExportWindow, *, state_store=None, **options) -> DetailsJob:
    """Make a job, or resume the one that the state store knows."""
    config = DetailsConfig(window_start=of.start, window_end=of.end, poll_interval=0.05, **options)
    return DetailsJob(client, path, config, state_store=state_store)


def run(job: DetailsJob):
    """Drive a job to its end."""
    while pause := job.advance():
        time.sleep(min(pause.seconds, 0.05))
    return job.summary


def table(path: Path, name: str) -> list[dict[str, object]]:
    return ds.dataset(path / name, format="parquet").to_table().to_pylist()


def versions(path: Path) -> list[tuple[str, int]]:
    """The orders with their versions, sorted."""
    return sorted((row["order_id"], row["amount"]) for row in table(path, "orders"))


def items(path: Path) -> list[str]:
    return sorted(row["source_id"] for row in table(path, "order_items"))


def items_of_versions(given) -> list[str]:
    return sorted(item["source_id"] for name, version in given for item in items_of(name, version))
