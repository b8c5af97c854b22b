"""What a night costs: calls for its whole orders, by how many of them are new and how many changed."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from airflow_provider_voucherify.emulator import Emulator
from tests.integration.order_details.details import DAY, FIRST, job_of, put, run, versions, window
from tests.integration.order_export.timeline import client_of

MINUTE = timedelta(minutes=1)
OLDER = [(f"older_{n}", FIRST - n * MINUTE, FIRST - n * MINUTE if n % 2 else None, 1) for n in range(1, 300)]
MIXES = {  # the share of the orders that is new, and the share of these that changed
    "new, never changed": (1, 0),
    "new, a tenth changed": (1, 0.1),
    "new, half of them changed": (1, 0.5),
    "new, nine tenths changed": (1, 0.9),
    "new, all changed": (1, 1),
    "old, all changed": (0, 1),
    "half old, half new and changed": (0.5, 1),
    "half old, half new and never changed": (0.5, 0),
}


def night(count: int, new: float, changed: float):
    """Orders of a window, whose creations and changes are spread over it."""
    chance, orders = random.Random(7), []
    for number in range(count):
        is_new = chance.random() < new
        created = FIRST + DAY / 2 * chance.random() if is_new else FIRST - DAY
        is_changed = not is_new or chance.random() < changed
        updated = max(created, FIRST) + DAY / 2 * chance.random() if is_changed else None
        orders.append((f"ord_{number:04}", created, updated, 1))
    return orders


def calls_for(path, orders) -> int:
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [*orders, *OLDER])
        result = run(job_of(client, path, window(FIRST, FIRST + DAY), tables=["orders"]))
    assert versions(path) == sorted((name, 1) for name, *_ in orders)
    return result.api_calls


@pytest.mark.parametrize("count", [120, 1000])
@pytest.mark.parametrize("mix", MIXES)
def test_a_night_costs_hardly_more_than_a_call_for_100_orders(tmp_path, mix, count):
    assert calls_for(tmp_path, night(count, *MIXES[mix])) <= 1.1 * count / 100 + 5


def test_a_night_of_which_neither_listing_has_all_costs_both(tmp_path):
    orders = night(1000, 0.5, 0.5)
    new = sum(created >= FIRST for _, created, *_ in orders)
    changed = sum(updated is not None for *_, updated, _ in orders)
    assert calls_for(tmp_path, orders) <= (new + changed) / 100 + 6
