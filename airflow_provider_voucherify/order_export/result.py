"""The result of an export: what was published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """
    The result of an export. All values are JSON: ``asdict(result)``.

    :param path: The Parquet file, or the folder with several.
    :param rows: The number of rows.
    :param bytes: The size of the Parquet files.
    :param export_id: The export; the first one if the window took several.
    :param export_ids: All exports.
    :param files: How many files the exports had.
    :param parquet_files: How many Parquet files were written.
    :param manifest_path: The manifest.
    :param window: Field, start and end of the window, or None.
    :param unknown_columns: Headers of columns that were not requested and are left out.
    :param bad_rows: Rows that are not in the Parquet files but in ``bad_rows_path``.
    :param bad_rows_path: The reject lines of these rows, whose payload is the record by header; None without bad rows.
    """

    path: str
    rows: int
    bytes: int
    export_id: str
    export_ids: list[str]
    files: int
    parquet_files: int
    manifest_path: str
    window: dict[str, str] | None
    unknown_columns: list[str]
    bad_rows: int
    bad_rows_path: str | None
