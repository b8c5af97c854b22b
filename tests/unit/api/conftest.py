from __future__ import annotations

import pytest

from .clock import Clock


@pytest.fixture
def clock():
    return Clock()
