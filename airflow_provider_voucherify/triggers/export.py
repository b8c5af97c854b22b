"""Waiting for an export without a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.triggers.polling import PollingTrigger


class ExportTrigger(PollingTrigger):
    """
    Wakes its task when an export has ended, whether well or not.

    :param export_id: The export; None to wait for ``not_before`` alone.
    """

    def __init__(self, *, export_id: str | None, **polling: Any) -> None:
        super().__init__(**polling)
        self.export_id = export_id

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "export_id": self.export_id}

    def _ready(self, client: Endpoints) -> bool:
        if self.export_id is None:
            return True
        export = client.get_export(self.export_id)
        self.log.info("Export %s is %s.", export.id, export.status)
        return export.ended
