"""Import and export on a real Airflow, and what happens to them there: kills, restarts, clears, timeouts."""

from __future__ import annotations

import json
import signal

import pyarrow.parquet as pq
import pytest

from tests.system.conftest import SECRET

both_ways = pytest.mark.parametrize("way", ["worker", "deferred"])
LIMIT_OF_THE_STORE = 65_535


@both_ways
def test_import(open_shop, way):
    shop = open_shop(import_base_ms=200)
    run = shop.import_orders(f"import_{way}")
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 1


@both_ways
def test_export(open_shop, way):
    shop = open_shop(export_base_ms=3000)
    shop.create_orders(7)
    run = shop.export_orders(f"export_{way}")
    assert run.wait_for_end() == "success"
    assert run.result["rows"] == 7
    table = pq.read_table(shop.folder / f"{shop.name}.parquet")
    assert sorted(table["source_id"].to_pylist()) == [f"order-{number}" for number in range(7)]
    assert shop.emulator.calls()["calls"]["POST /v1/orders/export"] == 1


@both_ways
def test_the_process_of_the_task_is_killed(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(3)
    run.kill()
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 2
    assert "Going on: " in run.log(2)


@both_ways
def test_the_machine_of_the_task_is_lost(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(3)
    run.kill_supervisor()
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 2
    assert "Going on: " in run.log(2)


def test_the_triggerer_is_killed_while_an_import_waits(airflow, open_shop):
    shop = open_shop(import_base_ms=2000)
    run = shop.import_orders("import_deferred")
    shop.wait_for_imports(2)
    run.wait_for_state("deferred")
    airflow.stop("triggerer", signal.SIGKILL)
    airflow.start("triggerer")
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 1


def test_the_triggerer_is_killed_while_an_export_waits(airflow, open_shop):
    shop = open_shop(export_base_ms=15_000)
    shop.create_orders(3)
    run = shop.export_orders("export_deferred")
    run.wait_for_state("deferred")
    airflow.stop("triggerer", signal.SIGKILL)
    airflow.start("triggerer")
    assert run.wait_for_end() == "success"
    assert run.result["rows"] == 3
    assert run.tries == 1
    assert shop.emulator.calls()["calls"]["POST /v1/orders/export"] == 1


@both_ways
def test_a_running_task_is_cleared(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(3)
    run.clear()
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert "Going on: " in run.log(run.tries)


def test_a_successful_task_is_cleared_and_imports_again(open_shop):
    shop = open_shop(import_base_ms=100)
    run = shop.import_orders("import_worker")
    assert run.wait_for_end() == "success"
    run.clear()
    run.wait_for_state("running")
    assert run.wait_for_end() == "success"
    shop.check_imported(run, times=2)
    assert run.tries == 2


@both_ways
def test_a_failed_task_is_cleared_and_goes_on(open_shop, way):
    shop = open_shop(import_base_ms=300)
    shop.emulator.add_fault("cycle_spent", route="POST /v1/orders/import", after=4)
    run = shop.import_orders(f"import_once_{way}")
    assert run.wait_for_end() == "failed"
    assert "limit api_calls_cycle" in run.log()
    assert len(shop.emulator.calls()["imports"]) == 4
    shop.emulator.clear_faults()
    run.clear()
    run.wait_for_state("running")
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 2


@both_ways
def test_execution_timeout_and_retry(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_cut_short_{way}")
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries > 1


@both_ways
def test_the_task_store_can_be_read_while_the_import_runs(airflow, open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(2)
    stored = json.dumps(run.stored)
    assert "order_import" in run.stored
    assert len(stored) < LIMIT_OF_THE_STORE
    assert SECRET not in stored
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
