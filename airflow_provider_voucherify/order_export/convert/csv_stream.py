"""The bytes of an exported file on their way to the parser: unzipped, header taken off, end marked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pyarrow as pa

from airflow_provider_voucherify.api.download import Download
from airflow_provider_voucherify.exceptions import ExportFileError, TruncatedDownloadError

HEADER_BYTES = 1 << 20
PIECE_BYTES = 1 << 17
FIRST_RECORD = re.compile(rb'((?:"[^"]*+"|[^"\r\n]++)*+)(?:\r\n|\r|\n|\Z)')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SUBSTITUTE = "\x1a"  # ASCII's mark for the end of a text


class UnprovenEndError(TruncatedDownloadError):
    """
    A file that ends without a newline, and nothing in the way it was sent tells where it has to end.

    :param message: Which file.
    :param size: Where it ended, in bytes of text.
    """

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class CsvStream(io.RawIOBase):
    """
    The rows of a file, without its header, and one more row at the end.

    Arrow takes a quote that is never closed for a cell that ends with the file, so a file that is cut there looks
    whole. The last row of this stream, :attr:`end_row`, has a cell too many. A parser that finds it among the rows
    of a wrong shape was not in the middle of a cell when the file ended.

    :param download: The file, as sent.
    :param name: How errors call it.
    :param believed_size: A size at which the file ended before: an end at the same place is no accident.
    :param stopped: Asked between two pieces whether to end early.
    :raises TruncatedDownloadError: if it breaks off, or is not a whole gzip stream though it is announced as one.
    :raises ExportFileError: if it does not begin with a header.
    """

    def __init__(
        self,
        download: Download,
        name: str,
        *,
        believed_size: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self.name = name
        self.stopped = stopped
        self._is_interrupted = False
        self._download = download
        self._gzip = _is_gzip(download, name)
        self._believed_size = believed_size
        self._source = pa.CompressedInputStream(download, "gzip") if self._gzip else download
        self._buffer = b""
        self._last_byte = b""
        self._marked = False
        self.ended = False
        self.size = 0
        self.header = self._take_header()

    @property
    def end_row(self) -> str:
        """The row behind the last one."""
        return "," * len(self.header) + SUBSTITUTE

    @property
    def closed_by_newline(self) -> bool:
        """Whether the last byte read so far is a newline."""
        return self._last_byte in (b"\n", b"\r")

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def interrupt(self) -> None:
        """End reads from other threads at the next piece: nobody needs their bytes any more."""
        self._is_interrupted = True

    def read(self, size: int = -1) -> bytes:
        """
        Read the next bytes.

        :param size: How many. Fewer come only at the end, however small the pieces are that the network gives.
        """
        pieces = []
        while size and not self._is_interrupted and not self.stopped() and (piece := self._next_piece(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _next_piece(self, size: int) -> bytes:
        if not self._buffer and not self._marked:
            if piece := self._read_source(min(size, PIECE_BYTES)):
                return piece
            newline = "" if self.closed_by_newline else "\n"
            self._buffer = f"{newline}{self.end_row}\n".encode()
            self._marked = True
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    def _read_source(self, size: int) -> bytes:
        try:
            piece: bytes = self._source.read(size)
        except OSError as error:  # from gzip: what the network raises is a TransportError
            raise TruncatedDownloadError(f"{self.name} is no whole gzip stream: {error}.") from None
        self.size += len(piece)
        self._last_byte = piece[-1:] or self._last_byte
        if not piece and not self.ended:
            self.ended = True
            self._check_end()
        return piece

    def _check_end(self) -> None:
        if self._gzip:
            if self.size == 0 and self._download.received == 0 and self._download.length != 0:
                raise TruncatedDownloadError(f"{self.name} ended before its first byte.")
        elif self._download.length is None and not self.closed_by_newline and self.size != self._believed_size:
            raise UnprovenEndError(
                f"{self.name} ends after {self.size} bytes without a newline, and the answer announced no length.",
                self.size,
            )

    def _take_header(self) -> list[str]:
        text, rows, record = b"", b"", None
        while len(text) < HEADER_BYTES and (piece := self._read_source(PIECE_BYTES)):
            text += piece
            rows = text.removeprefix(BYTE_ORDER_MARK).lstrip()
            record = FIRST_RECORD.match(rows)
            if record and record.end() < len(rows):
                break
        if not rows:
            return []
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
