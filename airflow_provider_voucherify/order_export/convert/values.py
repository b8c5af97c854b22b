"""Cells of text become values of a type. What does not parse is told, never made null."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

FLOOR_UNITS = {"s": "second", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond"}


def convert(cells: pa.ChunkedArray, target: pa.DataType) -> tuple[pa.ChunkedArray, list[int]]:
    """
    Give cells their type.

    An empty cell is null. ``""`` in quotes is the empty string, and null where the type is no string. Spaces around
    a value that is no string are dropped. A time may have any offset of ISO 8601, or none: then it is UTC, as all times
    of the API are (documented). What is finer than the unit of the type is cut off.

    :param cells: Binary cells, null where they were empty.
    :param target: The type.
    :return: The values, null where a cell does not parse, and the positions of these cells.
    """
    try:
        return _cast(cells, target), []
    except pa.ArrowInvalid:
        bad: list[int] = []
        values = _convert_part(cells, target, 0, bad)
        return pa.chunked_array(values, type=target), bad


def _convert_part(cells: pa.ChunkedArray, target: pa.DataType, offset: int, bad: list[int]) -> list[pa.Array]:
    """Halve until the cells that do not parse stand alone: the cast itself decides which these are."""
    try:
        return list(_cast_leniently(cells, target).chunks)
    except pa.ArrowInvalid:
        if len(cells) == 1:
            bad.append(offset)
            return [pa.nulls(1, target)]
    half = len(cells) // 2
    return [
        *_convert_part(cells.slice(0, half), target, offset, bad),
        *_convert_part(cells.slice(half), target, offset + half, bad),
    ]


def _cast(cells: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    text = cells.cast(pa.string())
    if pa.types.is_dictionary(target):
        return text.dictionary_encode()
    return _cast_text(text, target)


def _cast_leniently(cells: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_string(target) or pa.types.is_dictionary(target):
        return _cast(cells, target)
    trimmed = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    text = pc.if_else(pc.match_substring_regex(trimmed, "^$"), pa.NA, trimmed)
    return _cast_times(text, target) if pa.types.is_timestamp(target) else _cast_text(text, target)


def _cast_text(text: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_integer(target) and _has_hexadecimal(text):
        raise pa.ArrowInvalid("a hexadecimal number")
    return text.cast(target)


def _cast_times(text: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    for unit in ("ms", "us", "ns"):
        for zone in ("UTC", None):
            try:
                times = text.cast(pa.timestamp(unit, zone))
            except pa.ArrowInvalid:
                continue
            utc = times.cast(pa.timestamp(unit))  # without its name, UTC needs no time zone database
            return pc.floor_temporal(utc, unit=FLOOR_UNITS[target.unit]).cast(pa.timestamp(target.unit)).cast(target)
    raise pa.ArrowInvalid("no time of ISO 8601")


def _has_hexadecimal(text: pa.ChunkedArray) -> bool:
    """Tell whether Arrow would read ``0x10`` as 16: the API writes no such numbers."""
    return any(pc.any(pc.starts_with(text, prefix)).as_py() for prefix in ("0x", "0X"))
