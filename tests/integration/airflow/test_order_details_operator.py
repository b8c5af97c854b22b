from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.operators.orders import OrderDetailsExportOperator
from tests.airflow_home import run_dag
from tests.integration.order_details.details import DAY, FIRST, LISTING, items, items_of_versions, put, versions

WINDOW = {"window_start": FIRST.isoformat(), "window_end": (FIRST + DAY).isoformat()}
HOUR = timedelta(hours=1)
BY_HAND = {"logical_date": None} if AIRFLOW_V_3_0_PLUS else {}  # below it, every run has a logical date
NO_WINDOW = {"window_start": None, "window_end": None}
GIVEN = [(f"ord_{n:03}", n % 5) for n in range(250)]


@pytest.fixture
def orders(emulator):
    """250 orders of one day."""
    put(emulator, [(name, FIRST - DAY, FIRST + n * timedelta(minutes=1), v) for n, (name, v) in enumerate(GIVEN)])


def run_details(path: Path, *, run=None, **parameters):
    with DAG("details", schedule=None) as dag:
        OrderDetailsExportOperator(
            task_id="details", **({"output_path": path.as_uri(), "poll_interval": 0.2} | WINDOW | parameters)
        )
    return run_dag(dag, **(run or {}))


@pytest.mark.parametrize("deferrable", [False, True])
def test_whole_orders_in_the_worker_and_deferred_while_the_quota_is_used_up(emulator, orders, tmp_path, deferrable):
    emulator.add_fault("rate_limited", route=LISTING, after=2, times=1, retry_after=6)
    run = run_details(tmp_path, deferrable=deferrable, outlets=[Asset(tmp_path.as_uri())])
    assert run.state == "success"
    result = run.xcoms["details"]
    assert (result["path"], result["rows"], result["changed_since"]) == (tmp_path.as_uri(), 250, 0)
    assert {name: table["rows"] for name, table in result["tables"].items()} == {
        "orders": 250,
        "order_items": len(items_of_versions(GIVEN)),
        "order_redemptions": 0,
    }
    assert result["tables"]["orders"]["path"] == (tmp_path / "orders").as_uri()
    assert versions(tmp_path) == GIVEN
    assert items(tmp_path) == items_of_versions(GIVEN)
    assert {path.name for path in tmp_path.iterdir()} == {
        "orders", "order_items", "order_redemptions", Path(result["manifest_path"]).name,
    }  # fmt: skip
    # 3 pages, one of them refused once, the front, and those that never changed
    assert result["api_calls"] == emulator.calls()["calls"][LISTING] == 6


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tables": ["orders", "order_item"]}, "tables: 'order_item' is not a table; did you mean 'order_items'?"),
        ({"tables": []}, "tables must be a list of at least one of orders"),
        ({"window_end": "tomorrow"}, "window_end must be a time like"),
        ({"window_end": WINDOW["window_start"]}, "window_start must be before window_end"),
        ({"window_start": None}, "window_start must be a time like"),
        ({"window": "data_interval"}, "Give either window, or window_start and window_end"),
        (NO_WINDOW, "Give window='data_interval', or window_start and window_end"),
        (NO_WINDOW | {"window": "day"}, "window must be one of data_interval, or None, got 'day'"),
        ({"window_lookback": 0}, "window_lookback must be above 0 seconds"),
        ({"max_calls": 0}, "max_calls must be at least 1"),
    ],
)
def test_what_cannot_work_is_found_when_the_dag_is_parsed(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        OrderDetailsExportOperator(task_id="details", output_path="details", **(WINDOW | parameters))


def test_a_window_that_renders_to_nothing_is_an_error(emulator, tmp_path, log):
    assert run_details(tmp_path, window_start="{{ params.nothing | default(None) }}").state == "failed"
    assert "window_start rendered to None, which leaves no window" in log()
    assert emulator.calls()["calls"].get(LISTING) is None


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_window_of_a_run_and_what_came_late(emulator, orders, tmp_path, deferrable):
    emulator.add_fault("rate_limited", route=LISTING, after=1, times=1, retry_after=6)
    hour = {"window_start": (FIRST + HOUR).isoformat(), "window_end": (FIRST + 2 * HOUR).isoformat()}
    options = {"window": "data_interval", "window_lookback": timedelta(minutes=30), "deferrable": deferrable}
    run = run_details(tmp_path, run={"run_conf": hour}, **(NO_WINDOW | options))
    assert run.state == "success"
    assert versions(tmp_path) == GIVEN[30:120]
    assert run.xcoms["details"]["window"]["start"] == "2026-01-01T00:30:00Z"
    files = {path.name for path in tmp_path.rglob("*.parquet")}
    assert files == {"20260101T010000.000Z_20260101T020000.000Z-00000.parquet"}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        Path(run.xcoms["details"]["manifest_path"]).name
    }


def test_a_run_without_a_window_fails_and_says_how_to_give_it_one(emulator, tmp_path, log):
    run = run_details(tmp_path, window="data_interval", run=BY_HAND, **NO_WINDOW)
    assert run.state == "failed"
    assert "trigger it with the params window_start and window_end" in log()
    assert emulator.calls()["calls"].get(LISTING) is None
