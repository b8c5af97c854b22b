"""The example DAGs, as they are in the repository, run against the emulator."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from tests.airflow_home import DagBag, run_dag
from tests.orders import order, write_jsonl

EXAMPLES = Path(__file__).parents[3] / "example_dags"


@functools.cache
def examples():
    bag = DagBag(str(EXAMPLES))
    assert bag.import_errors == {}
    return bag.dags


def example(dag_id):
    return examples()[dag_id]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_each_file_holds_one_dag_of_its_name(path):
    dag = example(path.stem)
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
        "orders.jsonl:7778": 'status must be one of CREATED, PAID, CANCELED, FULFILLED, got "PAYED"',
    }
    rows = {row["source_id"]: row for row in pq.read_table(output).to_pylist()}
    assert len(rows) == run.xcoms["export_orders"]["rows"] == 9_997
    for number in set(range(10_000)) - {1234, 5000, 7777}:
        row = rows[f"order-{number}"]
        assert row["amount"] == given[number]["amount"]
        assert row["status"] == given[number]["status"]
        assert json.loads(row["metadata"]) == given[number]["metadata"]


def test_nightly_export(emulator, tmp_path):
    for number in range(5):
        VoucherifyHook().create_order(order(number))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    run = run_dag(
        example("voucherify_nightly_export"),
        run_conf={"folder": tmp_path.as_uri()},
        logical_date=today + timedelta(days=1),
    )
    assert run.state == "success"
    (path,) = tmp_path.iterdir()
    assert path.name == f"{today:%Y-%m-%d}.parquet"
    table = pq.read_table(path)
    assert sorted(table["source_id"].to_pylist()) == [f"order-{number}" for number in range(5)]
    assert set(table["metadata.channel"].to_pylist()) == {"web", "app", 'shop "Süd"', "phone, desk"}


def test_order_sync(emulator):
    run = run_dag(example("voucherify_order_sync"))
    assert run.state == "success"
    assert VoucherifyHook().get_order("shop-1001")["status"] == "PAID"
    assert VoucherifyHook().get_order("shop-1002")["status"] == "CANCELED"
    assert emulator.count_orders() == 2
