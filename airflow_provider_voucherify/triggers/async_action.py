"""Wait for async actions without a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.triggers.base import PollingTrigger
from airflow_provider_voucherify.triggers.shared_poll import Resource


class AsyncActionTrigger(PollingTrigger):
    """
    Resume the task when enough async actions have ended, successfully or not.

    :param async_action_ids: The actions; empty to wait for ``not_before`` alone.
    :param min_ended: How many of them must have ended.
    """

    resource = Resource.ASYNC_ACTIONS

    def __init__(self, *, async_action_ids: list[str], min_ended: int, **polling: Any) -> None:
        super().__init__(**polling)
        self.async_action_ids = async_action_ids
        self.min_ended = min_ended

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "async_action_ids": self.async_action_ids, "min_ended": self.min_ended}

    @property
    def _ids(self) -> list[str]:
        return self.async_action_ids

    @property
    def _min_ended(self) -> int:
        return self.min_ended
