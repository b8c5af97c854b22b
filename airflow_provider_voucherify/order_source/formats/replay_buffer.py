"""Buffer recently read records, so that reading them again does not decompress or download the file again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from airflow_provider_voucherify.order_source.source import Cursor, Record

KEPT_BYTES = 32 << 20  # a reader; some twenty chunks of 2000 orders
PAGE_RECORDS = 500
PAGE_BYTES = 4 << 20
RECORD_BYTES = 200  # of memory, besides the body
MAX_READERS = 2  # one for chunks that are sent, one for outcomes


class ReplayBuffer:
    """
    Keeps two readers open, each with the last records that it returned.

    An import reads every chunk twice: once to send it, and once, some chunks later, to record the outcome of its
    orders. Both advance through the source, so that two readers are enough.

    :param read: Reads from a place on, at whatever cost.
    :param kept_bytes: How many bytes of records each reader keeps, 32 MiB by default.
    """

    def __init__(self, read: Callable[[Cursor], Iterator[Record]], kept_bytes: int | None = None) -> None:
        self._read = read
        self._kept_bytes = kept_bytes
        self._readers: list[_OpenReader] = []

    def read(self, start: Cursor) -> Iterator[Record]:
        """Read from a cursor on."""
        number, place, reader = start.number, start, self._reader(start)
        while True:
            if not reader.has(number):  # another reader went far ahead with this reader
                reader = self._reader(place)
            page = reader.page(number)
            if not page:
                return
            yield from page
            number, place = number + len(page), page[-1].after

    def _reader(self, start: Cursor) -> _OpenReader:
        for reader in self._readers:
            if reader.has(start.number):
                break
        else:
            kept_bytes = KEPT_BYTES if self._kept_bytes is None else self._kept_bytes
            reader = _OpenReader(start.number, self._read(start), kept_bytes)
        self._readers = [reader, *(other for other in self._readers if other is not reader)][:MAX_READERS]
        return reader


class _OpenReader:
    """A reader, and the records that it returned last."""

    def __init__(self, number: int, records: Iterator[Record], kept_bytes: int) -> None:
        self._records = records
        self._kept_bytes = kept_bytes
        self._first = self._next = number
        self._pages: deque[list[Record]] = deque()
        self._size = 0
        self._page_records = 1  # more with each page: it is not known how large the records are
        self._error: Exception | None = None

    def has(self, number: int) -> bool:
        """Return whether a record is buffered, or is the next one."""
        return self._first <= number < self._next or (number == self._next and self._error is None)

    def page(self, number: int) -> list[Record]:
        """Return some records from one on that is buffered or is the next one; none at the end."""
        if number == self._next:
            return self._turn()
        place = self._first
        for page in self._pages:
            if number < place + len(page):
                return page[number - place :]
            place += len(page)
        raise AssertionError(f"record {number} is not among {self._first} to {self._next}")

    def _turn(self) -> list[Record]:
        page: list[Record] = []
        try:
            page.extend(islice(self._records, self._page_records))  # what came before an error stays in it
        except Exception as error:
            self._error = error  # the iterator would seem to be at its end
            if not page:
                raise
        if not page:
            return page
        size = _size(page)
        self._page_records = min(2 * len(page), PAGE_RECORDS, max(1, PAGE_BYTES * len(page) // size))
        self._next += len(page)
        self._pages.append(page)
        self._size += size
        while self._size > self._kept_bytes and len(self._pages) > 1:
            gone = self._pages.popleft()
            self._first += len(gone)
            self._size -= _size(gone)
        return page


def _size(page: list[Record]) -> int:
    texts = sum([len(record.place) + len(record.key or "") for record in page if record.place is not None])
    return sum([len(record.body) for record in page]) + texts + len(page) * RECORD_BYTES
