"""Pytest plugin for those who test their DAGs: a local Voucherify, a connection to it, and assertions on its calls.

It is installed with the provider (entry point ``pytest11``) and needs the extra ``emulator``::

    from airflow_provider_voucherify.testing import assert_called, assert_order_count

    def test_sync(voucherify_emulator, voucherify_connection):
        run = DagBag("dags").dags["order_sync"].test()
        assert run.state == "success"
        assert_called(voucherify_emulator, "POST /v1/orders", times=2)
        assert_order_count(voucherify_emulator, 2)

What the emulator assumes of the real API is in ``docs/voucherify-api.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_voucherify.emulator import Emulator

__all__ = [
    "assert_called",
    "assert_no_import_repeated",
    "assert_not_called",
    "assert_order_count",
    "voucherify_connection",
    "voucherify_emulator",
    "voucherify_emulator_options",
]

CONNECTION_ID = "voucherify_default"
_SPEED = 1000


@pytest.fixture(scope="session")
def voucherify_emulator_options() -> dict[str, Any]:
    """Return the options of the emulator, those of ``EmulatorOptions``; override it in a ``conftest.py`` for others."""
    return {"speed": _SPEED}


@pytest.fixture(scope="session")
def _started_voucherify_emulator(voucherify_emulator_options: dict[str, Any]) -> Iterator[Emulator]:
    from airflow_provider_voucherify.emulator import Emulator

    with Emulator(**voucherify_emulator_options) as emulator:
        yield emulator


@pytest.fixture
def voucherify_emulator(_started_voucherify_emulator: Emulator) -> Emulator:
    """Return an emulator without orders, calls and faults: started once in the session, reset for each test.

    What this process knows of the quota is forgotten, too: no test waits for the calls of another.
    """
    from airflow_provider_voucherify.api.project_limit import forget_projects

    forget_projects()
    _started_voucherify_emulator.reset()
    return _started_voucherify_emulator


@pytest.fixture
def voucherify_connection(voucherify_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """Define the connection ``voucherify_default`` for the emulator, in the environment of the test.

    :return: The connection id.
    """
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", voucherify_emulator.connection_uri)
    return CONNECTION_ID


def assert_called(emulator: Emulator, route: str, *, times: int | None = None) -> None:
    """Assert that a route was called since the last reset.

    :param emulator: The emulator.
    :param route: Method and path template, e.g. ``GET /v1/orders/{orderId}``.
    :param times: How often; at least once when left out.
    """
    __tracebackhide__ = True
    count = _calls(emulator, route)
    expected = "at least one call" if times is None else f"{times} calls"
    if count == 0 if times is None else count != times:
        raise AssertionError(f"Expected {expected} of {route}, got {count}. All calls: {emulator.calls()['calls']}")


def assert_not_called(emulator: Emulator, route: str) -> None:
    """Assert that a route was not called since the last reset.

    :param emulator: The emulator.
    :param route: Method and path template.
    """
    __tracebackhide__ = True
    assert_called(emulator, route, times=0)


def assert_no_import_repeated(emulator: Emulator) -> None:
    """Assert that no two accepted imports had the same body: no order was sent twice.

    :param emulator: The emulator.
    """
    __tracebackhide__ = True
    calls = emulator.calls()
    if calls["repeated_imports"]:
        raise AssertionError(f"{calls['repeated_imports']} of {len(calls['imports'])} imports repeat an earlier one")


def assert_order_count(emulator: Emulator, expected: int) -> None:
    """Assert how many orders Voucherify has.

    :param emulator: The emulator.
    :param expected: Number of orders.
    """
    __tracebackhide__ = True
    count = emulator.count_orders()
    if count != expected:
        raise AssertionError(f"Expected {expected} orders in Voucherify, got {count}")


def _calls(emulator: Emulator, route: str) -> int:
    if route not in emulator.routes:
        raise ValueError(f"Unknown route {route!r}; there are {', '.join(emulator.routes)}")
    count: int = emulator.calls()["calls"].get(route, 0)
    return count
