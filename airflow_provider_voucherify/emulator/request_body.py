"""The body of a request: read with a bound, of the right media type, decompressed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Literal, NamedTuple

from starlette.requests import Request

from airflow_provider_voucherify.emulator.errors import ResponseError, invalid_payload

BodyForm = Literal["json", "form"]
_MEDIA_TYPES: dict[BodyForm, str] = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_GZIP_WINDOW_BITS = 31


class Body(NamedTuple):
    """A body as it was sent.

    :param data: Its bytes, cut where it is too large.
    :param size: Its real size in bytes.
    """

    data: bytes
    size: int


async def read_body(request: Request, limit: int) -> Body:
    """Read a body to its end, so that a client can send all of it before it is refused; keep at most ``limit`` bytes.

    :param request: The HTTP request.
    :param limit: Bytes to keep.
    :raises ClientDisconnect: if the client closed the connection before the end.
    :return: The body.
    """
    blocks: list[bytes] = []
    size = 0
    async for block in request.stream():
        size += len(block)
        if size <= limit:
            blocks.append(block)
    return Body(b"".join(blocks), size)


def plain_body(body: bytes, form: BodyForm, headers: Mapping[str, str], limit: int, *, gzip: bool) -> bytes:
    """Check the media type of a body and decompress it.

    :param body: The body as it was sent.
    :param form: What the endpoint takes.
    :param headers: Headers by lower-case name.
    :param limit: Bytes that it may have decompressed.
    :param gzip: Whether ``Content-Encoding: gzip`` is accepted (unknown of the real API).
    :raises ResponseError: 415 for another media type or encoding, 400 for broken gzip, 413 for too many bytes.
    :return: The decompressed body.
    """
    wanted = _MEDIA_TYPES[form]
    if headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise _unsupported(f"Content-Type should be {wanted}")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding != "gzip" or not gzip:
        raise _unsupported(f"Content-Encoding {encoding} is not supported")
    try:
        plain = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS).decompress(body, limit + 1)
    except zlib.error as error:
        raise invalid_payload(f"Payload is not valid gzip: {error}") from None
    if len(plain) > limit:
        raise too_large(limit)
    return plain


def too_large(limit: int) -> ResponseError:
    """Return the 413 of a body (key and text unknown).

    :param limit: Bytes that a body can have.
    :return: The error to raise.
    """
    return ResponseError(413, "payload_too_large", "Payload too large", f"A body can have at most {limit} bytes")


def _unsupported(details: str) -> ResponseError:
    return ResponseError(415, "unsupported_media_type", "Unsupported media type", details)
