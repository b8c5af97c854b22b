"""The download host: files of exports, against a token that expires."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from airflow_provider_voucherify.emulator.errors import ResponseError, unauthorized
from airflow_provider_voucherify.emulator.fault_types import TruncatedDownload

_BLOCK_BYTES = 1 << 18
_GZIP_WINDOW_BITS = 31
_GZIP_LEVEL = 1


class DownloadTokens:
    """Tokens in the URLs of files: signed, so that none has to be stored.

    :param seconds: Life of a token in real seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)

    def make(self, export_id: str, number: int) -> str:
        """Return a token for one file.

        :param export_id: The export.
        :param number: Number of the file from 0.
        """
        return self._sign(export_id, number, f"{int((time.time() + self._seconds) * 1000):x}")

    def check(self, export_id: str, query: Mapping[str, str]) -> int:
        """Refuse a URL whose token is missing, of another file, or expired.

        :param export_id: The export in the path.
        :param query: ``token`` and, for files after the first, ``file``.
        :raises ResponseError: 401.
        :return: Number of the file from 0.
        """
        token = query.get("token", "")
        expiry, _, _ = token.partition(".")
        number = int(text) if (text := query.get("file", "0")).isdecimal() else 0
        if not hmac.compare_digest(token.encode(), self._sign(export_id, number, expiry).encode()):
            raise unauthorized("The token of the download URL is missing or wrong: get the export again")
        if int(expiry, 16) < time.time() * 1000:
            raise unauthorized("The token of the download URL has expired: get the export again")
        return number

    def _sign(self, export_id: str, number: int, expiry: str) -> str:
        text = f"{export_id}/{number}/{expiry}"
        return f"{expiry}.{hmac.digest(self._key, text.encode(), 'sha256').hex()}"


def send_file(path: Path, accept_encoding: str) -> Response:
    """Stream a file, compressed where the client takes it.

    :param path: The CSV file.
    :param accept_encoding: Header of the request.
    :raises ResponseError: 404, the file is gone.
    :return: With a ``Content-Length``, or with gzip in chunks.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ResponseError(404, "not_found", "Resource not found", "The file of this export is gone") from None
    if _takes_gzip(accept_encoding):
        headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return StreamingResponse(_compressed(path), media_type="text/plain", headers=headers)
    headers = {"Content-Length": str(size)}
    return StreamingResponse(_blocks(path), media_type="text/plain", headers=headers)


def truncated_bytes(path: Path, fault: TruncatedDownload) -> bytes:
    """Return a truncated HTTP response as raw bytes, for a connection that is then closed.

    :param path: The CSV file.
    :param fault: How much is sent, and with which framing.
    """
    with path.open("rb") as stream:
        body = stream.read(fault.bytes)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    if fault.framing == "length":
        return b"%sContent-Length: %d\r\n\r\n%s" % (head, path.stat().st_size, body)
    if fault.framing == "chunked":
        return b"%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (head, len(body), body)
    return b"%s\r\n%s" % (head, body)


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        while block := await asyncio.to_thread(stream.read, _BLOCK_BYTES):
            yield block


async def _compressed(path: Path) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    async for block in _blocks(path):
        yield await asyncio.to_thread(compressor.compress, block)
    yield compressor.flush()


def _takes_gzip(accept_encoding: str) -> bool:
    for coding in accept_encoding.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
