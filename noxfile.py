"""Tests on every version of Airflow that is supported, and benchmarks: `nox -s tests`, `nox -s benchmarks`."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "system", "compat", "lowest"]

ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": None,  # Airflow starts twice as fast when Python may keep its bytecode
    "PYTHONUNBUFFERED": "1",  # progress is shown when it is made, in a pipe too
}

# Those of which the tests make use
EXTRAS = ["emulator", "openlineage", "pandas", "s3"]

# All tests run on the newest version; on the others these tell enough
COMPAT_TESTS = [
    "tests/unit/airflow",
    *(
        f"tests/integration/airflow/test_{name}.py"
        for name in ("assets", "contract", "edited_connection", "example_dags", "mapping", "results")
    ),
]

# On a real Airflow with all its processes
TRIGGERER_TEST = "tests/system/test_triggerer.py"

SDK = "@voucherify/sdk@2.9.0"

# Most tests wait for somebody most of the time
PARALLEL = ["-n", "3", "--dist", "worksteal"]

# What a version of Airflow needs to run, though its metadata does not say it
REQUIREMENTS = {
    "2.11.0": [
        "universal-pathlib<0.3",  # its ObjectStoragePath refuses file:// paths with later ones
    ],
    "2.11": [],
    "3.0": [
        "apache-airflow-providers-fab",  # without it the form of a connection has no fields of its own
        "fastapi<0.132",  # the routes of its execution API are not found with later ones
        "universal-pathlib<0.3",  # its ObjectStoragePath refuses file:// paths with later ones
    ],
}
REQUIREMENTS["3.1"] = REQUIREMENTS["3.0"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run unit and integration tests on the newest Airflow, and measure the coverage."""
    install(session)
    session.run(
        "pytest", *PARALLEL, "--cov=airflow_provider_voucherify", "--durations=10", *session.posargs, env=ENVIRONMENT
    )


@nox.session
def system(session: nox.Session) -> None:
    """Kill, restart and clear tasks on the newest Airflow with all its processes."""
    install(session)
    session.install("--group", "system")
    session.run("pytest", "--verbose", "tests/system", *session.posargs, env=ENVIRONMENT)


@nox.session
@nox.parametrize("airflow", ["2.11", "3.0", "3.1"])
def compat(session: nox.Session, airflow: str) -> None:
    """Run the tests of hook, operators, sensor and triggers on an older Airflow; on 3.1 that of the triggerer alone."""
    tests = {
        "2.11": [*PARALLEL, *COMPAT_TESTS],
        "3.0": [*PARALLEL, TRIGGERER_TEST, *COMPAT_TESTS],
        "3.1": [TRIGGERER_TEST],
    }
    install(session, f"apache-airflow=={airflow}.*", *REQUIREMENTS[airflow])
    session.run("pytest", *(session.posargs or tests[airflow]), env=ENVIRONMENT)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests but for slow ones and whole tasks, with the lowest versions that `pyproject.toml` allows."""
    constraints = f"{session.virtualenv.location}/lowest.txt"
    options = ["--no-deps", "--resolution=lowest-direct", *(f"--extra={extra}" for extra in EXTRAS)]
    session.run("uv", "pip", "compile", "--quiet", *options, "pyproject.toml", "--output-file", constraints)
    install(session, "--constraint", constraints, *REQUIREMENTS["2.11.0"])
    chosen = ["-m", "not slow", "--ignore", "tests/integration/airflow"]  # which `compat` runs on 2.11
    session.run("pytest", *PARALLEL, *chosen, *session.posargs, env=ENVIRONMENT)


@nox.session
def contract(session: nox.Session) -> None:
    """Check what the provider relies on: on emulators with all switches, or on the sandbox that the environment names.

    `VOUCHERIFY_APP_ID`, `VOUCHERIFY_APP_TOKEN` and, unless it is in Europe, `VOUCHERIFY_HOST` name it.
    """
    install(session)
    session.run("pytest", "tests/contract", *session.posargs, env=ENVIRONMENT)


@nox.session
def sdk(session: nox.Session) -> None:
    """Drive the emulator by the official SDKs of Python and JavaScript; the latter needs `node` and `npm`."""
    install(session)
    folder = session.create_tmp()
    session.run("npm", "install", "--no-audit", "--no-fund", f"--prefix={folder}", SDK, external=True)
    tests = ["tests/integration/emulator/test_sdk.py", "tests/sdk"]
    session.run("pytest", *tests, *session.posargs, env={**ENVIRONMENT, "NODE_PATH": f"{folder}/node_modules"})


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Run each script under `tests/benchmarks`, or those that are named; each prints a table."""
    install(session)
    session.install("--group", "benchmarks")
    for script in session.posargs or sorted(map(str, Path("tests/benchmarks").glob("*.py"))):
        session.run("python", script, env=ENVIRONMENT)


@nox.session
def spark(session: nox.Session) -> None:
    """Read the folders of exports with Spark, which needs Java."""
    install(session, "pyspark")
    session.run("pytest", "tests/spark", *session.posargs, env=ENVIRONMENT)


@nox.session
def soak(session: nox.Session) -> None:
    """Import 300,000 orders while one request of twenty fails, and count what is lost or doubled."""
    install(session)
    session.run("python", "-m", "tests.soak", *session.posargs, env=ENVIRONMENT)


@nox.session
def pictures(session: nox.Session) -> None:
    """Take the pictures of the documentation again, from a real Airflow in Chromium."""
    install(session)
    session.install("--group", "system")
    session.run("python", "-m", "docs.pictures", env=ENVIRONMENT)


def install(session: nox.Session, *requirements: str) -> None:
    """Install this package, what its tests need, and perhaps a version of Airflow."""
    session.install("--editable", f".[{','.join(EXTRAS)}]", "--group", "test", *requirements)
