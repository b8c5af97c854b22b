"""The state of an import in Airflow's task store (3.3 and newer), where the UI shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

STATE_KEY = "order_import"


class TaskStoreLedger:
    """
    Keeps the document under one key of the task store.

    :param store: ``context["task_state_store"]``, which belongs to one task of one run.
    """

    def __init__(self, store: TaskStateStoreAccessor) -> None:
        self._store = store

    def load(self) -> dict[str, Any] | None:
        """Get the document."""
        document = self._store.get(STATE_KEY)
        return document if isinstance(document, dict) else None

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document."""
        self._store.set(STATE_KEY, document)

    def clear(self) -> None:
        """Remove the document."""
        self._store.delete(STATE_KEY)
