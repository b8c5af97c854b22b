from __future__ import annotations

import pytest

from airflow_provider_voucherify.emulator import Emulator

from .api import Api


@pytest.fixture
def emulator(voucherify_emulator: Emulator) -> Emulator:
    """An emulator with the default options, as it is after its start."""
    return voucherify_emulator


@pytest.fixture
def api(emulator: Emulator) -> Api:
    return Api(emulator)
