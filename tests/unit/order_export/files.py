"""Exported files as downloads, without a server."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import requests
import urllib3

from airflow_provider_voucherify.api.download import Download
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from airflow_provider_voucherify.order_export.convert.rows import BadRow, Conversion
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.request import ExportRequest


def download_of(content: bytes, *, length: bool = True, zipped: bool = False) -> Download:
    """Give content the way that an answer of the server does."""
    sent = gzip.compress(content) if zipped else content
    answer = requests.Response()
    if length:
        answer.headers["Content-Length"] = str(len(sent))
    if zipped:
        answer.headers["Content-Encoding"] = "gzip"
    answer.raw = urllib3.HTTPResponse(io.BytesIO(sent), preload_content=False)
    return Download(answer, "a file")


def convert_file(
    content: bytes,
    fields: Sequence[str],
    *,
    metadata_schema: dict[str, str] | None = None,
    length: bool = True,
    zipped: bool = False,
    each: Callable[[Conversion], Any] = lambda _: None,
    **options: Any,
) -> tuple[pa.Table, list[BadRow]]:
    """Convert a file into one table and its bad rows."""
    schema = order_schema(ExportRequest(fields=fields, metadata_schema=metadata_schema or {}))
    stream = CsvStream(download_of(content, length=length, zipped=zipped), "Export exp_1")
    conversion = Conversion(stream, schema, **options)
    each(conversion)
    groups = list(conversion.row_groups())
    table = pa.concat_tables([pa.Table.from_batches([], schema), *(group.table for group in groups)])
    return table, [bad for group in groups for bad in group.bad_rows]
