from __future__ import annotations

import itertools
import tempfile
import time
from contextlib import closing
from pathlib import Path

import boto3
import psycopg2
import pytest
from moto.server import ThreadedMotoServer

from tests.fast_folder import FAST_FOLDER
from tests.integration.s3 import BUCKET
from tests.system import services

READY_WITHIN = 60.0

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server():
    """Postgres, ready for queries, and what comes after ``postgresql://`` in the URL of its first database."""
    with services.postgres() as url:
        _wait_until_ready(url)
        yield url


@pytest.fixture(scope="module")
def postgres(postgres_server):
    """
    What comes after ``postgresql://`` in the URL of a new database.

    A module may be begun several times, as processes take tests from each other, and then makes its tables anew.
    """
    name = f"shop_{next(_numbers)}"
    with closing(psycopg2.connect(f"postgresql://{postgres_server}")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return f"{postgres_server.rpartition('/')[0]}/{name}"


@pytest.fixture
def fast_path():
    """A folder like ``tmp_path``, for tests that save durably very often."""
    with tempfile.TemporaryDirectory(dir=FAST_FOLDER) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def s3():
    """A client of S3 with an empty bucket. One server for all: Airflow keeps the file system of a connection."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="key-id",
        aws_secret_access_key="secret-key",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    server.stop()


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
