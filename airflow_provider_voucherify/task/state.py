"""Keep the state of a job in Airflow's task state store (3.3 and newer), where the UI shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor


class TaskStateStore:
    """
    A state store that keeps the document under one key of the task state store.

    :param store: ``context["task_state_store"]``, which belongs to one task of one run.
    :param key: The key.
    """

    def __init__(self, store: TaskStateStoreAccessor, key: str) -> None:
        self._store = store
        self._key = key

    def load(self) -> dict[str, Any] | None:
        """Return the document; None if there is none."""
        document = self._store.get(self._key)
        return document if isinstance(document, dict) else None

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document. It never expires: without it, a task that is cleared later would send it all again."""
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # missing in its stub

        self._store.set(self._key, document, retention=NEVER_EXPIRE)

    def clear(self) -> None:
        """Remove the document."""
        self._store.delete(self._key)
