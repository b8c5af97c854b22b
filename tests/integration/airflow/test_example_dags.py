"""The example DAGs, as they are in the repository, run against the emulator."""

from __future__ import annotations

import contextlib
import functools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import duckdb
import psycopg2
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from airflow.models import Pool
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS
from airflow.utils.session import create_session
from sqlalchemy import text

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from tests.airflow_home import DagBag, migrated, run_dag
from tests.integration.order_details.details import put as put_whole
from tests.integration.order_export.timeline import change, put
from tests.orders import order, write_jsonl

pytestmark = pytest.mark.no_cover  # takes twice as long if measured, and what it runs others measure
EXAMPLES = Path(__file__).parents[3] / "example_dags"


NEED_AIRFLOW_3 = {"voucherify_orders_changed"} if not AIRFLOW_V_3_0_PLUS else set()


@functools.cache
def examples():
    bag = DagBag(str(EXAMPLES))
    assert {Path(path).stem for path in bag.import_errors} == NEED_AIRFLOW_3
    return bag.dags


def example(dag_id):
    dag = examples()[dag_id]
    for task in dag.tasks:
        task.retries = 0  # a fault shall fail the test at once
    return dag


@pytest.mark.parametrize("name", sorted({path.stem for path in EXAMPLES.glob("*.py")} - NEED_AIRFLOW_3))
def test_each_file_holds_one_dag_of_its_name(name):
    dag = example(name)
    assert set(dag.tags) == {"voucherify"}
    assert dag.tasks


def test_round_trip_of_ten_thousand_orders(emulator, tmp_path):
    given = [order(number) for number in range(10_000)]
    lines = [*given]
    lines[1234] = order(1234) | {"amount": 12.34}
    lines[5000] = '{"source_id": "order-5000", '
    lines[7777] = order(7777) | {"status": "PAYED"}
    report, output = tmp_path / "report", tmp_path / "orders.parquet"
    run = run_dag(
        example("voucherify_round_trip"),
        run_conf={
            "orders_path": write_jsonl(tmp_path / "orders.jsonl", lines).as_uri(),
            "report_path": report.as_uri(),
            "output_path": output.as_uri(),
        },
    )
    assert run.state == "success"
    summary = run.xcoms["import_orders"]
    assert {key: summary[key] for key in ("orders", "loaded", "rejected", "unknown")} == {
        "orders": 10_000,
        "loaded": 9_997,
        "rejected": 3,
        "unknown": 0,
    }
    rejected = [json.loads(line) for part in sorted((report / "rejected").iterdir()) for line in part.open()]
    assert {entry["position"]: entry["reason"] for entry in rejected} == {
        "orders.jsonl:1235": "amount must be an integer in the smallest currency unit, got 12.34",
        "orders.jsonl:5001": "not a JSON object: Input data was truncated",
        "orders.jsonl:7778": 'status must be one of CREATED, PAID, CANCELED, FULFILLED, got "PAYED" (value_mapping)',
    }
    rows = {row["source_id"]: row for row in pq.read_table(output).to_pylist()}
    assert len(rows) == run.xcoms["export_orders"]["rows"] == 9_997
    for number in set(range(10_000)) - {1234, 5000, 7777}:
        row = rows[f"order-{number}"]
        assert row["amount"] == given[number]["amount"]
        assert row["status"] == given[number]["status"]
        assert json.loads(row["metadata"]) == given[number]["metadata"]


def test_nightly_export(emulator, tmp_path):
    day = datetime(2026, 1, 2, tzinfo=UTC)
    moments = [day - timedelta(milliseconds=1), day, day + timedelta(hours=23), day + timedelta(days=1)]
    put(emulator, [(f"ord_{number}", moment, None, number) for number, moment in enumerate(moments)])
    change(emulator, "ord_0", day + timedelta(hours=5))
    for _ in range(2):
        run = run_dag(
            example("voucherify_nightly_export"),
            run_conf={"folder": (tmp_path / "orders").as_uri()},
            logical_date=day + timedelta(days=1),
        )
        assert run.state == "success"
        name = "20260102T000000.000Z_20260103T000000.000Z-voucherify_nightly_export.export_orders"
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == [
            f"_orders/{name}.manifest.json",
            f"orders/created_at_day=2026-01-01/{name}-00000.parquet",
            f"orders/created_at_day=2026-01-02/{name}-00000.parquet",
        ]
        assert sorted(pyarrow.dataset.dataset(tmp_path / "orders").to_table()["id"].to_pylist()) == [
            "ord_0",
            "ord_1",
            "ord_2",
        ]


def test_exports_of_three_kinds(emulator, tmp_path):
    day = datetime(2026, 1, 2, tzinfo=UTC)
    times = [f"2026-01-{number:02}T10:00:00.000Z" for number in (1, 2, 3)]
    emulator.add_export_rows("redemption", [{"id": f"r_{n}", "date": time} for n, time in enumerate(times)])
    emulator.add_export_rows("customer", [{"id": f"c_{n}", "created_at": time} for n, time in enumerate(times)])
    emulator.add_export_rows(
        "voucher", [{"code": f"v_{n}", "created_at": times[0], "updated_at": time} for n, time in enumerate(times)]
    )
    conf = {"folder": tmp_path.as_uri()}
    run = run_dag(example("voucherify_all_exports"), run_conf=conf, logical_date=day + timedelta(days=1))
    assert run.state == "success"
    for kind, field, value in (("redemption", "id", "r_1"), ("customer", "id", "c_1"), ("voucher", "code", "v_1")):
        assert run.xcoms[f"export_{kind}s"]["rows"] == 1
        assert pyarrow.dataset.dataset(tmp_path / f"{kind}s").to_table()[field].to_pylist() == [value]


def test_line_items_of_a_night(emulator, tmp_path):
    day = datetime(2026, 1, 2, tzinfo=UTC)
    created = [day - timedelta(days=1), day, day + timedelta(days=1)]
    put_whole(emulator, [(f"ord_{number}", moment, None, number + 1) for number, moment in enumerate(created)])
    conf = {"folder": tmp_path.as_uri()}
    run = run_dag(example("voucherify_line_items"), run_conf=conf, logical_date=day + timedelta(days=1))
    assert run.state == "success"
    assert pyarrow.dataset.dataset(tmp_path / "orders").to_table()["order_id"].to_pylist() == ["ord_1"]
    items = pyarrow.dataset.dataset(tmp_path / "order_items").to_table()
    assert items.select(["order_id", "item_index"]).to_pylist() == [
        {"order_id": "ord_1", "item_index": 0},
        {"order_id": "ord_1", "item_index": 1},
    ]


def test_history_export_in_mapped_tasks_named_by_their_month(emulator, tmp_path):
    starts = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3)]
    put(emulator, [(f"ord_{number}", start, None, number) for number, start in enumerate(starts)])
    conf = {"folder": tmp_path.as_uri(), "first_month": "2024-01", "months": 2}
    assert run_dag(example("voucherify_history_export"), run_conf=conf).state == "success"
    assert sorted(pyarrow.dataset.dataset(tmp_path).to_table()["id"].to_pylist()) == ["ord_0", "ord_1"]
    with create_session() as session:
        names = session.scalars(text("SELECT rendered_map_index FROM task_instance WHERE task_id = 'export_month'"))
        assert sorted(names) == ["2024-01", "2024-02"]


def test_the_pool_of_the_history_export_counts_its_tasks_while_they_wait(emulator, tmp_path):
    migrated()
    Pool.create_or_update_pool("voucherify_exports", 2, "Exports of orders", include_deferred=True)
    conf = {"folder": tmp_path.as_uri(), "first_month": "2024-01", "months": 2}
    run = run_dag(example("voucherify_history_export"), run_conf=conf)
    assert open_slots() == 2
    mapped = text("UPDATE task_instance SET state = :state WHERE task_id = 'export_month' AND run_id = :run_id")
    for state, left in (("running", 0), ("deferred", 0), ("success", 2)):
        with create_session() as session:
            session.execute(mapped, {"state": state, "run_id": run.run_id})
        assert open_slots() == left


def open_slots() -> int:
    """What the scheduler checks before it starts a task of the pool."""
    return Pool.slots_stats()["voucherify_exports"]["open"]


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 has no watchers")
def test_changed_orders_are_loaded_once(emulator, tmp_path):
    put(emulator, [(f"ord_{number}", datetime(2024, 1, 1, tzinfo=UTC), None, number) for number in range(3)])
    dag, database = example("voucherify_orders_changed"), tmp_path / "warehouse.duckdb"
    for _ in range(2):
        run = run_dag(dag, run_conf={"folder": tmp_path.as_uri(), "database": str(database)})
        assert run.state == "success"
        assert run.xcoms["merge_orders"] == 3
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(3,)]


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 has no watchers")
def test_a_run_spans_all_events_that_started_it():
    changes = [
        {"changed_after": "2026-01-02T10:00:00.000Z", "changed_at": "2026-01-02T10:07:00.123Z", "total": 2},
        {"changed_after": "2026-01-02T10:07:00.123Z", "changed_at": "2026-01-02T10:12:00.000Z", "total": 2},
    ]
    window = example("voucherify_orders_changed").get_task("window").python_callable
    events = {"orders": [SimpleNamespace(extra={"payload": change}) for change in changes]}
    since = "2020-01-01T00:00:00+00:00"
    assert window(since, events) == {
        "start": "2026-01-02T09:55:00+00:00",
        "end": "2026-01-02T10:12:00.001000+00:00",
    }
    changes[0]["changed_after"] = None
    assert window(since, events)["start"] == "2019-12-31T23:55:00+00:00"


def test_migration(emulator, tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    days = [datetime(2019, 1, 1, 12, 30, tzinfo=UTC) + timedelta(days=day) for day in range(400)]
    for month in range(3):
        table = pa.table(
            {
                "order_no": [f"{month}-{number}" for number in range(400)],
                "total": pa.array([Decimal(f"{number}.{month}5") for number in range(400)], pa.decimal128(10, 2)),
                "shop": ["Köln"] * 400,
                "internal_note": ["secret"] * 400,
                "created_at": pa.array(days, pa.timestamp("us", tz="UTC")),
            }
        )
        pq.write_table(table, folder / f"{month}.parquet")
    conf = {"orders_path": folder.as_uri(), "report_path": (tmp_path / "report").as_uri(), "cycle_calls_left": 100}
    emulator.add_fault("failed_rows", source_id="2-30", reason="Customer not found", times=1)
    run = run_dag(example("voucherify_migration"), run_conf=conf, mark_success_pattern="approve_import")
    assert run.state == "success"
    assert run.xcoms["check_orders"]["orders"] == emulator.count_orders() == 1200
    assert (run.xcoms["migrate_orders"]["loaded"], run.xcoms["migrate_orders"]["rejected"]) == (1199, 1)
    assert (run.xcoms["reconcile_orders"]["matched"], run.xcoms["reconcile_orders"]["missing"]) == (1199, 1)
    assert run.xcoms["repair_orders"]["loaded"] == 1
    stored = VoucherifyHook().get_order("1-7")
    assert (stored["amount"], stored["metadata"]) == (715, {"shop": "Köln", "ordered_at": "2019-01-08T12:30:00Z"})
    repaired = VoucherifyHook().get_order("2-30")
    assert (repaired["amount"], repaired["metadata"]["ordered_at"]) == (3025, "2019-01-31T12:30:00Z")
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.1 was the first to ask people")
def test_somebody_approves_a_migration_knowing_what_was_found():
    approve = example("voucherify_migration").get_task("approve_import")
    found = SimpleNamespace(xcom_pull=lambda task_id: {"check_orders": {"orders": 1200, "rejected": 7}}[task_id])
    approve.render_template_fields({"ti": found, "params": {"report_path": "s3://warehouse/report"}})
    assert approve.subject == "Import 1,200 orders into Voucherify?"
    assert approve.body == "7 of them would be rejected. What was found: s3://warehouse/report/dry_run/summary.json"
    assert approve.downstream_task_ids == {"migrate_orders"}


def test_a_migration_without_losses_needs_no_repair(emulator, tmp_path):
    (tmp_path / "orders").mkdir()
    columns = {
        "order_no": ["a"],
        "total": ["1.00"],
        "shop": ["Köln"],
        "internal_note": [""],
        "created_at": ["2019-01-01"],
    }
    pq.write_table(pa.table(columns), tmp_path / "orders" / "1.parquet")
    conf = {"orders_path": (tmp_path / "orders").as_uri(), "report_path": (tmp_path / "report").as_uri()}
    run = run_dag(example("voucherify_migration"), run_conf=conf, mark_success_pattern="approve_import")
    assert (run.state, run.states["repair_orders"], emulator.count_orders()) == ("success", "skipped", 1)


def test_order_sync(emulator, tmp_path, postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_POSTGRES", f"postgresql://{postgres}?options=-csearch_path%3Dchanging")
    conf = {"report_path": (tmp_path / "report").as_uri(), "dry_run": False}
    with contextlib.closing(psycopg2.connect(f"postgresql://{postgres}")) as connection, connection.cursor() as cursor:
        cursor.execute("""
            CREATE SCHEMA changing; SET search_path TO changing;
            CREATE TABLE customers (id bigint, email text);
            CREATE TABLE orders (id bigint, customer_id bigint, status text, total numeric(12,2),
                updated_at timestamptz);
            INSERT INTO customers VALUES (7, 'ada@shop.example');
            INSERT INTO orders VALUES (1001, 7, 'paid', 15.00, '2026-03-01 12:00+00'),
                (1002, NULL, 'pending', 4.50, '2026-03-01 12:10+00');
        """)
        connection.commit()
        run = run_dag(example("voucherify_order_sync"), run_conf=conf | {"dry_run": True})
        assert (run.xcoms["sync_orders"]["dry_run"], run.xcoms["sync_orders"]["orders"]) == (True, 2)
        assert emulator.count_orders() == 0
        run = run_dag(example("voucherify_order_sync"), run_conf=conf)
        assert run.state == "success"
        assert run.xcoms["sync_orders"]["watermark"] == "2026-03-01T12:10:00+00:00"
        cursor.execute("UPDATE orders SET status = 'cancelled', updated_at = '2026-03-01 12:12+00' WHERE id = 1002")
        connection.commit()
    run = run_dag(example("voucherify_order_sync"), run_conf=conf)
    assert run.xcoms["sync_orders"]["api_calls"] == run.xcoms["sync_orders"]["loaded"] == 1
    stored = VoucherifyHook().get_order("1001")
    assert (stored["status"], stored["amount"], stored["customer_id"] is None) == ("PAID", 1500, False)
    assert VoucherifyHook().get_order("1002")["status"] == "CANCELED"
    assert emulator.count_orders() == 2


def test_orders_from_postgres(emulator, tmp_path, postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_POSTGRES", f"postgresql://{postgres}?options=-csearch_path%3Dexample")
    with contextlib.closing(psycopg2.connect(f"postgresql://{postgres}")) as connection, connection.cursor() as cursor:
        cursor.execute("""
            CREATE SCHEMA example; SET search_path TO example;
            CREATE TABLE customers (id bigint, email text, name text);
            CREATE TABLE orders (id bigint, customer_id bigint, status text, discount numeric(12,2), channel text,
                placed_at timestamptz);
            CREATE TABLE order_items (order_id bigint, sku text, title text, quantity int, unit_price numeric(12,2));
            INSERT INTO customers VALUES (7, 'ada@shop.example', 'Ada');
            INSERT INTO orders VALUES (1, 7, 'paid', 1.50, 'web', '2024-05-01 12:00+02'),
                (2, NULL, 'refunded', NULL, NULL, '2024-05-02 12:00+02'), (3, 7, 'paid', NULL, 'web', '2026-05-01');
            INSERT INTO order_items VALUES (1, 'rose', 'Rose', 2, 5.00), (1, 'vase', 'Vase', 1, 2.50),
                (2, 'rose', 'Rose', 1, 5.00), (3, 'rose', 'Rose', 1, 5.00);
        """)
        connection.commit()
    run = run_dag(example("voucherify_from_postgres"), run_conf={"report_path": (tmp_path / "report").as_uri()})
    assert run.state == "success"
    assert run.xcoms["import_orders"]["loaded"] == emulator.count_orders() == 2
    stored = VoucherifyHook().get_order("1")
    assert (stored["status"], stored["amount"], stored["discount_amount"]) == ("PAID", 1250, 150)
    assert stored["metadata"] == {"channel": "web", "ordered_at": "2024-05-01T10:00:00Z"}
    assert [item["product"]["name"] for item in stored["items"]] == ["Rose", "Vase"]


def test_orders_from_shopify(emulator, tmp_path):
    path = tmp_path / "orders_export.csv"
    path.write_text(
        "Name,Email,Financial Status,Currency,Total,Discount Code,Discount Amount,Created at,Lineitem quantity,"
        "Lineitem name,Lineitem price,Lineitem sku,Billing Name,Tags,Vendor\n"
        "#1,ada@shop.example,paid,EUR,12.50,,0.00,2024-05-01 12:00:00 +0200,2,Rose,5.00,ROSE,Ada,vip,Acme\n"
        "#1,ada@shop.example,,,,,,2024-05-01 12:00:00 +0200,1,Vase,2.50,,,,Acme\n"
    )
    conf = {"orders_path": path.as_uri(), "report_path": (tmp_path / "report").as_uri()}
    run = run_dag(example("voucherify_from_shopify"), run_conf=conf)
    assert run.state == "success"
    assert run.xcoms["check_orders"]["orders"] == run.xcoms["import_orders"]["loaded"] == 1
    stored = VoucherifyHook().get_order("#1")
    assert (stored["status"], stored["amount"], stored["metadata"]["tags"]) == ("PAID", 1250, "vip")
    assert [item["quantity"] for item in stored["items"]] == [2, 1]
