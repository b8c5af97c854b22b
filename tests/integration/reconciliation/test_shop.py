"""The shop of a Postgres database, migrated and reconciled: the same money on both sides to the cent, or why not."""

from __future__ import annotations

import contextlib
import json

import psycopg2
import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import Query, open_source
from airflow_provider_voucherify.reconciliation import ReconcileConfig, ReconcileJob

COUNT, BAD = 1000, 15
SHOP = """
    CREATE SCHEMA money; SET search_path TO money;
    CREATE TABLE customers (id bigint PRIMARY KEY, email text);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, status text, total numeric(12,2),
        discount numeric(12,2), channel text, placed_at timestamptz);
    CREATE TABLE items (order_id bigint, sku text, title text, quantity int, unit_price numeric(12,2));
    SELECT setseed(0.5);
    INSERT INTO customers SELECT n, 'c' || n || '@shop.example' FROM generate_series(1, 100) n;
    INSERT INTO orders SELECT n, CASE WHEN n % 7 > 0 THEN n % 100 + 1 END,
        (ARRAY['paid', 'paid', 'refunded', 'pending'])[1 + n % 4], 0,
        CASE WHEN n % 5 = 0 THEN round((random() * 10)::numeric, 2) END, (ARRAY['web', 'app', NULL])[1 + n % 3],
        timestamptz '2023-01-01' + n * interval '25 minutes' FROM generate_series(1, 1000) n;
    INSERT INTO items SELECT o, 'sku-' || (o + n) % 50, 'Title ' || (o + n) % 50, 1 + (o + n) % 3,
        round((2 + random() * 90)::numeric, 2) FROM generate_series(1, 1000) o, generate_series(1, 3) n
        WHERE n <= 1 + o % 3;
    UPDATE orders SET total = greatest(0, gross - coalesce(discount, 0))
        FROM (SELECT order_id, sum(quantity * unit_price) gross FROM items GROUP BY 1) sums WHERE order_id = id;
    UPDATE orders SET status = 'PAYED?' WHERE id % 200 = 17;
    UPDATE orders SET total = -50 WHERE id % 200 = 18;
    UPDATE items SET quantity = 0 WHERE order_id % 200 = 19;
"""
ORDERS = """
    SELECT orders.id AS source_id, status, {amount} AS amount, discount AS discount_amount, placed_at AS created_at,
        channel AS "metadata.channel", customers.id AS "customer.source_id", email AS "customer.email"
    FROM money.orders LEFT JOIN money.customers ON customers.id = customer_id ORDER BY orders.id
"""
ITEMS = """
    SELECT order_id, sku AS "product.source_id", title AS "product.name", quantity, unit_price AS price
    FROM money.items ORDER BY order_id
"""
OPTIONS = {
    "value_mapping": {"status": {"paid": "PAID", "refunded": "CANCELED", "pending": "CREATED"}},
    "amount_unit": "major",
    "order_date_metadata_key": "ordered_at",
}


@pytest.fixture(scope="module")
def shop(postgres):
    with contextlib.closing(psycopg2.connect(f"postgresql://{postgres}")) as connection, connection.cursor() as cursor:
        cursor.execute(SHOP)
        connection.commit()
    return lambda: psycopg2.connect(f"postgresql://{postgres}")


def lines(folder):
    return [json.loads(line) for part in folder.glob("part-*.jsonl") for line in part.open()]


@pytest.mark.parametrize(
    ("amount", "differ"),
    [("total + coalesce(discount, 0)", 0), ("total", COUNT // 5)],
    ids=["before the discount", "after the discount"],
)
def test_the_money_of_a_shop_is_the_same_on_both_sides_or_it_is_said_why(
    voucherify_emulator, shop, tmp_path, amount, differ
):
    emulator = voucherify_emulator
    client = VoucherifyClient(Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url))

    def source(spool):
        query = Query(sql=ORDERS.format(amount=amount), items_sql=ITEMS, items_key="order_id", connect=shop)
        return open_source(query=query, spool=tmp_path / spool, **OPTIONS)

    imported = ImportJob(
        client,
        source("given"),
        ImportConfig(max_rejected=BAD, poll_interval=0.05),
        report_path=tmp_path / "migration",
    ).run()
    assert (imported.orders, imported.rejected, imported.unknown) == (COUNT, BAD, 0)
    found = ReconcileJob(
        client,
        source("again"),
        ReconcileConfig(max_missing=BAD, items_sample=10, poll_interval=0.05),
        report_path=tmp_path / "reconciliation",
    ).run()
    assert (found.matched, found.missing, found.different, found.extra) == (COUNT - BAD, BAD, 0, 0)
    assert found.by_design.get("amount", 0) == differ
    assert found.not_compared == {"customer_id": sum(n % 7 > 0 and n % 200 not in (17, 18, 19) for n in range(1, 1001))}
    rejected, missing = lines(tmp_path / "migration" / "rejected"), lines(tmp_path / "reconciliation" / "missing")
    assert {line["source_id"] for line in rejected} == {line["source_id"] for line in missing}
    assert all(line["reason"] for line in rejected)
    changed = [
        (int(value["given"]), int(value["there"]))
        for line in lines(tmp_path / "reconciliation" / "by_design")
        for value in line["differences"]
    ]
    assert len(changed) == differ
    in_both = [money for money in found.money if money.found_orders]
    assert {money.status for money in in_both} == {"PAID", "CANCELED", "CREATED"}
    assert all(money.given_orders == money.found_orders for money in in_both)
    told = sum(there - given for given, there in changed)
    assert sum(money.found_amount - money.given_amount for money in in_both) == told
    if not differ:
        assert all(money.given_amount == money.found_amount for money in in_both)
