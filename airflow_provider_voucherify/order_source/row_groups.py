"""Make one order of consecutive rows of a table that have the same key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_voucherify.order_source.mapping.columns import KEY
from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.schema.check import encode, shown
from airflow_provider_voucherify.order_source.source import Record

MAX_GROUP_BYTES = 16 << 20  # of the rows of one order

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def grouped(rows: Iterable[Record], options: SourceOptions, number: int) -> Iterator[Record]:
    """
    Make orders of rows.

    Consecutive rows with the same key are one order. What stands in ``items`` of a row is one of its items; for all
    else the first value that is not empty counts, and rows that contradict each other make a record with an error.

    A row without a key is rejected with the order before it, to which it may belong; one that cannot be read is
    rejected with the orders before and after it. So no order is sent without some of its items.

    :param rows: A record for each row, which has its key in it.
    :param options: Say which columns are the key, and what stands for nothing.
    :param number: How many orders of the source lie before the rows.
    """
    columns, nothing = len(options.group_columns), frozenset(options.null_values)
    group: _Group | None = None
    for row in rows:
        key = _key(row, columns, nothing)
        if group is not None and not group.takes(row, key):
            yield group.record(number)
            number += 1
            group = None
        if group is None:
            group = _Group(nothing)
        group.add(row, key)
    if group is not None:
        yield group.record(number)


class _Group:
    """The rows of one order."""

    def __init__(self, nothing: frozenset[str]) -> None:
        self._nothing = nothing
        self._rows: list[Record] = []
        self._key: str | None = None
        self._uncertain = False
        self._bytes = 0
        self._empty_rows = 0
        self._count = 0
        self._error: str | None = None

    def takes(self, row: Record, key: str | None) -> bool:
        return self._uncertain or row.error is not None or key is None or key == self._key

    def add(self, row: Record, key: str | None) -> None:
        if row.error is not None:
            self._error = self._error or f"{row.position} {row.error}; which order it belongs to is not certain"
        elif key is None:
            self._error = self._error or f"{row.position} has nothing in a column of group_by; fill the column down"
        else:
            self._key = key
        self._uncertain = row.error is not None
        self._count += 1
        self._bytes += len(row.body)
        self._empty_rows += row.empty_rows
        if self._bytes <= MAX_GROUP_BYTES:
            self._rows.append(row)
        else:
            self._rows[1:] = [row]  # the last one says where the next order begins

    def record(self, number: int) -> Record:
        first, last = self._rows[0], self._rows[-1]
        body, error = self._merged()
        return msgspec.structs.replace(
            first,
            number=number,
            body=body,
            error=error,
            sound=None,
            next_line=last.next_line,
            next_offset=last.next_offset,
            next_file=last.origin.file,
            empty_rows=self._empty_rows,
            place=_place(first, last),
            key=self._key,
        )

    def _merged(self) -> tuple[bytes, str | None]:
        if self._bytes > MAX_GROUP_BYTES:
            return b"{}", f"has {self._count:,} rows of {self._bytes:,} bytes, and at most {MAX_GROUP_BYTES:,} are read"
        documents = [_document(row) for row in self._rows]
        if self._error is not None:
            return encode({"rows": documents}), self._error
        order: dict[str, Any] = {}
        items: list[Any] = []
        sources: dict[tuple[str, ...], Record] = {}
        error = None
        for row, fields in zip(self._rows, documents, strict=True):
            item = fields.pop("items", None)
            if isinstance(item, list):
                items.extend(item)
            elif not _is_empty(item, self._nothing):
                items.append(item)
            error = error or self._fill(order, fields, row, sources)
        if items:
            order["items"] = items
        return encode(order), error

    def _fill(
        self,
        order: dict[str, Any],
        fields: dict[str, Any],
        row: Record,
        sources: dict[tuple[str, ...], Record],
        path: tuple[str, ...] = (),
    ) -> str | None:
        """Put the values of a row where the order has none, and say which row it contradicts."""
        error = None
        for name, value in fields.items():
            at = (*path, name)
            known = order.get(name)
            if isinstance(value, dict) and isinstance(known, dict | None):
                inner = order.setdefault(name, {}) if known is None else known
                error = error or self._fill(inner, value, row, sources, at)
            elif _is_empty(known, self._nothing) and value is not None:
                order[name] = value
                sources[at] = row
            elif known != value and not _is_empty(value, self._nothing):
                taken = (source for other, source in sources.items() if other[: len(at)] == at)
                error = error or (
                    f"{next(taken, row).position} and {row.position} contradict each other: {'.'.join(at)} is "
                    f"{shown(known)} and {shown(value)}"
                )
        return error


def _key(row: Record, columns: int, nothing: frozenset[str]) -> str | None:
    """Return the key of a row as text; None if a part of it is empty, or the row cannot be read."""
    if row.error is not None:
        return None
    found = _decode(row.body).get(KEY, {})
    parts = [found.get(str(index)) for index in range(columns)]
    return None if any(_is_empty(part, nothing) for part in parts) else encode(parts).decode()


def _is_empty(value: Any, nothing: frozenset[str]) -> bool:
    """Return whether nothing is in a value: in an item, where an outer join found none."""
    if isinstance(value, dict):
        return all(_is_empty(inner, nothing) for inner in value.values())
    return value is None or (isinstance(value, str) and value in nothing)


def _document(row: Record) -> Any:
    document = _decode(row.body)
    if isinstance(document, dict):
        document.pop(KEY, None)
    return document


def _place(first: Record, last: Record) -> str | None:
    if first is last:
        return None
    if first.origin.file != last.origin.file:
        return f"{first.position} to {last.position}"
    return first.origin.span(first.line, last.line)
