"""Wait for async actions without a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.triggers.polling import PollingTrigger


class AsyncActionTrigger(PollingTrigger):
    """
    Resume the task when enough async actions have ended, successfully or not.

    :param async_action_ids: The actions; empty to wait for ``not_before`` alone.
    :param min_ended: How many of them must have ended.
    """

    def __init__(self, *, async_action_ids: list[str], min_ended: int, **polling: Any) -> None:
        super().__init__(**polling)
        self.async_action_ids = async_action_ids
        self.min_ended = min_ended

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "async_action_ids": self.async_action_ids, "min_ended": self.min_ended}

    def _is_ready(self, client: Endpoints) -> bool:
        if not self.async_action_ids:
            return True
        ended = sum(action.ended for action in client.poll_async_actions(self.async_action_ids))
        self.log.info("%d of %d async actions have ended.", ended, len(self.async_action_ids))
        return ended >= self.min_ended
