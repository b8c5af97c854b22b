"""Import and export on a real Airflow, and what happens to them there: kills, restarts, clears, timeouts."""

from __future__ import annotations

import json
import signal

import pytest

from tests.system.conftest import SECRET

both_ways = pytest.mark.parametrize("way", ["worker", "deferred"])
LIMIT_OF_THE_STORE = 65_535


@both_ways
def test_import_with_its_state_in_the_task_store(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(2)
    if way == "deferred":
        run.wait_for_state("deferred")
    stored = run.stored
    assert stored["order_import"]["in_flight"]
    assert len(json.dumps(stored)) < LIMIT_OF_THE_STORE
    assert SECRET not in json.dumps(stored)
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 1


@both_ways
def test_export(open_shop, way):
    shop = open_shop(export_base_ms=12_000 if way == "deferred" else 2000)
    shop.create_orders(7)
    run = shop.export_orders(f"export_{way}")
    if way == "deferred":
        run.wait_for_state("deferred")
    assert run.wait_for_end() == "success"
    shop.check_exported(run, 7)
    assert run.tries == 1


@both_ways
def test_the_process_of_the_task_is_killed(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(1)
    run.kill()
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 2
    assert "Going on: " in run.log(2)


@both_ways
def test_the_machine_of_the_task_is_lost(open_shop, way):
    shop = open_shop()
    run = shop.import_orders(f"import_{way}")
    shop.wait_for_imports(1)
    run.kill_with_supervisor()
    assert run.wait_for_end() == "success"
    shop.check_imported(run)
    assert run.tries == 2
    assert "Going on: " in run.log(2)


def test_the_triggerer_is_killed_while_tasks_wait(airflow, open_shop):
    importing, exporting = open_shop(), open_shop(export_base_ms=20_000)
    exporting.create_orders(3)
    runs = importing.import_orders("import_deferred"), exporting.export_orders("export_deferred")
    for run in runs:
        run.wait_for_state("deferred")
    airflow.stop("triggerer", signal.SIGKILL)
    airflow.start("triggerer")
    assert [run.wait_for_end() for run in runs] == ["success", "success"]
    assert [run.tries for run in runs] == [1, 1]
    importing.check_imported(runs[0])
    exporting.check_exported(runs[1], 3)


@pytest.mark.parametrize("state", ["running", "deferred"])
def test_a_task_that_has_not_ended_is_cleared(open_shop, state):
    shop = open_shop()
    run = shop.import_orders("import_worker" if state == "running" else "import_deferred")
    shop.wait_for_imports(1)
    run.wait_for_state(state)
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
    shop = open_shop()
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
    assert any(text in run.log(1) for text in ("AirflowTaskTimeout", "Stopped after 8 s (execution_timeout)"))
    assert "Going on: " in run.log(2)
