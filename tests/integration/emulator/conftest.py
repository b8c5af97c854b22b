from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_voucherify.emulator import Emulator

from .api import Api


@pytest.fixture(scope="package")
def running() -> Iterator[Emulator]:
    with Emulator(speed=1000) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    """An emulator with the default options, as it is after its start."""
    running.reset()
    return running


@pytest.fixture
def api(emulator: Emulator) -> Api:
    return Api(emulator)
