"""
Orders with the ``source_id`` of another one, found before the first is sent.

What a repeated ``source_id`` does within an import is unknown. The check is exact, takes one reading of the ids alone
(and two more of the source where some repeat), and holds neither the ids nor the orders: 64-bit hashes, more than a
million of them in a temporary file, tell which ids to look at.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from tempfile import TemporaryFile
from typing import Literal, NamedTuple, Self, get_args

import msgspec

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError, SupersededOrderError
from airflow_provider_voucherify.order_source.schema.source_id import source_id_of
from airflow_provider_voucherify.order_source.source import Record, Source

OnDuplicate = Literal["error", "first", "last"]

LINE_BITS = 40
PARTS = 256
HELD_HASHES = 1 << 20
LOOKED_FOR = 200_000  # ids at once, of some 250 bytes each


class FoundDuplicates(msgspec.Struct, frozen=True):
    """
    What the check found: a value to keep with the state of an import, so that no later try repeats the check.

    :param on_duplicate: Which order of those with one ``source_id`` counts.
    :param records: How many records the source has, good and bad.
    :param rows: For each record that does not count, in order: its number, and the place of the one that does (24 bits
        for the file, 40 for the line), as unsigned integers of 8 bytes.
    """

    on_duplicate: OnDuplicate
    records: int
    rows: bytes = b""

    def __len__(self) -> int:
        """How many records do not count."""
        return len(self.rows) // 16


class Duplicate(NamedTuple):
    """
    A record that does not count.

    :param number: How many records lie before it.
    :param reason: Why it does not.
    """

    number: int
    reason: InvalidOrderError


class Duplicates:
    """
    Which records of a source do not count, and why.

    :param source: The source.
    :param found: What :func:`find_duplicates` found in it.
    """

    def __init__(self, source: Source, found: FoundDuplicates) -> None:
        self._on_duplicate = found.on_duplicate
        self._source = source
        self._rows = memoryview(found.rows).cast("Q")

    def since(self, number: int) -> Iterator[Duplicate]:
        """Give those from a record on, in order."""
        rows = self._rows
        start = bisect_left(range(len(rows) // 2), number, key=lambda row: rows[2 * row])
        for index in range(2 * start, len(rows), 2):
            number, place = rows[index : index + 2]
            kept = self._source.origin(place >> LINE_BITS).position(place & (1 << LINE_BITS) - 1)
            if self._on_duplicate == "error":
                reason = InvalidOrderError(f"repeats the source_id of {kept}, which counts (on_duplicate='error')")
            else:
                reason = SupersededOrderError(
                    f"gives way to {kept}, which has the same source_id (on_duplicate={self._on_duplicate!r})"
                )
            yield Duplicate(number, reason)


def find_duplicates(source: Source, on_duplicate: OnDuplicate) -> FoundDuplicates:
    """
    Find the records that repeat a ``source_id``, whether they are valid or not.

    :param on_duplicate: ``first`` lets the first one count, ``last`` the last one. ``error`` lets the first one count
        and the others be rejected.
    :raises ConfigurationError: if it is none of these, or the source cannot be read.
    """
    check_choice("on_duplicate", on_duplicate, get_args(OnDuplicate))
    records = 0
    with _Hashes() as hashes:
        for ids in source.source_ids():
            hashes.add(ids)
            records += len(ids)
        suspects = hashes.repeated()
        runs = []
        while looked_for := set(islice(suspects, LOOKED_FOR)):
            runs.append(_rows(source, looked_for, keep_last=on_duplicate == "last"))
    rows = runs[0] if len(runs) == 1 else array("Q", (value for row in _merged(runs) for value in row))
    return FoundDuplicates(on_duplicate, records, rows.tobytes())


def _rows(source: Source, hashes: set[int], keep_last: bool) -> array[int]:
    kept: dict[str, tuple[int, int]] = {}
    for source_id, record in _with_hashes(source, hashes):
        if keep_last or source_id not in kept:
            kept[source_id] = (record.number, record.origin.file << LINE_BITS | record.line)
    rows = array("Q")
    for source_id, record in _with_hashes(source, hashes):
        number, place = kept[source_id]
        if number != record.number:
            rows.extend((record.number, place))
    return rows


def _with_hashes(source: Source, hashes: set[int]) -> Iterator[tuple[str, Record]]:
    for record in source.read():
        source_id = source_id_of(record.body)
        if source_id is not None and hash(source_id) in hashes:
            yield source_id, record


def _merged(runs: Iterable[array[int]]) -> Iterator[tuple[int, ...]]:
    return heapq.merge(*(zip(*[iter(run)] * 2, strict=True) for run in runs))


class _Hashes:
    """Hashes parted by their value, so that those of one part can be compared in memory."""

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(PARTS)]
        self._append = [part.append for part in self._parts]
        self._held = 0
        self._file = TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._stretches: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, ids: Sequence[str | None]) -> None:
        """Take up the hashes of some ids."""
        append = self._append
        for value in map(hash, [source_id for source_id in ids if source_id is not None]):
            append[value % PARTS](value)
        self._held += len(ids)
        if self._held > HELD_HASHES:
            self._spill()

    def _spill(self) -> None:
        for part, stretches in zip(self._parts, self._stretches, strict=True):
            stretches.append((self._file.tell(), len(part)))
            part.tofile(self._file)
            del part[:]
        self._held = 0

    def repeated(self) -> Iterator[int]:
        """Give each hash that occurs more than once."""
        for part, stretches in zip(self._parts, self._stretches, strict=True):
            values = array("q", part)
            for offset, count in stretches:
                self._file.seek(offset)
                values.fromfile(self._file, count)
            if len(set(values)) < len(values):
                yield from (value for value, count in Counter(values).items() if count > 1)
