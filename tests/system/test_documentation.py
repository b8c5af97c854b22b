"""The commands that README and documentation show work in a shell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from airflow.models import Pool

from airflow_provider_voucherify.emulator import Emulator
from tests.airflow_home import migrated
from tests.documentation import ALL, ROOT, commands

BIN = Path(sys.executable).parent


def shell(command: str, **environment: str) -> str:
    """Run a command as a reader would, with the commands of this Python on the path."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def adapted(command: str, emulator: Emulator) -> str:
    """Let a command that is about Voucherify be about an emulator on a port of its own."""
    for shown, own in (
        ("us1.api.voucherify.io", emulator.url),
        ("APP_ID", emulator.app_id),
        ("APP_TOKEN", emulator.app_token),
        ("127.0.0.1:8600", urlsplit(emulator.url).netloc),
    ):
        command = command.replace(shown, own)
    return command


def demo(command, emulator, folder):
    (folder / "demo").touch()  # all is installed here already
    told = shell(f"{command} VENV={folder} BIN={BIN} -o {BIN}/uv")
    assert "10,000 orders given, 9,997 loaded, 3 rejected, 0 unknown" in told
    assert "Out: 9,997 orders in .demo/orders.parquet" in told


def suite(command, emulator, folder):
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def install(command, emulator, folder):
    what = command.removeprefix("pip install ").replace("airflow-provider-voucherify", ".")
    shell(f"uv pip install --quiet --no-deps --python {sys.executable} --target {folder} {what}")
    assert "usage: voucherify-emulator" in shell(f"{folder}/bin/voucherify-emulator --help", PYTHONPATH=str(folder))
    (entry_points,) = folder.glob("airflow_provider_voucherify-*.dist-info/entry_points.txt")
    assert "[apache_airflow_provider]" in entry_points.read_text()


def export(command, emulator, folder):
    count = (
        'python -c "from airflow_provider_voucherify.hooks.voucherify import *; VoucherifyHook().list_orders(limit=1)"'
    )
    shell(f"{adapted(command, emulator)}; {count}")
    assert emulator.calls()["responses"] == {"200": 1}


def connection_test(command, emulator, folder):
    migrated()
    uri = f"voucherify://{emulator.app_id}:{emulator.app_token}@{urlsplit(emulator.url).netloc}/http"
    assert "Connection success!" in shell(command, AIRFLOW_CONN_VOUCHERIFY_DEFAULT=uri)


def add_connection(command, emulator, folder):
    migrated()
    name = f"added_{folder.name}"
    shell(adapted(command, emulator).replace("voucherify_default", name))
    test = f"airflow connections test {name}"
    assert "Connection success!" in shell(test, AIRFLOW__CORE__TEST_CONNECTION="Enabled")


def make_pool(command, emulator, folder):
    migrated()
    shell(command)
    pool = Pool.get_pool("voucherify_exports")
    assert (pool.slots, pool.include_deferred) == (2, True)


def start(command, emulator, folder):
    if "--help" in command:
        assert "--fault" in shell(command)
        return
    if "--like" in command:
        (folder / "facts.json").write_text('{"answers": {"import_mode": "insert"}}')
        command = command.replace("facts.json", str(folder / "facts.json"))
    with subprocess.Popen(
        ["bash", "-c", f"exec {BIN}/{command} --port 0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def dag_test(command, emulator, folder):
    migrated()
    orders_path, shown = ROOT / "docs" / "samples" / "orders.jsonl", "/tmp/voucherify/orders.jsonl"
    assert shown in command
    settings = {
        "AIRFLOW_CONN_VOUCHERIFY_DEFAULT": emulator.connection_uri,
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
    }
    params = ', "report_path": "FOLDER/report", "output_path": "FOLDER/orders.parquet"}'.replace(
        "FOLDER", folder.as_uri()
    )
    shell(command.replace(shown, str(orders_path)).replace('"}', f'"{params}'), **settings)
    assert emulator.count_orders() == 3
    assert (folder / "orders.parquet").exists()


def probe(command, emulator, folder):
    file = folder / "facts.json"
    said = shell(f"{adapted(command, emulator).replace('facts.json', str(file))} --link-seconds 0.1")
    assert "37 answers" in said
    assert "import_mode" in file.read_text()


RUNS = {
    "airflow dags test": dag_test,
    "make demo": demo,
    "make docs": suite,
    "make test": suite,
    "pip install": install,
    "export AIRFLOW_CONN_": export,
    "AIRFLOW__CORE__TEST_CONNECTION=Enabled airflow connections test": connection_test,
    "airflow connections add": add_connection,
    "airflow pools set": make_pool,
    "voucherify-emulator": start,
    "voucherify-probe": probe,
}


@pytest.mark.parametrize("command", commands())
def test_a_shown_command_works(command, tmp_path):
    runs = [run for beginning, run in RUNS.items() if command.startswith(beginning)]
    assert runs, f"no test runs {command}"
    with Emulator() as emulator:
        runs[0](command, emulator, tmp_path)


@pytest.mark.parametrize("path", re.findall(r"http://127\.0\.0\.1:8600(/[^\s`]+)", ALL))
def test_a_shown_address_answers(path):
    with Emulator() as emulator:
        assert requests.get(f"{emulator.url}{path}", timeout=10).json()["total"] == 0
