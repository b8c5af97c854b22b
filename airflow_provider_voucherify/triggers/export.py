"""Wait for exports without a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.triggers.polling import PollingTrigger


class ExportTrigger(PollingTrigger):
    """
    Resume the task when all exports have ended, successfully or not.

    :param export_ids: The exports; empty to wait for ``not_before`` alone.
    """

    def __init__(self, *, export_ids: list[str], **polling: Any) -> None:
        super().__init__(**polling)
        self.export_ids = export_ids

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "export_ids": self.export_ids}

    def _is_ready(self, client: Endpoints) -> bool:
        while self.export_ids and (export := client.get_export(self.export_ids[0])).ended:
            self.log.info("Export %s is %s.", export.id, export.status)
            self.export_ids = self.export_ids[1:]
        return not self.export_ids
