"""Mapped tasks: over paths, windows, ids and connections."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from airflow.providers.common.compat.sdk import DAG, task_group

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, OrdersExportOperator
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from tests.airflow_home import connection, run_dag
from tests.integration.order_export.timeline import put
from tests.orders import order, write_jsonl

both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@both_modes
def test_imports_of_several_shops(emulator, tmp_path, monkeypatch, deferrable):
    shops = [
        {
            "voucherify_conn_id": name,
            "orders_path": write_jsonl(tmp_path / f"{name}.jsonl", map(order, range(count))).as_uri(),
        }
        for name, count in (("voucherify_default", 3), ("other", 5))
    ]
    report = (tmp_path / "report").as_uri()
    with DAG("mapped", schedule=None) as dag:
        ImportOrdersOperator.partial(
            task_id="import", report_path=report + "/{{ ti.map_index }}", poll_interval=0.2, deferrable=deferrable
        ).expand_kwargs(shops)
    with Emulator(speed=200) as other:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(other))
        assert run_dag(dag).state == "success"
        assert (emulator.count_orders(), other.count_orders()) == (3, 5)
    summaries = [json.loads((tmp_path / "report" / f"{n}" / "summary.json").read_bytes()) for n in range(2)]
    assert [summary["loaded"] for summary in summaries] == [3, 5]


@both_modes
def test_exports_of_several_windows(emulator, tmp_path, deferrable):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    put(emulator, [(f"ord_{n}", start + n * timedelta(hours=12), None, n) for n in range(4)])
    days = [start + timedelta(days=n) for n in range(3)]
    with DAG("mapped", schedule=None) as dag:
        OrdersExportOperator.partial(
            task_id="export",
            output_path=tmp_path.as_uri() + "/{{ task.window_start[:10] }}.parquet",
            poll_interval=0.2,
            deferrable=deferrable,
        ).expand_kwargs(
            [{"window_start": begin.isoformat(), "window_end": end.isoformat()} for begin, end in pairwise(days)]
        )
    assert run_dag(dag).state == "success"
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["2026-01-01.parquet", "2026-01-02.parquet"]
    assert emulator.calls()["calls"]["POST /v1/orders/export"] == 2


@both_modes
def test_sensors_of_several_actions(emulator, deferrable):
    ids = [emulator.seed_action(type="ORDERS.IMPORT", status="DONE") for _ in range(2)]
    with DAG("mapped", schedule=None) as dag:
        AsyncActionSensor.partial(task_id="wait", poke_interval=0.2, deferrable=deferrable).expand(async_action_id=ids)
    assert run_dag(dag).state == "success"


def test_a_wrong_parameter_among_mapped_ones_is_named(emulator, log):
    with DAG("mapped", schedule=None) as dag:
        ImportOrdersOperator.partial(task_id="import", orders=[order(1)]).expand(chunk_size=[0])
    assert run_dag(dag).state == "failed"
    assert "chunk_size must be at least 1, got 0" in log()
    assert emulator.calls()["calls"] == {}


def test_a_task_group_of_several_shops(emulator, tmp_path, monkeypatch):
    shops = {"voucherify_default": [order(1)], "other": [order(2), order(3)]}
    files = {name: write_jsonl(tmp_path / f"{name}.jsonl", orders) for name, orders in shops.items()}
    with DAG("mapped", schedule=None) as dag:

        @task_group
        def moved(shop, path):
            imported = ImportOrdersOperator(task_id="import", voucherify_conn_id=shop, orders_path=path)
            output = tmp_path.as_uri() + "/{{ ti.map_index }}.parquet"
            imported >> OrdersExportOperator(task_id="export", voucherify_conn_id=shop, output_path=output)

        moved.expand_kwargs([{"shop": name, "path": path.as_uri()} for name, path in files.items()])
    with Emulator(speed=200) as other:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(other))
        assert run_dag(dag).state == "success"
        assert (emulator.count_orders(), other.count_orders()) == (1, 2)
    assert {path.stem for path in tmp_path.glob("*.parquet")} == {"0", "1"}
