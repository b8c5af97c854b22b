"""Files with one order a line."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from io import BufferedReader
from operator import attrgetter

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.base import JsonReader
from airflow_provider_voucherify.order_source.schema.order import MALFORMED, SourceId, source_id_of
from airflow_provider_voucherify.order_source.source import Cursor, Record, rename_body

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
IDS_BYTES = 64 << 10


class JsonLines(JsonReader):
    """
    A file with one order a line. Empty lines are passed over.

    A line may also be one of ``rejected/`` or ``unknown/`` of a former import: then the order in it counts, which has
    the names of the API.
    """

    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """Read from a place on."""
        origin, rename = self._origin, self._rename
        number, line, offset = start.number, start.line, start.offset
        with self._file.open(offset) as file:
            if offset == 0:
                offset = self._pass_mark(file)
            for body in file:
                here, line, offset = line, line + 1, offset + len(body)
                if body.isspace():
                    continue
                if rename is None:  # nothing to be called for: this is where an import spends its time
                    yield Record(origin, number, here, body, line, offset)
                else:
                    renamed, why = rename_body(rename, body)
                    yield Record(origin, number, here, renamed, line, offset, why)
                number += 1
        return number

    def _pass_mark(self, file: BufferedReader) -> int:
        """Pass over a byte order mark; tell its bytes."""
        mark = len(file.read(len(BYTE_ORDER_MARK))) if file.peek().startswith(BYTE_ORDER_MARK) else 0
        if file.peek().lstrip().startswith(b"["):
            raise ConfigurationError(
                f"{self._file.name} is a JSON array; its name says that it has one order a line. Name it .json."
            )
        return mark

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, in order, many lines at once."""
        rest = b""
        with self._file.open() as file:
            while block := file.read(IDS_BYTES):
                end = block.rfind(b"\n") + 1
                if end == 0:
                    rest += block
                    continue
                yield self._ids(rest + block[:end])
                rest = block[end:]
            if rest:
                yield self._ids(rest)

    def _ids(self, lines: bytes) -> list[str | None]:
        try:
            orders = _decode_lines(lines) if self._rename is None else None
        except MALFORMED:
            orders = None
        if orders is not None and not any(map(_payload, orders)):
            return list(map(_source_id, orders))
        ids = []
        for line in lines.split(b"\n"):
            if line and not line.isspace():
                body = line.removeprefix(BYTE_ORDER_MARK)
                ids.append(source_id_of(rename_body(self._rename, body)[0]))
        return ids


_payload = attrgetter("payload")
_source_id = attrgetter("source_id")
_decode_lines = msgspec.json.Decoder(SourceId).decode_lines
