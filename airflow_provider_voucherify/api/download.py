"""Stream the file of an export, and detect when it is not complete."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3.exceptions

from airflow_provider_voucherify.api.redaction import SecretUrl, one_line
from airflow_provider_voucherify.api.transport import Transport
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    DownloadLinkError,
    TransportError,
    TruncatedDownloadError,
    WaitTimeoutError,
)

MAX_REDIRECTS = 3
# 401 is documented for a token that has expired; the others are those of storage behind signed links.
EXPIRED_LINK_STATUSES = frozenset({400, 401, 403, 410})


def open_download(transport: Transport, link: str, name: str) -> Download:
    """
    Open the file behind the link of an export.

    A redirect to another host is followed without the keys.

    :param transport: Sends the requests.
    :param link: The URL, with its token.
    :param name: The name of the file in errors.
    :raises AuthenticationError: if a host that is trusted with the keys responds with 401: keys or link are refused.
    :raises DownloadLinkError: if the link is refused otherwise, as it is when it has expired.
    :raises TransportError: if the host cannot be reached, is not https, or responds with anything but 200.
    """
    where = f"GET {name} with connection {transport.settings.name!r}"
    url = _secret_url(link, where)
    del link  # no traceback shall show it
    for _ in range(MAX_REDIRECTS + 1):
        trusted = transport.settings.trusts(url.reveal())
        if url.scheme != "https" and not trusted:
            raise TransportError(
                f"{where}: the download at {url.scheme}://{one_line(url.host)} is not https.", sent=False
            )
        response = transport.open_file(url, name)
        if not response.is_redirect:
            break
        response.close()
        url = _secret_url(urljoin(url.reveal(), response.headers["Location"]), where)
    if response.status_code == 200:
        return Download(response, f"{name} with connection {transport.settings.name!r}", lambda: transport.is_over)
    if response.status_code < 400:
        response.close()
        raise TransportError(f"{where}: expected a file with status 200, got status {response.status_code}.", sent=True)
    error = transport.error_of_file(response, name)
    is_of_keys = isinstance(error, AuthenticationError) and error.status == 401 and trusted
    if error.status in EXPIRED_LINK_STATUSES and not error.from_api and not is_of_keys:
        raise DownloadLinkError(
            f"{where}: the link was refused and may have expired ({error.message}, HTTP {error.status}). "
            "A retry requests a new link."
        )
    raise error


def _secret_url(url: str, where: str) -> SecretUrl:
    try:
        return SecretUrl(url)
    except ValueError:
        del url  # no traceback shall show it
    raise TransportError(f"{where}: its link is not a URL.", sent=True)


class Download(io.RawIOBase):
    """
    A readable stream of a file as it is sent, still compressed: see :attr:`encoding`.

    A connection that is closed early ends the stream silently if the response has no length; then only the content can
    show that something is missing.

    :param response: The response, opened with ``stream=True``.
    :param name: The name of the download in errors, without its token.
    :param timed_out: Returns whether the time limit of the task is reached.
    """

    def __init__(self, response: requests.Response, name: str, timed_out: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._response = response
        self._name = name
        self._timed_out = timed_out
        self.received = 0

    @property
    def encoding(self) -> str | None:
        """The content encoding, such as ``gzip``; None if the file is not compressed for the transfer."""
        encoding = self._response.headers.get("Content-Encoding", "").strip().lower()
        return encoding if encoding not in ("", "identity") else None

    @property
    def length(self) -> int | None:
        """The announced size in bytes, as sent; None if it is not announced."""
        length = self._response.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None

    @property
    def has_end(self) -> bool:
        """Whether the response marks its end, by a length or by chunks, so that an early end is detected."""
        return self.length is not None or "chunked" in self._response.headers.get("Transfer-Encoding", "").lower()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Read up to the size of a buffer.

        :param buffer: A writable buffer.
        :return: The number of bytes read; 0 at the end.
        :raises TruncatedDownloadError: if the connection breaks or stalls, or ends before the announced length or
            before the first byte: a file without orders still has a header.
        :raises WaitTimeoutError: if the time limit of the task is reached.
        """
        view = memoryview(buffer).cast("B")
        failure = None
        try:
            chunk = self._response.raw.read(len(view), decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            failure = type(error).__name__
        if failure is not None:  # raised outside of the except block: a context would show the URL with its token
            if self._timed_out():
                raise WaitTimeoutError(
                    f"Download of {self._name} stopped after {self.received} bytes, at the time limit of the task."
                )
            raise TruncatedDownloadError(f"Download of {self._name} broke off after {self.received} bytes ({failure}).")
        view[: len(chunk)] = chunk
        self.received += len(chunk)
        if not chunk and len(view):
            if self.length is not None and self.received < self.length:
                raise TruncatedDownloadError(
                    f"Download of {self._name} ended after {self.received} of {self.length} bytes."
                )
            if not self.received:
                raise TruncatedDownloadError(f"Download of {self._name} is empty: it does not even have a header.")
        return len(chunk)

    def close(self) -> None:
        """Return or close the connection."""
        self._response.close()
        super().close()

    def __repr__(self) -> str:
        return f"Download({self._name!r}, received={self.received})"
