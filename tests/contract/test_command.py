"""The command ``voucherify-probe``, and how a probe is resumed."""

from __future__ import annotations

import msgspec
import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import (
    PlanExceededError,
    ProjectChangedError,
    QuotaError,
    StateError,
    TransportError,
)
from airflow_provider_voucherify.probe import QUESTIONS, probe_project
from airflow_provider_voucherify.probe_command import main

from .probing import BOUNDS, QUICK, probe, settings_of

pytestmark = pytest.mark.slow  # with the newest versions alone

KEYS = {"app_id": "the-app-id", "app_token": "the-secret-key"}


def arguments(emulator: Emulator, *more: object) -> list[str]:
    options = ["--host", emulator.url, "--app-id", emulator.app_id, "--app-token", emulator.app_token]
    return [*options, "--link-seconds", "0.1", *map(str, more)]


def test_it_prints_a_table_and_writes_the_same_answers_each_time(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [tmp_path / "facts-1.json", tmp_path / "facts-2.json"]
    with Emulator(**QUICK, **KEYS, plan="sandbox", header_style="label") as emulator:
        for file in files:
            emulator.project.limits.reset()
            assert main(arguments(emulator, "--json", file)) == 0
            # a project in which probes were made before is still a sandbox
    said = capsys.readouterr().out
    assert "at most 60" in said
    assert "orders. Orders cannot be deleted at Voucherify" in said
    assert "The quota of a sandbox is 100 calls an hour, of which 20 are left to others" in said
    assert "How does an export write the headers" in said
    first, second = (msgspec.json.decode(file.read_bytes()) for file in files)
    assert first["answers"] == second["answers"]
    assert list(first["answers"]) == list(first["evidence"]) == [question.name for question in QUESTIONS]
    assert first["answers"]["header_style"] == "label"
    for text in (said, *(file.read_text() for file in files)):
        assert KEYS["app_token"] not in text
    assert KEYS["app_id"] not in files[0].read_text()
    assert sorted(tmp_path.iterdir()) == files


def test_keys_come_from_the_environment_and_a_shop_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Emulator(**QUICK, **KEYS, seed=500) as emulator:
        for name, value in {"HOST": emulator.url, **{key.upper(): value for key, value in KEYS.items()}}.items():
            monkeypatch.setenv(f"VOUCHERIFY_{name}", value)
        assert main([]) == 1
        assert "does not look like a sandbox: it has 500 orders" in capsys.readouterr().err
        assert emulator.count_orders() == 500
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("VOUCHERIFY_APP_TOKEN")
    assert main([]) == 1
    assert "Give --app-token, or --conn-id." in capsys.readouterr().err


def test_it_says_how_to_continue_when_the_quota_is_used_up(tmp_path, capsys):
    session, facts = tmp_path / "session.json", tmp_path / "facts.json"
    with Emulator(**QUICK, **KEYS) as emulator:
        emulator.add_fault("rate_limited", route="POST /v1/orders/export", times=1, retry_after=3000)
        assert main(arguments(emulator, "--resume", session, "--json", facts)) == 75
        assert f"continue with --resume {session}" in capsys.readouterr().err
        assert not facts.exists()
        assert main(arguments(emulator, "--resume", session, "--json", facts)) == 0
        assert emulator.calls()["calls"]["PUT /v1/orders/{orderId}"] == 1  # what was finished is not asked again
    assert list(msgspec.json.decode(facts.read_bytes())["answers"]) == [question.name for question in QUESTIONS]


@pytest.mark.parametrize(
    ("route", "after"),
    [
        ("POST /v1/orders", 1),
        ("POST /v1/orders/import", 1),
        ("POST /v1/orders/export", 1),
        ("POST /v1/oauth/token", 1),
        ("GET download /v1/exports/{exportId}", 3),  # without keys, after the files of three exports
        ("GET download /v1/exports/{exportId}", 4),
    ],
)
def test_a_probe_that_breaks_off_anywhere_is_resumed(route, after, tmp_path, clock):
    file = tmp_path / "session.json"
    with Emulator(**QUICK) as emulator:
        emulator.add_fault("plan_exceeded", route=route, after=after, times=1)
        with pytest.raises(PlanExceededError):
            probe(emulator, clock.sleep, session_file=file)
        emulator.clear_faults()
        resumed = probe(emulator, clock.sleep, session_file=file)
        calls = sum(emulator.calls()["calls"].values())
    with Emulator(**QUICK) as emulator:
        assert resumed.answers == probe(emulator, clock.sleep).answers
    assert resumed.unanswered == {}
    assert calls <= resumed.calls


def test_an_order_whose_response_was_lost_is_not_taken_for_a_new_one(tmp_path, clock):
    file = tmp_path / "session.json"
    with Emulator(**QUICK) as emulator:
        emulator.add_fault("response_lost", route="POST /v1/orders")
        with pytest.raises(TransportError):
            probe(emulator, clock.sleep, session_file=file)
        assert probe(emulator, clock.sleep, session_file=file).answers["new_updated_at"] == "null"


def test_a_quota_that_is_used_up_stops_it_at_once(tmp_path):
    with Emulator(plan="sandbox") as emulator:
        emulator.project.limits.take(bulk=False)
        for _ in range(76):
            emulator.project.limits.take(bulk=False)
        with pytest.raises(QuotaError):
            probe_project(settings_of(emulator), bounds=BOUNDS, session_file=tmp_path / "session.json")
        assert sum(emulator.calls()["calls"].values()) <= 4


def test_a_session_of_another_project_or_none_is_refused(tmp_path, clock):
    file = tmp_path / "session.json"
    file.write_text("{}")
    with Emulator(**QUICK) as emulator:
        with pytest.raises(StateError, match="is not the session of a probe"):
            probe(emulator, clock.sleep, session_file=file)
        file.write_text('{"project": "api.voucherify.io/other"}')
        with pytest.raises(ProjectChangedError, match="is a session with the project"):
            probe(emulator, clock.sleep, session_file=file)
