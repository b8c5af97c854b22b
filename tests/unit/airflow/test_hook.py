from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_voucherify.api.quota import DEFAULT_RESERVE
from airflow_provider_voucherify.api.settings import DEFAULT_SCOPE, Settings
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.get_provider_info import get_provider_info
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook, settings_of

SECRET = "planted-secret"
ENVIRONMENT = "AIRFLOW_CONN_VOUCHERIFY_DEFAULT"
WHOLE = Settings(
    app_id="app",
    app_token=SECRET,
    base_url="https://us1.api.voucherify.io",
    name="voucherify_default",
    oauth=True,
    oauth_scope="orders",
    quota_reserve=30.0,
    connect_timeout=5.0,
    read_timeout=7.5,
    download_hosts=("files.example", "more.example"),
)


def settings(monkeypatch, value: str) -> Settings:
    monkeypatch.setenv(ENVIRONMENT, value)
    return VoucherifyHook().transport.settings


def test_a_connection_as_json(monkeypatch):
    document = {
        "conn_type": "voucherify",
        "host": "us1.api.voucherify.io",
        "login": "app",
        "password": SECRET,
        "extra": {
            "oauth": True,
            "oauth_scope": "orders",
            "quota_reserve": 30,
            "connect_timeout": 5,
            "read_timeout": 7.5,
            "download_hosts": "files.example, more.example",
        },
    }
    assert settings(monkeypatch, json.dumps(document)) == WHOLE


def test_unknown_fields_of_a_connection_are_named(monkeypatch, capfd):
    document = {"conn_type": "voucherify", "login": "app", "password": SECRET, "extra": {"quotareserve": 0.5}}
    assert settings(monkeypatch, json.dumps(document)).quota_reserve == DEFAULT_RESERVE
    assert (
        "'voucherify_default': unknown fields in its extra are ignored: quotareserve. Known fields: quota_reserve, "
        in capfd.readouterr().out
    )


def test_a_connection_as_uri(monkeypatch):
    uri = (
        f"voucherify://app:{SECRET}@us1.api.voucherify.io/?oauth=true&oauth_scope=orders&quota_reserve=30"
        "&connect_timeout=5&read_timeout=7.5&download_hosts=files.example+more.example"
    )
    assert settings(monkeypatch, uri) == WHOLE


def test_a_connection_to_a_local_emulator_as_uri(monkeypatch):
    assert settings(monkeypatch, "voucherify://app:token@127.0.0.1:8600/http").base_url == "http://127.0.0.1:8600"


def test_a_connection_as_the_form_saves_it():
    extra = dict.fromkeys(get_provider_info()["connection-types"][0]["conn-fields"])
    connection = Connection(conn_id="shop", conn_type="voucherify", login="app", password=SECRET, host="")
    assert settings_of(connection, extra) == Settings(app_id="app", app_token=SECRET, name="shop")
    assert settings_of(connection, {}).oauth_scope == DEFAULT_SCOPE


@pytest.mark.parametrize(
    ("given", "proxies"),
    [
        ("http://proxy.example:3128", {"http": "http://proxy.example:3128", "https": "http://proxy.example:3128"}),
        ('{"https": "http://proxy.example:3128"}', {"https": "http://proxy.example:3128"}),
        ({"https": "http://proxy.example:3128"}, {"https": "http://proxy.example:3128"}),
    ],
)
def test_proxies_are_one_url_or_several(given, proxies):
    connection = Connection(conn_id="shop", conn_type="voucherify", login="app", password=SECRET)
    assert settings_of(connection, {"proxies": given}).proxies == proxies


def test_a_ca_file_and_hosts_in_upper_case(tmp_path):
    connection = Connection(conn_id="shop", conn_type="voucherify", login="app", password=SECRET)
    (tmp_path / "ca.pem").write_text("")
    read = settings_of(connection, {"verify": str(tmp_path / "ca.pem"), "download_hosts": "Files.Example"})
    assert (read.verify, read.download_hosts) == (str(tmp_path / "ca.pem"), ("files.example",))


def test_requests_name_provider_airflow_and_python(monkeypatch, requests_mock):
    monkeypatch.setenv(ENVIRONMENT, f"voucherify://app:{SECRET}@/")
    requests_mock.get("https://api.voucherify.io/v1/orders", json={"orders": []})
    VoucherifyHook().list_orders()
    sent = requests_mock.last_request.headers["User-Agent"]
    assert re.fullmatch(r"airflow-provider-voucherify/[\d.]+ \(Airflow [\w.]+; Python [\w.]+\)", sent)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"quota_reserve": "much"}, "connection 'shop': quota_reserve must be a number, got 'much'"),
        ({"quota_reserve": "nan"}, "connection 'shop': quota_reserve must be a number, got 'nan'"),
        ({"quota_reserve": "inf"}, "connection 'shop': quota_reserve must be a number, got 'inf'"),
        ({"read_timeout": True}, "connection 'shop': read_timeout must be a number, got True"),
        ({"read_timeout": [5]}, r"connection 'shop': read_timeout must be a number, got \[5\]"),
        ({"oauth_scope": 7}, "connection 'shop': oauth_scope must be text, got 7"),
        ({"dashboard_url": ["a"]}, r"connection 'shop': dashboard_url must be text, got \['a'\]"),
        ({"download_hosts": 7}, "connection 'shop': download_hosts must be a list of host names, got 7"),
        ({"proxies": 7}, "connection 'shop': proxies must be a URL, or a JSON object"),
        (
            {"download_hosts": "https://files.example/x"},
            "connection 'shop': download_hosts must be host names in lower",
        ),
        ({"download_hosts": [1]}, r"connection 'shop': download_hosts must be a list of host names, got \[1\]"),
        ({"dashboard_url": "app.voucherify.io"}, "connection 'shop': dashboard_url must begin with https://"),
        ({"proxies": ["http://proxy"]}, "connection 'shop': proxies must be a URL, or a JSON object"),
        ({"proxies": "proxy.example:3128"}, "connection 'shop': the proxy for 'http' must be a URL such as"),
        (
            {"verify": ["ca.pem"]},
            r"connection 'shop': verify must be a file or folder of certificates, got \['ca.pem'\]",
        ),
        ({"verify": "/nowhere/ca.pem"}, "connection 'shop': verify names no file or folder of certificates"),
        ({"oauth": []}, r"connection 'shop': oauth must be true or false, got \[\]"),
        ({"connect_timeout": "Infinity"}, "connection 'shop': connect_timeout must be a number, got 'Infinity'"),
        ({"proxies": "{broken"}, "connection 'shop': proxies must be a URL, or a JSON object"),
        ({"verify": False}, "connection 'shop': verify must be a file or folder of certificates, got False"),
        ({"oauth": "perhaps"}, "connection 'shop': oauth must be true or false, got 'perhaps'"),
        ({"read_timeout": -1}, r"connection 'shop': read_timeout must be above 0 seconds, got -1\.0"),
    ],
)
def test_a_field_that_cannot_work_is_named(extra, message):
    connection = Connection(conn_id="shop", conn_type="voucherify", login="app", password=SECRET)
    with pytest.raises(ConfigurationError, match=message):
        settings_of(connection, extra)


FACTS = {"answers": {"import_mode": "upsert", "metadata_style": "YAML"}}


@pytest.mark.parametrize("form", ["file", "text", "object"])
def test_facts_come_with_the_connection_and_what_they_refute_is_said(form, monkeypatch, tmp_path, capfd):
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(FACTS))
    extra = {"facts": {"file": str(file), "text": json.dumps(FACTS), "object": FACTS}[form]}
    document = {"conn_type": "voucherify", "login": "app", "password": SECRET, "extra": extra}
    assert settings(monkeypatch, json.dumps(document)).facts.imports_update
    said = "".join(capfd.readouterr())
    assert "facts refute an assumption of this provider. How does an export write metadata? YAML. Assumed: as" in said
    assert said.count("refute") == 1


@pytest.mark.parametrize("facts", ["/nowhere/facts.json", "{}", '{"answers": 1}', ["import_mode"]])
def test_facts_that_are_none_are_named(facts, monkeypatch):
    document = {"conn_type": "voucherify", "login": "app", "password": SECRET, "extra": {"facts": facts}}
    with pytest.raises(ConfigurationError, match="connection 'voucherify_default': facts must be the facts that"):
        settings(monkeypatch, json.dumps(document))
    asyncio.run(VoucherifyHook().aget_settings())  # a triggerer needs none, and has no such file


def test_a_missing_connection_is_named():
    with pytest.raises(Exception, match="The conn_id `nowhere` isn't defined"):
        VoucherifyHook("nowhere").get_conn()


def test_the_triggers_way_gives_the_same_settings(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, f"voucherify://app:{SECRET}@/?quota_reserve=3")
    hook = VoucherifyHook()
    client = asyncio.run(hook.aget_conn())
    assert client.transport.settings == VoucherifyHook().transport.settings
    assert client is hook.get_conn()


def test_every_endpoint_of_the_api_is_a_method_of_the_hook():
    names = (
        "create_order get_order update_order list_orders import_orders create_order_export get_async_action "
        "list_async_actions get_export list_exports delete_export download_export"
    )
    assert all(callable(getattr(VoucherifyHook, name)) for name in names.split())


@pytest.mark.parametrize(
    "module",
    ["operators.orders", "sensors.async_action", "triggers.async_action", "triggers.export", "hooks.voucherify"],
)
def test_importing_loads_nothing_that_takes_its_time(module):
    code = (
        "import sys; from airflow.providers.common.compat.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator\n"
        "import airflow.triggers.base; before = set(sys.modules)\n"
        f"import airflow_provider_voucherify.{module}\n"
        "slow = {'numpy', 'pandas', 'pyarrow', 'requests', 'starlette', 'uvicorn'}\n"
        "print(sorted(slow & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
