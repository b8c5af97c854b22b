"""Show how a job runs: counters among Airflow's metrics, and its progress in the task state store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import Stats

from airflow_provider_voucherify.reporting.progress import Progress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

PROGRESS_KEY = "progress"
COUNTERS = ("loaded", "rejected", "unknown", "chunks", "api_calls")


class Telemetry:
    """
    Reports the metrics ``voucherify.import.*`` and the progress of an import.

    :param context: The context of the task.
    :param counters: The counters of the import as they are now: only what is added later is counted.
    """

    def __init__(self, context: Context, counters: object) -> None:
        self._store = context.get("task_state_store")
        self._tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
        self._counted = self._counts(counters)

    def count(self, counters: object) -> None:
        """
        Add to the metrics what was counted since the last call.

        :param counters: The counters of the import.
        """
        counts = self._counts(counters)
        for name, value in counts.items():
            if more := value - self._counted[name]:
                Stats.incr(f"voucherify.import.{name}", more, tags=self._tags)
        self._counted = counts

    def show(self, progress: Progress) -> None:
        """
        Put the progress where the UI shows it.

        :param progress: The progress.
        """
        if self._store is not None:
            shown: dict[str, Any] = {"summary": str(progress), **msgspec.to_builtins(progress)}
            self._store.set(PROGRESS_KEY, shown)

    def clear(self) -> None:
        """Remove the progress of an import that has finished."""
        if self._store is not None:
            self._store.delete(PROGRESS_KEY)

    @staticmethod
    def _counts(counters: object) -> dict[str, int]:
        return {name: getattr(counters, name) for name in COUNTERS}
