"""The emulator as an object: starting, stopping, several at a time, many callers at once."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.database import Database

from .api import KEYS, Api


def test_two_emulators_know_nothing_of_each_other():
    with Emulator() as one, Emulator() as two:
        assert len({one.url, one.download_url, two.url, two.download_url}) == 4
        Api(one).post("/v1/orders", json={})
        assert (one.count_orders(), two.count_orders()) == (1, 0)


def test_nothing_is_left_of_a_temporary_one():
    threads = set(threading.enumerate())
    with Emulator() as emulator:
        path = emulator.project.database.path
        Api(emulator).post("/v1/orders", json={})
        assert path.exists()
        assert emulator.project.database.files.parent == path.parent
    assert not path.parent.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(emulator.url, timeout=5)
    left = set(threading.enumerate()) - threads
    for thread in left:
        thread.join(10)  # AnyIO stops its workers, and does not wait for them
    assert [thread.name for thread in left if thread.is_alive()] == []


def test_it_stops_with_open_connections_and_slow_calls(caplog):
    with ThreadPoolExecutor() as pool:
        with Emulator(faults=["slow:seconds=600"]) as emulator:
            idle = requests.Session()
            idle.get(f"{emulator.url}/emulator/health", timeout=5)
            slow = pool.submit(Api(emulator).get, "/v1/orders")
            while not emulator.calls()["total"]:
                time.sleep(0.01)
        assert slow.result().status_code == 200
    assert caplog.messages == []


def test_a_file_keeps_the_orders(tmp_path):
    db = str(tmp_path / "shop.sqlite")
    with Emulator(db=db) as emulator:
        order = Api(emulator).post("/v1/orders", json={"source_id": "kept"}).json()
    with Emulator(db=db) as emulator:
        assert Api(emulator).get("/v1/orders/kept").json() == order


def test_a_database_of_others_is_refused(tmp_path):
    db = tmp_path / "other.sqlite"
    with sqlite3.connect(db) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(ValueError, match="not one of this emulator"), Emulator(db=str(db)):
        pass
    assert sqlite3.connect(db).execute("SELECT count(*) FROM theirs").fetchone() == (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "Emulator options: Object contains unknown field `colour`"),
        ({"plan": "free"}, "Emulator options: Invalid enum value 'free' - at `$.plan`"),
        ({"speed": 0}, "Emulator options: Expected `float` > 0.0 - at `$.speed`"),
        ({"app_token": ""}, "Emulator options: Expected `str` of length >= 1 - at `$.app_token`"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match="Emulator options") as error:
        Emulator(**options)
    assert str(error.value) == message


def test_the_secret_key_is_not_shown():
    options = Emulator(app_token="top-secret", plan="sandbox").options
    assert "top-secret" not in repr(options)
    assert "plan='sandbox'" in repr(options)


def test_it_must_be_started():
    with pytest.raises(RuntimeError, match="use it in a with statement"):
        Emulator().calls()


def test_a_taken_port_leaves_nothing_behind():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"Cannot listen on 127.0.0.1:{port}"), Emulator(download_port=port):
            pass
    with Emulator(download_port=port) as emulator:
        assert emulator.download_url.endswith(f":{port}")


def test_on_all_interfaces_the_download_host_is_the_one_that_was_asked():
    with Emulator(host="0.0.0.0", speed=1000) as emulator:
        port = emulator.url.rpartition(":")[2]
        emulator_port = emulator.download_url.rpartition(":")[2]
        session = requests.Session()
        session.headers.update({"X-App-Id": emulator.app_id, "X-App-Token": emulator.app_token})
        base = f"http://localhost:{port}/v1"
        export = session.post(f"{base}/orders/export", json={}, timeout=5).json()
        while export["status"] != "DONE":
            export = session.get(f"{base}/exports/{export['id']}", timeout=5).json()
        url = export["result"]["url"]
        assert url.startswith(f"http://localhost:{emulator_port}/v1/exports/")
        assert requests.get(url, headers=KEYS, timeout=5).status_code == 200


def test_it_listens_on_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Emulator(host="::1") as emulator:
        assert emulator.url.startswith("http://[::1]:")
        assert Api(emulator).get("/v1/orders").status_code == 200


def test_many_callers_at_once(emulator):
    def work(number: int) -> list[int]:
        api = Api(emulator)
        statuses = []
        for step in range(15):
            statuses.append(api.post("/v1/orders", json={"source_id": str(step), "amount": number}).status_code)
            statuses.append(api.put(f"/v1/orders/{step}", json={"metadata": {str(number): step}}).status_code)
            statuses.append(api.get("/v1/orders?limit=3").status_code)
        api.import_orders([{"source_id": str(step)} for step in range(30)])
        return statuses

    with ThreadPoolExecutor(8) as pool:
        assert {status for statuses in pool.map(work, range(8)) for status in statuses} == {200}
    assert emulator.count_orders() == 30
    assert emulator.calls()["import_queue"]["done"] == 8


def test_the_reading_of_a_snapshot_can_be_broken_off(tmp_path):
    database = Database(str(tmp_path / "x.sqlite"))
    with database.snapshot() as connection:
        endless = connection.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n")
        assert next(endless) == (1,)
        database.interrupt()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            for _ in endless:
                pass
    database.close()
    with pytest.raises(RuntimeError, match="closed"):
        database.rows("SELECT 1")


def test_a_failure_of_the_emulator_itself_is_told(emulator, monkeypatch):
    monkeypatch.setattr(emulator.project.orders, "count", lambda: 1 / 0)
    answer = Api(emulator).get("/v1/orders")
    assert (answer.status_code, answer.json()["key"]) == (500, "internal_error")
    assert answer.json()["details"] == "The emulator itself has failed, see its log: ZeroDivisionError"
    assert emulator.calls()["responses"] == {"500": 1}


def test_a_breakdown_in_the_background_goes_to_the_log(emulator, caplog):
    async def break_down() -> None:
        raise ZeroDivisionError

    emulator.project.spawn(break_down())
    logger = "airflow_provider_voucherify.emulator.project"
    while not (records := [record for record in caplog.records if record.name == logger]):
        time.sleep(0.005)
    [record] = records
    assert record.getMessage() == "A background task of the emulator failed"
    assert record.exc_info[0] is ZeroDivisionError
