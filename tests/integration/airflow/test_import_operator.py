from __future__ import annotations

import gzip
import json
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS
from airflow.triggers.base import TriggerEvent

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import ImportOrdersOperator
from airflow_provider_voucherify.order_import import ImportConfig
from airflow_provider_voucherify.order_import.checkpoint import ImportState
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from airflow_provider_voucherify.triggers.async_action import AsyncActionTrigger
from airflow_provider_voucherify.triggers.base import EventStatus, PollEvent
from tests.airflow_home import connection, run_dag
from tests.orders import order, write_jsonl

both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


def run_import(**parameters):
    with DAG("import", schedule=None) as dag:
        ImportOrdersOperator(task_id="import", **({"poll_interval": 0.2} | parameters))
    return run_dag(dag)


def test_a_file_goes_in_and_the_result_is_a_summary(emulator, tmp_path):
    path = write_jsonl(tmp_path / "orders.jsonl", [order(number) for number in range(500)])
    run = run_import(orders_path=path.as_uri(), chunk_size=100, max_in_flight=2)
    assert run.state == "success"
    result = run.xcoms["import"]
    ids = result.pop("async_action_ids")
    assert len(ids) == 5
    calls = result.pop("api_calls")
    assert 10 <= calls <= sum(emulator.calls()["calls"].values())
    assert result == {
        "orders": 500,
        "loaded": 500,
        "rejected": 0,
        "unknown": 0,
        "superseded": 0,
        "with_customer": 0,
        "with_override": 0,
        "findings": 1,  # that no order has a customer
        "chunks": 5,
        "report_path": None,
    }
    assert emulator.count_orders() == 500
    assert emulator.calls()["calls"]["POST /v1/orders/import"] == 5


def test_bad_orders_fail_the_task_and_are_in_the_report(emulator, tmp_path, log):
    orders = [order(number) for number in range(50)]
    orders[7]["amount"] = 12.34
    emulator.add_fault("failed_rows", source_id="order-9", reason="Customer not found")
    report = tmp_path / "report"
    run = run_import(orders=orders, report_path=report.as_uri())
    assert run.state == "failed"
    for message in (
        "Of 50 orders 48 were loaded; 2 rejected (at most 0 tolerated by max_rejected).",
        "orders[7] (source_id order-7): amount must be an integer in the smallest currency unit, got 12.34",
        "orders[9] (source_id order-9): Customer not found",
    ):
        assert message in log()
    (part,) = (report / "rejected").glob("*.jsonl")
    assert [json.loads(line)["source_id"] for line in part.open()] == ["order-7", "order-9"]
    summary = json.loads((report / "summary.json").read_bytes())
    assert (summary["loaded"], summary["rejected"]) == (48, 2)


def test_a_kill_during_the_wait_for_the_quota_names_what_is_running(emulator, monkeypatch, log):
    async def killed(self):
        status = EventStatus.READY if self.async_action_ids else EventStatus.TIMEOUT  # the quota is awaited then
        if status is EventStatus.TIMEOUT:
            await self.on_kill()
        yield TriggerEvent(PollEvent(status, self.resume_state, 0, "", 0, {})._asdict())

    monkeypatch.setattr(AsyncActionTrigger, "run", killed)
    emulator.add_fault("rate_limited", route="GET /v1/async-actions/{asyncActionId}", retry_after=3000)
    assert run_import(orders=[order(1)], deferrable=True, retries=0).state == "failed"
    assert "The quota delays the next poll" in log()
    assert "This continues at Voucherify, which cannot cancel it: async action aa_" in log()


def test_tolerated_losses_are_no_failure(emulator):
    run = run_import(orders=[order(1), {"amount": "much"}], max_rejected=1)
    assert run.state == "success"
    assert (run.xcoms["import"]["loaded"], run.xcoms["import"]["rejected"]) == (1, 1)


@both_modes
def test_xcom_of_another_task(emulator, deferrable):
    # dag.test() of Airflow 2 renders a task that was deferred once more, with the orders in the place of the XCom
    note = "{{ 7 * 7 }}" if AIRFLOW_V_3_0_PLUS or not deferrable else "plain"
    with DAG("import_xcom", schedule=None) as dag:

        @task
        def orders():
            return [order(1) | {"metadata": {"note": note}}, order(2)]

        ImportOrdersOperator(task_id="import", orders=orders(), poll_interval=0.2, deferrable=deferrable)
    run = run_dag(dag)
    assert run.state == "success"
    assert emulator.count_orders() == 2
    assert VoucherifyHook().get_order("order-1")["metadata"] == {"note": note}


def test_submitting_alone_gives_the_ids_for_a_sensor(emulator):
    emulator.add_fault("failed_rows", source_id="order-9", reason="Customer not found")
    with DAG("submit", schedule=None) as dag:
        submit = ImportOrdersOperator(
            task_id="submit", orders=[order(number) for number in range(30)], chunk_size=10, wait_for_completion=False
        )
        AsyncActionSensor(
            task_id="wait", async_action_id=submit.output["async_action_ids"], poke_interval=0.2, max_failed=1
        )
    run = run_dag(dag)
    assert run.state == "success"
    submitted = run.xcoms["submit"]
    assert (submitted["orders"], submitted["loaded"], submitted["unknown"]) == (30, 0, 30)
    assert [result["done_count"] for result in run.xcoms["wait"]] == [9, 10, 10]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "either as orders, as orders_path, or as sql"),
        ({"orders": [], "orders_path": "x"}, "either as orders, as orders_path, or as sql"),
        ({"orders": [], "sql": "x"}, "either as orders, as orders_path, or as sql"),
        ({"sql": "x", "report_path": "x"}, "sql needs sql_conn_id"),
        ({"sql": "x", "sql_conn_id": "x"}, "sql needs a report_path or a spool_path"),
        ({"sql": "x", "sql_conn_id": "x", "spool_path": "x", "items_sql": "y"}, "have to be given together"),
        ({"orders": [], "items_sql": "x"}, "items_sql is for orders that are given as sql"),
        ({"orders": [], "chunk_size": 0}, "chunk_size must be at least 1, got 0"),
        ({"orders": [], "max_in_flight": 0}, "max_in_flight must be at least 1"),
        ({"orders": [], "max_rejected": -1}, "max_rejected must be at least 0, got -1"),
        ({"orders": [], "timeout": 0}, "timeout must be above 0 seconds"),
        ({"orders": [], "poll_interval": -3}, "poll_interval must be at least 0, got -3"),
        ({"orders": [], "on_duplicate": "ignore"}, "on_duplicate must be one of error, first, last, or None"),
        ({"orders": [], "amount_unit": "euro"}, "amount_unit must be one of minor, major, or None, got 'euro'"),
        ({"orders": [], "customers": "drop"}, "customers must be one of send, strip, reject"),
    ],
)
def test_wrong_parameters_are_refused_when_the_dag_is_parsed(parameters, message):
    with pytest.raises(ValueError, match=message):
        ImportOrdersOperator(task_id="import", **parameters)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: {"orders_path": (folder / "none.jsonl").as_uri()}, "none.jsonl: there is no such file"),
        (lambda folder: {"orders_path": folder.as_uri()}, "there are no files in the folder"),
        (
            lambda folder: {
                "orders_path": write_jsonl(folder / "a.jsonl", [order(0)]).as_uri(),
                "report_path": f"file://{folder}/../{folder.name}/",
            },
            "contain one another",
        ),
        (lambda folder: {"orders": "{{ 'orders' }}"}, "orders must be a list of orders, got str"),
        (lambda folder: {"orders": [1], "voucherify_conn_id": "nowhere"}, "The conn_id `nowhere` isn't defined"),
    ],
)
def test_what_cannot_be_read_is_named(emulator, tmp_path, prepare, message, log):
    assert run_import(**prepare(tmp_path)).state == "failed"
    assert message in log()


@pytest.mark.parametrize("parameters", [{}, {"dry_run": True}])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_sent(emulator, tmp_path, parameters, log):
    (tmp_path / "file").touch()
    report = (tmp_path / "file" / "report").as_uri()
    assert run_import(orders=[order(0)], report_path=report, **parameters).state == "failed"
    assert f"report_path {report}" in log()
    assert "cannot be written" in log()
    assert emulator.count_orders() == 0


def test_an_empty_file_has_no_orders_and_is_no_error(emulator, tmp_path):
    run = run_import(orders_path=write_jsonl(tmp_path / "orders.jsonl", []).as_uri())
    assert run.state == "success"
    assert run.xcoms["import"]["orders"] == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("plan_exceeded", "Raise the plan or wait for the next billing cycle"),
        ("cycle_spent", "limit api_calls_cycle"),
        ("subscription_ended", "Raise the plan or wait for the next billing cycle"),
    ],
)
def test_a_plan_that_is_used_up_fails_at_once(emulator, fault, message, log):
    emulator.add_fault(fault)
    assert run_import(orders=[order(1)]).state == "failed"
    assert message in log()
    assert "connection 'voucherify_default'" in log()


def test_wrong_keys_and_a_wrong_host_are_told_apart(emulator, monkeypatch, log):
    monkeypatch.setenv("AIRFLOW_CONN_WRONG_KEYS", f"voucherify://app:wrong@{emulator.url[7:]}/http")
    assert run_import(orders=[order(1)], voucherify_conn_id="wrong_keys").state == "failed"
    assert "Check application id (login) and secret key (password) of the connection" in log()


# sources and rules


def test_a_folder_of_files_with_other_names_and_amounts(emulator, tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "a.csv").write_text(
        "order_no,total,metadata.shop,created_at,customer.source_id\n"
        "a1,12.34,Köln,2020-01-02T03:04:05Z,anna\n"
        "a2,0.1,Köln,,\n"
    )
    with gzip.open(folder / "b.jsonl.gz", "wt") as file:
        file.write('{"order_no": "b1", "total": 5, "status": "PAID"}\n{"order_no": "a1", "total": 99.99}\n')
    run = run_import(
        orders_path=folder.as_uri(),
        column_mapping={"order_no": "source_id", "total": "amount"},
        amount_unit="major",
        order_date_metadata_key="ordered_at",
        on_duplicate="first",
        customers="strip",
        report_path=(tmp_path / "report").as_uri(),
    )
    assert run.state == "success"
    result = run.xcoms["import"]
    assert (result["orders"], result["loaded"], result["rejected"], result["superseded"]) == (4, 3, 1, 1)
    assert result["with_customer"] == 0
    stored = VoucherifyHook().get_order("a1")
    assert stored["amount"] == 1234
    assert stored["metadata"] == {"shop": "Köln", "ordered_at": "2020-01-02T03:04:05Z"}
    assert stored.get("customer") is None
    assert [VoucherifyHook().get_order(name)["amount"] for name in ("a2", "b1")] == [10, 500]
    (part,) = (tmp_path / "report" / "superseded").iterdir()
    assert "is superseded by a.csv:2" in json.loads(part.read_bytes())["reason"]


def test_repeated_source_ids_are_rejected_by_default(emulator, log):
    assert run_import(orders=[order(1), order(2), order(1)]).state == "failed"
    assert "orders[2] (source_id order-1): repeats the source_id of orders[0]" in log()
    assert emulator.count_orders() == 2


def test_a_json_file_of_orders_is_read_by_the_task_and_not_put_in_the_place_of_its_path(emulator, tmp_path):
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([order(1), order(2)]))
    run = run_import(
        orders_path=str(path),
        column_mapping="{{ {'note': None} | tojson }}",
        report_path=(tmp_path / "report").as_uri(),
    )
    assert run.xcoms["import"]["loaded"] == 2


def test_customers_are_told(emulator, log):
    orders = [order(1) | {"customer": {"source_id": "anna"}}, order(2)]
    assert run_import(orders=orders).xcoms["import"]["with_customer"] == 1
    assert "1 orders had customers, who move through segments" in log()


def test_rejected_orders_corrected_go_in_by_a_second_run(emulator, tmp_path):
    orders = [order(1), order(2) | {"amount": "much"}]
    assert run_import(orders=orders, report_path=(tmp_path / "first").as_uri(), max_rejected=1).state == "success"
    (part,) = (tmp_path / "first" / "rejected").iterdir()
    part.write_text(part.read_text().replace('"much"', "5"))
    run = run_import(orders_path=(tmp_path / "first" / "rejected").as_uri(), report_path=(tmp_path / "second").as_uri())
    assert run.xcoms["import"]["loaded"] == 1
    assert VoucherifyHook().get_order("order-2")["status"] == order(2)["status"]


# durability


def run_retried(emulator, faults, **parameters):
    """Run an import that fails at first and is retried after the faults are gone."""
    with DAG("import_retried", schedule=None) as dag:
        ImportOrdersOperator(
            task_id="import",
            orders=[order(number) for number in range(100)],
            chunk_size=10,
            max_in_flight=2,
            poll_interval=0.2,
            retries=1,
            retry_delay=timedelta(0),
            **parameters,
        )
    for fault in faults:
        emulator.add_fault(**fault)
    return run_dag(dag)


@both_modes
@pytest.mark.parametrize("kept", ["task store", "report_path"])
def test_a_retry_goes_on_where_the_last_try_stood(emulator, tmp_path, monkeypatch, deferrable, kept, log):
    if kept == "task store" and not AIRFLOW_V_3_3_PLUS:
        pytest.skip("Airflow below 3.3 has no task store")
    parameters = {}
    if kept == "report_path":
        parameters["report_path"] = tmp_path.as_uri()
        monkeypatch.setattr(ImportOrdersOperator, "_state_store", lambda self, context: FileStateStore(self._folder))
    fault = {"name": "cycle_spent", "route": "POST /v1/orders/import", "after": 4, "times": 1}
    run = run_retried(emulator, [fault], deferrable=deferrable, **parameters)
    assert run.state == "success"
    assert "Resuming: " in log()
    assert run.xcoms["import"]["loaded"] == 100
    assert emulator.calls()["repeated_imports"] == 0
    assert emulator.calls()["calls"]["POST /v1/orders/import"] == 11
    if kept == "report_path":
        assert FileStateStore(tmp_path).load()["finished"]["loaded"] == 100


def test_findings_of_a_resumed_import_are_counted_once(emulator, tmp_path, log):
    fault = {"name": "cycle_spent", "route": "POST /v1/orders/import", "after": 4, "times": 1}
    run = run_retried(emulator, [fault], report_path=tmp_path.as_uri())
    assert run.state == "success"
    assert run.xcoms["import"]["findings"] == 1
    (finding,) = json.loads((tmp_path / "summary.json").read_bytes())["findings"]
    assert (finding["finding"], finding["count"]) == ("order without customer", 100)
    assert "order without customer" in (tmp_path / "report.html").read_text()
    assert "100 times: order without customer" in log()


def test_without_durability_a_retry_begins_anew(emulator, log):
    fault = {"name": "cycle_spent", "route": "POST /v1/orders/import", "after": 4, "times": 1}
    run = run_retried(emulator, [fault], durable=False)
    assert run.state == "success"
    assert "Resuming: " not in log()
    assert emulator.calls()["repeated_imports"] == 4


def test_the_state_of_another_project_is_refused_unless_told_to_restart(emulator, tmp_path, monkeypatch, log):
    report = tmp_path.as_uri()
    monkeypatch.setattr(ImportOrdersOperator, "_state_store", lambda self, context: FileStateStore(tmp_path))
    with Emulator() as rehearsal:
        rehearsal.add_fault("plan_exceeded", route="POST /v1/orders/import", after=1, times=0)
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(rehearsal))
        given = {"orders": [order(number) for number in range(6)], "chunk_size": 2, "report_path": report}
        assert run_import(**given).state == "failed"
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator))
        assert run_import(**given).state == "failed"
        started, now = (f"{each.url[7:]}/{each.app_id}" for each in (rehearsal, emulator))
    assert f"This import was started with the project {started} and cannot resume with {now}" in log()
    assert emulator.calls()["total"] == 0
    run = run_import(**given, restart=True)
    assert (run.state, run.xcoms["import"]["loaded"], emulator.count_orders()) == ("success", 6, 6)


def test_the_state_of_another_source_is_refused_unless_told_to_restart(emulator, tmp_path, monkeypatch, log):
    report = tmp_path.as_uri()
    begun = FileStateStore(tmp_path)
    begun.save(ImportState.start("another source", f"{emulator.url[7:]}/{emulator.app_id}", ImportConfig()).to_json())
    monkeypatch.setattr(ImportOrdersOperator, "_state_store", lambda self, context: FileStateStore(tmp_path))
    assert run_import(orders=[order(4)], report_path=report).state == "failed"
    assert "This import was started with 'another source' and cannot resume with" in log()
    assert "start over with restart=True" in log()
    assert run_import(orders=[order(4)], report_path=report, restart=True).state == "success"
    assert begun.load()["finished"]["loaded"] == 1


def test_a_task_that_failed_for_its_losses_and_is_allowed_more_sends_nothing_again(emulator, tmp_path, monkeypatch):
    monkeypatch.setattr(ImportOrdersOperator, "_state_store", lambda self, context: FileStateStore(tmp_path))
    given = {"orders": [order(0), {"amount": "much"}], "report_path": tmp_path.as_uri()}
    assert run_import(**given).state == "failed"
    run = run_import(**given, max_rejected=1)
    assert (run.state, run.xcoms["import"]["loaded"], run.xcoms["import"]["rejected"]) == ("success", 1, 1)
    assert len(emulator.calls()["imports"]) == 1


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="a timeout breaks off dag.test() of Airflow 2 before the retry")
def test_a_killed_task_says_what_goes_on_and_its_retry_takes_it_up(monkeypatch, tmp_path, log):
    monkeypatch.setattr(ImportOrdersOperator, "_state_store", lambda self, context: FileStateStore(tmp_path))
    with Emulator(import_base_ms=9000) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator))
        run = run_import(orders=[order(1)], execution_timeout=timedelta(seconds=6), retries=5, poll_interval=30)
        (sent,) = emulator.calls()["imports"]
    assert run.xcoms["import"]["loaded"] == 1
    action = sent["async_action_id"]
    assert f"continues at Voucherify, which cannot cancel it: async action {action}. A retry resumes it." in log()


# dry run


def test_a_dry_run_sends_nothing_and_returns_what_it_would_send(emulator, tmp_path, log):
    orders = [order(number) for number in range(100)] + [{"amount": "much"}]
    run = run_import(
        orders=orders, chunk_size=10, dry_run=True, max_rejected=1, report_path=tmp_path.as_uri(), cycle_calls_left=30
    )
    assert run.state == "success"
    result = run.xcoms["import"]
    assert (result["orders"], result["rejected"], result["chunks"]) == (101, 1, 10)
    assert result["bytes"] > 20_000
    assert 21 <= result["api_calls"] <= 30
    assert list(emulator.calls()["calls"]) == ["GET /v1/async-actions"]
    (part,) = (tmp_path / "dry_run" / "rejected").iterdir()
    assert json.loads(part.read_bytes())["position"] == "orders[100]"
    assert "100 of 101 orders would go in 10 requests" in log()
    assert result["findings"] == 1
    (finding,) = json.loads((tmp_path / "dry_run" / "summary.json").read_bytes())["findings"]
    assert finding == {
        "finding": "order without customer",
        "count": 100,
        "example": "orders[0]",
        "option": "column_mapping",
    }
    assert "100 times: order without customer (first at orders[0], decided by column_mapping)" in log()


def test_a_dry_run_fails_when_the_cycle_does_not_suffice(emulator, log):
    orders = [order(number) for number in range(100)]
    assert run_import(orders=orders, chunk_size=10, dry_run=True, cycle_calls_left=20).state == "failed"
    assert "This needs about 22 calls, and 20 are left in the billing cycle" in log()


def test_a_dry_run_fails_when_too_many_would_be_rejected(emulator, log):
    assert run_import(orders=[{"amount": "much"}], dry_run=True).state == "failed"
    assert "Of 1 orders 1 would be rejected" in log()
