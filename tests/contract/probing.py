"""Probes of emulators, as fast as they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_voucherify.api import Settings
from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.probe import Bounds, probe_project

# 60 calls take less than a period of any plan, and the periods of an hour and a minute can be told apart
SPEED = 50
QUICK = {"speed": SPEED, "import_base_ms": 0, "export_base_ms": 0}
BOUNDS = Bounds(poll_seconds=0.03, link_ages=(120.0,), body_sizes=(256_000, 500_000))


def settings_of(emulator: Emulator, **given: Any) -> Settings:
    return Settings(**{"app_id": emulator.app_id, "app_token": emulator.app_token, "base_url": emulator.url, **given})


def probe(emulator: Emulator, sleep: Callable[[float], None], **options: Any) -> Facts:
    given = {"confirmed_id": emulator.app_id, "not_a_sandbox": True, "bounds": BOUNDS, **options}
    return probe_project(settings_of(emulator), sleep=sleep, **given)
