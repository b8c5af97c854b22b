"""Whole orders of a listing in which orders change, and whose reading is killed, between any two pages."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import OrderPage
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator.ids import timestamp
from airflow_provider_voucherify.order_details import listing
from tests.integration.order_details.details import FIRST, job_of, run, versions, window

MINUTE, SECOND, SIZE = timedelta(minutes=1), timedelta(seconds=1), 4
WINDOW = window(FIRST, FIRST + 40 * MINUTE)
NULLS = {"last": FIRST - 999 * MINUTE, "first": FIRST + 999 * MINUTE, "as created": None}


class Killed(BaseException):
    """Ends a try, as SIGKILL does."""


class Shop:
    """
    Orders that change between two calls.

    :param orders: When each was created, and how many minutes later it changed, or None.
    :param nulls: Where the listing has those that never changed, or "equal" if their ``updated_at`` is ``created_at``.
    :param events: What happens after each call: orders that change in the window, or after it, and a kill.
    """

    def __init__(self, orders, nulls, events):
        self.orders, self.history = {}, defaultdict(dict)
        self.nulls, self.events, self.moved = nulls, iter(events), set()
        self.ticks, self.calls, self.seen = 0, [], {}
        for number, (created, after) in enumerate(orders):
            created = FIRST + created * MINUTE
            self.put(number, created, self.never(created) if after is None else created + after * MINUTE)

    def never(self, created: datetime) -> datetime | None:
        return created if self.nulls == "equal" else None

    def put(self, number: int, created: datetime, updated: datetime | None) -> None:
        version = self.orders[number][2] + 1 if number in self.orders else 1
        self.orders[number] = (created, updated, version)
        self.history[number][version] = updated or created

    def is_in_window(self, number: int) -> bool:
        created, updated, _ = self.orders[number]
        return WINDOW.start <= (updated or created) < WINDOW.end

    def list_orders(self, limit: int, page: int, sort_order: str) -> OrderPage:
        self.calls.append((sort_order, page))

        def key(item):
            number, (created, updated, _) = item
            moment = created if sort_order == "-created_at" else updated or NULLS.get(self.nulls) or created
            return moment, number

        listed = sorted(self.orders.items(), key=key, reverse=True)[(page - 1) * limit : page * limit]
        if page == 1 and (sort_order == "-updated_at" or not self.seen):
            self.seen = {n: version for n, (_, _, version) in self.orders.items() if self.is_in_window(n)}
        late, later, created, is_killed = next(self.events, ((), (), False, False))
        for number in late:
            self.change(number, FIRST + 39 * MINUTE)
        for number in later:
            self.change(number, FIRST + 100 * MINUTE, once=False)
        if created:
            moment = FIRST + 100 * MINUTE + self.tick()
            self.put(len(self.orders), moment, self.never(moment))
        if is_killed:
            raise Killed
        times = [(f"{n:02}", c, u, v) for n, (c, u, v) in listed]
        return OrderPage(
            orders=[
                {"id": n, "created_at": timestamp(c), "updated_at": u and timestamp(u), "amount": v}
                for n, c, u, v in times
            ],
            total=len(self.orders),
        )

    def change(self, number: int, moment: datetime, *, once: bool = True) -> None:
        """Change an order: in the window only once, and never back into it."""
        if number in self.orders and not (once and (number in self.moved or self.is_after(number))):
            self.moved.add(number)
            self.put(number, self.orders[number][0], moment + self.tick())

    def is_after(self, number: int) -> bool:
        created, updated, _ = self.orders[number]
        return (updated or created) >= WINDOW.end

    def tick(self) -> timedelta:
        self.ticks += 1
        return self.ticks * timedelta(milliseconds=10)


numbers = st.lists(st.integers(0, 59), max_size=6)
events = st.lists(st.tuples(numbers, numbers, st.booleans(), st.booleans()), max_size=40)
changes = st.one_of(st.none(), st.integers(0, 40))
mixes = st.sampled_from(
    [
        (st.integers(-20, 60), changes),
        (st.integers(0, 39), changes),
        (st.integers(0, 39), st.integers(1, 30)),
        (st.integers(0, 39), st.none()),
        (st.integers(-30, -1), st.integers(30, 60)),
    ]
)
shops = mixes.flatmap(lambda mix: st.lists(st.tuples(*mix), max_size=60))


@pytest.fixture(scope="module")
def client():
    with VoucherifyClient(Settings(app_id="a", app_token="b", base_url="http://127.0.0.1:9")) as client:
        yield client


def check(client, shop: Shop) -> None:
    """Read what the shop has, however often that is killed."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(listing, "PAGE_SIZE", SIZE)
        patch.setattr(Endpoints, "list_orders", lambda self, **given: shop.list_orders(**given))
        while True:
            store = FileStateStore(Path(folder), "_state.json")
            try:
                run(job_of(client, Path(folder), WINDOW, state_store=store, tables=["orders"]))
                break
            except Killed:
                continue
        found = versions(Path(folder))
    assert len(dict(found)) == len(found)
    found = {int(name): version for name, version in found}
    for number, version in found.items():
        assert WINDOW.start <= shop.history[number][version] < WINDOW.end
    for number, version in shop.seen.items():
        if not shop.is_after(number):
            assert found.get(number, 0) >= version, (number, version, shop.calls)


@settings(deadline=None, max_examples=150)
@given(shop=st.builds(Shop, shops, st.sampled_from([*NULLS, "equal"]), st.one_of(st.just([]), events)))
def test_each_order_is_there_once_and_none_older_than_at_the_last_look(client, shop):
    check(client, shop)


OLD = [(-number, None) for number in range(1, 8)]


def test_what_changed_below_a_whole_page_of_others_that_changed_later_is_found(client):
    orders = [(30, 1), (29, None), (28, 1), (27, 1), *((20 - n, 1) for n in range(4)), *((9 - n, 1) for n in range(4))]
    changes = [((), (), False, False), ([4, 8, 9, 10, 11], (), False, False)]
    check(client, Shop([*orders, *OLD], "last", changes))


def test_orders_of_one_time_do_not_count_for_others(client):
    same = [(5, 1), (5, None), (5, None), (5, None), (5, 1)]
    orders = [*((30 - n, 1) for n in range(4)), (20, None), *((19 - n, 1) for n in range(3)), *same]
    check(client, Shop([*orders, *OLD], "last", []))
