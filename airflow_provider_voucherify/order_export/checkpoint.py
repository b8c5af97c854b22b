"""The checkpoint of an export: a small JSON document from which another process can resume."""

from __future__ import annotations

import hashlib
import logging
from typing import Any, ClassVar, Protocol

import msgspec

from airflow_provider_voucherify.core.job_state import RestartableState
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window_parts import ExportPart, parts_of

log = logging.getLogger(__name__)


class ExportState(RestartableState, kw_only=True):
    """
    How far an export has come.

    :param parts: The exports.
    :param splits: How many windows were split.
    """

    unreadable: ClassVar[str] = "The state of this export cannot be read ({error}). Start over with restart=True."

    parts: list[ExportPart]
    splits: int = 0

    @property
    def export_ids(self) -> list[str]:
        """The exports requested so far."""
        return [part.export_id for part in self.parts if part.export_id]


def open_state(
    state_store: StateStore, request: ExportRequest, project: str, *, run: str | None = None, restart: bool = False
) -> ExportState:
    """
    Load the export to resume, or start one.

    :param state_store: Where the state is saved.
    :param request: The request. A saved export of another request, or project, is of no use, and is forgotten.
    :param project: The project of the connection.
    :param run: The name of the run; None if it has none, as in a script.
    :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
    :raises StateError: if the saved state cannot be read.
    """
    requested = [project, request.exported_object, request.fields, request.filters, request.sort_order, request.window]
    fingerprint = hashlib.sha256(msgspec.json.encode(requested)).hexdigest()
    fresh = ExportState(fingerprint=fingerprint, parts=parts_of(request), restarted_by=run if restart else None)
    state = fresh.or_saved(state_store, run=run, restart=restart)
    if state is not fresh:
        log.info("Resuming with exports %s.", ", ".join(str(part.export_id) for part in state.parts))
    return state


class ReadsBack(Protocol):
    """The state of a job that reads orders back by an export."""

    export: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Encode the state, with that of the export, as a JSON document."""


def export_ids_of(export: dict[str, Any] | None) -> list[str]:
    """
    List the exports requested so far.

    :param export: The state of an export, as it is saved; None before there is one.
    """
    return [part["export_id"] for part in (export or {}).get("parts", ()) if part.get("export_id")]


class ExportStateStore:
    """
    Keeps the state of an export within that of the job that needs it, and keeps it when the export is downloaded.

    :param state: The state of the job.
    :param state_store: Where that is saved.
    """

    def __init__(self, state: ReadsBack, state_store: StateStore) -> None:
        self._state = state
        self._state_store = state_store

    def claim(self, *, restart: bool = False) -> dict[str, Any] | None:
        """Return the state of the export; None before there is one. The job has claimed the store."""
        return None if restart else self._state.export

    def load(self) -> dict[str, Any] | None:
        """Return the state of the export; None before there is one."""
        return self._state.export

    def check(self) -> None:
        """Check that no other process has claimed the store of the job."""
        self._state_store.check()

    def save(self, document: dict[str, Any]) -> None:
        """Replace the state of the export."""
        self._state.export = document
        self._state_store.save(self._state.to_json())

    def clear(self) -> None:
        """Keep it: the file may be needed again by a retry, and the export can be downloaded again."""
