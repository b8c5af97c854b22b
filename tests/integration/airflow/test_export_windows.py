"""Windows, retries, lineage: the export operator in Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, Stats
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.utils.session import create_session

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.operators._export import EVENT_EXTRA
from airflow_provider_voucherify.operators.exports import VoucherifyExportOperator
from airflow_provider_voucherify.operators.orders import OrdersExportOperator
from tests.airflow_home import run_dag
from tests.integration.order_export.timeline import put

EXPORT = "POST /v1/orders/export"
START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = {"window_start": "2026-01-01T00:00:00+00:00", "window_end": "2026-01-02T00:00:00+00:00"}
both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


NIGHTLY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
NO_WINDOW = {"window_start": None, "window_end": None}
OF_RUN = {"window": "data_interval", **NO_WINDOW}
BY_HAND = {"logical_date": None} if AIRFLOW_V_3_0_PLUS else {}  # below it, every run has a logical date


def run_export(path, *, schedule=None, params=None, run=None, **parameters):
    defaults = {"poll_interval": 0.2, "output_path": path.as_uri(), "retry_delay": timedelta(0), **WINDOW}
    with DAG("export_windows", schedule=schedule, start_date=START, catchup=False, params=params) as dag:
        OrdersExportOperator(task_id="export", **(defaults | parameters))
    return run_dag(dag, **(run or {}))


@pytest.fixture
def orders(emulator):
    put(emulator, [(f"ord_{n}", START + n * timedelta(hours=6), None, n) for n in range(-1, 6)])


def test_a_window(emulator, orders, tmp_path):
    path = tmp_path / "orders.parquet"
    run = run_export(path, fields=["id"], window_start="{{ '2026-01-01T00:00Z' }}")
    assert run.state == "success"
    result = run.xcoms["export"]
    assert pq.read_table(path).to_pydict() == {"id": ["ord_0", "ord_1", "ord_2", "ord_3"]}
    assert result["window"] == {
        "field": "updated_at",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-02T00:00:00Z",
    }
    assert (result["rows"], result["parquet_files"], result["export_ids"]) == (4, 1, [result["export_id"]])
    assert emulator.calls()["calls"][EXPORT] == 1


@pytest.mark.parametrize(("parameters", "exports"), [({}, 1), ({"restart": True}, 1), ({"durable": False}, 2)], ids=str)
@pytest.mark.parametrize("place", ["task store", "file"])
def test_a_retry_takes_up_the_export(emulator, orders, tmp_path, monkeypatch, parameters, exports, place):
    if place == "file" and parameters.get("durable", True):
        state_store = FileStateStore(tmp_path, "state.json")
        monkeypatch.setattr(OrdersExportOperator, "_state_store", lambda self, context: state_store)
    emulator.add_fault("truncated_download", times=3, bytes=20)
    path = tmp_path / "lake" / "orders.parquet"
    run = run_export(path, retries=1, **parameters)
    assert run.state == "success"
    assert pq.read_metadata(path).num_rows == 4
    assert emulator.calls()["calls"][EXPORT] == exports
    assert sorted(file.name for file in tmp_path.rglob("*.*")) == ["_orders.parquet.manifest.json", "orders.parquet"]


def test_a_failed_export_leaves_a_window_for_the_retry(emulator, orders, tmp_path):
    emulator.add_fault("export_error", times=2)
    path = tmp_path / "orders.parquet"
    run = run_export(path, retries=1, max_window_splits=0)
    assert run.state == "failed"  # the second export failed as well
    assert emulator.calls()["calls"][EXPORT] == 2
    assert run_export(path, max_window_splits=0).state == "success"


@pytest.mark.parametrize("templates", [("{{ none }}",) * 2, ("{{ '2026-01-01T00:00Z' }}", "{{ '' }}")])
def test_a_window_that_renders_to_nothing_is_an_error_and_not_all_orders(emulator, orders, tmp_path, templates, log):
    names = ("window_start", "window_end")
    run = run_export(tmp_path / "orders.parquet", **dict(zip(names, templates, strict=True)))
    assert run.state == "failed"
    assert "window_end rendered to None, which leaves no window" in log()
    assert EXPORT not in emulator.calls()["calls"]


def test_a_mapped_window_of_nothing_is_an_error(emulator, orders, tmp_path, log):
    with DAG("export_windows", schedule=None) as dag:
        windows = OrdersExportOperator.partial(task_id="export", output_path=str(tmp_path / "orders.parquet"))
        windows.expand_kwargs([NO_WINDOW])
    assert run_dag(dag).state == "failed"
    assert "window_start and window_end rendered to None" in log()


@both_modes
def test_the_window_of_a_run(emulator, orders, tmp_path, deferrable):
    path, both = tmp_path / "orders.parquet", {"window": "data_interval", "deferrable": deferrable, **NO_WINDOW}
    by_hand = {"window_start": "2026-01-01T06:00:00Z", "window_end": "2026-01-01T18:00:00Z"}
    night = {"logical_date": START + timedelta(days=1)}
    for given, rows in [
        ({"schedule": NIGHTLY, "run": night, "params": by_hand}, 4),
        ({"schedule": NIGHTLY, "run": {**night, "run_conf": by_hand}}, 2),
        ({"params": by_hand, "run": BY_HAND}, 2),
    ]:
        run = run_export(path, **given, **both)
        assert (run.state, pq.read_metadata(path).num_rows) == ("success", rows)
    assert run.xcoms["export"]["window"]["start"] == "2026-01-01T06:00:00Z"


@pytest.mark.parametrize("params", [None, {"window_start": "2026-01-01T00:00Z", "window_end": None}], ids=str)
def test_a_run_without_a_window_fails_and_says_how_to_give_it_one(emulator, orders, tmp_path, params, log):
    run = run_export(tmp_path / "orders.parquet", window="data_interval", params=params, run=BY_HAND, **NO_WINDOW)
    assert run.state == "failed"
    told = "trigger it with the params window_start and window_end" if params is None else "Give the run both"
    assert told in log()
    assert EXPORT not in emulator.calls()["calls"]


@both_modes
def test_the_event_of_an_asset_and_the_metrics_tell_of_the_export(emulator, orders, tmp_path, monkeypatch, deferrable):
    counted, told, asset = {}, {}, Asset("orders_files")
    monkeypatch.setattr(Stats, "incr", lambda name, count=1, **_: counted.update({name: count}))
    path = tmp_path / "orders.parquet"
    run = run_export(
        path,
        deferrable=deferrable,
        outlets=[asset],
        post_execute=lambda context, result: told.update(context["outlet_events"][asset].extra),
    )
    assert run.state == "success"
    assert told == {name: run.xcoms["export"][name] for name in EVENT_EXTRA}
    assert {"rows", "uri", "window", "bad_rows", "bad_row_ids"} < told.keys()
    if AIRFLOW_V_3_0_PLUS:  # below it, dag.test() registers no assets
        from airflow.models.asset import AssetEvent

        with create_session() as session:
            event = session.query(AssetEvent).order_by(AssetEvent.id.desc()).first()
        assert event.extra == told | event.extra
    assert counted["voucherify.export.rows"] == 4
    assert counted["voucherify.export.bytes"] == path.stat().st_size


def test_the_events_of_an_asset_name_the_days_that_were_written(emulator, orders, tmp_path, log):
    keys, asset = set(), Asset("voucherify://api.voucherify.io/APP_ID/orders")

    def remember(context, result):
        keys.update(getattr(context["outlet_events"][asset], "partition_keys", ()))

    options = {
        "window_end": "2026-01-03T00:00Z",
        "partition_by": "created_at",
        "asset_partitions": True,
        "outlets": [asset],
    }
    assert run_export(tmp_path, post_execute=remember, **options).state == "success"
    written = {path.name.removeprefix("created_at_day=") for path in tmp_path.glob("created_at_day=*")}
    assert len(written) > 1
    assert keys == (written if AIRFLOW_V_3_3_PLUS else set())
    assert ("gets one event for all" in log()) is not AIRFLOW_V_3_3_PLUS


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"asset_partitions": True}, "asset_partitions are the days of partition_by: give it too"),
        ({"window_start": "2026-01-01"}, "window_start must say its offset from UTC"),
        ({"window_start": None}, "Give both window_start and window_end"),
        ({"window": "data_interval"}, "Give either window, or window_start and window_end"),
        ({"fields": ["id", "metadata.Color", "metadata.color"]}, "would have one name"),
        ({"column_names": "camel"}, "column_names must be one of as_api, snake_case, got 'camel'"),
        ({"window": "today"}, "window must be one of data_interval, or None, got 'today'"),
        ({"window_lookback": 5, **NO_WINDOW}, "window_lookback: there is no window"),
        ({"window_lookback": timedelta(0)}, "window_lookback must be above 0 seconds"),
        ({"window_field": "status"}, "window_field must be one of updated_at, created_at"),
        ({"window_start": "2026-01-02T00:00Z"}, "window_start must be before window_end"),
        (OF_RUN | {"filters": {"junction": "or"}}, "junction must be 'and'"),
        (OF_RUN | {"filters": {"updated_at": {"conditions": {"$after": "2026-01-01"}}}}, "leave it to the window"),
        ({"window_start": "{{ x }}", "filters": {"junction": "or"}}, "junction must be 'and'"),
        ({"filters": {"junction": "or", "amount": {"conditions": {"$is": [1]}}}}, "junction must be 'and'"),
        ({"partition_by": "updated_at", "fields": ["id"]}, "'updated_at' is not among the fields"),
        ({"partition_by": "status"}, "'status' is not a time of an order"),
        ({"max_window_splits": -1}, "max_window_splits must be at least 0, got -1"),
        ({"max_rows_per_file": 0}, "max_rows_per_file must be at least 1"),
    ],
)
def test_what_cannot_work_is_refused_when_the_dag_is_parsed(parameters, message):
    with pytest.raises((ValueError, ConfigurationError), match=message):
        OrdersExportOperator(task_id="export", output_path="x", **(WINDOW | parameters))


def test_a_naive_time_in_a_template_is_refused_when_the_task_runs(emulator, tmp_path, log):
    assert run_export(tmp_path / "orders.parquet", window_end="{{ '2026-01-02' }}").state == "failed"
    assert "window_end must say its offset from UTC" in log()
    assert EXPORT not in emulator.calls()["calls"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("points_expiration", "no filter by time for an export of"), ("sku", "an export of sku has no 'updated_at'")],
)
def test_a_window_that_a_kind_cannot_have_is_refused_when_the_dag_is_parsed(kind, message):
    with pytest.raises(ConfigurationError, match=message):
        VoucherifyExportOperator(task_id="export", output_path="x", exported_object=kind, window="data_interval")
