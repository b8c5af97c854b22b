"""A project at Voucherify, and tasks that bring orders there or fetch them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import requests

from airflow_provider_voucherify.emulator import Emulator
from tests.airflow_home import connection
from tests.orders import order, write_jsonl
from tests.system.airflow import Airflow
from tests.system.task_run import TaskRun

CHUNKS, CHUNK = 12, 5
ORDERS = CHUNKS * CHUNK
EXPORTED = 7
DOWNLOAD = "GET download /v1/exports/{exportId}"


class Shop:
    """
    A project at Voucherify with a connection to it.

    :param airflow: Where the connection is made.
    :param name: The connection.
    :param emulator: The project.
    :param folder: For files.
    :param extra: Fields of the connection.
    """

    def __init__(self, airflow: Airflow, name: str, emulator: Emulator, folder: Path, **extra: Any) -> None:
        self.airflow, self.name, self.emulator, self.folder = airflow, name, emulator, folder
        # the emulator has no pages for people: its answers stand for them
        document = json.loads(connection(emulator, dashboard_url=f"{emulator.url}/v1/{{resource}}/{{id}}", **extra))
        airflow.post("/connections", document | {"connection_id": name, "extra": json.dumps(document["extra"])})

    def create_orders(self, count: int) -> None:
        """Put orders into the project."""
        headers = {"X-App-Id": self.emulator.app_id, "X-App-Token": self.emulator.app_token}
        for number in range(count):
            requests.post(
                f"{self.emulator.url}/v1/orders", json=order(number), headers=headers, timeout=10
            ).raise_for_status()

    def run(self, dag_id: str, path: Path) -> TaskRun:
        """Run a DAG that imports a file, or exports into one."""
        return TaskRun(self.airflow, dag_id, {"connection": self.name, "path": path.as_uri()})


class Journey(ABC):
    """
    A task that is on its way with the orders of a shop of its own.

    :param shop: The shop.
    :param way: ``worker`` or ``deferred``.
    :param variant: Which kind of DAG, by the middle of its name.
    """

    direction: str

    def __init__(self, shop: Shop, way: str, variant: str = "") -> None:
        self.shop, self.way = shop, way
        self.run = self._begin(f"{self.direction}{variant}_{way}")

    def __repr__(self) -> str:
        return repr(self.run)

    @abstractmethod
    def _begin(self, dag_id: str) -> TaskRun: ...

    @abstractmethod
    def wait_for_the_middle(self) -> None:
        """Wait until something was asked of Voucherify and there is more to do."""

    @abstractmethod
    def check(self, times: int = 1) -> None:
        """See that all orders are there, asked for so many times and no more, and that the task says so."""

    def succeeds(self, times: int = 1, goes_on: bool = False) -> None:
        """See the run end well, and, if it was disturbed, resume where it was."""
        assert self.run.wait_for_end() == "success"
        self.check(times)
        self.check_store()
        if goes_on:
            assert "Resuming" in self.run.log(self.run.tries)

    def check_store(self) -> None:
        """See that the task store keeps nothing of what has finished."""
        assert self.run.stored == {}


class ImportJourney(Journey):
    """An import of twelve chunks of five orders."""

    direction = "import"

    def _begin(self, dag_id: str) -> TaskRun:
        path = self.shop.folder / f"{self.shop.name}.jsonl"
        return self.shop.run(dag_id, write_jsonl(path, [order(number) for number in range(ORDERS)]))

    def wait_for_the_middle(self) -> None:
        emulator = self.shop.emulator
        self.shop.airflow.wait_for(
            lambda: emulator.calls()["import_queue"]["done"] >= 1, 180, f"an import of {self} is done"
        )

    def check(self, times: int = 1) -> None:
        result = self.run.result
        counts = {name: result[name] for name in ("orders", "loaded", "rejected", "unknown", "chunks")}
        assert counts == {"orders": ORDERS, "loaded": ORDERS, "rejected": 0, "unknown": 0, "chunks": CHUNKS}
        calls = self.shop.emulator.calls()
        assert len(calls["imports"]) == times * CHUNKS
        assert calls["repeated_imports"] == (times - 1) * CHUNKS
        assert self.shop.emulator.count_orders() == ORDERS

    def check_store(self) -> None:
        """See that the task store keeps the result, so that another try of the run sends nothing again."""
        stored = self.run.stored
        assert set(stored) == {"order_import", "order_import_owner"}
        assert stored["order_import"]["finished"]["loaded"] == ORDERS


class ExportJourney(Journey):
    """An export of seven orders, whose first download is slow."""

    direction = "export"

    def _begin(self, dag_id: str) -> TaskRun:
        self.shop.create_orders(EXPORTED)
        self.shop.emulator.add_fault("slow", route=DOWNLOAD, seconds=5, times=1)
        self.path = self.shop.folder / f"{self.shop.name}.parquet"
        return self.shop.run(dag_id, self.path)

    def wait_for_the_middle(self) -> None:
        self.shop.airflow.wait_for(
            lambda: "exp_" in json.dumps(self.run.stored), 180, f"the export of {self} is in the task store"
        )
        if self.way == "deferred":
            self.run.wait_for_state("deferred")

    def check(self, times: int = 1) -> None:
        assert self.run.result["rows"] == EXPORTED
        table = pq.read_table(self.path)
        assert sorted(table["source_id"].to_pylist()) == [f"order-{number}" for number in range(EXPORTED)]
        assert self._asked_for() == times

    def _asked_for(self) -> int:
        return self.shop.emulator.calls()["calls"].get("POST /v1/orders/export", 0)
