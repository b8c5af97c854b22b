"""Files with one order a line."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from io import BufferedReader
from operator import attrgetter

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.formats.base import MAX_ORDER_BYTES, JsonReader, line_too_long
from airflow_provider_voucherify.order_source.mapping.ids import as_sent, decode_lines, source_id_of
from airflow_provider_voucherify.order_source.schema.check import MALFORMED
from airflow_provider_voucherify.order_source.source import Cursor, Record, rename_body

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
IDS_BYTES = 64 << 10


class JsonLines(JsonReader):
    """
    A file with one order a line. Empty lines are skipped.

    A line may also be one of ``rejected/`` or ``unknown/`` of an earlier import: then the order in it counts, which has
    the names of the API.
    """

    def read(self, start: Cursor) -> Generator[Record, None, int]:
        """Read the lines from a cursor on."""
        origin, rename = self._origin, self._rename
        number, line, offset = start.number, start.line, start.offset
        with self._file.open(offset) as file:
            if offset == 0:
                offset = self._pass_mark(file)
            for here, body in enumerate(iter(partial(file.readline, MAX_ORDER_BYTES + 1), b""), line):
                offset += len(body)
                if len(body) > MAX_ORDER_BYTES:
                    raise ConfigurationError(line_too_long(self._file.name, here + 1))
                if body.isspace():
                    continue
                if rename is None:  # without a call: an import spends its time here
                    yield Record(origin, number, here, body, here + 1, offset)
                else:
                    renamed, why = rename_body(rename, body)
                    yield Record(origin, number, here, renamed, here + 1, offset, why)
                number += 1
        return number

    def _pass_mark(self, file: BufferedReader) -> int:
        """Skip a byte order mark, and return its length in bytes."""
        mark = len(file.read(len(BYTE_ORDER_MARK))) if file.peek().startswith(BYTE_ORDER_MARK) else 0
        if file.peek().lstrip().startswith(b"["):
            raise ConfigurationError(
                f"{self._file.name} is a JSON array; its name says that it has one order a line. Name it .json."
            )
        return mark

    def source_ids(self) -> Iterator[list[str | None]]:
        """Read the ``source_id`` of every record, in order, many lines at once."""
        rest = bytearray()  # a line that ends in no block is not copied with each of them
        with self._file.open() as file:
            while block := file.read(IDS_BYTES):
                end = block.rfind(b"\n") + 1
                if end == 0:
                    rest += block
                    if len(rest) > MAX_ORDER_BYTES:
                        raise ConfigurationError(line_too_long(self._file.name))
                    continue
                yield self._ids(bytes(rest) + block[:end])
                rest = bytearray(block[end:])
            if rest:
                yield self._ids(bytes(rest))

    def _ids(self, lines: bytes) -> list[str | None]:
        try:
            orders = decode_lines(lines) if self._rename is None else None
        except MALFORMED:
            orders = None
        if orders is not None and not any(map(_payload, orders)):
            return [as_sent(order.source_id) for order in orders]
        ids = []
        for line in lines.split(b"\n"):
            if line and not line.isspace():
                body = line.removeprefix(BYTE_ORDER_MARK)
                ids.append(source_id_of(rename_body(self._rename, body)[0]))
        return ids


_payload = attrgetter("payload")
