"""
One contract for both ways of waiting: what an operator or sensor returns, raises, calls and leaves behind is the same
in the worker and deferred.

Only a few calls come on top, as a woken task is a new process: it looks for itself (results do not travel through
events, and no event is believed), and learns Voucherify's clock before it sends more. Each scenario counts them.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowTaskTimeout, TaskDeferred
from airflow.utils.session import create_session
from sqlalchemy import text

from airflow_provider_voucherify.api.transport import Transport
from airflow_provider_voucherify.core.state_store import FileStateStore, NoStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators import _export
from airflow_provider_voucherify.operators.orders import (
    ImportOrdersOperator,
    OrderDetailsExportOperator,
    OrdersExportOperator,
)
from airflow_provider_voucherify.order_details import listing
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from airflow_provider_voucherify.task import waiting
from airflow_provider_voucherify.triggers import shared_poll
from tests.airflow_home import run_dag
from tests.integration.order_details.details import put as put_whole
from tests.integration.order_export.timeline import put
from tests.orders import order

pytestmark = pytest.mark.no_cover  # takes twice as long if measured, and what it runs others measure
ACTION, ACTIONS = "GET /v1/async-actions/{asyncActionId}", "GET /v1/async-actions"
EXPORT, EXPORTS = "GET /v1/exports/{exportId}", "GET /v1/exports"
ORDER, ORDERS = "GET /v1/orders/{orderId}", "GET /v1/orders"
DOWNLOAD = "GET download /v1/exports/{exportId}"
IMPORT_ORDERS, EXPORT_ORDERS = "POST /v1/orders/import", "POST /v1/orders/export"
WAIT, SHORT_WAIT = 0.8, 0.3  # seconds
TIME = 6.0  # seconds: enough to get to the wait on a busy machine
SPEED = 200  # all that is asked for has ended at the next look
START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = {"window_start": "2026-01-01T00:00:00Z", "window_end": "2026-01-03T00:00:00Z"}
FOREVER = 0  # of a fault: as often as it can
BAD = [*map(order, range(6)), order(6) | {"amount": 12.34}, order(7)]


def orders(count: int) -> list[dict[str, Any]]:
    return [order(number) for number in range(count)]


def still_running(route: str, *, times: int = 1, after: int = 0) -> dict[str, Any]:
    return fault("still_running", route, times=times, after=after)


def fault(name: str, route: str | None = None, **parameters: Any) -> dict[str, Any]:
    return {"name": name, **({"route": route} if route else {}), **parameters}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    Something that can happen.

    :param task: The class of the task.
    :param parameters: Its parameters, or what makes them of the emulator.
    :param running: What is said to run on at the first look, or at all looks; or what makes it of ``deferrable``.
    :param faults: Other faults of the emulator.
    :param state: How the task ends.
    :param error: A part of the text of the last error.
    :param waits: How often the task is deferred.
    :param looks: The calls that its wakings add; None where the machine decides how many looks there are in a time.
    :param keys: Whether the keys of the connection are right.
    """

    task: type
    parameters: Mapping[str, Any] | Callable[[Emulator], Mapping[str, Any]] = field(default_factory=dict)
    running: tuple[dict[str, Any], ...] | Callable[[bool], tuple[dict[str, Any], ...]] = ()
    faults: tuple[dict[str, Any], ...] = ()
    state: str = "success"
    error: str | None = None
    waits: int = 1
    looks: Mapping[str, int] | None = field(default_factory=dict)
    keys: bool = True


@dataclass(kw_only=True)
class Outcome:
    """All that can be seen of a task."""

    state: str
    errors: list[str]
    xcoms: dict[str, Any]
    state_store: Any
    files: dict[str, Any]
    imports: list[int]
    orders: int
    calls: dict[str, int]
    deferrals: int


def importing(**scenario: Any) -> Scenario:
    return Scenario(task=ImportOrdersOperator, **scenario)


def exporting(**scenario: Any) -> Scenario:
    return Scenario(task=OrdersExportOperator, **({"running": (still_running(EXPORT),)} | scenario))


def detailing(count: int, **scenario: Any) -> Scenario:
    parameters = scenario.pop("parameters", {})

    def made(emulator: Emulator) -> dict[str, Any]:
        put_whole(
            emulator, [(f"whole_{n}", START - timedelta(1), START + timedelta(minutes=n), n) for n in range(count)]
        )
        return {**WINDOW, **parameters}

    return Scenario(task=OrderDetailsExportOperator, parameters=made, **scenario)


def sensing(*actions: Mapping[str, Any], **scenario: Any) -> Scenario:
    parameters = scenario.pop("parameters", {})

    def made(emulator: Emulator) -> dict[str, Any]:
        ids = [emulator.seed_action(**({"type": "ORDERS.IMPORT"} | action)) for action in actions]
        return {"async_action_id": ids if len(ids) > 1 else ids[0], **parameters}

    return Scenario(task=AsyncActionSensor, parameters=made, **({"running": (still_running(ACTION),)} | scenario))


DONE = {"status": "DONE", "result": {"done_count": 3, "failed_count": 0}}
FAILED = {"status": "FAILED", "result": {"message": "Internal error"}}
PARTIAL = {
    "status": "DONE",
    "result": {"done_count": 1, "failed_count": 1, "failed": [{"source_id": None, "reason": "Internal error"}]},
}

SCENARIOS = {
    "import": importing(
        parameters={"orders": orders(500), "chunk_size": 100, "max_in_flight": 2},
        waits=3,
        looks={ACTIONS: 2, ACTION: 1},
    ),
    "import, nothing": importing(parameters={"orders": []}, waits=0),
    "import, rejected": importing(
        parameters={"orders": BAD}, state="failed", error="7 were loaded; 1 rejected", looks={ACTION: 1}
    ),
    "import, rejected and tolerated": importing(parameters={"orders": BAD, "max_rejected": 1}, looks={ACTION: 1}),
    "import, unknown": importing(
        parameters={"orders": orders(8), "on_unknown": "report"},
        faults=(fault("failed_rows", null_source_id=True, reason="no", times=1),),
        state="failed",
        error="8 unknown",
        looks={ACTION: 1},
    ),
    "import, read back": importing(
        parameters={"orders": orders(8)},
        running=(still_running(ACTION), still_running(EXPORT)),
        faults=(fault("failed_rows", source_id="order-5", null_source_id=True, reason="no"),),
        state="failed",
        error="7 were loaded; 1 rejected",
        waits=2,
        looks={ACTION: 1, EXPORT: 1},
    ),
    "import, chunk refused": importing(
        parameters={"orders": orders(8), "max_rejected": 1},
        faults=(fault("rejected_order", source_id="order-5"),),
        looks={ACTIONS: 1},
    ),
    "import, answer lost": importing(
        parameters={"orders": orders(8), "chunk_size": 4},
        faults=(fault("response_lost", IMPORT_ORDERS),),
        waits=1,
        looks=None,  # the other chunk is polled for as long as the lost one is searched
    ),
    "import, timeout": importing(
        parameters={"orders": orders(8), "timeout": TIME, "poll_interval": WAIT},
        running=(still_running(ACTION, times=FOREVER),),
        state="failed",
        error=f"Stopped after {TIME:.0f} s (timeout), waiting for 1 imports in flight",
        looks=None,
    ),
    "import, execution_timeout": importing(
        parameters={"orders": orders(8), "execution_timeout": timedelta(seconds=TIME), "poll_interval": WAIT},
        running=(still_running(ACTION, times=FOREVER),),
        state="failed",
        error=f"Stopped after {TIME:.0f} s (execution_timeout), waiting for 1 imports in flight",
        looks=None,
    ),
    "import, bad polls": importing(
        parameters={"orders": orders(8), "chunk_size": 4},
        faults=(fault("server_error", ACTIONS, after=1, times=3),),
        looks={ACTIONS: 1},
    ),
    "import, too many bad polls": importing(
        parameters={"orders": orders(8), "chunk_size": 4},
        faults=(fault("server_error", ACTIONS, after=1, times=0),),
        state="failed",
        error="HTTP 500",
    ),
    "import, too many bad results": importing(
        parameters={"orders": orders(8)},
        faults=(fault("server_error", ACTION, after=0, times=0),),
        state="failed",
        error="HTTP 500",
    ),
    "import, rate limit": importing(
        parameters={"orders": orders(8)},
        faults=(fault("rate_limited", IMPORT_ORDERS, times=2),),
        waits=3,
        looks={ACTIONS: 2, ACTION: 1},
    ),
    "import, billing cycle spent": importing(
        parameters={"orders": orders(20), "chunk_size": 10, "max_in_flight": 1},
        faults=(fault("cycle_spent", IMPORT_ORDERS, after=1),),
        state="failed",
        error="Raise the plan or wait for the next billing cycle",
        looks={ACTIONS: 1, ACTION: 1},
    ),
    "import, plan exceeded": importing(
        parameters={"orders": orders(8)}, faults=(fault("plan_exceeded"),), state="failed", error="HTTP 402", waits=0
    ),
    "import, wrong keys": importing(
        parameters={"orders": orders(8)}, keys=False, state="failed", error="Check application id", waits=0
    ),
    "import, plan exceeded while it waits": importing(
        parameters={"orders": orders(8)},
        faults=(fault("plan_exceeded", ACTION),),
        state="failed",
        error="HTTP 402",
        looks={ACTION: 1},
    ),
    "import, retried": importing(
        parameters={"orders": orders(40), "chunk_size": 10, "max_in_flight": 1, "retries": 1},
        faults=(fault("cycle_spent", IMPORT_ORDERS, after=2, times=1),),
        waits=4,
        looks={ACTIONS: 4, ACTION: 4},
    ),
    "import, retried without durability": importing(
        parameters={"orders": orders(40), "chunk_size": 10, "max_in_flight": 1, "retries": 1, "durable": False},
        faults=(fault("cycle_spent", IMPORT_ORDERS, after=2, times=1),),
        waits=6,
        looks={ACTIONS: 6, ACTION: 6},
    ),
    "export": exporting(looks={EXPORT: 1}),
    "export, nothing": exporting(
        parameters={"filters": {"status": {"conditions": {"$is": ["CANCELED"]}}, "junction": "and"}}, looks={EXPORT: 1}
    ),
    "export, ERROR": exporting(
        faults=(fault("export_error"),), state="failed", error="ended in ERROR at Voucherify", looks={EXPORT: 1}
    ),
    "export, ERROR and split": exporting(
        parameters=WINDOW,
        running=lambda deferrable: (
            still_running(EXPORT),
            still_running(EXPORT, after=2 if deferrable else 1, times=2),  # the halves: a woken task has looked again
        ),
        faults=(fault("export_error"),),
        waits=2,
        looks={EXPORT: 1, EXPORTS: 1},
    ),
    "export, two parts of a window": exporting(
        parameters={**WINDOW, "filters": {"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}},
        running=(still_running(EXPORT, times=2),),
        looks={EXPORTS: 1},
    ),
    "export, answer lost": exporting(faults=(fault("response_lost", EXPORT_ORDERS),), looks={EXPORT: 1}),
    "export, timeout": exporting(
        parameters={"timeout": TIME},
        running=(still_running(EXPORT, times=FOREVER),),
        state="failed",
        error=f"Stopped after {TIME:.0f} s (timeout), waiting for export exp_",
        looks=None,
    ),
    "export, execution_timeout": exporting(
        parameters={"execution_timeout": timedelta(seconds=TIME)},
        running=(still_running(EXPORT, times=FOREVER),),
        state="failed",
        error=f"Stopped after {TIME:.0f} s (execution_timeout), waiting for export exp_",
        looks=None,
    ),
    "export, bad polls": exporting(faults=(fault("server_error", EXPORT, after=1, times=3),), looks={EXPORT: 1}),
    "export, too many bad polls": exporting(
        parameters={"poll_interval": SHORT_WAIT},
        running=(still_running(EXPORT, times=FOREVER),),
        faults=(fault("server_error", EXPORT, after=1, times=0),),
        state="failed",
        error="HTTP 500",
    ),
    "export, rate limit": exporting(
        faults=(fault("rate_limited", EXPORT_ORDERS, times=2),), waits=3, looks={EXPORTS: 2, EXPORT: 1}
    ),
    "export, billing cycle spent": exporting(
        faults=(fault("cycle_spent", EXPORT, after=1),),
        state="failed",
        error="limit api_calls_cycle",
        looks={EXPORT: 1},
    ),
    "export, wrong keys": exporting(keys=False, state="failed", error="Check application id", waits=0),
    "export, retried": exporting(
        parameters={"retries": 1}, faults=(fault("truncated_download", times=3, bytes=20),), looks={EXPORT: 1}
    ),
    "order details, retried after some pages": detailing(
        170,
        parameters={"retries": 1},
        faults=(fault("rate_limited", ORDERS, after=1, times=1), fault("cycle_spent", ORDERS, after=2, times=1)),
        waits=1,
    ),
    "order details, beyond the listing": detailing(
        220,
        parameters={"max_calls": 100},
        running=(still_running(EXPORT),),
        faults=(fault("rate_limited", ORDER, after=10, times=1),),
        waits=2,
        looks={EXPORT: 2, DOWNLOAD: 1},  # the ids are in no file that outlives a process
    ),
    "sensor": sensing(DONE, looks={ACTION: 1}),
    "sensor of several": sensing(
        DONE, DONE | {"type": "VOUCHERS.IMPORT"}, running=(still_running(ACTIONS),), looks={ACTIONS: 1}
    ),
    "sensor, FAILED": sensing(FAILED, state="failed", error="is FAILED: Internal error", looks={ACTION: 1}),
    "sensor, failed records": sensing(PARTIAL, state="failed", error="1 of 2 records failed", looks={ACTION: 1}),
    "sensor, failed records tolerated": sensing(PARTIAL, parameters={"max_failed": 0.5}, looks={ACTION: 1}),
    "sensor, timeout": sensing(
        DONE,
        running=(still_running(ACTION, times=FOREVER),),
        parameters={"timeout": TIME},
        state="failed",
        error=f"Stopped after {TIME:.0f} s (timeout), waiting for async actions aa_",
        looks=None,
    ),
    "sensor, execution_timeout": sensing(
        DONE,
        running=(still_running(ACTION, times=FOREVER),),
        parameters={"execution_timeout": timedelta(seconds=TIME)},
        state="failed",
        error=f"Stopped after {TIME:.0f} s (execution_timeout)",
        looks=None,
    ),
    "sensor, bad polls": sensing(DONE, faults=(fault("server_error", ACTION, after=1, times=3),), looks={ACTION: 1}),
    "sensor of several, bad results": sensing(
        DONE,
        DONE,
        running=(still_running(ACTIONS),),
        faults=(fault("server_error", ACTION, times=2),),
        waits=3,
        looks={ACTIONS: 3},
    ),
    "sensor, too many bad polls": sensing(
        DONE,
        parameters={"poke_interval": SHORT_WAIT},
        faults=(fault("server_error", ACTION, times=0),),
        state="failed",
        error="HTTP 500",
    ),
    "sensor, no such action": Scenario(
        task=AsyncActionSensor, parameters={"async_action_id": "aa_none"}, state="failed", error="Cannot find", waits=0
    ),
    "sensor, wrong keys": sensing(DONE, keys=False, state="failed", error="Check application id", waits=0),
    "sensor, skipped when it fails": sensing(
        FAILED, parameters={"never_fail": True}, state="skipped", looks={ACTION: 1}
    ),
    **{
        f"sensor, skipped at its timeout ({parameter})": sensing(
            DONE,
            running=(still_running(ACTION, times=FOREVER),),
            parameters={"timeout": TIME, parameter: True},
            state="skipped",
            looks=None,
        )
        for parameter in ("soft_fail", "never_fail")
    },
}


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Play a scenario in one of the ways."""
    # one attempt a call, and no wait for the quota inside of a call: what is compared is the waits of the tasks
    monkeypatch.setitem(VoucherifyHook.__init__.__kwdefaults__, "max_quota_wait", 0.0)
    monkeypatch.setattr(waiting, "MIN_DEFERRED_WAIT", SHORT_WAIT / 2)
    monkeypatch.setitem(Transport.__init__.__kwdefaults__, "attempts", 1)
    monkeypatch.setattr(shared_poll, "ATTEMPTS", 1)
    seen: list[BaseException] = []

    def recorded(method):
        def call(self, *args, **kwargs):
            self.__dict__.pop("hook", None)  # a woken task is a new process, which dag.test() of Airflow 2 forgets
            try:
                return method(self, *args, **kwargs)
            except BaseException as error:
                if error not in seen:  # one method may call another
                    seen.append(error)
                raise

        return call

    monkeypatch.setattr(listing, "LAST_PAGE", 2)
    for cls in (ImportOrdersOperator, OrdersExportOperator, OrderDetailsExportOperator, AsyncActionSensor):
        for name in ("execute", "execute_complete"):
            monkeypatch.setattr(cls, name, recorded(getattr(cls, name)))

    def play(scenario: Scenario, deferrable: bool) -> Outcome:
        folder = tmp_path / ("deferred" if deferrable else "worker")
        state_store = FileStateStore(folder / "state_store")
        for cls in (ImportOrdersOperator, OrdersExportOperator, OrderDetailsExportOperator):
            monkeypatch.setattr(
                cls, "_state_store", lambda self, context: state_store if self.durable else NoStateStore()
            )
        seen.clear()
        with Emulator(speed=SPEED) as emulator:
            token = emulator.app_token if scenario.keys else "wrong"
            uri = f"voucherify://{emulator.app_id}:{token}@{emulator.url[7:]}/http"
            monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", uri)
            put(emulator, [(f"ord_{n}", START + timedelta(hours=n), None, n) for n in range(30)])
            running = scenario.running(deferrable) if callable(scenario.running) else scenario.running
            for given in (*running, *scenario.faults):
                emulator.add_fault(**given)
            dag_id = f"contract_{folder.name}_{tmp_path.name}"
            with DAG(dag_id, schedule=None) as dag:
                scenario.task(task_id="task", deferrable=deferrable, **parameters_of(scenario, emulator, folder))
            state = run_dag(dag).states["task"]
            for waits in (error for error in seen if isinstance(error, TaskDeferred)):
                assert waits.timeout > timedelta(seconds=TIME)  # where no triggerer runs, the scheduler ends the wait
            return outcome_of(state, dag_id, folder, state_store, emulator, list(seen))

    return play


def parameters_of(scenario: Scenario, emulator: Emulator, folder: Path) -> dict[str, Any]:
    given = scenario.parameters(emulator) if callable(scenario.parameters) else scenario.parameters
    defaults: dict[type, dict[str, Any]] = {
        ImportOrdersOperator: {"report_path": (folder / "report").as_uri(), "poll_interval": SHORT_WAIT},
        OrdersExportOperator: {"output_path": (folder / "orders.parquet").as_uri(), "poll_interval": WAIT},
        OrderDetailsExportOperator: {"output_path": (folder / "details").as_uri(), "poll_interval": WAIT},
        AsyncActionSensor: {"poke_interval": WAIT},
    }
    return defaults[scenario.task] | dict(given)


def outcome_of(state, dag_id, folder, state_store, emulator, seen) -> Outcome:
    errors = [error for error in seen if not isinstance(error, TaskDeferred)]
    with create_session() as session:
        query = text("SELECT key, value FROM xcom WHERE dag_id = :dag_id")
        xcoms = {row.key: str(row.value) for row in session.execute(query, {"dag_id": dag_id})}
    calls = emulator.calls()
    return Outcome(
        state=state,
        errors=[f"{type(error).__name__}: {error} {error.args}" for error in errors if state != "skipped"],
        xcoms=xcoms,
        state_store=state_store.load(),
        files={
            str(path.relative_to(folder)): shown(path)
            for path in folder.rglob("*.*")
            if "state_store" not in path.parts
        },
        imports=[sent["orders"] for sent in calls["imports"]],
        orders=emulator.count_orders(),
        calls=calls["calls"],
        deferrals=len(seen) - len(errors),
    )


def shown(path: Path) -> str:
    """Show what lies in a file, where it is text for programs."""
    return path.read_text() if path.suffix in (".json", ".jsonl") else ""


def comparable(outcome: Outcome, folder: Path) -> list[str]:
    """Leave out what differs from run to run: ids, times, paths; and the calls, which are compared by themselves."""
    whole = asdict(outcome)
    for name in ("calls", "deferrals"):
        del whole[name]
    told = json.dumps(whole, default=str, indent=1).replace(str(folder), "<folder>")
    ids = sorted(set(re.findall(r"\b(?:aa|exp)_[0-9a-f]{18}\b", told)))
    for number, name in enumerate(ids):
        told = told.replace(name, f"<id {number}>")
    told = re.sub(r"manual__\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", "<run>", told)
    told = re.sub(r"\bv-[0-9a-f]{18}\b", "<request>", told)
    told = re.sub(r"127\.0\.0\.1:\d+/", "<host>/", told)  # of the project in the state
    told = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", told)  # of an export, with the project in it
    told = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z", "<time>", told)
    told = re.sub(r"\b1\d{9}\.\d+|\d\d:\d\d:\d\d UTC", "<time>", told)
    told = re.sub(
        r'((?:api_calls|action_seconds|processing_time\w*)(?:\\*":\s*\\*"?(?:b\x27)?|=))[\d.]+', r"\1<number>", told
    )
    return re.sub(r'\\*"timeline\\*":.*?\]\s*\]', "<timeline>", told, flags=re.DOTALL).splitlines()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_both_ways_are_alike(play, tmp_path, scenario):
    worker, deferred = play(scenario, False), play(scenario, True)
    assert (worker.state, worker.deferrals) == (scenario.state, 0)
    assert deferred.deferrals == scenario.waits
    assert comparable(deferred, tmp_path / "deferred") == comparable(worker, tmp_path / "worker")
    if scenario.looks is None:
        assert worker.calls.keys() == deferred.calls.keys()
    else:
        assert deferred.calls == dict(Counter(worker.calls) + Counter(scenario.looks))
    for outcome in (worker, deferred):
        assert (scenario.error or "") in "".join(outcome.errors[-1:])
        if report := outcome.files.get("report/summary.json"):
            lost = outcome.state == "failed" or not scenario.parameters.get("durable", True)
            assert lost or f'"api_calls": {sum(outcome.calls.values())}' in report


def test_a_task_that_times_out_between_two_polls_says_what_it_waited_for(play, monkeypatch):
    publications = itertools.count()

    def publish(*_args: Any) -> None:
        if next(publications) == 1:
            raise AirflowTaskTimeout("Timeout, PID: 1")

    monkeypatch.setattr(_export, "publish_exports", publish)
    outcome = play(exporting(parameters={"execution_timeout": timedelta(minutes=5)}), False)
    assert "Stopped after 300 s (execution_timeout), waiting for export exp_" in outcome.errors[-1]


def test_a_task_that_times_out_before_its_result_is_recorded_leaves_its_state_to_the_next_try(play, monkeypatch):
    def push_parts(*_args: Any) -> None:
        raise AirflowTaskTimeout("Timeout, PID: 1")

    monkeypatch.setattr(_export.ExportOperator, "_push_parts", push_parts)
    outcome = play(exporting(), False)
    assert outcome.state == "failed"
    assert outcome.state_store["parts"][0]["export_id"].startswith("exp_")
