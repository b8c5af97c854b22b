"""The counts of a job that loads orders: kept in its state while it runs, and in its summary at the end."""

from __future__ import annotations

import msgspec


class LoadCounts(msgspec.Struct, kw_only=True):
    """
    How many orders have which outcome, over all tries together.

    :param loaded: Orders that are in, as Voucherify says.
    :param rejected: Orders that were certainly not loaded, each with a reason.
    :param unknown: Orders of which it is unknown.
    :param superseded: Of the rejected, those that were left out in favour of another order with their ``source_id``, as
        the options ask for: they need no tolerance.
    :param api_calls: Calls made.
    """

    loaded: int = 0
    rejected: int = 0
    unknown: int = 0
    superseded: int = 0
    api_calls: int = 0

    @property
    def settled(self) -> int:
        """The number of orders that have an outcome."""
        return self.loaded + self.rejected + self.unknown

    def shared(self) -> dict[str, int]:
        """Map the counts that all jobs have to their values."""
        return {name: getattr(self, name) for name in LoadCounts.__struct_fields__}
