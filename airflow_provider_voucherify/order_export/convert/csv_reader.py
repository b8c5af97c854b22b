"""Arrow's streaming CSV reader, with its threads joined when it is closed."""

from __future__ import annotations

import functools
import logging
import queue
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.csv

from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream

READ_AHEAD_BYTES = 16 << 20
MIN_BLOCKS, MAX_BLOCKS = 4, 32  # Arrow holds three at a time to find the rows at their borders, and keeps 32 waiting
RELEASE_SECONDS = 60.0

log = logging.getLogger(__name__)


class CsvReader:
    """
    Read a CSV stream as record batches of binary cells.

    Arrow reads ahead in threads of its own. They keep the Python objects that they call for some time after the reader
    is dropped, whether the stream was read to its end or not, and a thread that needs the GIL while the interpreter
    ends aborts the process (``terminate called without an active exception``). So the ``with`` block ends when Arrow
    has released these objects; errors are kept here. The blocks of text are among them: it reads into one of a few, and
    waits until Arrow has released one. So they bound how far it reads ahead, and need no new memory.

    :param stream: The file.
    :param cells_schema: The columns to read, named by their position in the header.
    :param block_bytes: How much text is parsed at a time.
    :param on_invalid_row: Called with each row that has another number of cells than the header; returns ``skip``
        or ``error``.
    """

    def __init__(
        self, stream: CsvStream, cells_schema: pa.Schema, block_bytes: int, on_invalid_row: Callable[[Any], str]
    ) -> None:
        self._stream = stream
        self._cells_schema = cells_schema
        self._block_bytes = block_bytes
        self._on_invalid_row = on_invalid_row
        self._error: Exception | None = None
        self._lent: list[weakref.ref[Any]] = []
        self._released: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._texts: dict[int, weakref.ref[memoryview]] = {}
        self._free_blocks: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._block_count = min(max(MIN_BLOCKS, READ_AHEAD_BYTES // block_bytes), MAX_BLOCKS)
        for _ in range(self._block_count):
            self._free_blocks.put(bytearray())  # its memory is taken when it is needed
        self._reader: pyarrow.csv.CSVStreamingReader | None = None

    def __enter__(self) -> Self:
        try:
            self._reader = self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._reader is None:
            raise StopIteration
        try:
            return self._reader.read_next_batch()
        finally:
            self._raise_error()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _open(self) -> pyarrow.csv.CSVStreamingReader:
        file = self._lend(_File(self._read))
        invalid_row_handler = self._lend(functools.partial(self._on_invalid_row))
        names = [str(position) for position in range(len(self._stream.header))]
        try:
            return pyarrow.csv.open_csv(
                pa.PythonFile(file, "r"),
                read_options=pyarrow.csv.ReadOptions(
                    column_names=names,
                    block_size=self._block_bytes,
                    use_threads=False,  # with threads, rows of a wrong shape come without their number
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,  # with one column, an empty line is an empty cell
                    invalid_row_handler=invalid_row_handler,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=self._cells_schema.names,
                    column_types=self._cells_schema,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        finally:
            del file, invalid_row_handler  # a traceback would keep them
            self._raise_error()

    def _lend(self, called_by_arrow: Any) -> Any:
        # put() is written in C and keeps the GIL: when get() returns, the thread that dropped the last reference is
        # done with Python
        self._lent.append(weakref.ref(called_by_arrow, self._released.put))
        return called_by_arrow

    def _read(self, size: int) -> memoryview:
        block = self._free_blocks.get() or bytearray(size)
        return self._text_of(block, self._fill(block))  # no variable has the text: the traceback of an error keeps them

    def _fill(self, block: bytearray) -> int:
        try:
            return self._stream.readinto(block)
        except Exception as error:  # noqa: BLE001 - raised where the next batch is awaited, and not in Arrow's thread
            self._error = error
            return 0

    def _text_of(self, block: bytearray, size: int) -> memoryview:
        text = memoryview(block)[:size]
        self._texts[id(block)] = weakref.ref(text, functools.partial(self._free_blocks.put, block))
        return text

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback holds this frame

    def _close(self) -> None:
        self._stream.interrupt()
        self._free_blocks.put(bytearray())  # for a read that waits for one
        self._reader = None  # waits for the block that is being read
        try:
            for _ in self._lent:
                self._released.get(timeout=RELEASE_SECONDS)
            for _ in range(self._block_count + 1):
                self._free_blocks.get(timeout=RELEASE_SECONDS)
        except queue.Empty:
            log.warning("Arrow still reads %s %.0f s after its reader was closed.", self._stream.name, RELEASE_SECONDS)


class _File:
    """The stream that Arrow reads. Arrow alone holds it: when it is freed, reading has ended."""

    closed = False

    def __init__(self, read: Callable[[int], memoryview]) -> None:
        self.read = read

    def readable(self) -> bool:
        """Whether this can be read, as Arrow asks of any file."""
        return True

    def close(self) -> None:
        """Leave the stream open: it belongs to the caller of the reader."""
