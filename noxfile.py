"""The tests on every version of Airflow that is supported, and the benchmarks: `nox -s tests`, `nox -s benchmarks`."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "system", "compat"]

# Airflow starts twice as fast when Python may keep its bytecode
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": None}

# Most tests wait for somebody most of the time
PARALLEL = ["-n", "3", "--dist", "worksteal"]

# What the last releases of a version need to run, though their metadata does not say it
REQUIREMENTS = {
    "2.11": [],
    "3.0": [
        "apache-airflow-providers-fab",  # without it the form of a connection has no fields of its own
        "fastapi<0.132",  # the routes of its execution API are not found with later ones
        "universal-pathlib<0.3",  # its ObjectStoragePath refuses file:// paths with later ones
    ],
}


@nox.session
def tests(session: nox.Session) -> None:
    """Unit and integration tests, on the newest Airflow."""
    install(session)
    session.run("pytest", *PARALLEL, *session.posargs, env=ENVIRONMENT)


@nox.session
def system(session: nox.Session) -> None:
    """What kills, restarts and clears do, on the newest Airflow with all its processes."""
    install(session)
    session.install("--group", "system")
    session.run("pytest", "tests/system", *session.posargs, env=ENVIRONMENT)


@nox.session
@nox.parametrize("airflow", list(REQUIREMENTS))
def compat(session: nox.Session, airflow: str) -> None:
    """Unit and integration tests, on an older Airflow, but for those that take minutes without one."""
    install(session, f"apache-airflow=={airflow}.*", *REQUIREMENTS[airflow])
    session.run("pytest", *PARALLEL, "-m", "not slow", *session.posargs, env=ENVIRONMENT)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measurements: each script under `tests/benchmarks` prints its table. Name scripts to run these alone."""
    install(session)
    session.install("--group", "benchmarks")
    for script in session.posargs or sorted(map(str, Path("tests/benchmarks").glob("*.py"))):
        session.run("python", script, env=ENVIRONMENT)


def install(session: nox.Session, *requirements: str) -> None:
    """Install this package, what its tests need, and a version of Airflow."""
    session.install("--editable", ".[emulator,pandas]", "--group", "test", *requirements)
