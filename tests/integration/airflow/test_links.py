from __future__ import annotations

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.providers.common.compat.sdk import DAG
from airflow.utils.session import create_session

from airflow_provider_voucherify.operators.orders import ImportOrdersOperator, OrdersExportOperator
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from tests.airflow_home import connection, run_dag
from tests.orders import order

try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # Airflow below 3.2
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
DASHBOARD = "https://dashboard.example/#/{resource}/{id}"
BACKGROUND_TASKS, EXPORTS = "Voucherify background tasks", "Voucherify exports"


@pytest.fixture(autouse=True)
def links_are_loaded(monkeypatch):
    """Load the links of tasks as the UI does: clearing a task, as the scheduler does, turns it off for the process."""
    monkeypatch.setattr(DagSerialization, "_load_operator_extra_links", True)


@pytest.fixture
def dashboard(emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_DEFAULT", connection(emulator, dashboard_url=DASHBOARD))
    return emulator


def run_import(**parameters):
    with DAG("import_link", schedule=None) as dag:
        ImportOrdersOperator(task_id="import", **({"orders": [order(1)], "poll_interval": 0.2} | parameters))
    return dag, run_dag(dag)


def link(dag, run, name, map_index=-1):
    """Read a link as the UI does: by the serialized task and the instance in the database."""
    (task,) = DagSerialization.from_dict(DagSerialization.to_dict(dag)).tasks
    with create_session() as session:
        instance = (
            session.query(TaskInstance).filter_by(dag_id=dag.dag_id, run_id=run.run_id, map_index=map_index).one()
        )
        return task.get_extra_links(instance, name) or None


@both_modes
def test_an_import_leads_to_its_last_action(dashboard, deferrable):
    orders = [order(number) for number in range(30)]
    dag, run = run_import(orders=orders, chunk_size=10, max_in_flight=1, deferrable=deferrable)
    last = run.xcoms["import"]["async_action_ids"][2]
    assert link(dag, run, BACKGROUND_TASKS) == f"https://dashboard.example/#/async-actions/{last}"


def test_a_submitted_import_and_a_failed_one_have_links(dashboard):
    dag, run = run_import(wait_for_completion=False)
    (action,) = run.xcoms["import"]["async_action_ids"]
    assert link(dag, run, BACKGROUND_TASKS).endswith(action)
    dashboard.add_fault("failed_rows", source_id="order-1", reason="Customer not found")
    dag, run = run_import()
    assert run.state == "failed"
    assert "/async-actions/aa_" in link(dag, run, BACKGROUND_TASKS)
    assert not link(dag, run, BACKGROUND_TASKS).endswith(action)


@both_modes
def test_an_export_leads_to_itself(dashboard, deferrable, tmp_path):
    with DAG("export_link", schedule=None) as dag:
        OrdersExportOperator(
            task_id="export",
            output_path=(tmp_path / "orders.parquet").as_uri(),
            poll_interval=0.2,
            deferrable=deferrable,
        )
    run = run_dag(dag)
    assert link(dag, run, EXPORTS) == f"https://dashboard.example/#/exports/{run.xcoms['export']['export_id']}"


@both_modes
def test_a_sensor_leads_to_what_it_waits_for(dashboard, deferrable):
    action = dashboard.seed_action(type="VOUCHERS.IMPORT", status="DONE", after_seconds=0.5)
    with DAG("sensor_link", schedule=None) as dag:
        AsyncActionSensor(task_id="wait", async_action_id=action, poke_interval=0.2, deferrable=deferrable)
    run = run_dag(dag)
    assert run.state == "success"
    assert link(dag, run, BACKGROUND_TASKS) == f"https://dashboard.example/#/async-actions/{action}"


def test_each_mapped_task_has_a_link_of_its_own(dashboard):
    actions = [dashboard.seed_action(type="VOUCHERS.IMPORT", status="DONE") for _ in range(2)]
    with DAG("mapped_link", schedule=None) as dag:
        AsyncActionSensor.partial(task_id="wait", poke_interval=0.2).expand(async_action_id=actions)
    run = run_dag(dag)
    assert [link(dag, run, BACKGROUND_TASKS, index).rpartition("/")[2] for index in range(2)] == actions


def test_without_a_dashboard_there_is_no_link(emulator):
    dag, run = run_import()
    assert run.state == "success"
    assert link(dag, run, BACKGROUND_TASKS) is None


def test_a_task_that_sent_nothing_has_no_link(dashboard, log):
    dag, run = run_import(orders=[{"amount": "much"}])
    assert run.state == "failed"
    assert link(dag, run, BACKGROUND_TASKS) is None
    assert "XCom not found" not in log()


def test_a_link_does_not_wait_for_the_outcome(dashboard, emulator):
    emulator.add_fault("plan_exceeded", route="GET /v1/async-actions/{asyncActionId}")
    dag, run = run_import()
    assert run.state == "failed"
    assert "/async-actions/aa_" in link(dag, run, BACKGROUND_TASKS)
