"""What an export says of its files: while it is there, they are whole and belong together."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from airflow_provider_voucherify.order_export.sink.parquet import PublishedFile
from airflow_provider_voucherify.order_export.window import Window


class Manifest(msgspec.Struct, kw_only=True):
    """
    The manifest of one run.

    :param rows: Rows in all.
    :param bytes: Bytes in all.
    :param bad_rows: Rows that are not among them, but in the side file.
    :param files: The Parquet files.
    :param schema: The Arrow types of the columns by name.
    :param window: Which span of time, or None.
    :param export_ids: The exports.
    :param created_at: When it was written.
    """

    rows: int
    bytes: int
    bad_rows: int
    files: list[PublishedFile]
    schema: dict[str, str]
    window: Window | None
    export_ids: list[str]
    created_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


def encode(manifest: Manifest) -> bytes:
    """Write a manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
