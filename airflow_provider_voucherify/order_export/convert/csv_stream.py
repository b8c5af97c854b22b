"""Read an exported file for the parser: decompress it, take off the header, and mark its end."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from airflow_provider_voucherify.api.download import Download
from airflow_provider_voucherify.exceptions import ExportFileError, TruncatedDownloadError

HEADER_BYTES = 1 << 20
PIECE_BYTES = 1 << 17
FIRST_RECORD = re.compile(rb'((?:"[^"]*+"|[^"\r\n]++)*+)(?:\r\n|\r|\n|\Z)')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SUBSTITUTE = "\x1a"  # ASCII's mark for the end of a text


class CsvStream(io.RawIOBase):
    """
    The rows of a file, without its header, and one more row at the end.

    Arrow takes a quote that is never closed for a cell that ends with the file, so that a file that is cut there looks
    complete. The last row of this stream, :attr:`end_row`, has one cell more than the header. A parser that reports it
    as a row of the wrong shape was not within a cell when the file ended.

    :param download: The file, as sent.
    :param name: The name of the file in errors.
    :param stopped: Called between two pieces; returns whether to end early.
    :raises TruncatedDownloadError: if it breaks off, or is announced as gzip and is not a complete gzip stream.
    :raises ExportFileError: if it does not begin with a header.
    """

    def __init__(
        self,
        download: Download,
        name: str,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self.name = name
        self.stopped = stopped
        self._is_interrupted = False
        self._download = download
        self._gzip = _is_gzip(download, name)
        self._source = pa.CompressedInputStream(download, "gzip") if self._gzip else download
        self._buffer = b""
        self._last_byte = b""
        self._marked = False
        self.ended = False
        self.size = 0
        self.header = self._take_header()

    @property
    def end_row(self) -> str:
        """The row after the last one."""
        return "," * len(self.header) + SUBSTITUTE

    @property
    def closed_by_newline(self) -> bool:
        """Whether the last byte read so far is a newline."""
        return self._last_byte in (b"\n", b"\r")

    def readable(self) -> bool:
        """Return True."""
        return True

    def interrupt(self) -> None:
        """Stop reads of other threads at the next block: their bytes are not needed any more."""
        self._is_interrupted = True

    def readinto(self, buffer: Any) -> int:
        """
        Read the next bytes into a buffer.

        :param buffer: A writable buffer. It is filled, except at the end, however small the pieces of the network are.
        :return: The number of bytes read.
        """
        room = memoryview(buffer).cast("B")
        while room and not self._is_interrupted and not self.stopped() and (size := self._next_piece(room)):
            room = room[size:]
        return len(buffer) - len(room)

    def _next_piece(self, room: memoryview) -> int:
        if not self._buffer and not self._marked:
            if size := self._read_source(room[:PIECE_BYTES]):
                return size
            newline = "" if self.closed_by_newline else "\n"
            self._buffer = f"{newline}{self.end_row}\n".encode()
            self._marked = True
        size = min(len(room), len(self._buffer))
        room[:size], self._buffer = self._buffer[:size], self._buffer[size:]
        return size

    def _read_source(self, room: memoryview) -> int:
        try:
            size: int = self._source.readinto(room)
        except OSError as error:  # from gzip: what the network raises is a TransportError
            raise TruncatedDownloadError(f"{self.name} is not a complete gzip stream: {error}.") from None
        self.size += size
        self._last_byte = bytes(room[:size][-1:]) or self._last_byte
        if not size and not self.ended:
            self.ended = True
            self._check_end()
        return size

    def _check_end(self) -> None:
        if self.size and not (self._gzip or self._download.has_end or self.closed_by_newline):
            raise TruncatedDownloadError(
                f"{self.name} ends after {self.size} bytes without a newline; nothing in the response proves its end."
            )

    def _take_header(self) -> list[str]:
        text, rows, record = b"", b"", None
        piece = memoryview(bytearray(PIECE_BYTES))
        while len(text) < HEADER_BYTES and (size := self._read_source(piece)):
            text += piece[:size]
            rows = text.removeprefix(BYTE_ORDER_MARK).lstrip()
            record = FIRST_RECORD.match(rows)
            if record and record.end() < len(rows):
                break
        if not rows:
            raise TruncatedDownloadError(f"{self.name} is empty: it does not even have a header.")
        if record is None or (record.end() == len(rows) and not self.ended):
            raise ExportFileError(f"{self.name} does not begin with a header, but with {rows[:80]!r}.")
        self._buffer = rows[record.end() :]
        try:
            return next(csv.reader(io.StringIO(record[1].decode(), newline="")))
        except UnicodeDecodeError:
            raise ExportFileError(f"{self.name} has a header that is not UTF-8: {record[1][:80]!r}.") from None


def _is_gzip(download: Download, name: str) -> bool:
    if download.encoding not in (None, "gzip", "x-gzip"):
        raise ExportFileError(f"{name} came as {download.encoding!r}; only gzip was asked for.")
    return download.encoding is not None
