"""How far a job that loads orders has come, for people."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """
    The progress of a job that loads orders.

    :param done: Orders that have an outcome.
    :param share: The share of the source that was read; None where its length is not known.
    :param rate: Orders a second, of late.
    :param read: Orders that were read.
    :param failed: Orders that are rejected or unknown.
    :param in_flight: Requests on their way: chunks that wait at Voucherify, or calls.
    :param calls: Calls made.
    :param calls_left: Calls left in the period, as Voucherify said last; None where it does not say.
    """

    done: int
    share: float | None
    rate: float
    read: int
    failed: int
    in_flight: int
    calls: int
    calls_left: int | None

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at this rate; None as long as that cannot be estimated."""
        if not self.share or not self.rate:
            return None
        return max(0.0, self.read / self.share - self.done) / self.rate

    def __str__(self) -> str:
        parts = [f"{self.done:,} orders done"]
        if self.share is not None:
            parts.append(f"{self.share:.1%} read")
        parts.append(f"{self.rate:,.{0 if self.rate >= 10 else 1}f} orders/s")
        if self.seconds_left is not None:
            parts.append(f"{timedelta(seconds=round(self.seconds_left))} left")
        parts += [f"{self.failed:,} failed", f"{self.calls:,} calls used"]
        if self.calls_left is not None:
            parts.append(f"{self.calls_left:,} left in this period")
        return ", ".join(parts)
