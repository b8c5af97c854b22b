"""
Connections that limit the time of whole responses, and know whether a request was sent.

The socket timeouts of HTTP clients only limit the wait for the next byte, so that a response that drips never ends.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from requests.adapters import HTTPAdapter

API_VERSION = "v2018-08-01"
JSON_HEADERS = {"Content-Type": "application/json"}


class ResponseTimeLimit:
    """
    How long the response to one request may take.

    :param seconds: The time until its last byte, from now; None for no such limit.
    :param stall_seconds: The longest time spent waiting for ``stall_bytes`` more bytes; None for no such limit. Only
        waiting counts, not the time that the caller takes between two reads.
    :param stall_bytes: See ``stall_seconds``.
    """

    def __init__(
        self, seconds: float | None = None, *, stall_seconds: float | None = None, stall_bytes: int = 1
    ) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._stall_seconds = stall_seconds
        self._stall_bytes = stall_bytes
        self._waited = 0.0
        self._arrived = 0
        self._sent = False

    @property
    def sent(self) -> bool:
        """Whether a part of the request was sent over an established connection."""
        return self._sent

    def mark_sent(self) -> None:
        """Record that a part of the request is sent now."""
        self._sent = True

    @property
    def left(self) -> float:
        """Seconds until a limit is reached; infinite without limits."""
        total = float("inf") if self._end is None else self._end - time.monotonic()
        stall = float("inf") if self._stall_seconds is None else self._stall_seconds - self._waited
        return max(0.0, min(total, stall))

    def record(self, waited: float, arrived: int) -> None:
        """
        Account for one read from the network.

        :param waited: Seconds that it took.
        :param arrived: Bytes that it returned.
        """
        self._waited += waited
        self._arrived += arrived
        if self._arrived >= self._stall_bytes:
            self._waited, self._arrived = 0.0, 0


_limit: ContextVar[ResponseTimeLimit | None] = ContextVar("voucherify_time_limit", default=None)


@contextmanager
def limited(limit: ResponseTimeLimit) -> Iterator[None]:
    """Apply a limit to each response that begins inside, until it has been read."""
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


class _LimitedReader(io.RawIOBase):
    """Reads from a socket for as long as the limit allows."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, limit: ResponseTimeLimit) -> None:
        self._raw = raw
        self._sock = sock
        self._read_timeout = sock.gettimeout()
        self._timeout: float | None = None
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._limit.left
        if left <= 0:
            raise TimeoutError("the response took too long")
        timeout = min(left, float("inf") if self._read_timeout is None else self._read_timeout)
        if timeout != self._timeout:  # which costs as much as the read itself when other threads are busy
            self._sock.settimeout(None if timeout == float("inf") else timeout)
            self._timeout = timeout
        start = time.monotonic()
        read = self._raw.readinto(buffer)
        self._limit.record(time.monotonic() - start, read or 0)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if (limit := _limit.get()) is not None:
            self.fp = io.BufferedReader(_LimitedReader(self.fp.detach(), sock, limit))


class _LimitedConnection:
    """Records whether a request was sent: errors of the connection itself, such as those of TLS, do not say so."""

    response_class: Any = _LimitedResponse
    sock: Any
    _established = False

    def connect(self) -> None:
        self._established = False
        super().connect()  # type: ignore[misc]  # of the connection that this is mixed into
        self._established = True

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self._established and (limit := _limit.get()) is not None:
            limit.mark_sent()
        super().send(data)  # type: ignore[misc]


class _HTTPConnection(_LimitedConnection, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_LimitedConnection, urllib3.connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class ResponseTimeLimitAdapter(HTTPAdapter):
    """An adapter of requests whose connections keep the limit that is set by :func:`limited`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of connections."""
        super().init_poolmanager(*args, **kwargs)
        self._limit_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Create the pools of connections through a proxy."""
        return self._limit_pools(super().proxy_manager_for(*args, **kwargs))

    @staticmethod
    def _limit_pools(manager: Any) -> Any:
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect, and do not read the body of one, which requests does even if it does not follow it."""


def open_session(user_agent: str) -> requests.Session:
    """
    Open a session whose connections keep the limit that is set by :func:`limited`, and follow no redirect.

    :param user_agent: Names the sender of the requests.
    """
    session = _Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, ResponseTimeLimitAdapter())
    session.headers.update(
        {
            "X-Voucherify-API-Version": API_VERSION,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": user_agent,
        }
    )
    return session


class SessionPool:
    """
    Lends sessions to one thread at a time, as those of requests are not made to be shared; opens one if none is free.

    :param user_agent: Names the sender of the requests.
    """

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._free: list[requests.Session] = []

    @contextmanager
    def session(self) -> Iterator[requests.Session]:
        """Lend a session, the one that was used last if it is free."""
        try:
            session = self._free.pop()
        except IndexError:
            session = open_session(self._user_agent)
        try:
            yield session
        finally:
            self._free.append(session)

    def close(self) -> None:
        """Close the connections of all sessions that are free."""
        while self._free:
            self._free.pop().close()


def never_sent(error: Exception) -> bool:
    """
    Return whether a request was certainly not sent, judged by the kind of error.

    :param error: What requests raised.
    """
    if isinstance(
        error,
        requests.exceptions.ConnectTimeout
        | requests.exceptions.ProxyError
        | requests.exceptions.InvalidURL
        | requests.exceptions.MissingSchema,
    ):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(
        reason,
        urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.SSLError,
    )


def reason_of(error: Exception) -> str:
    """
    Name the cause of an error without its message, which has the URL in it.

    :param error: What requests raised.
    """
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", None) or cause
    below = getattr(cause, "__cause__", None)
    if isinstance(below, OSError) and below.strerror:
        return below.strerror
    return type(cause).__name__ if isinstance(cause, BaseException) else type(error).__name__


def hint_of(error: Exception) -> str:
    """
    Return what to do about a connection that was never made.

    :param error: What requests raised.
    """
    text = str(error).upper().replace(" ", "_")
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text:
        return "The host does not speak TLS at this port. Write http:// before it if it is an emulator on this machine."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            "Its certificate is not trusted: name the certificates of your own authority by verify in the connection."
        )
    return "Check the host of the connection and the network."
