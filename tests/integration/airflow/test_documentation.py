"""The DAGs that the documentation shows are run by tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.operators import orders
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from tests.airflow_home import run_dag
from tests.documentation import EXAMPLES, ROOT, python_block


@pytest.mark.parametrize("dag_id", [path.stem for path in EXAMPLES])
def test_an_example_is_run_by_a_test(dag_id):
    tests = [*Path(__file__).parent.glob("test_*.py"), *(ROOT / "example_dags" / "tests").glob("test_*.py")]
    assert any(f'"{dag_id}"' in test.read_text() for test in tests)


def test_the_shown_submission_of_the_shown_order(emulator, tmp_path):
    order = (ROOT / "docs" / "samples" / "orders.jsonl").read_text().splitlines()[0]
    (tmp_path / "orders.jsonl").write_text(order)
    names = {**vars(orders), "AsyncActionSensor": AsyncActionSensor, "ORDERS": tmp_path.as_uri()}
    with DAG("documentation", schedule=None) as dag:
        exec(python_block("submit = "), names)
    run = run_dag(dag)
    assert run.states == {"submit": "success", "wait": "success"}
    assert emulator.count_orders() == 1
    given = json.loads(order)
    stored = orders.CreateOrderOperator(task_id="any", order={}).hook.get_order(given["source_id"])
    assert (stored["amount"], stored["metadata"]) == (given["amount"], given["metadata"])
