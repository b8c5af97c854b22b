"""
Read the orders of a window from the listing, the newest first, so that no order that changes meanwhile is missed.

The listing has no filter and no cursor (documented): only pages, by ``updated_at`` or by ``created_at``, newest first.
An order that changes moves to the front, and all before it move back by one: the next page repeats an order, and none
is skipped. An order that moved from a page that was not read yet to one that was is found by looking at the front
again, until nothing of the window has moved. Orders that never changed may have no ``updated_at``, and are somewhere
apart in that sort order (where is unknown); old orders that changed are only there. So there are two passes.

The second pass leaps over orders that the first one has brought. A page that is leapt to has as many orders before it
as its number says. Times only grow, so each order that was seen with a newer time than those of the page is one of
them: if as many were seen, none is unknown. A pass can be leapt if all of its orders are in the other one as well, and
the first pages by creation show which one that is: if they have an order without ``updated_at``, the pass by creation
has to be read in any case, and comes first; otherwise it comes second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_voucherify.api.endpoints import LAST_PAGE, PAGE_SIZE, Endpoints
from airflow_provider_voucherify.api.models import OrderPage
from airflow_provider_voucherify.exceptions import ListingError
from airflow_provider_voucherify.order_details.checkpoint import ListingPosition
from airflow_provider_voucherify.order_details.order_times import parse_time, time_of
from airflow_provider_voucherify.order_export.window import ExportWindow

PROBE_AFTER = 10  # pages: whether the listing reaches the window is found out when it is known to be a large one


class Listing:
    """
    The two passes over the listing.

    :param client: The API.
    :param window: The window.
    :param position: Where they are; it is updated with each page.
    :param count_seen: Counts the orders that were seen with a time (``created_at`` or ``updated_at``) of at least so
        much, without those of some ids.
    """

    def __init__(
        self,
        client: Endpoints,
        window: ExportWindow,
        position: ListingPosition,
        count_seen: Callable[[str, datetime, Collection[str]], int],
    ) -> None:
        self._client = client
        self._window = window
        self._position = position
        self._count_seen = count_seen
        self._last_page: list[tuple[Any, Any]] = []
        self.reach: datetime | None = None

    @property
    def _where(self) -> str:
        return f"GET /v1/orders with connection {self._client.transport.settings.name!r}"

    @property
    def _field(self) -> str:
        return self._position.passes[0].removeprefix("-")

    @property
    def is_done(self) -> bool:
        """Whether both passes are complete."""
        return not self._position.passes

    def read(self, page: int | None = None) -> OrderPage:
        """
        Read a page.

        :param page: Its number; the next one by default.
        """
        position = self._position
        return self._client.list_orders(limit=PAGE_SIZE, page=page or position.page, sort_order=position.passes[0])

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
        if position.since is None and not position.is_chosen:
            position.since = max(self._moments(page.orders), default=None)
        new = keep(page.orders)
        position.found += new
        if position.leapt_from is not None and not self._leap_was_right(page.orders, times):
            read, position.leapt_from, position.may_leap = position.leapt_from, None, False
            if position.page > read + 1:
                position.page = read + 1
                return True
        lower = self._window.start
        if position.is_repeated and position.before is not None:
            lower = max(lower, position.before)
        if self._is_past(page.orders, lower):
            self._end_pass(is_all=len(page.orders) < PAGE_SIZE)
        elif not position.is_chosen and self._comes_second(page.orders, times):
            position.passes.reverse()
            self._start()
        elif position.page < LAST_PAGE:
            self._next_page(times[-1], is_known=not new)
        else:
            self.reaches(page)
            return False
        return True

    def _comes_second(self, orders: Sequence[dict[str, Any]], times: Sequence[datetime | None]) -> bool:
        """
        Return whether the pass by creation comes second, as its orders of the window are in the other one as well.

        :param orders: A page of it. It decides if one is not, or if it has half a page of them.
        :param times: Its times.
        """
        created = [
            order
            for order, moment in zip(orders, times, strict=True)
            if moment is not None and self._window.start <= moment < self._window.end
        ]
        is_shared = all(order.get("updated_at") is not None for order in created)
        self._position.is_chosen = not is_shared or len(created) >= PAGE_SIZE // 2
        return is_shared and self._position.is_chosen

    def _next_page(self, last: datetime | None, *, is_known: bool) -> None:
        """
        Go to the next page, or leap.

        :param last: The time of the last order on the page.
        :param is_known: Whether all orders of the window on it were known.
        """
        position = self._position
        is_second = len(position.passes) == 1 and not position.is_repeated
        # by change, what has changed since the first pass began has to be on the pages down to here
        is_settled = self._field == "created_at" or (
            last is not None and (position.since is None or last < position.since)
        )
        following = position.page + 1
        position.leapt_from = None
        if is_second and position.may_leap and is_known and is_settled:
            known = self._count_seen(self._field, self._window.start, ())
            position.leapt_from = position.page
            following = min(max(following, known // PAGE_SIZE + 1), LAST_PAGE)
        position.page = following

    def _leap_was_right(self, orders: Sequence[dict[str, Any]], times: Sequence[datetime | None]) -> bool:
        """
        Return whether all orders before a page are known, in the order of their times.

        :param orders: The orders of the page.
        :param times: Their times.
        """
        first = times[0] if times else None
        if first is None or (len(times) == PAGE_SIZE and set(times) <= {None, first}):
            return False  # orders of the same time may be on the next page
        ids = {str(order["id"]) for order in orders}
        return self._count_seen(self._field, first, ids) == (self._position.page - 1) * PAGE_SIZE

    def _end_pass(self, *, is_all: bool) -> None:
        """
        Go to the next pass.

        :param is_all: Whether this one came to the end of the listing, so that it saw all orders there are.
        """
        position = self._position
        position.is_chosen = True
        if is_all and not position.is_repeated:
            position.passes = position.passes[:1]
        # a single page is all of one moment, and so are the orders of the window if all but those on it were known
        is_whole = not position.is_repeated and 1 in (position.page, position.leapt_from)
        if is_whole or (position.is_repeated and not position.found):
            position.passes = position.passes[1:]
            self._start()
        else:
            self._start(before=position.newest, is_repeated=True)

    def _start(self, *, before: datetime | None = None, is_repeated: bool = False) -> None:
        """Begin a pass."""
        position = self._position
        position.before, position.is_repeated = before, is_repeated
        position.page, position.newest, position.found = 1, None, 0
        position.leapt_from, position.may_leap = None, True
        self._last_page = []

    def _is_past(self, orders: Sequence[dict[str, Any]], lower: datetime) -> bool:
        """
        Return whether nothing that is newer than a time comes after some orders.

        Where orders without a time follow others, they come last, or as if their time were that of their creation.
        """
        if len(orders) < PAGE_SIZE:
            return True
        before = None
        for order, moment in zip(orders, self._times(orders), strict=True):
            if moment is None and before is not None:
                moment = parse_time(order.get("created_at"), f"created_at of order {order['id']}")
                if moment is None or moment > before:
                    return True
            elif moment is None:
                continue
            if moment < lower:
                return True
            before = moment
        return False

    def _moments(self, orders: Sequence[dict[str, Any]]) -> list[datetime]:
        """Return the times by which orders are in the window."""
        moments = [time_of(order["id"], order.get("created_at"), order.get("updated_at")) for order in orders]
        return [moment for moment in moments if self._window.start <= moment < self._window.end]

    def _times(self, orders: Sequence[dict[str, Any]]) -> list[datetime | None]:
        field = self._field
        times = [parse_time(order.get(field), f"{field} of order {order.get('id')}") for order in orders]
        known = [moment for moment in times if moment is not None]
        if known != sorted(known, reverse=True):
            raise ListingError(f"{self._where} did not sort page {self._position.page} by {field}, newest first.")
        return times
