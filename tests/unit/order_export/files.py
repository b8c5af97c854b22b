"""Exported files as downloads, without a server."""

from __future__ import annotations

import contextlib
import gzip
import io
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import requests
import urllib3

from airflow_provider_voucherify.api.download import Download
from airflow_provider_voucherify.exceptions import TruncatedDownloadError
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from airflow_provider_voucherify.order_export.convert.rows import BadRow, RowReader
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.kinds import ExportedObject
from airflow_provider_voucherify.order_export.request import ExportRequest


def download_of(
    content: bytes, *, length: bool = True, zipped: bool = False, body: type[io.BytesIO] = io.BytesIO
) -> Download:
    """Serve content as the response of a server does."""
    sent = gzip.compress(content) if zipped else content
    response = requests.Response()
    if length:
        response.headers["Content-Length"] = str(len(sent))
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.raw = urllib3.HTTPResponse(body(sent), preload_content=False)
    return Download(response, "a file")


def convert_file(
    content: bytes,
    fields: Sequence[str],
    *,
    exported_object: ExportedObject = "order",
    metadata_schema: dict[str, str] | None = None,
    length: bool = True,
    zipped: bool = False,
    each: Callable[[RowReader], Any] = lambda _: None,
    **options: Any,
) -> tuple[pa.Table, list[BadRow]]:
    """Convert a file into one table and its bad rows."""
    request = ExportRequest(exported_object=exported_object, fields=fields, metadata_schema=metadata_schema or {})
    schema = order_schema(request)
    stream = CsvStream(download_of(content, length=length, zipped=zipped), "Export exp_1")
    conversion = RowReader(stream, schema, **options)
    each(conversion)
    groups = list(conversion.row_groups())
    table = pa.concat_tables([pa.Table.from_batches([], schema), *(group.table for group in groups)])
    return table, [bad for group in groups for bad in group.bad_rows]


class FailingBody(io.BytesIO):
    """A body whose connection breaks after the first piece."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError("connection reset")
        return super().read(size)


def read_and_release(how: str) -> list[weakref.ref[Any]]:
    """
    Convert a file, whole or not, and give weak references to what Arrow's threads called.

    :param how: ``whole``, ``left`` after the first rows, or ``failing`` in the middle.
    """
    rows = b"id,amount\n" + b"1,5\n2,\n1,2,3\n" * (3 if how == "whole" else 20_000)
    download = download_of(rows, length=False, body=FailingBody if how == "failing" else io.BytesIO)
    stream = CsvStream(download, "Export exp_1")
    conversion = RowReader(
        stream, order_schema(ExportRequest(fields=["id", "amount"])), block_bytes=4096, row_group_rows=500
    )
    with contextlib.suppress(TruncatedDownloadError), contextlib.closing(conversion.row_groups()) as groups:
        for _ in groups:
            if how == "left":
                break
    return [weakref.ref(stream), weakref.ref(conversion)]
