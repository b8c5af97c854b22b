from __future__ import annotations

import pytest

from tests.system import services


@pytest.fixture(scope="session")
def postgres():
    """Postgres, and what comes after ``postgresql://`` in the URL of its database."""
    with services.postgres() as url:
        yield url
