"""Convert cells of text to values of a type. A cell that does not parse is reported, never made null."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_voucherify.core.arrow import string_scalar

FLOOR_UNITS = {"s": "second", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond"}
EMPTY_FRACTION = r"^([+-]?[0-9]+)\.0*$"
TO_BE_ESCAPED = r'["\\\x00-\x1f]'
SAMPLE_TEXTS, SAMPLE_BYTES = 2048, 1 << 20
ESCAPES = {character: json.dumps(character)[1:-1] for character in ("\\", '"', *map(chr, range(0x20)))}


_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def convert(cells: pa.ChunkedArray, target: pa.DataType) -> tuple[pa.ChunkedArray, list[int]]:
    """
    Convert cells to a type.

    An empty cell is null. ``""`` in quotes is the empty string, and null if the type is not a string. Spaces around a
    value that is not a string are dropped, and so is the empty fraction of an integer, ``7700.00``. A time may have any
    offset of ISO 8601, or none: then it is UTC, as all times of the API are (documented). Fractions finer than the unit
    of the type are cut off.

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
    """Bisect the cells until those that do not parse are isolated: the cast itself decides which these are."""
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
    if pa.types.is_integer(target):
        text = pc.replace_substring_regex(text, EMPTY_FRACTION, r"\1")
    return _cast_times(text, target) if pa.types.is_timestamp(target) else _cast_text(text, target)


def not_objects(texts: pa.ChunkedArray, keys: set[str]) -> list[int]:
    """
    Find texts that are not a JSON object.

    To parse each of millions of texts would take longer than the whole conversion: those that begin and end as an
    object are parsed in a sample, and all of them if one of the sample is something else.

    :param texts: Texts; null and the empty text are accepted.
    :param keys: Gets the keys of the objects in the sample.
    :return: The positions of those that are something else.
    """
    step = max(-(-len(texts) // SAMPLE_TEXTS), texts.nbytes // SAMPLE_BYTES, 1)
    sample = (chunk[index].as_py() for chunk in texts.chunks for index in range(0, len(chunk), step))
    for text in sample:  # not take(), which copies all texts
        if text and (members := _members(text)) is not None:
            keys.update(members)
        elif text:
            return [index for index, each in enumerate(texts.to_pylist()) if each and _members(each) is None]
    # even to trim all texts would take too long
    is_plausible = _begins_and_ends_as_object(texts)
    if pc.all(is_plausible).as_py() in (True, None):  # always of no texts, whose indices pyarrow 18 dies of
        return []
    suspects = pc.indices_nonzero(pc.invert(pc.fill_null(is_plausible, True)))
    trimmed = pc.utf8_trim_whitespace(texts.take(suspects))
    is_plausible = pc.or_(_begins_and_ends_as_object(trimmed), pc.match_substring_regex(trimmed, r"^(\{\})?$"))
    rest = suspects.filter(pc.invert(is_plausible))
    return [index for index in rest.to_pylist() if _members(texts[index].as_py()) is None]


def _begins_and_ends_as_object(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.starts_with(texts, '{"'), pc.ends_with(texts, "}"))


def _members(text: str) -> Mapping[str, Any] | None:
    """Return the members of a JSON object, whose texts may have line breaks; None if it is not an object."""
    try:
        return _decode_members(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        members = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None if text.strip() else {}
    return members if isinstance(members, dict) else None


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
    raise pa.ArrowInvalid("not a time of ISO 8601")


def _has_hexadecimal(text: pa.ChunkedArray) -> bool:
    """Return whether Arrow would read ``0x10`` as 16: the API writes no such numbers."""
    # a search of all bytes at once is much faster, and nearly always enough
    texts = (data.to_pybytes() for chunk in text.chunks if (data := chunk.buffers()[2]) is not None)
    if not any(b"x" in characters or b"X" in characters for characters in texts):
        return False
    return any(pc.any(pc.starts_with(text, prefix)).as_py() for prefix in ("0x", "0X"))


def metadata_json(columns: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """
    Combine metadata that comes as a column for each key to one column of JSON text.

    :param columns: The texts of each key; where a text is null, the object is without the key.
    :return: A JSON object for each row, null where no key has a text. All values are strings: the file does not
        distinguish a number from a text of digits.
    """
    nothing, quote = string_scalar(""), string_scalar('"')
    members = [
        pc.binary_join_element_wise(string_scalar(f",{json.dumps(key)}:"), quote, _escaped(texts), quote, nothing)
        for key, texts in columns.items()
    ]
    # not null_handling="skip", which leaves out the rows in which all are null
    joined = pc.binary_join_element_wise(*members, nothing, null_handling="replace", null_replacement="")
    inner = pc.if_else(pc.equal(joined, nothing), pa.NA, pc.utf8_slice_codeunits(joined, 1))
    return pc.binary_join_element_wise(string_scalar("{"), inner, string_scalar("}"), nothing)


def _escaped(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.match_substring_regex(texts, TO_BE_ESCAPED)).as_py():
        for character, escape in ESCAPES.items():
            texts = pc.replace_substring(texts, character, escape)
    return texts
