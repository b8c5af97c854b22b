"""Servers that a distributed Airflow needs, as Debian has them: each for as long as its ``with`` block lasts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from tests.system.airflow import free_ports
from tests.system.conftest import program

READY_WITHIN = 30.0
OWNER = "postgres" if os.geteuid() == 0 else None  # Postgres refuses to run as root


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """
    Run Redis, in memory alone.

    :return: Its URL.
    """
    (port,) = free_ports(1)
    with _running([program("redis-server"), "--port", str(port), "--save", "", "--appendonly", "no"], port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """
    Run Postgres on a fresh folder, open to everyone on this machine.

    :return: What comes after ``postgresql://`` or a dialect in the URL of its database.
    """
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        if OWNER is not None:
            shutil.chown(folder, OWNER)
        data = f"{folder}/data"
        initdb = [program("initdb"), "--pgdata", data, "--username", "airflow", "--auth", "trust", "--no-sync"]
        subprocess.run(initdb, user=OWNER, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        server = [program("postgres"), "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off"]
        with _running(server, port, stop=signal.SIGINT, user=OWNER, cwd=folder):  # at once, whoever is connected
            yield f"airflow@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def _running(command: list[str], port: int, stop: int = signal.SIGTERM, **options: str | None) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        until = time.monotonic() + READY_WITHIN
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} does not answer on port {port}; its exit code: {process.returncode}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(stop)
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
