"""What the README shows is what the example DAGs have, and what the classes take."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.operators import orders
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = "\n".join(path.read_text() for path in (ROOT / "example_dags").glob("*.py"))
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS[:-4])
def test_a_shown_dag_is_a_part_of_an_example(block):
    assert textwrap.indent(block, "    ") in EXAMPLES or block in EXAMPLES


def test_the_shown_emulator_starts():
    exec(BLOCKS[-1], {"Emulator": Emulator})


@pytest.mark.parametrize(
    "cls",
    [
        orders.ImportOrdersOperator,
        orders.SyncOrdersOperator,
        orders.OrdersExportOperator,
        orders.ReconcileOrdersOperator,
        AsyncActionSensor,
    ],
)
def test_every_parameter_is_in_the_readme(cls):
    own = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    assert [name for name in sorted(own) if f"`{name}" not in README and f" {name}" not in README] == []


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)]+)\)", README))
def test_links_lead_somewhere(path):
    assert (ROOT / path).exists()
