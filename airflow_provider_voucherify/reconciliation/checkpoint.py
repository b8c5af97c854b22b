"""How far a reconciliation has come: one small JSON document, from which another process can resume."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import msgspec

from airflow_provider_voucherify.core.job_state import JobState
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.order_export.checkpoint import export_ids_of
from airflow_provider_voucherify.reconciliation.config import ReconcileConfig
from airflow_provider_voucherify.reconciliation.result import ReconcileResult

STATE_FILE = "reconciliation.json"  # another name than that of an import in the same folder


class ReconcileState(JobState, kw_only=True):
    """
    How far a reconciliation has come.

    :param fingerprint: Hash of the project, the source and the options.
    :param run: The run that it belongs to: another run needs a fresh export.
    :param export: The state of the export, kept after its download so that a retry downloads it again.
    :param result: What was found; None before the comparison.
    :param sample: Number and id of the orders whose items are still to be read.
    :param api_calls: Calls made by earlier tries.
    """

    unreadable: ClassVar[str] = (
        "The state of this reconciliation cannot be read ({error}). Start over with restart=True."
    )

    fingerprint: str
    run: str | None = None
    export: dict[str, Any] | None = None
    result: ReconcileResult | None = None
    sample: list[tuple[int, str]] = []
    api_calls: int = 0

    @property
    def export_ids(self) -> list[str]:
        """The exports requested so far."""
        return export_ids_of(self.export)


def open_state(
    state_store: StateStore, source: str, project: str, config: ReconcileConfig, *, run: str | None, restart: bool
) -> ReconcileState:
    """
    Load the reconciliation to resume, or start one.

    :param state_store: Where the state is saved.
    :param source: The fingerprint of the source.
    :param project: The project of the connection.
    :param config: The options.
    :param run: The run: the state of another one is of no use, as its export is out of date.
    :param restart: Whether to start over. With a name of the run, only what another run saved is left out.
    :raises StateError: if the saved state cannot be read.
    """
    fingerprint = hashlib.sha256(msgspec.json.encode([project, source, config])).hexdigest()
    fresh = ReconcileState(fingerprint=fingerprint, run=run)
    document = state_store.claim(restart=restart)
    if document is None or document.get("run") != run or (restart and run is None):
        return fresh
    state = ReconcileState.from_json(document)
    return state if state.fingerprint == fingerprint else fresh
