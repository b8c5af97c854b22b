"""The command ``voucherify-emulator``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import requests

from airflow_provider_voucherify.emulator import EmulatorOptions

COMMAND = [sys.executable, "-m", "airflow_provider_voucherify.emulator"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line or process.stderr.read()
        url = line.split()[-1]
        host = url.removeprefix("http://")
        variable = process.stdout.readline()
        assert variable.startswith("export AIRFLOW_CONN_VOUCHERIFY_DEFAULT='voucherify://")
        assert variable.endswith(f"@{host}/http'\n")
        yield process, url
    finally:
        process.terminate()  # a killed one would leave its database behind
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()


def refused(*arguments: str) -> str:
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert result.returncode == 2
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_listens_and_ends_on_a_signal(number):
    with started("--port", "0") as (process, url):
        assert requests.get(f"{url}/emulator/health", timeout=10).json() == {"status": "ok"}
        session = requests.Session()
        session.get(f"{url}/emulator/health", timeout=10)
        process.send_signal(number)
        assert process.wait(20) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=10)


def test_its_options_are_those_of_the_class(tmp_path):
    db = tmp_path / "data.sqlite"
    arguments = ["--port", "0", "--app-id", "me", "--app-token", "secret", "--plan", "sandbox", "--speed", "100"]
    arguments += ["--db", str(db), "--header-style", "field", "--download-needs-keys", "--no-gzip-bodies"]
    arguments += ["--fault", "server_error:status=503,route=GET /v1/orders", "--fault", "failed_rows:source_id=x*"]
    headers = {"X-App-Id": "me", "X-App-Token": "secret"}
    with started(*arguments) as (_, url):
        assert requests.get(f"{url}/v1/orders", headers=headers, timeout=10).status_code == 503
        answer = requests.get(f"{url}/v1/orders", headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["X-Rate-Limit-Limit"]) == (200, "100")
        names = [fault["name"] for fault in requests.get(f"{url}/emulator/faults", timeout=10).json()["faults"]]
        assert names == ["server_error", "failed_rows"]
        assert db.exists()


def test_its_help_explains_every_option():
    result = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    for field in msgspec.structs.fields(EmulatorOptions):
        assert f"--{field.name.replace('_', '-')}" in result.stdout
        description = msgspec.inspect.type_info(field.type).extra_json_schema["description"]
        assert "".join(description.split()) in "".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "http"], "argument --port: invalid int value: 'http'"),
        (["--port", "70000"], "Emulator options: Expected `int` <= 65535 - at `$.port`"),
        (["--speed", "0"], "Emulator options: Expected `float` > 0.0 - at `$.speed`"),
        (["--plan", "free"], "argument --plan: invalid choice: 'free'"),
        (["--fault", "bang"], "Unknown fault 'bang'"),
        (["--fault", "slow:x=1"], "Fault slow has no parameter 'x'"),
        (["--fault", "slow:route=GET /", "--port", "0"], "Unknown route 'GET /'"),
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (
            ["--db", "/nowhere/at/all.sqlite", "--port", "0"],
            "Cannot open /nowhere/at/all.sqlite as the emulator's database",
        ),
        (["--host", "256.0.0.1", "--port", "0"], "Cannot listen on 256.0.0.1:0"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_extra_is_named(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from airflow_provider_voucherify.emulator.__main__ import main"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"{code}; main(['--port', '0'])"], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert result.returncode == 2
    assert "pip install 'airflow-provider-voucherify[emulator]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_no_database_of_an_emulator_is_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("Dear diary, " * 100)
    assert f"Cannot open {text} as the emulator's database: file is not a database" in refused("--db", str(text))
    assert text.read_text().startswith("Dear diary")


def test_a_taken_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in refused("--port", port)
