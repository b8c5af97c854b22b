from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_voucherify.emulator import Emulator
from tests.system.airflow import Airflow
from tests.system.shop import ExportJourney, ImportJourney, Journey, Shop

SECRET = "planted-secret-7f3a9c"
PACKAGES = {
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "redis-server": "redis-server",
    "initdb": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not AIRFLOW_V_3_3_PLUS:
        for item in items:
            if "tests/system" in str(item.path) and item.path.stem != "test_triggerer":
                item.add_marker(pytest.mark.skip(reason="Airflow below 3.3 has no task store"))


def program(name: str) -> str:
    """
    Find a program of Debian's.

    :raises pytest.skip.Exception: if it is not there; in CI it has to be, and ``pytest.fail.Exception`` is raised.
    """
    debian_keeps_versions_apart = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    for path in (shutil.which(name), *debian_keeps_versions_apart):
        if path is not None:
            return str(path)
    missing = f"There is no {name} here: apt-get install {PACKAGES[name]}"
    raise pytest.fail.Exception(missing) if "CI" in os.environ else pytest.skip.Exception(missing)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory) -> Iterator[Airflow]:
    """One Airflow for all tests that need it: it takes half a minute to start."""
    with Airflow(tmp_path_factory.mktemp("airflow")) as running:
        yield running


numbers = itertools.count(1)


@pytest.fixture
def open_shop(airflow, tmp_path) -> Iterator[Callable[..., Shop]]:
    """
    Make projects, with the options of an emulator. By default, half of the imports in flight, and an export, take so
    long that the wait is worth a deferral. ``connection`` has fields of the connection ``name``.
    """
    with ExitStack() as shops:

        def open_one(name: str = "", connection: dict[str, Any] | None = None, **options: Any) -> Shop:
            options = {
                "app_token": SECRET,
                "import_base_ms": 1500,
                "import_order_ms": 0,
                "export_base_ms": 12_000,
            } | options
            emulator = shops.enter_context(Emulator(**options))
            return Shop(airflow, name or f"shop_{next(numbers)}", emulator, tmp_path, **(connection or {}))

        yield open_one


@pytest.fixture
def set_out(open_shop) -> Callable[..., list[Journey]]:
    """Begin to import and to export, in a worker and deferred, or what is wanted of these four, at the same time."""

    def set_out(
        variant: str = "",
        directions: tuple[type[Journey], ...] = (ImportJourney, ExportJourney),
        ways: tuple[str, ...] = ("worker", "deferred"),
        **options: Any,
    ) -> list[Journey]:
        return [kind(open_shop(**options), way, variant) for kind in directions for way in ways]

    return set_out
