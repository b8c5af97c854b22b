"""A client of the emulator that knows no more than HTTP."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import requests

from airflow_provider_voucherify.emulator import Emulator

from .openapi import specification

DEADLINE_SECONDS = 60
KEYS = {"X-App-Id": "emulator-app-id", "X-App-Token": "emulator-app-token"}  # the default ones, for downloads


class Api(requests.Session):
    """A session with the emulator's keys, which takes paths for URLs and checks every response by the OpenAPI files."""

    def __init__(self, emulator: Emulator, **headers: str) -> None:
        super().__init__()
        self.emulator = emulator
        self.checked: list[tuple[str, int]] = []
        self.headers.update(headers or {"X-App-Id": emulator.app_id, "X-App-Token": emulator.app_token})

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:
        url = self.emulator.url + url if url.startswith("/") else url
        options = {"timeout": DEADLINE_SECONDS, **options, "allow_redirects": False}
        answer = super().request(method, url, *args, **options)
        judge = specification()
        if judge is not None and "/emulator/" not in url:
            self.checked.append(judge.check(answer, download=url.startswith(self.emulator.download_url)))
        return answer

    def import_orders(self, orders: list[dict[str, Any]]) -> dict[str, Any]:
        """Import orders and return the action when it is over."""
        return self.finished_action(self.accepted_import(orders))

    def accepted_import(self, orders: list[dict[str, Any]]) -> str:
        answer = self.post("/v1/orders/import", json=orders)
        assert answer.status_code == 200, answer.text
        return answer.json()["async_action_id"]

    def finished_action(self, action_id: str) -> dict[str, Any]:
        return self._poll(f"/v1/async-actions/{action_id}", ("DONE", "FAILED"))

    def finished_export(self, **parameters: Any) -> dict[str, Any]:
        answer = self.post("/v1/orders/export", json={"parameters": parameters} if parameters else {})
        assert answer.status_code == 200, answer.text
        return self.finished(answer.json()["id"])

    def finished(self, export_id: str) -> dict[str, Any]:
        return self._poll(f"/v1/exports/{export_id}", ("DONE", "ERROR"))

    def exported_text(self, **parameters: Any) -> str:
        url = self.finished_export(**parameters)["result"]["url"]
        answer = requests.get(url, headers=KEYS, timeout=DEADLINE_SECONDS)
        assert answer.status_code == 200, answer.text
        answer.encoding = "utf-8"
        return answer.text

    def exported_rows(self, **parameters: Any) -> list[list[str]]:
        """Export orders and return the rows below the header."""
        return list(csv.reader(io.StringIO(self.exported_text(**parameters), newline="")))[1:]

    def _poll(self, path: str, ends: tuple[str, ...]) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            document = self.get(path).json()
            if document["status"] in ends:
                return document
            time.sleep(0.005)
        raise AssertionError(f"{path} did not end: {document}")
