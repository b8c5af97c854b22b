"""The orders of the project: creating, reading, changing, listing and loading them."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_voucherify.emulator.catalogue import Catalogue
from airflow_provider_voucherify.emulator.database import Database
from airflow_provider_voucherify.emulator.errors import ResponseError, not_found
from airflow_provider_voucherify.emulator.ids import timestamp
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.order_record import OrderRecord, new_order, sent_created_at
from airflow_provider_voucherify.emulator.order_schema import OrderPayload, decode_order
from airflow_provider_voucherify.emulator.request import DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE, ApiRequest

_COLUMNS = OrderRecord.__struct_fields__
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM orders"  # noqa: S608 (names from this module)
_SELECT_REDEMPTIONS = (
    "SELECT document ->> '$.order_id', document ->> '$.id', document ->> '$.date' FROM export_rows"
    " WHERE kind = 'redemption' AND document ->> '$.order_id' IN"
)
_WRITE = (
    f"INSERT INTO orders ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS if name != 'id')}"
)
_MAX_PLACEHOLDERS = 30_000  # SQLite allows 32,766
_LIST_ORDERS = ("created_at", "-created_at", "updated_at", "-updated_at")


class Orders:
    """Orders in the database, and the endpoints under ``/v1/orders`` that handle one or a page of them.

    :param database: Where they are.
    :param options: ``new_updated_at``.
    """

    def __init__(self, database: Database, options: EmulatorOptions) -> None:
        self._database = database
        self._options = options

    def create(self, request: ApiRequest) -> dict[str, Any]:
        """``POST /v1/orders``: create, or change the order that has this ``id`` or ``source_id`` (documented)."""
        return self._put(decode_order(request.body))

    def get(self, request: ApiRequest) -> dict[str, Any]:
        """``GET /v1/orders/{orderId}``, by id or source id."""
        order = self._find(request.path["orderId"]).document()
        self._add_redemptions([order])
        return order

    def update(self, request: ApiRequest) -> dict[str, Any]:
        """``PUT /v1/orders/{orderId}``: change what is sent and nothing else (documented)."""
        payload = decode_order(request.body)
        payload.id = self._find(request.path["orderId"]).id
        return self._put(payload)

    def list(self, request: ApiRequest) -> dict[str, Any]:
        """``GET /v1/orders``: a page of at most 100, of at most 100 pages; oldest first by default (documented)."""
        limit = request.integer("limit", DEFAULT_LIMIT, MAX_LIMIT)
        page = request.integer("page", 1, MAX_PAGE)
        order = request.choice("order", _LIST_ORDERS, "created_at")
        column, direction = order.removeprefix("-"), "DESC" if order.startswith("-") else "ASC"
        sql = f"{_SELECT} ORDER BY {column} {direction}, seq {direction} LIMIT ? OFFSET ?"
        rows = self._database.rows(sql, (limit, (page - 1) * limit))
        orders = [_order(row).document() for row in rows]
        self._add_redemptions(orders)
        return {"object": "list", "data_ref": "orders", "orders": orders, "total": self.count()}

    def count(self) -> int:
        """Return how many orders there are."""
        count: int = self._database.rows("SELECT count(*) FROM orders")[0][0]
        return count

    def _add_redemptions(self, orders: Iterable[dict[str, Any]]) -> None:
        """Add the redemptions that were given to the emulator as rows of an export, to the orders that they name."""
        of = {order["id"]: order for order in orders}
        sql = f"{_SELECT_REDEMPTIONS} ({', '.join('?' * len(of))})"
        for order_id, redemption_id, date in self._database.rows(sql, tuple(of)):
            entry = {"date": date, "related_object_type": "redemption", "related_object_id": redemption_id}
            of[order_id].setdefault("redemptions", {})[redemption_id] = entry

    def _put(self, payload: OrderPayload) -> dict[str, Any]:
        with self._database.transaction() as connection:
            batch = Batch(connection, [payload], self._options)
            order = batch.put(payload, created_at=sent_created_at(payload))
            batch.write()
        return order.document()

    def _find(self, key: str) -> OrderRecord:
        rows = self._database.rows(f"{_SELECT} WHERE id = ?", (key,)) or self._database.rows(
            f"{_SELECT} WHERE source_id = ?", (key,)
        )
        if not rows:
            raise not_found("order", key)
        return _order(rows[0])


class Batch:
    """Payloads that create or change orders, applied in sequence and written together.

    :param connection: Connection inside a transaction.
    :param payloads: All payloads that will be put, so that the orders they refer to are read in one query.
    :param options: ``new_updated_at``.
    """

    def __init__(
        self, connection: sqlite3.Connection, payloads: Iterable[OrderPayload], options: EmulatorOptions
    ) -> None:
        self._connection = connection
        self._null_updated_at = options.new_updated_at == "null"
        self._catalogue = Catalogue(connection)
        self._now = timestamp()
        self._by_id: dict[str, OrderRecord] = {}
        self._by_source: dict[str, OrderRecord] = {}
        self._touched: dict[str, OrderRecord] = {}
        ids, source_ids = set(), set()
        for payload in payloads:
            if payload.id is not None:
                ids.add(payload.id)
            if payload.source_id is not None:
                source_ids.add(payload.source_id)
        for column, keys in (("id", ids), ("source_id", source_ids)):
            remaining = iter(sorted(keys))
            while some := list(islice(remaining, _MAX_PLACEHOLDERS)):
                sql = f"{_SELECT} WHERE {column} IN ({', '.join('?' * len(some))})"
                for row in connection.execute(sql, some):
                    self._know(_order(row))

    def knows(self, payload: OrderPayload) -> bool:
        """Return whether the order that a payload refers to exists.

        :param payload: One of the payloads of this batch.
        """
        return self._meant(payload) is not None

    def put(self, payload: OrderPayload, created_at: str | None = None) -> OrderRecord:
        """Create or change the order that a payload refers to.

        :param payload: One of the payloads of this batch.
        :param created_at: Creation time to set; without it that of the order stays, or is now for a new one.
        :raises ResponseError: if an amount is too large, or the source id belongs to another order.
        :return: The order as it will be written.
        """
        known = self._meant(payload)
        if known is None:
            born = created_at or self._now
            order = new_order(payload, born, None if self._null_updated_at else born)
        else:
            order = copy.copy(known)
            order.created_at = created_at or order.created_at
            order.updated_at = self._now
            other = None if payload.source_id is None else self._by_source.get(payload.source_id)
            if other is not None and other.id != order.id:
                details = f"Order with source_id {payload.source_id} already exists"
                raise ResponseError(409, "duplicated_source_id", "Resource already exists", details)
        order.change(payload, self._catalogue)
        if known is not None and known.source_id is not None and known.source_id != order.source_id:
            del self._by_source[known.source_id]
        self._know(order)
        self._touched[order.id] = order
        return order

    def write(self) -> None:
        """Write the orders that have been put."""
        rows = [msgspec.structs.astuple(order) for order in self._touched.values()]
        self._connection.executemany(_WRITE, rows)

    def _meant(self, payload: OrderPayload) -> OrderRecord | None:
        known = None if payload.id is None else self._by_id.get(payload.id)
        if known is None and payload.source_id is not None:
            known = self._by_source.get(payload.source_id)
        return known

    def _know(self, order: OrderRecord) -> None:
        self._by_id[order.id] = order
        if order.source_id is not None:
            self._by_source[order.source_id] = order


def _order(row: tuple[Any, ...]) -> OrderRecord:
    return OrderRecord(**dict(zip(_COLUMNS, row, strict=True)))
