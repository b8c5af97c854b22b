"""Wait for exports without a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.triggers.base import PollingTrigger
from airflow_provider_voucherify.triggers.shared_poll import Resource


class ExportTrigger(PollingTrigger):
    """
    Resume the task when all exports have ended, successfully or not.

    :param export_ids: The exports; empty to wait for ``not_before`` alone.
    """

    resource = Resource.EXPORTS

    def __init__(self, *, export_ids: list[str], **polling: Any) -> None:
        super().__init__(**polling)
        self.export_ids = export_ids

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "export_ids": self.export_ids}

    @property
    def _ids(self) -> list[str]:
        return self.export_ids

    @property
    def _min_ended(self) -> int:
        return len(self.export_ids)
