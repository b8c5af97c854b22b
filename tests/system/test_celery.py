"""Beyond one machine: CeleryExecutor, Redis, Postgres and two workers, one of which is lost."""

from __future__ import annotations

import signal

import pytest

from tests.system.airflow import Airflow
from tests.system.services import postgres, redis


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """In place of the Airflow that the other tests share."""
    with redis() as broker, postgres() as database:
        settings = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql://{database}",
        }
        with Airflow(tmp_path_factory.mktemp("celery"), settings, workers=2) as running:
            yield running


def test_a_worker_is_lost_and_the_other_goes_on(airflow, set_out):
    journeys = set_out()
    for journey in journeys:
        journey.wait_for_the_middle()
    importing = journeys[0].run
    process, worker = importing.process(), importing.component()
    assert worker in {"worker-1", "worker-2"}
    airflow.stop(worker, signal.SIGKILL)
    assert not process.is_running()
    for journey in journeys:
        journey.succeeds(goes_on=journey.run is importing)
    assert importing.tries == 2
