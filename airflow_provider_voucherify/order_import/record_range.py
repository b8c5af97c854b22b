"""Ranges of records of a source: what goes together in a chunk, or has to be sent again."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from airflow_provider_voucherify.order_source.source import Cursor


class RecordRange(msgspec.Struct):
    """
    Records that go together: those of a chunk, or what is left of one that was refused or has to be sent again.

    :param start: The place before the first of them.
    :param span: How many records of the source there are from there on.
    :param only: Which of them are meant, a bit for each, compressed; all of them if None.
    :param attempt: How often their orders have been sent, this time included.
    :param doubtful: Whether an earlier attempt may have loaded them: then a failure does not prove that they are not
        in.
    """

    start: Cursor
    span: int
    only: bytes | None = None
    attempt: int = 1
    doubtful: bool = False

    def offsets(self) -> list[int]:
        """List which of the records are meant, counted from the start."""
        return list(range(self.span)) if self.only is None else from_bits(self.only)

    def subset(self, offsets: Sequence[int]) -> RecordRange:
        """
        Take some of the records.

        :param offsets: Which, counted from the start.
        """
        return msgspec.structs.replace(self, span=max(offsets) + 1, only=to_bits(offsets))

    def for_resend(self, offsets: Sequence[int], doubtful: bool) -> RecordRange:
        """
        Take some of the records, to send them once more.

        :param offsets: Which, counted from the start.
        :param doubtful: Whether this attempt may have loaded them.
        """
        subset = self.subset(offsets)
        return msgspec.structs.replace(subset, attempt=self.attempt + 1, doubtful=self.doubtful or doubtful)


def merged(ranges: Iterable[RecordRange]) -> list[RecordRange]:
    """
    Put ranges together whose records can share a request: a few orders of each chunk take one call, not one a chunk.

    :param ranges: The ranges, in any order.
    """
    alike: dict[tuple[int, bool], list[RecordRange]] = defaultdict(list)
    for record_range in ranges:
        alike[record_range.attempt, record_range.doubtful].append(record_range)
    return [group[0] if len(group) == 1 else _union(group) for group in alike.values()]


def _union(ranges: Sequence[RecordRange]) -> RecordRange:
    first = min(ranges, key=lambda record_range: record_range.start.number)
    offsets = {
        record_range.start.number - first.start.number + offset
        for record_range in ranges
        for offset in record_range.offsets()
    }
    return first.subset(sorted(offsets))


def to_bits(numbers: Sequence[int]) -> bytes:
    """
    Encode a set of numbers, a bit for each, compressed: a few among millions take a few bytes each.

    :param numbers: The numbers, 0 or more.
    """
    bits = bytearray(max(numbers, default=0) // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return zlib.compress(bits)


def from_bits(encoded: bytes) -> list[int]:
    """
    Decode what :func:`to_bits` returned.

    :param encoded: The bits.
    :return: The numbers in ascending order.
    """
    return [
        place * 8 + bit
        for place, bits in enumerate(zlib.decompress(encoded))
        if bits
        for bit in range(8)
        if bits >> bit & 1
    ]
