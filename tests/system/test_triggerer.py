"""The triggerer survives what its triggers meet, on each version of Airflow 3."""

from __future__ import annotations

from tests.orders import order, write_jsonl
from tests.system.dags.watchers import HANGING
from tests.system.shop import ORDERS
from tests.unit.api.raw_server import RawServer

LIST = "GET /v1/orders"
OAUTH = {"oauth": True}


def test_it_survives_oauth_servers_that_hang_and_three_hundred_watchers(airflow, open_shop, tmp_path):
    shop, watched = open_shop(connection=OAUTH), open_shop(name="watched", connection=OAUTH, plan="business")
    triggerer = airflow.processes("triggerer")
    with RawServer([60.0]) as server:
        for number in range(HANGING):
            hanging = {"connection_id": f"hanging_{number}", "conn_type": "voucherify", "host": server.url}
            airflow.post("/connections", hanging | {"login": f"app{number}", "password": "secret"})
        watched.create_orders(1)
        airflow.pause("watchers", paused=False)
        source = write_jsonl(tmp_path / "orders.jsonl", [order(number) for number in range(ORDERS)])
        importing = shop.run("import_deferred", source)
        exporting = shop.run("export_deferred", tmp_path / "orders.parquet")
        for run in (importing, exporting):
            # maybe in a second try: a scheduler that is late fails a task that a trigger has already resumed
            assert run.wait_for_end(180) == "success"
            assert "DEFERRED" in run.log()
        runs = airflow.wait_for(lambda: airflow.get("/dags/watchers/dagRuns")["dag_runs"], 180, "orders have changed")
        assert {run["run_type"] for run in runs} == {"asset_triggered"}
        task = f"/dags/watchers/dagRuns/{runs[0]['dag_run_id']}/taskInstances/orders"
        airflow.wait_for(lambda: airflow.get(task)["state"] == "success", 180, "the changed orders are known")
        events = airflow.get(f"{task}/xcomEntries/return_value?deserialize=true")["value"]
        assert all(event["changed_after"] is None and event["total"] == 1 for event in events)
        assert server.requests
        airflow.pause("watchers", paused=True)
    calls = watched.emulator.calls()
    assert calls["refused"] == 0
    assert calls["calls"][LIST] <= 20  # 8 a minute
    assert airflow.processes("triggerer") == triggerer
