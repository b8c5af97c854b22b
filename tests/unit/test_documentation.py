"""What README and documentation show is what the example DAGs have, and what the classes take."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.operators import orders
from airflow_provider_voucherify.operators.exports import VoucherifyExportOperator
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor
from tests.documentation import EXAMPLES, PAGES, PYTHON, ROOT, included, links, python_block

IN_EXAMPLES = "\n".join(path.read_text() for path in EXAMPLES)
# Blocks that are no part of an example DAG, and the tests that run them
RUN_BY_TESTS = (
    "with Emulator(",  # below
    "submit = ",  # integration/airflow/test_documentation.py
    "from airflow.sdk import ExceptionRetryPolicy",  # integration/airflow/test_retry_policy.py
    "client = VoucherifyClient(",  # integration/test_documented_jobs.py
)


@pytest.mark.parametrize("block", [block for block in PYTHON if not any(text in block for text in RUN_BY_TESTS)])
def test_a_shown_dag_is_a_part_of_an_example(block):
    assert textwrap.indent(block, "    ") in IN_EXAMPLES or block in IN_EXAMPLES


def test_the_shown_emulator_starts():
    exec(python_block("with Emulator("), {"Emulator": Emulator})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_in_the_documentation(path):
    assert str(path.relative_to(ROOT)) in included()


@pytest.mark.parametrize(
    ("page", "cls"),
    [
        ("import_orders", orders.ImportOrdersOperator),
        ("sync_orders", orders.SyncOrdersOperator),
        ("export_orders", orders.OrdersExportOperator),
        ("exports", VoucherifyExportOperator),
        ("order_details", orders.OrderDetailsExportOperator),
        ("reconcile_orders", orders.ReconcileOrdersOperator),
        ("single_orders", orders.CreateOrderOperator),
        ("single_orders", orders.UpdateOrderOperator),
        ("async_action_sensor", AsyncActionSensor),
    ],
)
def test_every_parameter_is_in_the_how_to_of_its_class(page, cls):
    shown = "".join(PAGES[f"docs/how-to/{name}.md"] for name in (page, "sources", "export_orders", "index"))
    own = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    assert [name for name in sorted(own) if f"`{name}" not in shown and f" {name}" not in shown] == []


@pytest.mark.parametrize(("page", "path"), links())
def test_links_lead_somewhere(page, path):
    assert ((ROOT / page).parent / path).exists() or Path(path).suffix == ".html"
