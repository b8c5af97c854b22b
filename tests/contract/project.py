"""The project that the contract is checked against: an emulator, or a sandbox whose keys are in the environment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from airflow_provider_voucherify.api import Settings, VoucherifyClient
from airflow_provider_voucherify.api.models import AsyncAction, Export
from airflow_provider_voucherify.api.settings import base_url_of
from airflow_provider_voucherify.probe import MARKER
from airflow_provider_voucherify.probe.guard import check_project
from airflow_provider_voucherify.probe.rates import RateRecorder

WITHIN = 120.0
T = TypeVar("T")


class Project:
    """
    A project, and what differs there from what the provider relies on.

    A difference of an emulator fails the test. One of a real project is measured: it is told at the end.
    """

    def __init__(self, client: VoucherifyClient, *, is_real: bool, first_pause: float) -> None:
        self.client = client
        self.is_real = is_real
        self.differences: list[str] = []
        self._first_pause = first_pause
        self._key = f"contract-{time.time_ns():x}"
        self._count = 0

    def order(self, **fields: Any) -> dict[str, Any]:
        """Make an order that is marked, and cancelled from the start."""
        self._count += 1
        metadata = {MARKER: self._key, **fields.pop("metadata", {})}
        return {"source_id": f"{self._key}-{self._count}", "status": "CANCELED", **fields, "metadata": metadata}

    def expect(self, what: str, expected: Any, seen: Any) -> None:
        if expected != seen:
            difference = f"{what}: expected {expected!r}, got {seen!r}"
            assert self.is_real, difference
            self.differences.append(difference)

    def action(self, action_id: str) -> AsyncAction:
        return self._wait(lambda: self.client.get_async_action(action_id))

    def export(self, export_id: str) -> Export:
        return self._wait(lambda: self.client.get_export(export_id))

    def _wait(self, get: Callable[[], T]) -> T:
        pause, deadline = self._first_pause, time.monotonic() + WITHIN
        while not (found := get()).ended:
            assert time.monotonic() < deadline, f"{found} has not ended within {WITHIN} s"
            time.sleep(pause)
            pause *= 2
        return found


def real_project(environ: Mapping[str, str]) -> Project:
    """
    Connect to the sandbox that the environment names.

    :raises ProjectRefusedError: if it is not certainly a sandbox; no argument makes up for that.
    """
    settings = Settings(
        app_id=environ["VOUCHERIFY_APP_ID"],
        app_token=environ["VOUCHERIFY_APP_TOKEN"],
        base_url=base_url_of(environ.get("VOUCHERIFY_HOST"), name="contract"),
        name="contract",
    )
    rates = RateRecorder(settings.quota_reserve)
    client = VoucherifyClient(settings, quota=rates, max_quota_wait=4000.0)
    check_project(client, rates, confirmed_id=None, not_a_sandbox=False)
    return Project(client, is_real=True, first_pause=1.0)
