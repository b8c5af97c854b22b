"""Responses: JSON, and raw ones that break off in ways that a web framework does not allow."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from airflow_provider_voucherify.emulator.request import ApiResponse

TRANSPORT = "emulator.transport"
_BOMB_BLOCK_BYTES = 1 << 22
_GZIP_WINDOW_BITS = 31


class CutResponse(Response):
    """Send raw bytes, or nothing, and close the connection.

    :param data: Bytes as they go over the connection, status line included.
    """

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self._data = data

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write to the transport, past the framing of the server."""
        transport: asyncio.Transport = scope[TRANSPORT]
        if self._data:
            transport.write(self._data)
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


class DripResponse(StreamingResponse):
    """Send the body of another response a few bytes at a time.

    :param response: The other response; its status and headers stay.
    :param size: Bytes sent together.
    :param pause: Waits before each of these.
    """

    def __init__(self, response: Response, size: int, pause: Callable[[], Awaitable[object]]) -> None:
        super().__init__(self._drops(response, size, pause), response.status_code)
        self.raw_headers = response.raw_headers

    @staticmethod
    async def _drops(response: Response, size: int, pause: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
        async for block in _blocks(response):
            for start in range(0, len(block), size):
                await pause()
                yield block[start : start + size]


class BombResponse(StreamingResponse):
    """Send a body that consists of spaces.

    :param size: How many, in bytes.
    :param status: HTTP status.
    :param gzip: Whether they are compressed.
    """

    def __init__(self, size: int, status: int, *, gzip: bool) -> None:
        headers = {"Content-Encoding": "gzip"} if gzip else {"Content-Length": str(size)}
        media_type = "application/json; charset=utf-8"
        super().__init__(self._spaces(size, gzip=gzip), status, headers, media_type)

    @staticmethod
    async def _spaces(size: int, *, gzip: bool) -> AsyncIterator[bytes]:
        compressor = zlib.compressobj(wbits=_GZIP_WINDOW_BITS) if gzip else None
        for start in range(0, size, _BOMB_BLOCK_BYTES):
            block = b" " * min(_BOMB_BLOCK_BYTES, size - start)
            yield block if compressor is None else await asyncio.to_thread(compressor.compress, block)
        if compressor is not None:
            yield compressor.flush()


async def _blocks(response: Response) -> AsyncIterator[bytes]:
    if isinstance(response, StreamingResponse):
        async for block in response.body_iterator:
            yield block.encode() if isinstance(block, str) else bytes(block)
    else:
        yield bytes(response.body)


def json_response(response: ApiResponse) -> Response:
    """Return the HTTP response of an API response.

    :param response: Status, headers and document.
    """
    if response.document is msgspec.UNSET:
        return Response(status_code=response.status, headers=response.headers)
    content = msgspec.json.encode(response.document)
    return Response(content, response.status, response.headers, "application/json; charset=utf-8")
