"""Read files that are one JSON array of orders, holding one order at a time."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator
from typing import BinaryIO

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats import base
from airflow_provider_voucherify.order_source.source import Cursor, Record, rename_body

BLOCK_BYTES = 64 << 10
CUT_OFF = 16  # characters: this far before the end of a text that breaks off the decoder may see the error

_SPACE = re.compile(r"[ \t\n\r]*")


class JsonArray(base.JsonReader):
    """A file that is a JSON array of orders, or an object with one (``json_path``)."""

    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """Read from a cursor on, up to where the text is not JSON: no order can be found after that."""
        keys = self._options.json_path.split(".") if self._options.json_path else []
        number, index, offset = start.number, start.line, start.offset
        with self._file.open(offset) as file:
            text = _Text(file)
            if offset == 0:
                offset += text.skip("\ufeff") + text.skip_space()
                for key in keys:
                    offset += self._enter(text, key) + text.skip_space()
                if not text.skip("["):
                    raise ConfigurationError(
                        f"{self._file.name} is not a JSON array of orders: it begins with {text}."
                        if not keys
                        else f"{self._file.name} has no array of orders at json_path {self._options.json_path!r}, but "
                        f"{text}."
                    )
                offset += 1
            while True:
                offset += text.skip_space()
                if text.skip("]"):
                    break
                if index:
                    if not text.skip(","):
                        raise self._broken(index, f"expected , or ] but found {text}")
                    offset += 1 + text.skip_space()
                try:
                    body = text.value()
                except (ValueError, RecursionError) as error:
                    raise self._broken(index, str(error)) from None
                offset += len(body)
                body, why = rename_body(self._rename, body)
                yield Record(self._origin, number, index, body, index + 1, offset, why)
                number += 1
                index += 1
            self._leave(text, len(keys), index)
            if not text.at_end:
                raise self._broken(index, f"after the array there is {text}")
        return number

    def _enter(self, text: _Text, key: str) -> int:
        """Go to the value of a key of an object, and return how many bytes that were."""
        passed = text.skip("{")
        while passed:
            try:
                passed += text.skip_space()
                name = text.value() if not text.at_end else b""
                passed += len(name) + text.skip_space() + text.skip(":") + text.skip_space()
                if name and json.loads(name) == key:
                    return passed
                passed += len(text.value()) + text.skip_space()
            except (ValueError, RecursionError) as error:
                raise self._broken(0, str(error)) from None
            if not (comma := text.skip(",")):
                break
            passed += comma
        raise ConfigurationError(f"{self._file.name} has no key {key!r} (json_path {self._options.json_path!r}).")

    def _leave(self, text: _Text, depth: int, index: int) -> None:
        """Read to the ends of the objects around the array: a file that breaks off there may lack orders."""
        for _ in range(depth):
            text.skip_space()
            while text.skip(","):
                try:
                    text.skip_space()
                    text.value()
                    text.skip_space()
                    text.skip(":")
                    text.skip_space()
                    text.value()
                    text.skip_space()
                except (ValueError, RecursionError) as error:
                    raise self._broken(index, str(error)) from None
            if not text.skip("}"):
                raise self._broken(index, f"expected , or }} but found {text}")
        text.skip_space()

    def _broken(self, index: int, why: str) -> ConfigurationError:
        place = f"after {self._origin.position(index - 1)}" if index else "at its start"
        return ConfigurationError(f"{self._file.name} is not JSON {place}: {why}.")


class _Text:
    """The text of a file, read and kept only as far as it is needed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # what is not UTF-8 passes here and is refused with the order that it is in
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = ""
        self._place = 0
        self._decoder = json.JSONDecoder()
        self._whole = False

    def __str__(self) -> str:
        """The next characters, for messages."""
        self._look(1)
        return repr(self._text[self._place : self._place + 20]) if not self.at_end else "the end of the file"

    @property
    def at_end(self) -> bool:
        """Whether the end of the text is reached."""
        return not self._look(1)

    def skip(self, sign: str) -> int:
        """Skip a character if it comes next, and return how many bytes that were."""
        if not self._look(1) or self._text[self._place] != sign:
            return 0
        self._place += 1
        return len(sign.encode())

    def skip_space(self) -> int:
        """Skip white space, and return how many bytes that were."""
        passed = 0
        while self._look(1):
            end = _SPACE.match(self._text, self._place).end()  # type: ignore[union-attr]
            passed += end - self._place
            self._place = end
            if end < len(self._text):
                break
        return passed

    def value(self) -> bytes:
        """
        Read a JSON value without changing it.

        :raises ValueError: if it is not JSON, or does not end.
        """
        self._look(1)
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._place)
                if self._whole or self._text[end - 1] in '}]"' or end + CUT_OFF <= len(self._text):
                    break
            except json.JSONDecodeError as error:
                cut_off = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - CUT_OFF
                if self._whole or not cut_off:
                    found = repr(self._text[error.pos : error.pos + 20]) if error.pos < len(self._text) else "its end"
                    raise ValueError(f"{error.msg}, but found {found}") from None
            if len(self._text) - self._place > base.MAX_ORDER_BYTES:
                raise ValueError(f"an order has more than {base.MAX_ORDER_BYTES:,} characters")
            self._more()
        body = self._text[self._place : end].encode("utf-8", "surrogateescape")
        self._place = end
        return body

    def _look(self, characters: int) -> bool:
        while len(self._text) - self._place < characters and not self._whole:
            self._more()
        return len(self._text) - self._place >= characters

    def _more(self) -> None:
        block = self._file.read(max(BLOCK_BYTES, len(self._text) - self._place))
        self._whole = not block
        self._text = self._text[self._place :] + self._decode(block, self._whole)
        self._place = 0
