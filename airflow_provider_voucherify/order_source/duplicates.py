"""
Orders with the ``source_id`` of another one, or with rows that are not together, found before the first is sent.

What a repeated ``source_id`` does within an import is unknown. The check is exact, takes one reading of the ids alone
(and two more of the source where some repeat), and holds neither the ids nor the orders: 64-bit hashes, more than a
million of them in a temporary file, say which ids to compare.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Literal, NamedTuple, get_args

import msgspec

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.repeated_hashes import RepeatedHashes
from airflow_provider_voucherify.order_source.schema.check import (
    DuplicateOrderError,
    InvalidOrderError,
    ScatteredOrderError,
    SupersededOrderError,
)
from airflow_provider_voucherify.order_source.source import IDS_A_BATCH, Record, Source

OnDuplicate = Literal["error", "first", "last"]

LINE_BITS = 40
ROW_BYTES = 16
LOOKED_FOR = 200_000  # ids at once, of some 250 bytes each


class FoundDuplicates(msgspec.Struct, frozen=True):
    """
    What the check found: a value to keep with the state of an import, so that no later try repeats the check.

    :param on_duplicate: Which order of those with one ``source_id`` counts; None if all do.
    :param records: How many records the source has, good and bad.
    :param rows: For each record that does not count, in order: its number, and the place of the one that does (24 bits
        for the file, 40 for the line), as unsigned integers of 8 bytes.
    :param scattered: For each record that is a part of an order, in the same form: its number, and the place of another
        part.
    """

    on_duplicate: OnDuplicate | None
    records: int
    rows: bytes = b""
    scattered: bytes = b""

    def __len__(self) -> int:
        """How many records do not count."""
        return self.repeated + self.parts

    @property
    def repeated(self) -> int:
        """How many records repeat a ``source_id``."""
        return len(self.rows) // ROW_BYTES

    @property
    def parts(self) -> int:
        """How many records are a part of an order whose rows are not together."""
        return len(self.scattered) // ROW_BYTES


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
        self._scattered = memoryview(found.scattered).cast("Q")

    def since(self, number: int) -> Iterator[Duplicate]:
        """Return those from a record on, in order."""
        scattered = _since(self._scattered, number, self._part)
        repeated = _since(self._rows, number, self._repetition)
        return heapq.merge(scattered, repeated, key=attrgetter("number"))

    def _part(self, place: int) -> InvalidOrderError:
        return ScatteredOrderError(
            f"has more rows at {self._position(place)}, and rows of other orders between them; sort the rows by the "
            "columns of group_by"
        )

    def _repetition(self, place: int) -> InvalidOrderError:
        kept = self._position(place)
        if self._on_duplicate == "error":
            return DuplicateOrderError(f"repeats the source_id of {kept}, which counts (on_duplicate='error')")
        return SupersededOrderError(
            f"is superseded by {kept}, which has the same source_id (on_duplicate={self._on_duplicate!r})"
        )

    def _position(self, place: int) -> str:
        return self._source.origin(place >> LINE_BITS).position(place & (1 << LINE_BITS) - 1)


def _since(rows: memoryview, number: int, reason: Callable[[int], InvalidOrderError]) -> Iterator[Duplicate]:
    start = bisect_left(range(len(rows) // 2), number, key=lambda row: rows[2 * row])
    for index in range(2 * start, len(rows), 2):
        yield Duplicate(rows[index], reason(rows[index + 1]))


def find_duplicates(source: Source, on_duplicate: OnDuplicate | None) -> FoundDuplicates:
    """
    Find the records that repeat a ``source_id``, whether they are valid or not, and parts of orders.

    :param on_duplicate: ``first`` lets the first one count, ``last`` the last one. ``error`` lets the first one count
        and the others be rejected. None lets all count, and finds parts of orders alone.
    :raises ConfigurationError: if it is none of these, or the source cannot be read.
    """
    if on_duplicate is not None:
        check_choice("on_duplicate", on_duplicate, get_args(OnDuplicate))
    with RepeatedHashes() as ids, RepeatedHashes() as keys:
        records = _read(source, ids, keys)
        rows, scattered = array("Q"), array("Q")
        if on_duplicate is not None:
            rows = _found(ids.repeated(), lambda hashes: _rows(source, hashes, keep_last=on_duplicate == "last"))
        if source.groups_rows:
            scattered = _found(keys.repeated(), lambda hashes: _parts(source, hashes))
    return FoundDuplicates(on_duplicate, records, rows.tobytes(), scattered.tobytes())


def _read(source: Source, ids: RepeatedHashes, keys: RepeatedHashes) -> int:
    count = 0
    if not source.groups_rows:
        for page in source.source_ids():
            ids.add(page)
            count += len(page)
        return count
    records = source.scan()
    while found := list(islice(records, IDS_A_BATCH)):
        ids.add([source_id_of(record.body) for record in found])
        keys.add([record.key for record in found])
        count += len(found)
    return count


def _found(suspects: Iterator[int], rows_of: Callable[[set[int]], array[int]]) -> array[int]:
    runs = []
    while looked_for := set(islice(suspects, LOOKED_FOR)):
        runs.append(rows_of(looked_for))
    return runs[0] if len(runs) == 1 else array("Q", (value for row in _merged(runs) for value in row))


def _rows(source: Source, hashes: set[int], keep_last: bool) -> array[int]:
    kept: dict[str, tuple[int, int]] = {}
    for source_id, record in _with_hashes(source, hashes, _source_id):
        if keep_last or source_id not in kept:
            kept[source_id] = (record.number, _place(record))
    rows = array("Q")
    for source_id, record in _with_hashes(source, hashes, _source_id):
        number, place = kept[source_id]
        if number != record.number:
            rows.extend((record.number, place))
    return rows


def _parts(source: Source, hashes: set[int]) -> array[int]:
    """Find all parts of the orders that have several, each with the place of another one."""
    places: dict[str, list[int]] = {}
    for key, record in _with_hashes(source, hashes, attrgetter("key")):
        known = places.setdefault(key, [])
        if len(known) < 2:
            known.append(_place(record))
    rows = array("Q")
    for key, record in _with_hashes(source, hashes, attrgetter("key")):
        known = places[key]
        if len(known) > 1:
            rows.extend((record.number, known[known[0] == _place(record)]))
    return rows


def _with_hashes(
    source: Source, hashes: set[int], text_of: Callable[[Record], str | None]
) -> Iterator[tuple[str, Record]]:
    for record in source.scan():
        text = text_of(record)
        if text is not None and hash(text) in hashes:
            yield text, record


def _source_id(record: Record) -> str | None:
    return source_id_of(record.body)


def _place(record: Record) -> int:
    return record.origin.file << LINE_BITS | record.line


def _merged(runs: Iterable[array[int]]) -> Iterator[tuple[int, ...]]:
    return heapq.merge(*(zip(*[iter(run)] * 2, strict=True) for run in runs))
