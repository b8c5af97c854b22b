"""Keep the state of a job in Airflow's task state store (3.3 and newer), where the UI shows it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.core.state_store import FencedStateStore

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor


class TaskStateStore(FencedStateStore):
    """
    A state store that keeps the document under one key of the task state store, and its owner under a second one.

    The task state store has no compare-and-set: the owner is read before and after each save, see
    :mod:`airflow_provider_voucherify.core.state_store`.

    :param store: ``context["task_state_store"]``, which belongs to one task of one run.
    :param key: The key.
    :param owner: The name of this try of the task, see :func:`name_of_try`.
    """

    def __init__(self, store: TaskStateStoreAccessor, key: str, owner: str | None = None) -> None:
        super().__init__(key, f"{key}_owner", f"The state {key!r} in Airflow's task state store", owner)
        self._store = store

    def _exclusive(self) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def _read(self, name: str) -> dict[str, Any] | None:
        document = self._store.get(name)
        return document if isinstance(document, dict) else None

    def _write(self, name: str, document: dict[str, Any]) -> None:
        """Replace a document. It never expires: without it, a task that is cleared later would send all of it again."""
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # missing in its stub

        self._store.set(name, document, retention=NEVER_EXPIRE)

    def _remove(self, name: str) -> None:
        self._store.delete(name)


def name_of_try(context: Context) -> str:
    """
    Name a try of a task, as the owner of its state. Its processes before and after a deferral have one name.

    :param context: The context of the task.
    """
    task = context["ti"]
    return f"{task.dag_id}/{task.task_id}/{context['run_id']}/{task.map_index}/try {task.try_number}"
