"""Read the body of a response up to a limit, in the size that it has when it is decompressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import requests
import urllib3.exceptions

BLOCK = 1 << 16
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BodyError(Exception):
    """The body cannot be read: the message says why."""


def read_body(response: requests.Response, max_bytes: int, *, cut: bool = False) -> bytes:
    """
    Read the body of a response that was opened with ``stream=True``.

    :param response: The response. Its connection is reused if the whole body was read, else closed.
    :param max_bytes: The largest size after decompression.
    :param cut: Whether to return the beginning of a longer body instead of raising an error.
    :return: The decompressed body.
    :raises BodyError: if the body is longer, incomplete or not compressed as its header says.
    :raises urllib3.exceptions.HTTPError: if the connection breaks.
    """
    parts: list[bytes] = []
    size = 0
    try:
        for part in _decoded(response, max_bytes + 1):
            size += len(part)
            parts.append(part)
            if size > max_bytes:
                break
    except BaseException:
        response.close()
        raise
    body = b"".join(parts)
    if size <= max_bytes:
        return body
    response.close()
    if not cut:
        raise BodyError(f"its body is larger than {max_bytes:,} bytes")
    return body[:max_bytes]


def _decoded(response: requests.Response, part_bytes: int) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from _raw(response)
    elif encoding in ("gzip", "x-gzip", "deflate"):
        yield from _decompressed(_raw(response), part_bytes)
    else:
        raise BodyError(f"its body has an encoding that was not accepted ({encoding!r:.60})")


def _raw(response: requests.Response) -> Iterator[bytes]:
    announced = response.headers.get("Content-Length", "")
    received = 0
    while block := response.raw.read(BLOCK, decode_content=False):
        received += len(block)
        yield block
    if announced.isdigit() and received < int(announced):  # urllib3 2 raises for it, urllib3 1 does not
        raise BodyError(f"its body ended after {received} of {announced} bytes")


def _decompressed(blocks: Iterator[bytes], part_bytes: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(GZIP_OR_ZLIB)
    started = False
    try:
        for block in blocks:
            while block:
                if decoder.eof:  # a file of gzip may have several members
                    decoder = zlib.decompressobj(GZIP_OR_ZLIB)
                started = True
                yield decoder.decompress(block, part_bytes)
                block = decoder.unconsumed_tail or decoder.unused_data
    except zlib.error as error:
        raise BodyError(f"its body is not compressed as its header says ({error})") from None
    if started and not decoder.eof:
        raise BodyError("its compressed body is not complete")


def error_body(response: requests.Response, limit: int) -> bytes:
    """
    Read the beginning of the body of an error: whatever is wrong with it, the status says what happened.

    :param response: The response, whose body is not read yet.
    :param limit: The largest number of bytes to return, decompressed.
    """
    try:
        return read_body(response, limit, cut=True)
    except (BodyError, urllib3.exceptions.HTTPError, OSError):
        return b""
