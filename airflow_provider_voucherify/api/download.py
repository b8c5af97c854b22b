"""The bytes of an exported file, as they come, and the certainty that all of them came."""

from __future__ import annotations

import io
from typing import Any

import requests
import urllib3.exceptions

from airflow_provider_voucherify.exceptions import TruncatedDownloadError


class Download(io.RawIOBase):
    """
    A readable stream of the file as it was sent, not decoded: see :attr:`encoding`.

    A connection that is closed early ends the stream in silence where the answer named no length; then only
    the content can tell.

    :param answer: The answer, opened with ``stream=True``.
    :param name: How errors call it, without the token.
    """

    def __init__(self, answer: requests.Response, name: str) -> None:
        super().__init__()
        self._answer = answer
        self._name = name
        self.received = 0

    @property
    def encoding(self) -> str | None:
        """``gzip`` where the file was compressed for the way, else None."""
        encoding = self._answer.headers.get("Content-Encoding", "").strip().lower()
        return encoding if encoding not in ("", "identity") else None

    @property
    def length(self) -> int | None:
        """How many bytes the answer announced, as sent; None where it did not."""
        length = self._answer.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Read some bytes into a buffer.

        :return: How many bytes were read; 0 at the end.
        :raises TruncatedDownloadError: if the connection broke, or ended before the announced length.
        """
        view = memoryview(buffer).cast("B")
        try:
            chunk = self._answer.raw.read(len(view), decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TruncatedDownloadError(
                f"Download of {self._name} broke off after {self.received} bytes ({type(error).__name__})."
            ) from None
        view[: len(chunk)] = chunk
        self.received += len(chunk)
        if not chunk and len(view) and self.length is not None and self.received < self.length:
            raise TruncatedDownloadError(
                f"Download of {self._name} ended after {self.received} of {self.length} bytes."
            )
        return len(chunk)

    def close(self) -> None:
        """Give the connection back."""
        self._answer.close()
        super().close()

    def __repr__(self) -> str:
        return f"Download({self._name!r}, received={self.received})"
