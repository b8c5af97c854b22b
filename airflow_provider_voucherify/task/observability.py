"""What an import tells while it runs: counters for Airflow's metrics, and its progress in the task store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import Stats

from airflow_provider_voucherify.order_import.checkpoint import ImportState
from airflow_provider_voucherify.reporting.progress import Progress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

PROGRESS_KEY = "progress"
COUNTERS = ("loaded", "rejected", "unknown", "chunks", "api_calls")


class Telemetry:
    """
    Tells how an import gets on.

    :param context: The task.
    :param state: The import, as it stands when the task begins to tell of it.
    """

    def __init__(self, context: Context, state: ImportState) -> None:
        self._store = context.get("task_state_store")
        self._tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
        self._counted = self._counts(state)

    def count(self, state: ImportState) -> None:
        """Add what has come since the last call to the metrics ``voucherify.import.*``."""
        counts = self._counts(state)
        for name, value in counts.items():
            if more := value - self._counted[name]:
                Stats.incr(f"voucherify.import.{name}", more, tags=self._tags)
        self._counted = counts

    def show(self, progress: Progress) -> None:
        """Put the progress where the UI shows it."""
        if self._store is not None:
            shown: dict[str, Any] = {"summary": str(progress), **msgspec.to_builtins(progress)}
            self._store.set(PROGRESS_KEY, shown)

    def clear(self) -> None:
        """Remove the progress of an import that is over."""
        if self._store is not None:
            self._store.delete(PROGRESS_KEY)

    @staticmethod
    def _counts(state: ImportState) -> dict[str, int]:
        return {name: getattr(state, name) for name in COUNTERS}
