"""A shop's database goes in with one task: a query, a query for the items, and a mapping."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import psycopg2
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import ImportOrdersOperator
from airflow_provider_voucherify.order_source.query import batches
from tests.airflow_home import run_dag

ORDERS, CUSTOMERS = 1200, 300
SCHEMA = f"""
    CREATE TABLE people (id bigint PRIMARY KEY, email text, name text);
    CREATE TABLE sales (id bigint PRIMARY KEY, person_id bigint, state text, total numeric(12,2), channel text,
        placed_at timestamptz);
    CREATE TABLE sold (id bigint PRIMARY KEY, sale_id bigint, sku text, title text, quantity int, price numeric(12,2));
    INSERT INTO people SELECT g, CASE WHEN g % 5 > 0 THEN 'p' || g || '@example.com' END, 'Person ' || g
        FROM generate_series(1, {CUSTOMERS}) g;
    INSERT INTO sales SELECT g, CASE WHEN g % 4 > 0 THEN 1 + g % {CUSTOMERS} END,
        (ARRAY['paid', 'paid', 'refunded', 'pending'])[1 + g % 4], 0, CASE WHEN g % 3 > 0 THEN 'web' END,
        timestamptz '2024-01-01 00:00:00+00' + g * interval '1 minute' FROM generate_series(1, {ORDERS}) g;
    INSERT INTO sold SELECT s * 10 + n, s, CASE WHEN s % 7 > 0 THEN 'sku-' || n END, 'Title ' || n, n, 1.25 * n
        FROM generate_series(1, {ORDERS}) s, generate_series(1, 3) n WHERE n <= 1 + s % 3;
    UPDATE sales SET total = (SELECT sum(quantity * price) FROM sold WHERE sale_id = sales.id);
    UPDATE sales SET total = total - 0.10 WHERE id % 10 = 5;
    UPDATE sales SET state = 'PAYED?' WHERE id = 17;
    UPDATE sales SET total = -5.00 WHERE id = 18;
    UPDATE sold SET quantity = 0 WHERE sale_id = 19;
"""
TASK = {
    "sql": """
        SELECT sales.id AS source_id, state, total AS amount, channel AS "metadata.channel", placed_at AS created_at,
            person_id AS "customer.source_id", name AS "customer.name", email AS "customer.email"
        FROM sales LEFT JOIN people ON people.id = person_id WHERE sales.id <= %(last)s ORDER BY sales.id
    """,
    "items_sql": """
        SELECT sale_id, sku AS "product.source_id", title AS "product.name", quantity, price
        FROM sold WHERE sale_id <= %(last)s ORDER BY sale_id, id
    """,
    "items_key": "sale_id",
    "sql_parameters": {"last": ORDERS},
    "sql_conn_id": "shop",
    "column_mapping": {"state": "status"},
    "value_mapping": {"status": {"paid": "PAID", "refunded": "CANCELED", "pending": "CREATED"}},
    "amount_unit": "major",
    "order_date_metadata_key": "ordered_at",
    "poll_interval": 0.2,
}


@pytest.fixture(scope="module")
def shop(postgres):
    with closing(psycopg2.connect(f"postgresql://{postgres}")) as connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        connection.commit()
    return f"postgresql://{postgres}"


@pytest.fixture
def queries(shop, monkeypatch):
    """The connection to the shop, and how often a query ran."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop)
    started = []
    run = batches.cursors.run
    monkeypatch.setattr(batches.cursors, "run", lambda *given, **options: started.append(1) or run(*given, **options))
    return started


def run_import(**parameters):
    with DAG("import_sql", schedule=None) as dag:
        ImportOrdersOperator(task_id="import", **(TASK | parameters))
    return run_dag(dag)


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_a_shop(emulator, queries, tmp_path, log, deferrable):
    run = run_import(report_path=str(tmp_path / "report"), max_rejected=3, chunk_size=500, deferrable=deferrable)
    assert run.state == "success"
    result = run.xcoms["import"]
    assert (result["orders"], result["loaded"], result["rejected"]) == (ORDERS, ORDERS - 3, 3)
    assert len(queries) == 2
    assert emulator.calls()["calls"]["POST /v1/orders/import"] == 3
    assert emulator.count_orders() == ORDERS - 3

    (part,) = (tmp_path / "report" / "rejected").glob("*.jsonl")
    rejected = [json.loads(line) for line in part.open()]
    assert [line["source_id"] for line in rejected] == ["17", "18", "19"]
    assert [line["reason"].partition(",")[0] for line in rejected] == [
        "status must be one of CREATED",
        "amount must not be below zero",
        "items[0].quantity must be an integer >= 1",
    ]
    order = VoucherifyHook().get_order("5")
    assert (order["status"], order["amount"]) == ("PAID", 125 + 2 * 250 + 3 * 375)
    assert order["metadata"] == {"channel": "web", "ordered_at": "2024-01-01T00:05:00Z"}
    assert [(item["quantity"], item["price"]) for item in order["items"]] == [(1, 125), (2, 250), (3, 375)]
    summary = json.loads((tmp_path / "report" / "summary.json").read_bytes())
    findings = {finding["finding"]: finding["count"] for finding in summary["findings"]}
    assert findings["order with an amount that is not the sum of its items"] == ORDERS // 10
    assert findings["order without customer"] == ORDERS // 4
    assert "Running the query" in log()


def test_a_retry_runs_no_query(emulator, queries, tmp_path, log):
    with DAG("import_sql_retry", schedule=None) as dag:
        ImportOrdersOperator(task_id="import", **TASK, report_path=str(tmp_path), max_rejected=2, retries=2)
    run = run_dag(dag)
    assert run.state == "failed", "three orders are rejected, and two tolerated"
    assert log().count("Reading the") >= 1, "a later try reads the rows that the first one has written"
    assert len(queries) == 2
    assert len(list((tmp_path / "spool").glob("*.parquet"))) == len(
        json.loads((tmp_path / "spool" / "manifest.json").read_bytes())["parts"]
    )


def test_a_dry_run(emulator, queries, tmp_path):
    run = run_import(spool_path=str(tmp_path / "rows"), dry_run=True, max_rejected=3)
    assert run.state == "success"
    assert run.xcoms["import"]["orders"] == ORDERS
    assert "POST /v1/orders/import" not in emulator.calls()["calls"]
    assert (tmp_path / "rows" / "manifest.json").exists()


def test_a_file_with_the_query_and_templates(emulator, tmp_path, monkeypatch):
    database = tmp_path / "shop.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE orders (no TEXT, day TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [("a", "2026-01-01"), ("b", "2026-01-02")])
        connection.commit()
    monkeypatch.setenv("AIRFLOW_CONN_FILE_SHOP", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    (tmp_path / "orders.sql").write_text("SELECT no AS source_id FROM orders WHERE day = '{{ params.day }}'")
    with DAG("import_sql_file", schedule=None, template_searchpath=[str(tmp_path)]) as dag:
        ImportOrdersOperator(
            task_id="import",
            sql="orders.sql",
            sql_conn_id="file_shop",
            report_path=str(tmp_path / "report"),
            params={"day": "2026-01-02"},
            poll_interval=0.2,
        )
    assert run_dag(dag).state == "success"
    assert emulator.count_orders() == 1
    assert VoucherifyHook().get_order("b")["source_id"] == "b"


@pytest.mark.parametrize(
    ("conn_type", "error"),
    [("http", "which has no SQL"), ("oracle", "install its provider where the task runs, such as apache-airflow-prov")],
)
def test_a_connection_without_sql(conn_type, error, emulator, tmp_path, monkeypatch, log):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": conn_type, "host": "shop.example"}))
    assert run_import(report_path=str(tmp_path)).state == "failed"
    assert f"sql_conn_id shop is a connection of type {conn_type}" in log()
    assert error in log()


def test_rows_of_line_items(emulator, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("Name,Item,Qty\n#1,rose,2\n#1,vase,1\n#2,rose,1\n")
    mapping = {"Name": "source_id", "Item": "items.source_id", "Qty": "items.quantity"}
    with DAG("import_rows", schedule=None) as dag:
        ImportOrdersOperator(
            task_id="import", orders_path=path.as_uri(), group_by="Name", column_mapping=mapping, poll_interval=0.2
        )
    assert run_dag(dag).state == "success"
    assert emulator.count_orders() == 2
    assert [item["quantity"] for item in VoucherifyHook().get_order("#1")["items"]] == [2, 1]
