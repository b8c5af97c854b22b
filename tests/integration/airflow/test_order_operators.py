from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import CreateOrderOperator, UpdateOrderOperator
from tests.airflow_home import run_dag
from tests.orders import order


def test_an_order_is_created_and_changed(emulator):
    with DAG("sync", schedule=None) as dag:
        create = CreateOrderOperator(task_id="create", order=order(1))
        update = UpdateOrderOperator(
            task_id="update", order_id="{{ ti.xcom_pull('create')['order_ids'][0] }}", changes={"status": "FULFILLED"}
        )
        create >> update
    run = run_dag(dag)
    assert run.state == "success"
    stored = VoucherifyHook().get_order("order-1")
    assert run.xcoms["create"] == {"orders": 1, "order_ids": [stored["id"]]}
    assert run.xcoms["update"] == {"id": stored["id"], "source_id": "order-1", "status": "FULFILLED"}
    assert stored["amount"] == order(1)["amount"]


def test_a_few_orders_are_changed_and_those_that_do_not_exist_are_all_told(emulator, tmp_path, log):
    changes = [{"source_id": f"order-{number}", "status": "FULFILLED", "amount": "7.50"} for number in (1, 7, 2, 8)]
    with DAG("sync", schedule=None) as dag:
        create = CreateOrderOperator(task_id="create", order=[order(1) | {"items": None}, order(2) | {"items": None}])
        create >> UpdateOrderOperator(
            task_id="update", changes=changes, amount_unit="major", report_path=tmp_path.as_uri()
        )
    assert run_dag(dag).state == "failed"
    assert "2 of 4 orders were refused; the others are in. All of them are under" in log()
    lines = [json.loads(line) for part in (tmp_path / "rejected").iterdir() for line in part.open()]
    assert [(line["source_id"], line["position"]) for line in lines] == [
        ("order-7", "orders[1]"),
        ("order-8", "orders[3]"),
    ]
    for number in (1, 2):
        stored = VoucherifyHook().get_order(f"order-{number}")
        assert (stored["status"], stored["amount"]) == ("FULFILLED", 750)
        assert stored["metadata"] == order(number)["metadata"]
    assert emulator.count_orders() == 2


def test_a_failed_update_names_what_is_done_and_a_retry_sends_the_rest(emulator, tmp_path, log):
    emulator.add_fault("plan_exceeded", route="PUT /v1/orders/{orderId}", after=30, times=1)
    numbers = range(40)
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator(task_id="create", order=[order(number) for number in numbers]) >> UpdateOrderOperator(
            task_id="update",
            changes=[{"source_id": f"order-{number}", "status": "FULFILLED"} for number in numbers],
            report_path=tmp_path.as_uri(),
            retries=1,
        )
    run = run_dag(dag)
    assert (run.state, run.xcoms["update"]) == ("success", run.xcoms["create"])
    assert "the first order without an outcome: " in log()
    assert emulator.calls()["calls"]["PUT /v1/orders/{orderId}"] == 41


def test_a_second_create_is_an_update(emulator):
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator(task_id="create", order=[order(1), order(1) | {"status": "CANCELED"}])
    assert run_dag(dag).xcoms["create"]["orders"] == 2
    assert emulator.count_orders() == 1
    assert VoucherifyHook().get_order("order-1")["status"] == "CANCELED"


def test_refused_orders_are_named_and_the_others_go_in(emulator, log):
    bad = order(2) | {"amount": 1.5}
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator(task_id="create", order=[order(1), bad, order(3)])
    assert run_dag(dag).state == "failed"
    assert "1 of 3 orders were refused; the others are in" in log()
    assert "orders[1] (source_id order-2): amount must be an integer" in log()
    assert emulator.count_orders() == 2


def test_all_refused_orders_are_in_a_file_and_amounts_may_be_in_major_units(emulator, tmp_path, log):
    orders = [order(number) | {"amount": "12.34", "items": None} for number in range(12)]
    for number in range(2, 9):
        orders[number]["status"] = "PAYED"
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator(task_id="create", order=orders, amount_unit="major", report_path=tmp_path.as_uri())
    assert run_dag(dag).state == "failed"
    assert "7 of 12 orders were refused; the others are in. All of them are under" in log()
    lines = [json.loads(line) for part in (tmp_path / "rejected").iterdir() for line in part.open()]
    assert [line["source_id"] for line in lines] == [f"order-{number}" for number in range(2, 9)]
    assert emulator.count_orders() == 5
    assert VoucherifyHook().get_order("order-1")["amount"] == 1234


def test_a_failure_says_what_is_done_and_a_retry_sends_the_rest(emulator, tmp_path, log):
    emulator.add_fault("plan_exceeded", route="POST /v1/orders", after=30, times=1)
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator(
            task_id="create", order=[order(number) for number in range(60)], report_path=tmp_path.as_uri(), retries=1
        )
    run = run_dag(dag)
    assert run.state == "success"
    assert "the first order without an outcome: " in log()
    stored = [VoucherifyHook().get_order(f"order-{number}")["id"] for number in range(60)]
    assert run.xcoms["create"] == {"orders": 60, "order_ids": stored}
    assert emulator.calls()["calls"]["POST /v1/orders"] == 61


@pytest.mark.parametrize(
    ("cls", "parameters", "message"),
    [
        (CreateOrderOperator, {"order": ["order-1"]}, r"order\[0\] must be an object, got 'order-1'"),
        (CreateOrderOperator, {"order": 1}, "order must be an order or a list of orders, got 1"),
        (CreateOrderOperator, {"order": "order-1"}, "order is text that is not valid JSON"),
        (UpdateOrderOperator, {"order_id": "", "changes": {}}, "order_id must be the id or source_id of an order"),
        (UpdateOrderOperator, {"order_id": "order-1", "changes": []}, r"changes must be an object, got \[\]"),
        (UpdateOrderOperator, {"changes": ["order-1"]}, r"changes\[0\] must be an object, got 'order-1'"),
        (
            UpdateOrderOperator,
            {"order_id": "order-1", "changes": {"source_id": "order-2"}},
            "changes have the source_id 'order-2', but order_id is 'order-1'",
        ),
    ],
)
def test_what_is_no_order_is_refused_when_the_dag_is_parsed(cls, parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        cls(task_id="sync", **parameters)


def test_what_is_no_order_is_named_when_the_task_runs(emulator, log):
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator(task_id="create", order="{{ ['order-1'] | tojson }}")
    assert run_dag(dag).state == "failed"
    assert "order[0] must be an object, got 'order-1'" in log()


def test_orders_and_changes_come_from_files(emulator, tmp_path):
    (tmp_path / "order.json").write_text(json.dumps(order(1) | {"status": "{{ params.status }}"}))
    (tmp_path / "changes.json").write_text('{"metadata": {"note": "{{ 7 * 7 }}"}}')
    with DAG("sync", schedule=None, template_searchpath=str(tmp_path), params={"status": "PAID"}) as dag:
        create = CreateOrderOperator(task_id="create", order="order.json")
        create >> UpdateOrderOperator(task_id="update", order_id="order-1", changes="changes.json")
    assert run_dag(dag).state == "success"
    stored = VoucherifyHook().get_order("order-1")
    assert (stored["status"], stored["metadata"]["note"]) == ("PAID", "49")


def test_an_order_that_does_not_exist_cannot_be_changed(emulator, log):
    with DAG("sync", schedule=None) as dag:
        UpdateOrderOperator(task_id="update", order_id="nothing", changes={"status": "PAID"})
    assert run_dag(dag).state == "failed"
    assert "Cannot find order with id nothing" in log()


def test_mapped_over_many(emulator):
    with DAG("sync", schedule=None) as dag:
        CreateOrderOperator.partial(task_id="create").expand(order=[order(1), order(2)])
    assert run_dag(dag).state == "success"
    assert emulator.count_orders() == 2


@pytest.mark.parametrize(
    ("keys", "works", "message"), [("right", True, "accepts the keys"), ("wrong", False, "refuses the keys")]
)
def test_the_connection_test_reports_wrong_keys(emulator, monkeypatch, keys, works, message):
    token = emulator.app_token if keys == "right" else "wrong"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", f"voucherify://{emulator.app_id}:{token}@{emulator.url[7:]}/http")
    assert_that, told = VoucherifyHook("shop").test_connection()
    assert assert_that is works
    assert message in told
    assert token not in told or keys == "wrong"


def test_the_connection_test_reports_a_wrong_host(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "voucherify://app:token@nowhere.invalid")
    works, told = VoucherifyHook("shop").test_connection()
    assert not works
    assert "nowhere.invalid does not respond as Voucherify would" in told
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "voucherify://app:token@api.voucherify.io/http")
    works, told = VoucherifyHook("shop").test_connection()
    assert not works
    assert "unencrypted" in told


def test_oauth(emulator, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SHOP",
        f"voucherify://{emulator.app_id}:{emulator.app_token}@{emulator.url[7:]}/http?oauth=true&oauth_scope=orders",
    )
    hook = VoucherifyHook("shop")
    for number in range(3):
        hook.create_order(order(number))
    assert emulator.calls()["calls"]["POST /v1/oauth/token"] == 1
    assert emulator.count_orders() == 3
