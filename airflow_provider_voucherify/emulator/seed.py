"""Orders of the past, and rows of other exports, for an emulator to start with."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_voucherify.emulator.export_kinds import ROW_KINDS, add_rows
from airflow_provider_voucherify.emulator.ids import derived_id, timestamp
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.order_schema import STATUSES, Customer, Item, OrderPayload
from airflow_provider_voucherify.emulator.orders import Batch

_BATCH = 5000
_CHANGED_SHARE = 0.4
_CHANNELS = ("web", "app", "store", "phone")


def seed(connection: sqlite3.Connection, options: EmulatorOptions) -> None:
    """Fill an empty database with ``options.seed`` orders of the last ``options.days`` days, and rows of other kinds.

    The same seed gives the same orders, at times relative to now.

    :param connection: Connection inside a transaction.
    :param options: ``seed``, ``days`` and how orders are stored.
    """
    chance = random.Random(options.seed)  # noqa: S311 (repeatable on purpose)
    now = datetime.now(UTC)
    ages = sorted((chance.random() * options.days for _ in range(options.seed)), reverse=True)
    order_ids: list[str] = []
    for start in range(0, len(ages), _BATCH):
        payloads = [_order(number, chance) for number in range(start, min(start + _BATCH, len(ages)))]
        batch = Batch(connection, payloads, options)
        for payload, age in zip(payloads, ages[start:], strict=False):
            created = now - timedelta(days=age)
            order = batch.put(payload, created_at=timestamp(created))
            order_ids.append(order.id)
            if chance.random() < _CHANGED_SHARE:
                order.updated_at = timestamp(created + (now - created) * chance.random())
        batch.write()
    for kind in ROW_KINDS:
        rows = [
            _row(kind, number, now - timedelta(days=age), order_id)
            for number, (age, order_id) in enumerate(zip(ages[::10], order_ids[::10], strict=True))
        ]
        add_rows(connection, kind, rows)


def _order(number: int, chance: random.Random) -> OrderPayload:
    items = [
        Item(
            source_id=f"product-{chance.randrange(500)}",
            related_object="product",
            quantity=chance.randint(1, 4),
            price=chance.randrange(100, 20_000),
        )
        for _ in range(chance.randint(1, 4))
    ]
    return OrderPayload(
        source_id=f"seed-{number}",
        status=chance.choice(STATUSES),
        items=items,
        customer=Customer(source_id=f"customer-{chance.randrange(1000)}"),
        metadata={"channel": chance.choice(_CHANNELS), "number": number},
    )


def _row(kind: str, number: int, moment: datetime, order_id: str) -> dict[str, Any]:
    """Return a row with the most common fields of its kind."""
    key, time, customer = f"{kind}-{number}", timestamp(moment), derived_id("cust_", f"customer-{number % 1000}")
    rows: dict[str, dict[str, Any]] = {
        "voucher": {"id": key, "code": f"CODE{number}", "voucher_type": "DISCOUNT_VOUCHER", "active": True,
                    "redemption_count": number % 3, "created_at": time, "metadata": {"season": number % 4}},
        "redemption": {"id": key, "object": "redemption", "date": time, "created_at": time, "result": "SUCCESS",
                       "voucher_code": f"CODE{number}", "customer_id": customer, "order_id": order_id,
                       "order_amount": 1000 + number},
        "customer": {"id": derived_id("cust_", f"customer-{number}"), "source_id": f"customer-{number}",
                     "name": f"Customer {number}", "email": f"customer-{number}@example.com", "created_at": time},
        "publication": {"voucher_code": f"CODE{number}", "customer_id": customer, "date": time, "created_at": time,
                        "channel": "API", "is_winner": False},
        "points_expiration": {"id": key, "voucher_id": f"voucher-{number}", "points": number % 100,
                              "status": "ACTIVE", "expires_at": time},
        "voucher_transactions": {"id": key, "voucher_id": f"voucher-{number}", "type": "POINTS_ADDITION",
                                 "amount": number % 100, "balance": number, "created_at": time},
        "product": {"id": derived_id("prod_", f"product-{number}"), "source_id": f"product-{number}",
                    "name": f"Product {number}", "price": 100 + number, "created_at": time},
        "sku": {"id": derived_id("sku_", f"sku-{number}"), "source_id": f"sku-{number}", "sku": f"SKU {number}",
                "price": 100 + number, "created_at": time},
    }  # fmt: skip
    return rows[kind]
