"""A JSON array is read in pieces as ``json`` reads it as a whole."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.file_source import FileSource
from airflow_provider_voucherify.order_source.files import find_files
from airflow_provider_voucherify.order_source.formats import base, json_array

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def read(text: bytes) -> list[object]:
    """Read a text in pieces of 7 bytes."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "BLOCK_BYTES", 7)
        path = Path(folder) / "orders.json"
        path.write_bytes(text)
        return [json.loads(record.body) for record in FileSource(find_files(path)).read()]


@settings(max_examples=200, deadline=None)
@given(entries=st.lists(values, max_size=5), indent=st.sampled_from([None, 0, 3]), ascii_alone=st.booleans())
def test_whatever_an_array_holds(entries: list[object], indent: int | None, ascii_alone: bool) -> None:
    text = json.dumps(entries, indent=indent, ensure_ascii=ascii_alone)
    assert read(b" \n" + text.encode("utf-8", "surrogatepass") + b"\n") == entries


@settings(max_examples=300, deadline=None)
@given(
    entries=st.lists(st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text('x"\\', max_size=3))),
    place=st.integers(0, 200),
    sign=st.sampled_from(["", ",", "]", "[", "{", "}", '"', "\\", "1", " ", "x", "["]),
)
@example(entries=[{}], place=3, sign=",")
@example(entries=[{}, {}], place=3, sign="")
def test_a_broken_array_gives_what_is_before_and_then_an_error(entries: list, place: int, sign: str) -> None:
    """One character is replaced: what ``json`` takes is read, and anything else is an error."""
    text = json.dumps(entries, separators=(",", ":"))
    text = text[: place % len(text)] + sign + text[place % len(text) + 1 :]
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        expected = None
    if isinstance(expected, list):
        assert read(text.encode()) == expected
    elif not text.lstrip().startswith("{"):
        with pytest.raises(ConfigurationError, match=r"orders\.json is (not JSON|not a JSON array)"):
            read(text.encode())


def test_what_breaks_off_says_behind_which_order() -> None:
    with pytest.raises(ConfigurationError, match=r"orders.json is not JSON after orders.json\[1\]: .* its end"):
        read(b'[{"a": 1}, {"b": 2}, {"c": ')


def test_an_order_without_end_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_ORDER_BYTES", 1000)
    with pytest.raises(ConfigurationError, match="more than 1,000 characters"):
        read(b'[{"a": "' + b"x" * 5000 + b'"}]')


def test_bytes_that_are_not_utf_8_are_refused_with_their_order() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.json"
        path.write_bytes(b'[{"source_id": "\xff"}, {"source_id": "\xc3\xa4"}]')
        bodies = [record.body for record in FileSource(find_files(path)).read()]
        assert bodies == [b'{"source_id": "\xff"}', b'{"source_id": "\xc3\xa4"}']
