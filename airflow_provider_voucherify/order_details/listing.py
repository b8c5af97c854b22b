"""
Read the orders of a window from the listing, the newest first, so that no order that changes meanwhile is missed.

The listing has no filter and no cursor (documented): only pages, by ``updated_at`` or by ``created_at``, newest first.
An order that changes moves to the front, and all before it move back by one: the next page repeats an order, and none
is skipped. An order that moved from a page that was not read yet to one that was is found by looking at the front
again, until nothing of the window has moved. Orders that never changed have no ``updated_at`` and are somewhere apart
in that sort order (where is unknown), so there is a second pass by ``created_at``. Where that meets orders that the
first pass has brought, it leaps over as many as are known: if their number is right, no unknown one is between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_voucherify.api.endpoints import LAST_PAGE, PAGE_SIZE, Endpoints
from airflow_provider_voucherify.api.models import OrderPage
from airflow_provider_voucherify.exceptions import ListingError
from airflow_provider_voucherify.order_details.checkpoint import ListingPosition
from airflow_provider_voucherify.order_details.order_times import parse_time
from airflow_provider_voucherify.order_export.window import MILLISECOND, ExportWindow

PASSES = ("-updated_at", "-created_at")
PROBE_AFTER = 10  # pages: whether the listing reaches the window is found out when it is known to be a large one

log = logging.getLogger(__name__)


class Listing:
    """
    The two passes over the listing.

    :param client: The API.
    :param window: The window.
    :param position: Where they are; it is updated with each page.
    :param count_created: Counts the orders that are there and were created between two times, both left out.
    """

    def __init__(
        self,
        client: Endpoints,
        window: ExportWindow,
        position: ListingPosition,
        count_created: Callable[[datetime, datetime], int],
    ) -> None:
        self._client = client
        self._window = window
        self._position = position
        self._count_created = count_created
        self._last_page: list[tuple[Any, Any]] = []
        self.reach: datetime | None = None

    @property
    def _where(self) -> str:
        return f"GET /v1/orders with connection {self._client.transport.settings.name!r}"

    @property
    def is_done(self) -> bool:
        """Whether both passes are complete."""
        return self._position.number >= len(PASSES)

    def read(self, page: int | None = None) -> OrderPage:
        """
        Read a page.

        :param page: Its number; the next one by default.
        """
        return self._client.list_orders(
            limit=PAGE_SIZE, page=page or self._position.page, sort_order=PASSES[self._position.number]
        )

    def needs_probe(self, page: OrderPage) -> bool:
        """
        Return whether it has to be found out now if the listing reaches the beginning of the window.

        :param page: The page that was read.
        """
        position = self._position
        return (
            not position.is_repeated
            and position.page == PROBE_AFTER
            and page.total > LAST_PAGE * PAGE_SIZE
            and not self._is_past(page.orders, self._window.start)
        )

    def reaches(self, last: OrderPage) -> bool:
        """
        Return whether the listing reaches the beginning of the window, and set ``reach`` to where it does.

        :param last: Its last page.
        """
        times = [moment for moment in self._times(last.orders) if moment is not None]
        self.reach = times[-1] if times else None
        return self._is_past(last.orders, self._window.start)

    def take(self, page: OrderPage, keep: Callable[[Sequence[dict[str, Any]]], int]) -> bool:
        """
        Take the orders of the page that was read, and go to the next one.

        :param page: The page.
        :param keep: Keeps those that are in the window and new; returns how many that are.
        :return: Whether there is a next one; False if the listing ends before the window does.
        :raises ListingError: if the page is not sorted, or is the one before once more.
        """
        position = self._position
        times = self._times(page.orders)
        seen = [(order.get("id"), order.get("updated_at")) for order in page.orders]
        if len(seen) == PAGE_SIZE and seen == self._last_page and position.page > 1:
            raise ListingError(
                f"{self._where} returned the same orders as page {position.page - 1} and page {position.page}."
            )
        self._last_page = seen
        if position.newest is None:
            position.newest = next((moment for moment in times if moment and moment < self._window.end), None)
        new = keep(page.orders)
        position.found += new
        if position.leapt_from is not None and not self._leap_was_right(times):
            position.page, position.leapt_from, position.may_leap = position.leapt_from + 1, None, False
            return True
        position.leapt_from = None
        lower = self._window.start
        if position.is_repeated and position.before is not None:
            lower = max(lower, position.before)
        if self._is_past(page.orders, lower):
            self._end_pass(is_all=len(page.orders) < PAGE_SIZE)
        elif position.page < LAST_PAGE:
            self._next_page(None if new else times[-1])
        else:
            self.reaches(page)
            return False
        return True

    def _next_page(self, last: datetime | None) -> None:
        """
        Go to the next page, or leap.

        :param last: The time of the last order on the page, if all of its orders were known.
        """
        position, window = self._position, self._window
        pages = 1
        is_second = PASSES[position.number] == "-created_at" and not position.is_repeated
        if is_second and position.may_leap and last is not None and window.start <= last < window.end:
            pages += self._count_created(window.start - MILLISECOND, last) // PAGE_SIZE
        if pages > 1 and position.page + pages <= LAST_PAGE:
            position.leapt_from, position.leapt_time = position.page, last
            position.page += pages
        else:
            position.page += 1

    def _leap_was_right(self, times: Sequence[datetime | None]) -> bool:
        """
        Return whether all orders of the window that were leapt over are known.

        An order that was created meanwhile moves the page: then the numbers differ, and the pages between are read.

        :param times: The times of the page.
        """
        position = self._position
        if not times or times[0] is None or position.leapt_from is None or position.leapt_time is None:
            return False
        between = (position.page - position.leapt_from - 1) * PAGE_SIZE
        oldest = max(times[0], self._window.start - MILLISECOND)
        return self._count_created(oldest, position.leapt_time) == between

    def _end_pass(self, *, is_all: bool) -> None:
        """
        Go to the next pass.

        :param is_all: Whether this one came to the end of the listing, so that it saw all orders there are.
        """
        position = self._position
        self._last_page = []
        is_whole = position.page == 1 and not position.is_repeated  # a single page is all of one moment
        if is_whole or (position.is_repeated and not position.found):
            position.number = len(PASSES) if is_all else position.number + 1
            position.before, position.is_repeated = None, False
        else:
            position.before, position.is_repeated = position.newest, True
        position.page, position.newest, position.found = 1, None, 0
        position.may_leap = True

    def _is_past(self, orders: Sequence[dict[str, Any]], lower: datetime) -> bool:
        """Return whether nothing that is newer than a time comes after some orders."""
        times = self._times(orders)
        if len(orders) < PAGE_SIZE or any(moment is not None and moment < lower for moment in times):
            return True
        has_time = [moment is not None for moment in times]
        return True in has_time and not has_time[-1]  # orders without a time come last

    def _times(self, orders: Sequence[dict[str, Any]]) -> list[datetime | None]:
        field = PASSES[self._position.number].removeprefix("-")
        times = [parse_time(order.get(field), f"{field} of order {order.get('id')}") for order in orders]
        known = [moment for moment in times if moment is not None]
        if known != sorted(known, reverse=True):
            raise ListingError(f"{self._where} did not sort page {self._position.page} by {field}, newest first.")
        return times
