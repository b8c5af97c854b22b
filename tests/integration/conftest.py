from __future__ import annotations

import time

import psycopg2
import pytest

from tests.system import services

READY_WITHIN = 60.0


@pytest.fixture(scope="session")
def postgres():
    """Postgres, ready for queries, and what comes after ``postgresql://`` in the URL of its database."""
    with services.postgres() as url:
        _wait_until_ready(url)
        yield url


def _wait_until_ready(url: str) -> None:
    """Wait while the server takes connections, but answers that it is starting up."""
    until = time.monotonic() + READY_WITHIN
    while True:
        try:
            psycopg2.connect(f"postgresql://{url}").close()
        except psycopg2.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
