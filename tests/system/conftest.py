from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_voucherify.emulator import Emulator
from tests.airflow_home import connection
from tests.orders import order, write_jsonl
from tests.system.airflow import Airflow, TaskRun

SECRET = "planted-secret-7f3a9c"
CHUNKS, CHUNK = 12, 5
ORDERS = CHUNKS * CHUNK


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not AIRFLOW_V_3_3_PLUS:
        for item in items:
            if "tests/system" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="Airflow below 3.3 has no task store"))


@pytest.fixture(scope="session")
def airflow(tmp_path_factory) -> Iterator[Airflow]:
    """One Airflow for all tests that need it: it takes half a minute to start."""
    with Airflow(tmp_path_factory.mktemp("airflow")) as running:
        yield running


class Shop:
    """
    A project at Voucherify with a connection to it, and what is to be imported there.

    :param airflow: Where the connection is made.
    :param name: The connection.
    :param emulator: The project.
    :param folder: For files.
    """

    def __init__(self, airflow: Airflow, name: str, emulator: Emulator, folder) -> None:
        self.airflow, self.name, self.emulator, self.folder = airflow, name, emulator, folder
        document = json.loads(connection(emulator)) | {"connection_id": name}
        del document["extra"]
        airflow.post("/connections", document)

    def create_orders(self, count: int) -> None:
        """Put orders into the project."""
        headers = {"X-App-Id": self.emulator.app_id, "X-App-Token": self.emulator.app_token}
        for number in range(count):
            requests.post(
                f"{self.emulator.url}/v1/orders", json=order(number), headers=headers, timeout=10
            ).raise_for_status()

    def import_orders(self, dag_id: str) -> TaskRun:
        """Run a DAG that imports the orders."""
        path = write_jsonl(self.folder / f"{self.name}.jsonl", [order(number) for number in range(ORDERS)])
        return TaskRun(self.airflow, dag_id, {"connection": self.name, "path": path.as_uri()})

    def export_orders(self, dag_id: str) -> TaskRun:
        """Run a DAG that exports the orders."""
        path = self.folder / f"{self.name}.parquet"
        return TaskRun(self.airflow, dag_id, {"connection": self.name, "path": path.as_uri()})

    def wait_for_imports(self, count: int) -> None:
        """Wait until Voucherify has worked on so many imports."""
        done = lambda: self.emulator.calls()["import_queue"]["done"] >= count  # noqa: E731
        self.airflow.wait_for(done, 60, f"{count} imports of {self.name} are done")

    def check_imported(self, run: TaskRun, times: int = 1) -> None:
        """See that all orders are in, each sent so many times and no more, and that the task says so."""
        result = run.result
        counts = {name: result[name] for name in ("orders", "loaded", "rejected", "unknown", "chunks")}
        assert counts == {"orders": ORDERS, "loaded": ORDERS, "rejected": 0, "unknown": 0, "chunks": CHUNKS}
        calls = self.emulator.calls()
        assert len(calls["imports"]) == times * CHUNKS
        assert calls["repeated_imports"] == (times - 1) * CHUNKS
        assert self.emulator.count_orders() == ORDERS
        assert run.stored == {}

    def check_exported(self, run: TaskRun, count: int) -> None:
        """See that all orders are in the file, that one export was asked for, and that the task says so."""
        assert run.result["rows"] == count
        table = pq.read_table(self.folder / f"{self.name}.parquet")
        assert sorted(table["source_id"].to_pylist()) == [f"order-{number}" for number in range(count)]
        assert self.emulator.calls()["calls"]["POST /v1/orders/export"] == 1
        assert run.stored == {}


numbers = itertools.count(1)


@pytest.fixture
def open_shop(airflow, tmp_path) -> Iterator[Callable[..., Shop]]:
    """
    Make projects, with the options of an emulator. An import takes so long by default that half of those in flight
    are worth a deferral, twice in a run.
    """
    with ExitStack() as shops:

        def open_one(**options: Any) -> Shop:
            options = {"import_base_ms": 1500, "import_order_ms": 0, "app_token": SECRET} | options
            emulator = shops.enter_context(Emulator(**options))
            return Shop(airflow, f"shop_{next(numbers)}", emulator, tmp_path)

        yield open_one
