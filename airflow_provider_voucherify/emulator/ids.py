"""Identifiers and times in the forms of Voucherify."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from hashlib import blake2b

_count = itertools.count()


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as ``aa_0a875d56c805df6601``.

    Identifiers grow with time, so that the index over a million of them is written at its end alone.

    :param prefix: What stands before the 18 hexadecimal digits, with its separator (``ord_``, ``v-``).
    :return: An identifier that this process has not given before.
    """
    return f"{prefix}{time.time_ns() // 1_000_000:012x}{next(_count) & 0xFFFFFF:06x}"


def derived_id(prefix: str, source_id: str) -> str:
    """Return the identifier that belongs to a source id: the same for the same, without a table of them.

    :param prefix: ``cust_``, ``prod_`` or ``sku_``.
    :param source_id: The merchant's identifier.
    :return: The prefix and 24 hexadecimal digits.
    """
    return prefix + blake2b(source_id.encode(), digest_size=12).hexdigest()


def timestamp(moment: datetime | None = None) -> str:
    """Return a moment as Voucherify writes it: ISO 8601, UTC, milliseconds, ``Z``.

    :param moment: An aware time; now when left out.
    :return: Text that sorts as the time does, e.g. ``2022-09-09T09:20:01.660Z``.
    """
    moment = (moment or datetime.now(UTC)).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
