"""The result of reading whole orders: what was published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableResult:
    """
    One table.

    :param path: Its folder.
    :param rows: The number of rows.
    :param bytes: The size of its files.
    :param parquet_files: How many files were written.
    """

    path: str
    rows: int
    bytes: int
    parquet_files: int


@dataclass(frozen=True, kw_only=True)
class DetailsResult:
    """
    The result of reading whole orders. All values are JSON: ``asdict(result)``.

    :param path: The folder of the tables.
    :param rows: The number of orders.
    :param bytes: The size of all Parquet files.
    :param parquet_files: How many of them were written.
    :param tables: Path, rows, bytes and files of each table.
    :param manifest_path: The manifest.
    :param window: Field, start and end of the window.
    :param unknown_fields: Fields of the API that the tables lack, such as ``orders.channel``.
    :param changed_since: Orders that changed after the window before they could be read one by one.
    :param export_ids: The exports that the ids are from, where the listing does not reach the window.
    :param api_calls: Calls made.
    """

    path: str
    rows: int
    bytes: int
    parquet_files: int
    tables: dict[str, TableResult]
    manifest_path: str
    window: dict[str, str]
    unknown_fields: list[str]
    changed_since: int
    export_ids: list[str]
    api_calls: int
