"""What leaves the emulator: JSON responses, and raw ones that break off as no web framework would let them."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from airflow_provider_voucherify.emulator.request import ApiResponse

TRANSPORT = "emulator.transport"


class CutResponse(Response):
    """Send raw bytes, or nothing, and close the connection.

    :param data: bytes as they go over the connection, status line included.
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


def json_response(response: ApiResponse) -> Response:
    """Return the HTTP response of an API response.

    :param response: status, headers and document.
    """
    if response.document is msgspec.UNSET:
        return Response(status_code=response.status, headers=response.headers)
    content = msgspec.json.encode(response.document)
    return Response(content, response.status, response.headers, "application/json; charset=utf-8")
