"""Rows of orders and rows of items are merged by their key, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.query import items as module
from airflow_provider_voucherify.order_source.query.items import ItemsMerge

MERGE = ItemsMerge(["id", "status"], ["order_id", "sku"], ["id"], ["order_id"])


def merged(orders: Sequence[Sequence[Any]], items: Sequence[Sequence[Any]], size: int = 2) -> list[list[Any]]:
    def batches(rows):
        return iter([rows[start : start + size] for start in range(0, len(rows), size)] or [[]])

    return [list(row) for batch in MERGE.merge(batches(orders), batches(items)) for row in batch]


def test_each_further_item_is_a_row_with_the_key() -> None:
    assert MERGE.columns == ["id", "status", "items.sku"]
    assert merged([(1, "PAID"), (2, "PAID"), (3, "CREATED")], [(1, "a"), (1, "b"), (3, "c")]) == [
        [1, "PAID", "a"],
        [1, None, "b"],
        [2, "PAID", None],
        [3, "CREATED", "c"],
    ]


@pytest.mark.parametrize("keys", [["b", "a", "ä", "B"], [4, 3, 2, 1], [2, 9, 1, 5]])
def test_any_order_will_do_that_both_queries_share(keys) -> None:
    rows = merged([(key, "PAID") for key in keys], [(key, "x") for key in keys[1:]])
    assert rows == [[keys[0], "PAID", None], *([key, "PAID", "x"] for key in keys[1:])]


@pytest.mark.parametrize(
    ("orders", "items", "key"),
    [
        ([1, 3], [2], "order_id=2"),
        ([1, 2, 3], [1, 3, 2], "order_id=2"),
        (["a", "c"], ["b"], "order_id='b'"),
        ([], [1], "order_id=1"),
    ],
)
def test_items_without_an_order_at_their_place(orders, items, key) -> None:
    with pytest.raises(ConfigurationError, match=f"items_sql has a row with {key}, and sql has no such order"):
        merged([(order, "PAID") for order in orders], [(item, "x") for item in items])


def test_items_that_come_too_late_are_noticed_at_once() -> None:
    def orders():
        yield [(1, "PAID"), (3, "PAID")]
        pytest.fail("read on, though the keys are ascending and the item of 2 is past")

    with pytest.raises(ConfigurationError, match="order_id=2"):
        list(MERGE.merge(orders(), iter([[(2, "x")]])))


def test_many_items_of_an_order_are_given_in_batches(monkeypatch) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 10)
    batches = list(MERGE.merge(iter([[(1, "PAID")]]), iter([[(1, "x")] * 95])))
    assert sum(map(len, batches)) == 95
    assert max(map(len, batches)) == 10


@pytest.mark.parametrize(
    ("order_keys", "item_keys", "message"),
    [
        (["ids"], ["order_id"], r"items_key 'ids' is not a column of sql; did you mean 'id'\?"),
        (["id"], ["order"], "items_key 'order' is not a column of items_sql"),
    ],
)
def test_keys_that_are_not_there(order_keys, item_keys, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ItemsMerge(["id", "status"], ["order_id", "sku"], order_keys, item_keys)


@given(sizes=st.lists(st.integers(0, 5), max_size=20), size=st.integers(1, 7))
def test_nothing_is_lost(sizes, size) -> None:
    orders = [(number, "PAID") for number in range(len(sizes))]
    items = [(number, f"{number}-{item}") for number, count in enumerate(sizes) for item in range(count)]
    rows = merged(orders, items, size)
    assert [row[2] for row in rows if row[2]] == [sku for _, sku in items]
    assert [row[0] for row in rows if row[1]] == [number for number, _ in orders]
    assert all(str(row[0]) == row[2].partition("-")[0] for row in rows if row[2])
