"""Make Arrow arrays and scalars without pandas, which ``pa.array`` and ``pa.scalar`` import (0.5 s, 60 MB)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate

import pyarrow as pa


def string_array(texts: Iterable[str]) -> pa.StringArray:
    """
    Make an array of texts.

    :param texts: The texts.
    """
    values = [text.encode() for text in texts]
    offsets = array("i", accumulate(map(len, values), initial=0))
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(values)))


def string_scalar(text: str) -> pa.StringScalar:
    """
    Make a text.

    :param text: The text.
    """
    return string_array([text])[0]


def int64_scalar(value: int) -> pa.Int64Scalar:
    """
    Make an integer.

    :param value: The integer.
    """
    data = value.to_bytes(8, "little", signed=True)
    return pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer(data)])[0]


def mask_without(positions: Iterable[int], length: int) -> pa.BooleanArray:
    """
    Make a mask that is True except at some positions.

    :param positions: Where it is False, from 0.
    :param length: Its length.
    """
    flags = bytearray(b"\x01" * length)
    for position in positions:
        flags[position] = 0
    return pa.Array.from_buffers(pa.uint8(), length, [None, pa.py_buffer(flags)]).cast(pa.bool_())
