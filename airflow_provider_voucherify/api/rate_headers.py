"""Parse the rate headers of responses; a value that makes no sense says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

SMALLEST_OFFSET = 2.0  # seconds: a Date header has whole ones, and the response took time


def count_in(headers: Mapping[str, str], name: str) -> int | None:
    """
    Parse a header that is a whole number from 0.

    :param headers: The headers of a response.
    :param name: The name of the header.
    :return: The number; None if the header is missing or anything else.
    """
    try:
        number = int(float(headers[name]))
    except (KeyError, ValueError, OverflowError):
        return None
    return number if number >= 0 else None


def retry_after(headers: Mapping[str, str], now: float, longest: float) -> float | None:
    """
    Parse ``Retry-After``: seconds or a date.

    :param headers: The headers of a response.
    :param now: Our time, in seconds since the epoch.
    :param longest: The longest wait that makes sense, in seconds.
    :return: Seconds from now; None if the header is missing, in the past or too far away.
    """
    text = headers.get("Retry-After", "")
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = parsedate_to_datetime(text).timestamp() - server_time(headers, now)
        except (ValueError, OverflowError):
            return None
    return wait if 0 <= wait <= longest else None


def server_time(headers: Mapping[str, str], now: float) -> float:
    """
    Return the time on the server's clock, which may differ from ours.

    :param headers: The headers of a response that was just received.
    :param now: Our time, in seconds since the epoch.
    :return: The server's time; ours if the difference is below what ``Date`` can show.
    """
    try:
        server = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return now
    return server if abs(server - now) > SMALLEST_OFFSET else now
