"""Running DAGs of the tests in a real Airflow, in this process."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.models import DagRun
from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_2_PLUS,
)

if AIRFLOW_V_3_2_PLUS:
    from airflow.dag_processing import dagbag
else:
    from airflow.models import dagbag
if not AIRFLOW_V_3_0_PLUS:
    import airflow.providers.fab.auth_manager.models  # noqa: F401 - tables of Airflow refer to its table of users
elif not AIRFLOW_V_3_1_PLUS:
    import structlog
    from airflow.sdk.execution_time import supervisor

    # as later versions have it: one API for all tasks, and plain tracebacks. Each takes a second to make otherwise
    supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


DagBag = dagbag.DagBag


@functools.cache
def migrated() -> bool:
    """Make the metadata database, once a run."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    airflow = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(airflow, check=True, capture_output=True, env=environment)
    return True


@dataclass
class Run:
    """
    What a DAG run came to.

    :param run_id: Its id.
    :param state: Its state.
    :param states: The state of each task.
    :param xcoms: The return value of each task.
    """

    run_id: str
    state: str
    states: dict[str, str] = field(default_factory=dict)
    xcoms: dict[str, Any] = field(default_factory=dict)


def run_dag(dag, **options: Any) -> Run:
    """Run a DAG in this process, its triggers included."""
    migrated()
    for task in dag.tasks:
        task.retry_delay = timedelta(0)  # this process waits for a retry before it says what failed
    if AIRFLOW_V_3_0_PLUS:
        _register(dag)
    logical_date = options.pop("logical_date", datetime.now(UTC))
    if AIRFLOW_V_3_0_PLUS:
        run = dag.test(logical_date=logical_date, **options)
    else:
        run = _tested_by_airflow_2(dag, logical_date, **options)
    outcome = Run(run.run_id, str(run.state))
    for instance in run.get_task_instances():
        outcome.states[instance.task_id] = str(instance.state)
        outcome.xcoms[instance.task_id] = instance.xcom_pull(task_ids=instance.task_id)
    return outcome


def _tested_by_airflow_2(dag, logical_date: datetime, **options: Any) -> DagRun:
    try:
        return dag.test(execution_date=logical_date, **options)
    except AirflowTaskTimeout:  # no Exception in Airflow 2, and so not caught there
        (run,) = DagRun.find(dag_id=dag.dag_id, execution_date=logical_date)
        run.dag = dag
        run.update_state()
        return run


def _register(dag) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(os.devnull)
    bag.bag_dag(dag)
    if AIRFLOW_V_3_1_PLUS:
        dagbag.sync_bag_to_db(bag, "dags-folder", None)
    else:  # it needs to know the file as well
        dag.relative_fileloc = dag.relative_fileloc or Path(dag.fileloc).name
        bag.sync_to_db("dags-folder", None)


def connection(emulator, **extra: Any) -> str:
    """Write the connection to an emulator as JSON, for an environment variable."""
    return json.dumps(
        {
            "conn_type": "voucherify",
            "host": emulator.url,
            "login": emulator.app_id,
            "password": emulator.app_token,
            "extra": extra,
        }
    )
