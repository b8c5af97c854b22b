"""Merge the rows of two queries, one of orders and one of their items, in the order of a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError

ITEM_PREFIX = "items."
BATCH_ROWS = 5000

Row = Sequence[Any]


class ItemsMerge:
    """
    Merge the rows of items with the rows of their orders.

    Both queries have to be sorted by the key, in whatever order the database has: rows are matched by the equality of
    their keys alone. The first row of an order has its own columns and those of its first item; each further item is a
    row with the key and the columns of the item.

    :param order_columns: The columns of the orders.
    :param item_columns: The columns of the items.
    :param order_keys: The columns of the orders that are the key.
    :param item_keys: Those of the items, in the same order.
    :raises ConfigurationError: if one of them is missing.
    """

    def __init__(
        self,
        order_columns: Sequence[str],
        item_columns: Sequence[str],
        order_keys: Sequence[str],
        item_keys: Sequence[str],
    ) -> None:
        self._order_places = _places(order_columns, order_keys, "sql")
        self._item_places = _places(item_columns, item_keys, "items_sql")
        self._item_keys = item_keys
        self._kept = [index for index in range(len(item_columns)) if index not in self._item_places]
        self._no_order = [None] * len(order_columns)
        self._no_item = [None] * len(self._kept)
        self.columns = [*order_columns, *(ITEM_PREFIX + item_columns[index] for index in self._kept)]

    def merge(self, orders: Iterator[Sequence[Row]], items: Iterator[Sequence[Row]]) -> Iterator[list[Row]]:
        """
        Merge rows.

        :param orders: The rows of the orders, in batches.
        :param items: The rows of the items, in batches.
        :return: The rows of both, in batches.
        :raises ConfigurationError: if items are left that belong to no order, or whose order came before.
        """
        rows = (row for batch in items for row in batch)
        item = next(rows, None)
        merged: list[Row] = []
        before: list[Any] | None = None
        for order in (order for batch in orders for order in batch):
            key = [order[place] for place in self._order_places]
            first = True
            while item is not None and self._key_of(item) == key:
                merged.append([*(order if first else self._key_alone(key)), *(item[index] for index in self._kept)])
                item, first = next(rows, None), False
                if len(merged) >= BATCH_ROWS:
                    yield merged
                    merged = []
            if first:
                merged.append([*order, *self._no_item])
                if item is not None and _is_late(self._key_of(item), key, before):
                    self._refuse(item)
            before = key
        yield merged
        if item is not None:
            self._refuse(item)

    def _key_of(self, item: Row) -> list[Any]:
        return [item[place] for place in self._item_places]

    def _key_alone(self, key: Sequence[Any]) -> Row:
        row: list[Any] = list(self._no_order)
        for place, value in zip(self._order_places, key, strict=True):
            row[place] = value
        return row

    def _refuse(self, item: Row) -> NoReturn:
        key = ", ".join(f"{name}={value!r}" for name, value in zip(self._item_keys, self._key_of(item), strict=True))
        raise ConfigurationError(
            f"items_sql has a row with {key}, and sql has no such order, or not at that place. Sort both queries by "
            "the key (ORDER BY), and select the items of these orders alone."
        )


def _is_late(key: list[Any], reached: list[Any], before: list[Any] | None) -> bool:
    """Notice early, where keys are ascending integers, that an item comes too late; otherwise it shows at the end."""
    if before is None or not all(type(value) is int for value in (*key, *reached, *before)):
        return False
    return before < reached and key < reached


def _places(columns: Sequence[str], keys: Sequence[str], query: str) -> list[int]:
    missing = [key for key in keys if key not in columns]
    if missing:
        raise ConfigurationError(
            f"items_key {missing[0]!r} is not a column of {query}{did_you_mean(missing[0], columns)} "
            f"It has {', '.join(map(repr, columns))}."
        )
    return [list(columns).index(key) for key in keys]
