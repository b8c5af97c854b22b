"""The checkpoint of an export: a small JSON document from which another process can resume."""

from __future__ import annotations

import hashlib
import logging
from typing import ClassVar

import msgspec

from airflow_provider_voucherify.core.job_state import JobState
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.order_export.parts import ExportPart, parts_of
from airflow_provider_voucherify.order_export.request import ExportRequest

log = logging.getLogger(__name__)


class ExportState(JobState, kw_only=True):
    """
    How far an export has come.

    :param fingerprint: Hash of the request.
    :param parts: The exports.
    :param splits: How many windows were split.
    :param restarted_by: The run that started over.
    """

    unreadable: ClassVar[str] = "The state of this export cannot be read ({error}). Start over with restart=True."

    fingerprint: str
    parts: list[ExportPart]
    splits: int = 0
    restarted_by: str | None = None

    @property
    def export_ids(self) -> list[str]:
        """The exports requested so far."""
        return [part.export_id for part in self.parts if part.export_id]


def open_state(
    state_store: StateStore, request: ExportRequest, *, run: str | None = None, restart: bool = False
) -> ExportState:
    """
    Load the export to resume, or start one.

    :param state_store: Where the state is saved.
    :param request: The request. A saved export of another request is of no use, and is forgotten.
    :param run: The name of the run; None if it has none, as in a script.
    :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
    :raises StateError: if the saved state cannot be read.
    """
    requested = [request.fields, request.filters, request.sort_order, request.window]
    fingerprint = hashlib.sha256(msgspec.json.encode(requested)).hexdigest()
    fresh = ExportState(fingerprint=fingerprint, parts=parts_of(request), restarted_by=run if restart else None)
    document = state_store.claim(restart=restart)
    if document is None or (restart and (run is None or document.get("restarted_by") != run)):
        return fresh
    state = ExportState.from_json(document)
    if state.fingerprint != fingerprint:
        log.info("The request has changed since the last try: starting over.")
        return fresh
    log.info("Resuming with exports %s.", ", ".join(str(part.export_id) for part in state.parts))
    return state
