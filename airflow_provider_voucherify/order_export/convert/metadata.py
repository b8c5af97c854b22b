"""Metadata that comes as a column for each key becomes the one column of JSON text that was asked for."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

TO_BE_ESCAPED = r'["\\\x00-\x1f]'
ESCAPES = {character: json.dumps(character)[1:-1] for character in ("\\", '"', *map(chr, range(0x20)))}


def to_json(columns: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """
    Write a JSON object for each row.

    :param columns: The texts of each key; where a text is null, the object is without the key.
    :return: The objects as JSON text, null where no key has a text. All values are strings: the file does not tell
        a number from a text of digits.
    """
    nothing, quote = _scalar(""), _scalar('"')
    members = [
        pc.binary_join_element_wise(_scalar(f",{json.dumps(key)}:"), quote, _escaped(texts), quote, nothing)
        for key, texts in columns.items()
    ]
    # not null_handling="skip", which leaves out the rows in which all are null
    joined = pc.binary_join_element_wise(*members, nothing, null_handling="replace", null_replacement="")
    inner = pc.if_else(pc.equal(joined, nothing), pa.NA, pc.utf8_slice_codeunits(joined, 1))
    return pc.binary_join_element_wise(_scalar("{"), inner, _scalar("}"), nothing)


def _escaped(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.match_substring_regex(texts, TO_BE_ESCAPED)).as_py():
        for character, escape in ESCAPES.items():
            texts = pc.replace_substring(texts, character, escape)
    return texts


def _scalar(text: str) -> pa.StringScalar:
    """Do what ``pa.scalar`` does, without importing pandas."""
    data = text.encode()
    offsets = struct.pack("=2i", 0, len(data))
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])[0]
