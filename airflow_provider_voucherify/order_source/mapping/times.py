"""Read dates and times in the forms that databases and spreadsheets write, as ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIVISORS = {"epoch_seconds": 1, "epoch_milliseconds": 1000}
_TIME = re.compile(r"%[HIpMSfzZcXT]")

_FORM = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<fraction>[.,]\d+)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,? (\d{1,2}:\d{2}(?::\d{2})?))?", re.ASCII)


def iso_8601(value: object, formats: Sequence[str] = ()) -> str:
    """
    Write a date or time in ISO 8601.

    Read without a format: ISO 8601, the forms of Postgres, BigQuery (``… UTC``), Snowflake (``… +0000``), SQL Server
    (seven digits of a second, ``… +00:00``), and ``31.12.2023 23:59``. Forms in which day and month cannot be told
    apart need a format.

    :param value: The date or time, as text or, with an epoch, as a number.
    :param formats: Formats of ``strptime``, or ``epoch_seconds`` or ``epoch_milliseconds``, tried first.
    :return: With ``Z`` for UTC, and without a zone if the value has none.
    :raises ValueError: if it cannot be read.
    """
    for form in formats:
        try:
            return _by_format(value, form)
        except (ValueError, InvalidOperation, OverflowError, TypeError):
            continue
    if not isinstance(value, str):
        raise ValueError(value)
    text = value.strip()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        moment = _moment(text)
        return _written(moment) if isinstance(moment, datetime) else moment.isoformat()


def _by_format(value: object, form: str) -> str:
    if form in DIVISORS:
        if isinstance(value, bool):
            raise ValueError(value)
        seconds = Decimal(str(value)) / DIVISORS[form]
        return _written(EPOCH + timedelta(microseconds=int(seconds * 1_000_000)))
    if not isinstance(value, str):
        raise ValueError(value)
    moment = datetime.strptime(value.strip(), form)
    return _written(moment) if _TIME.search(form) else moment.date().isoformat()


def _moment(text: str) -> datetime | date:
    if found := _FORM.fullmatch(text):
        zone = (found["zone"] or "").upper().replace("UTC", "+00:00").replace("GMT", "+00:00").replace("Z", "+00:00")
        zone = f"{zone}:00" if len(zone) == 3 else zone
        fraction = (found["fraction"] or "").replace(",", ".")[:7]
        return datetime.fromisoformat(f"{found['date']}T{found['time']}{fraction}{zone}")
    if found := _DOTTED.fullmatch(text):
        day, month, year, clock = found.groups()
        if clock is None:
            return date(int(year), int(month), int(day))
        return datetime(int(year), int(month), int(day), *map(int, clock.split(":")))  # type: ignore[arg-type]
    return datetime.fromisoformat(text)


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
