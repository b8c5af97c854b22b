"""The result of an export: what was published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """
    The result of an export. All values are JSON: ``asdict(result)``.

    :param path: The Parquet file, or the folder with several, as ``ObjectStoragePath`` takes it:
        ``s3://aws_default@bucket/orders``.
    :param uri: The same for other tools: ``s3://bucket/orders``.
    :param rows: The number of rows.
    :param bytes: The size of the Parquet files.
    :param export_id: The export; the first one if the window took several.
    :param export_ids: All exports.
    :param files: How many files the exports had.
    :param parquet_files: How many Parquet files were written.
    :param manifest_path: The manifest.
    :param window: Field, start and end of the window, or None.
    :param unknown_columns: Headers of columns that were not requested and are left out.
    :param empty_fields: Fields ``metadata.X`` that are null in every row.
    :param new_metadata_keys: Keys in the metadata that the last manifest does not have, in a sample of the rows.
    :param bad_rows: Rows that are not in the Parquet files but in ``bad_rows_path``.
    :param bad_rows_path: The reject lines of these rows, whose payload is the record by header; None without bad rows.
    :param bad_row_ids: The ``id`` of the first 20 of them that have one; without that field, the code or ``source_id``.
    """

    path: str
    uri: str
    rows: int
    bytes: int
    export_id: str
    export_ids: list[str]
    files: int
    parquet_files: int
    manifest_path: str
    window: dict[str, str] | None
    unknown_columns: list[str]
    empty_fields: list[str]
    new_metadata_keys: list[str]
    bad_rows: int
    bad_rows_path: str | None
    bad_row_ids: list[str]
