"""A real Airflow: its four components as processes of their own, on a home of their own, spoken to over REST."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

T = TypeVar("T")

DAGS = Path(__file__).parent / "dags"
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
WORKER = ("--concurrency", "2", "--skip-serve-logs")  # logs are read from the home, which all components share
USER = PASSWORD = "admin"
HEALTHY_WITHIN = 120.0
STOPPED_WITHIN = 20.0


class Airflow:
    """
    A fresh Airflow, for as long as its ``with`` block lasts.

    :param home: An empty folder for database, logs and what the components print.
    :param settings: Settings beside those that a test needs, as environment variables.
    :param workers: How many Celery workers it has; without any, its scheduler runs the tasks (LocalExecutor).
    :param dags: The folder of its DAGs.
    """

    def __init__(self, home: Path, settings: dict[str, str] | None = None, workers: int = 0, dags: Path = DAGS) -> None:
        self.home, self._dags = home, dags
        self._commands = {component: (component,) for component in COMPONENTS} | {
            f"worker-{number}": ("celery", "worker", "--celery-hostname", f"{number}@%h", *WORKER)
            for number in range(1, workers + 1)
        }
        self.port, triggerer_logs, worker_logs = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__ENABLE_XCOM_DESERIALIZE_SUPPORT": "True",  # results are read as they were returned
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": "of-the-tests",
            "AIRFLOW__API_AUTH__JWT_ISSUER": "airflow-of-the-tests",  # 3.0 and 3.1 have none, which PyJWT refuses
            "AIRFLOW__API_AUTH__JWT_SECRET": "of-the-tests, and long enough for a signature by HMAC and SHA-512",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor" if workers else "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggerer_logs),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
            # a killed supervisor and a killed triggerer are noticed in seconds
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
            **(settings or {}),
        }
        # Airflow starts twice as fast when Python may keep its bytecode
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._processes: dict[str, psutil.Popen] = {}
        self._session = requests.Session()
        # SQLite is locked for a moment now and then, of which nothing remains
        locked = Retry(5, status_forcelist=[500], allowed_methods=None, backoff_factor=0.5, raise_on_status=False)
        self._session.mount(self.url, HTTPAdapter(max_retries=locked))

    def __enter__(self) -> Self:
        """Start all components and wait until they are healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        passwords = self.home / "simple_auth_manager_passwords.json.generated"
        passwords.write_text(json.dumps({USER: PASSWORD}))
        migrated = self._airflow("db", "migrate", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = migrated.communicate()
        if migrated.returncode:
            raise RuntimeError(f"airflow db migrate failed:\n{output.decode()[-5000:]}")
        try:
            for component in self._commands:
                self.start(component)
            self.wait_for(self._healthy, HEALTHY_WITHIN, "all components are healthy")
            token = requests.post(f"{self.url}/auth/token", json={"username": USER, "password": PASSWORD}, timeout=30)
            token.raise_for_status()
            self.token = token.json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {self.token}"
            files = {path.stem for path in self._dags.glob("[!_]*.py")}
            self.wait_for(lambda: files <= self._parsed(), HEALTHY_WITHIN, f"the DAGs of {files} are parsed")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what was started, and nothing else."""
        for component in reversed(list(self._processes)):
            self.stop(component, signal.SIGKILL)

    # components

    def start(self, component: str) -> None:
        """Start a component; what it prints goes to a file in the home."""
        with (self.home / f"{component}.out").open("ab") as output:
            command = self._commands[component]
            self._processes[component] = self._airflow(*command, stdout=output, stderr=subprocess.STDOUT)

    def stop(self, component: str, number: signal.Signals) -> None:
        """Send a signal to a component and all that it started; kill what does not heed it."""
        process = self._processes.pop(component)
        family = [process, *process.children(recursive=True)]
        send(number, family)
        _, alive = psutil.wait_procs(family, STOPPED_WITHIN)
        send(signal.SIGKILL, alive)
        process.wait()

    @property
    def pids(self) -> dict[str, int]:
        """The process of each component."""
        return {component: process.pid for component, process in self._processes.items()}

    def processes(self, component: str) -> set[int]:
        """The processes of a component that are running."""
        process = self._processes[component]
        family = [process, *process.children(recursive=True)]
        return {member.pid for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE}

    def _airflow(self, *arguments: str, **streams: Any) -> psutil.Popen:
        command = [sys.executable, "-m", "airflow", *arguments]
        return psutil.Popen(command, env=self.environment, start_new_session=True, **streams)

    def _healthy(self) -> bool:
        ended = [name for name, process in self._processes.items() if process.poll() is not None]
        if ended:
            output = (self.home / f"{ended[0]}.out").read_text()
            raise RuntimeError(f"{ended[0]} ended by itself:\n{output[-5000:]}")
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=10).json()
        except requests.ConnectionError:
            return False
        return all(health[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))

    def _parsed(self) -> set[str]:
        errors = self.get("/importErrors")["import_errors"]
        if errors:
            raise RuntimeError(f"A DAG cannot be imported:\n{errors[0]['stack_trace']}")
        return {Path(dag["relative_fileloc"]).stem for dag in self.get("/dags?limit=100")["dags"]}

    # REST

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the REST API."""
        return self._session.request(method, f"{self.url}/api/v2{path}", timeout=60, **options)

    def get(self, path: str) -> Any:
        """Get a resource."""
        return self._answer(self.request("GET", path))

    def post(self, path: str, document: dict[str, Any]) -> Any:
        """Make a resource."""
        return self._answer(self.request("POST", path, json=document))

    def pause(self, dag_id: str, *, paused: bool) -> None:
        """Pause a DAG or let it run, with what watches for it: that is seen when its file is parsed again."""
        self._answer(self.request("PATCH", f"/dags/{dag_id}", json={"is_paused": paused}))
        answer = self.request("PUT", f"/parseDagFile/{self.get(f'/dags/{dag_id}/details')['file_token']}")
        answer.raise_for_status()

    @staticmethod
    def _answer(answer: requests.Response) -> Any:
        if not answer.ok:
            raise RuntimeError(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:2000]}")
        return answer.json()

    def wait_for(self, seen: Callable[[], T], seconds: float, what: str) -> T:
        """
        Look until there is something to see.

        :raises TimeoutError: naming what was waited for.
        """
        until = time.monotonic() + seconds
        while not (sight := seen()):
            if time.monotonic() > until:
                raise TimeoutError(f"Not within {seconds:.0f} s: {what}")
            time.sleep(0.2)
        return sight


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    """Send a signal to those processes that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def free_ports(count: int) -> list[int]:
    """Find free ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
