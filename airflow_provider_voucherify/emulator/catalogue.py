"""Products and SKUs of the project, as far as orders need them: prices and names of what ``override`` has stored."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from airflow_provider_voucherify.emulator.ids import derived_id
from airflow_provider_voucherify.emulator.order_schema import Item, Product, Sku


class Catalogue:
    """What orders have stored about products and SKUs, within one transaction.

    :param connection: The connection of the transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._empty = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM catalogue)").fetchone()[0] == 1

    def resolve(self, item: Item) -> None:
        """Store what the item overrides, and fill in the item from what is stored (as in the examples).

        An SKU's price goes before its product's. ``override`` itself is not shown again.

        :param item: An item of a request, changed in place.
        """
        product, sku = item.product, item.sku
        if self._empty and not (product and product.override) and not (sku and sku.override):
            if product is not None:
                product.override = None
            if sku is not None:
                sku.override = None
        else:
            self._resolve_stored(item)
            product, sku = item.product, item.sku
        if item.price is None:
            price = sku.price if sku is not None and sku.price is not None else product.price if product else None
            item.price = None if price is None else round(price)

    def _resolve_stored(self, item: Item) -> None:
        is_sku = item.related_object == "sku" or item.sku is not None or item.sku_id is not None
        product_source = (item.product.source_id if item.product else None) or (None if is_sku else item.source_id)
        product_id = (item.product.id if item.product else None) or item.product_id
        if product_id is None and product_source is not None:
            product_id = derived_id("prod_", product_source)
        if is_sku:
            sku_source = (item.sku.source_id if item.sku else None) or item.source_id
            sku_id = (item.sku.id if item.sku else None) or item.sku_id
            if sku_id is None and sku_source is not None:
                sku_id = derived_id("sku_", sku_source)
            if sku_id is not None:
                item.sku, parent = self._sku(sku_id, sku_source, item.sku, product_id)
                product_id = product_id or parent
        if product_id is not None:
            item.product, stored = self._product(product_id, product_source, item.product)
            if is_sku and stored:
                item.product_id = product_id

    def _product(self, key: str, source_id: str | None, sent: Product | None) -> tuple[Product | None, bool]:
        if sent is not None and sent.override:
            self._store(key, source_id, sent.name, None, sent.metadata, sent.price, None)
        row = self._row(key)
        if row is None:
            if sent is not None:
                sent.override = None
            return sent, False
        return Product(id=key, source_id=row[0], name=row[1], metadata=_decode(row[3]), price=_number(row[4])), True

    def _sku(self, key: str, source_id: str | None, sent: Sku | None, product_id: str | None) -> tuple[Sku | None, Any]:
        if sent is not None and sent.override:
            self._store(key, source_id, None, sent.sku, sent.metadata, sent.price, product_id)
        row = self._row(key)
        if row is None:
            if sent is not None:
                sent.override = None
            return sent, None
        return Sku(id=key, source_id=row[0], sku=row[2], metadata=_decode(row[3]), price=_number(row[4])), row[5]

    def _row(self, key: str) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(
            "SELECT source_id, name, sku, metadata, price, product_id FROM catalogue WHERE id = ?", (key,)
        ).fetchone()
        return row

    def _store(
        self,
        key: str,
        source_id: str | None,
        name: str | None,
        sku: str | None,
        metadata: dict[str, Any] | None,
        price: float | None,
        product_id: str | None,
    ) -> None:
        self._empty = False
        text = None if metadata is None else msgspec.json.encode(metadata).decode()
        self._connection.execute(
            "INSERT INTO catalogue (id, source_id, name, sku, metadata, price, product_id) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET source_id = coalesce(excluded.source_id, source_id),"
            " name = coalesce(excluded.name, name), sku = coalesce(excluded.sku, sku),"
            " metadata = coalesce(excluded.metadata, metadata), price = coalesce(excluded.price, price),"
            " product_id = coalesce(excluded.product_id, product_id)",
            (key, source_id, name, sku, text, price, product_id),
        )


def _decode(metadata: str | None) -> dict[str, Any] | None:
    if metadata is None:
        return None
    decoded: dict[str, Any] = msgspec.json.decode(metadata)
    return decoded


def _number(price: float | None) -> int | float | None:
    return int(price) if price is not None and price.is_integer() else price
