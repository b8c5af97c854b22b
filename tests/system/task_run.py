"""A task on a running Airflow: what it does, and what is done to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import psutil

from tests.system.airflow import Airflow

T = TypeVar("T")

ENDED = {"success", "failed"}


class TaskRun:
    """
    The one task of a run of a DAG.

    :param airflow: Where it runs.
    :param dag_id: Its DAG.
    :param params: The params of the run.
    """

    task_id = "orders"

    def __init__(self, airflow: Airflow, dag_id: str, params: dict[str, Any]) -> None:
        self.airflow = airflow
        run = airflow.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": params})
        self.dag_id, self.run_id = dag_id, run["dag_run_id"]
        self.path = f"/dags/{dag_id}/dagRuns/{self.run_id}/taskInstances/{self.task_id}"

    def __repr__(self) -> str:
        return f"{self.dag_id} {self.run_id}"

    @property
    def instance(self) -> dict[str, Any]:
        """The task instance."""
        return self.airflow.get(self.path)

    @property
    def state(self) -> str | None:
        """The state of the task."""
        return self.instance["state"]

    @property
    def tries(self) -> int:
        """How many tries there were."""
        return self.instance["try_number"]

    @property
    def result(self) -> dict[str, Any]:
        """What the task returned."""
        return self.airflow.get(f"{self.path}/xcomEntries/return_value?deserialize=true")["value"]

    @property
    def page(self) -> str:
        """Where the UI shows it."""
        return f"/dags/{self.dag_id}/runs/{self.run_id}/tasks/{self.task_id}"

    @property
    def stored(self) -> dict[str, Any]:
        """What is in the task store, by key."""
        return {
            entry["key"]: entry["value"] for entry in self.airflow.get(f"{self.path}/state-store")["task_state_store"]
        }

    def log(self, attempt: int = 1) -> str:
        """The log of a try."""
        return self.airflow.request("GET", f"{self.path}/logs/{attempt}?full_content=true").text

    def wait_for_state(self, *states: str, seconds: float = 180) -> str:
        """
        Wait for one of the states.

        :raises TimeoutError: with the state and the log instead.
        """
        return self._wait(lambda: (state := self.state) in states and state, seconds, " or ".join(states))

    def wait_for_end(self, seconds: float = 300) -> str:
        """Wait until the run has ended, and return its final state."""
        run = f"/dags/{self.dag_id}/dagRuns/{self.run_id}"
        return self._wait(lambda: (state := self.airflow.get(run)["state"]) in ENDED and state, seconds, "the end")

    def _wait(self, seen: Callable[[], T], seconds: float, what: str) -> T:
        try:
            return self.airflow.wait_for(seen, seconds, f"{what} of {self}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it is {self.state}.\n{self.log(max(1, self.tries))[-5000:]}") from None

    def clear(self) -> None:
        """Clear the task, whatever its state, so that it runs again."""
        self.airflow.post(
            f"/dags/{self.dag_id}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": self.run_id,
                "task_ids": [self.task_id],
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )

    def process(self) -> psutil.Process:
        """Wait for the process that runs the task."""
        ours = set(self.airflow.pids.values())

        def running() -> psutil.Process | None:
            instance = self.instance
            if instance["state"] != "running" or not instance["pid"]:
                return None
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(instance["pid"])
                if ours.intersection(above.pid for above in process.parents()):
                    return process
            return None

        return self._wait(running, 180, "the process")

    def component(self) -> str:
        """Wait for the process that runs the task, and return the component that it belongs to."""
        above = {process.pid for process in self.process().parents()}
        return next(name for name, pid in self.airflow.pids.items() if pid in above)

    def kill(self) -> None:
        """Kill the process of the task."""
        self.process().kill()

    def kill_with_supervisor(self) -> None:
        """Kill the process that watches over the process of the task, and this one with it, as a lost machine does."""
        process = self.process()
        supervisor = process.parent()
        if supervisor is None or supervisor.pid in self.airflow.pids.values():
            raise RuntimeError(f"The parent of {process} is {supervisor}, which is no supervisor")
        supervisor.kill()
        process.kill()
