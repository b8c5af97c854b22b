"""Two threads: one makes the next item while the other uses this one."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def prefetched(items: Generator[T, None, None], stop: threading.Event) -> Iterator[Iterator[T]]:
    """
    Go through items while the next one is made in another thread: never more than one ahead.

    :param items: Makes the items. What it raises is raised where its item is awaited.
    :param stop: Set at the end, however it comes, so that the generator can leave its work unfinished.
    """

    def one_ahead() -> Iterator[T]:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item

    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="voucherify-export") as thread:
        try:
            yield one_ahead()
        finally:
            stop.set()
