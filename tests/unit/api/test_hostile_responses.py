"""Responses that never end, or are far larger than they should be."""

from __future__ import annotations

import gzip
import itertools
import ssl
import time
import tracemalloc
import zlib

import pytest

from airflow_provider_voucherify.api import session, transport
from airflow_provider_voucherify.exceptions import (
    InvalidRequestError,
    NotFoundError,
    ServerError,
    TransportError,
    UnavailableError,
    WaitTimeoutError,
)
from tests.unit.api.raw_server import RawServer

OK = b"HTTP/1.1 200 OK\r\n"
SOON = 0.3


def drip(*start: bytes):
    """Send a start, and then one byte at a time for longer than any test waits."""
    return itertools.chain(start, itertools.chain.from_iterable(itertools.repeat((b" ", 0.01), 3000)))


def peak_of(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "start",
    [[OK, b"X: "], [OK + b"Content-Length: 99999\r\n\r\n"], [OK + b"Transfer-Encoding: chunked\r\n\r\n", b"ffff\r\n"]],
    ids=["headers", "body", "chunk"],
)
def test_a_response_that_drips_ends_at_its_time_limit(start):
    with RawServer(drip(*start)) as server, server.client(response_timeout=SOON) as client:
        begin = time.monotonic()
        with pytest.raises(TransportError) as raised:
            client.list_orders()
    assert raised.value.sent
    assert time.monotonic() - begin < 20  # the dripping would take 30 s


def test_a_response_that_drips_ends_at_the_deadline_of_the_task():
    with RawServer(drip(OK + b"Content-Length: 99999\r\n\r\n")) as server, server.client(attempts=3) as client:
        begin = time.monotonic()
        client.transport.set_deadline(time.time() + SOON)
        with pytest.raises((TransportError, WaitTimeoutError)):
            client.list_orders()
        with pytest.raises(WaitTimeoutError, match="not sent, the time limit of the task is reached"):
            client.list_orders()
        assert server.requests == 1
    assert time.monotonic() - begin < 20


def test_an_error_body_of_any_size_takes_little_memory_and_becomes_one_line():
    page = b"<html>\n" + b"x" * (1 << 20)
    endless = itertools.chain([b"HTTP/1.1 400 Bad Request\r\n\r\n"], itertools.repeat(page, 2000))
    with RawServer(endless) as server, server.client() as client:

        def call():
            with pytest.raises(UnavailableError) as raised:
                client.import_orders([{}])
            assert len(str(raised.value)) < 500
            assert "\n" not in str(raised.value)

        assert peak_of(call) < 20 << 20
    assert server.sent < 200 << 20  # of 2 GB


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(b" " * (1 << 20)) for _ in range(megabytes)]) + packer.flush()


@pytest.mark.slow
@pytest.mark.parametrize("status", [b"200 OK", b"302 Found\r\nLocation: /v1/elsewhere", b"500 Internal Server Error"])
def test_a_gzip_bomb_is_not_unpacked(status, monkeypatch):
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 8 << 20)
    packed = bomb(400)
    head = b"HTTP/1.1 %s\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (status, len(packed))
    with RawServer([head, packed]) as server, server.client() as client:

        def call():
            with pytest.raises((TransportError, ServerError)):
                client.list_orders()

        assert peak_of(call) < 64 << 20


def test_a_body_that_is_too_large_is_named(monkeypatch):
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 1000)
    response = OK + b"Content-Length: 1001\r\n\r\n" + b" " * 1001
    expected = pytest.raises(TransportError, match="its body is larger than 1,000 bytes")
    with RawServer([response]) as server, server.client() as client, expected:
        client.list_orders()


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        (b"", b'{"orders": [{"id": "\xff"}]}', "not UTF-8"),
        (b"", b'{"orders": [{"items": ' + b"[" * 100_000, "recursion"),
        (b"", b"", "truncated"),
        (b"Content-Encoding: gzip\r\n", b"plain", "not compressed as its header says"),
        (b"Content-Encoding: gzip\r\n", gzip.compress(b'{"orders": []}' * 99)[:-9], "not complete"),
        (b"Content-Encoding: zstd\r\n", b"?", "an encoding that was not accepted"),
    ],
    ids=["not UTF-8", "deep", "empty", "not gzip", "cut gzip", "zstd"],
)
def test_a_response_that_cannot_be_read_is_a_typed_error(head, body, reason):
    response = OK + head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with (
        RawServer([response]) as server,
        server.client() as client,
        pytest.raises(TransportError, match=reason) as raised,
    ):
        client.list_orders()
    assert raised.value.sent


def test_a_body_that_ends_early_is_a_typed_error():
    response = OK + b'Content-Length: 99\r\n\r\n{"orders": []}'
    expected = pytest.raises(TransportError, match="cannot be read")
    with RawServer([response]) as server, server.client() as client, expected:
        client.list_orders()


@pytest.mark.parametrize(
    ("status", "kind"), [(204, TransportError), (304, TransportError), (418, UnavailableError), (799, ServerError)]
)
def test_an_unknown_status_is_a_typed_error(status, kind):
    response = b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status
    with RawServer([response]) as server, server.client() as client, pytest.raises(kind, match="GET /v1/orders"):
        client.list_orders()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"code": 404, "message": "\xff"}', NotFoundError),
        (b'{"code": 400, "message": ' + b"[" * 50_000, UnavailableError),
    ],
    ids=["not UTF-8", "deep"],
)
def test_an_error_body_that_cannot_be_read_leaves_the_status(body, kind):
    status = b"404" if kind is NotFoundError else b"400"
    head = b"HTTP/1.1 %s Odd\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    with RawServer([head + body]) as server, server.client() as client, pytest.raises(kind):
        client.list_orders()


def test_no_line_of_a_log_is_forged_by_a_response(requests_mock):
    message = "No\n2026-01-01 ERROR Import lost\x1b[2K"
    error = {"code": 400, "message": message, "details": message * 999}
    with RawServer([]) as server, server.client() as client:
        requests_mock.get(f"{server.url}/v1/orders", status_code=400, json=error)
        with pytest.raises(InvalidRequestError) as raised:
            client.list_orders()
    assert r"No\n2026-01-01 ERROR Import lost\x1b[2K" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 1500


def test_a_failure_after_the_request_was_sent_is_never_taken_for_one_before_it(monkeypatch):
    """An error of TLS says by its kind that no connection was made, and may come when the request is long sent."""

    def broken(self, *_args):
        raise ssl.SSLError(1, "decryption failed or bad record mac")

    monkeypatch.setattr(session._LimitedReader, "readinto", broken)
    with RawServer([OK]) as server, server.client(attempts=3) as client:
        with pytest.raises(TransportError) as raised:
            client.import_orders([{}])
        assert raised.value.sent
        assert client.transport.calls == 1
