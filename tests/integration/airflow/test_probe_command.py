"""The command ``voucherify-probe`` with a connection of Airflow."""

from __future__ import annotations

import msgspec

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.probe_command import main

CONNECTION = "AIRFLOW_CONN_VOUCHERIFY_DEFAULT"


def test_host_and_keys_come_from_a_connection(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    facts = tmp_path / "facts.json"
    with Emulator(speed=1000, app_token="planted-secret") as emulator:
        monkeypatch.setenv(CONNECTION, emulator.connection_uri)
        options = ["--conn-id", "voucherify_default", "--json", str(facts), "--link-seconds", "0.1"]
        assert main(options) == 0
        assert emulator.count_orders() > 0
        monkeypatch.setenv("AIRFLOW_CONN_VOUCHERIFY_PROD", emulator.connection_uri)
        orders = emulator.count_orders()
        assert main(["--conn-id", "voucherify_prod"]) == 1
        assert emulator.count_orders() == orders
    said = "".join(capsys.readouterr())
    assert "the name of its connection is that of a live one" in said
    assert "planted-secret" not in said + facts.read_text()
    assert len(msgspec.json.decode(facts.read_bytes())["answers"]) == 37
