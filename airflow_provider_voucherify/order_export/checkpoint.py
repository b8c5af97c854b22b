"""How far an export has come: one small JSON document, from which another process can go on."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import msgspec

from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window import Part, Window, parts_of

log = logging.getLogger(__name__)


class ExportState(msgspec.Struct, kw_only=True):
    """
    How far an export has come.

    :param fingerprint: Hash of what is asked for.
    :param parts: The exports.
    :param splits: How many windows were split.
    :param restarted_by: The run that began anew.
    """

    fingerprint: str
    parts: list[Part]
    splits: int = 0
    restarted_by: str | None = None

    @property
    def export_ids(self) -> list[str]:
        """The exports asked for so far."""
        return [part.export_id for part in self.parts if part.export_id]

    def to_json(self) -> dict[str, Any]:
        """Give the document."""
        document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ExportState:
        """
        Read the document.

        :raises VoucherifyError: if it is none.
        """
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise VoucherifyError(
                f"The state of this export cannot be read ({error}). Begin anew with restart=True."
            ) from None


def open_state(
    state_store: StateStore, request: ExportRequest, window: Window | None, *, restart: str | None
) -> ExportState:
    """
    Go on with the export that the state store knows, or begin one.

    :param state_store: Where the state is kept.
    :param request: What the author asks for. An export of something else is of no use: it is forgotten.
    :param window: Of which span of time.
    :param restart: Begin anew, whatever the state store knows, and note this name of the run for it: under the same
        name the next try goes on. None to go on with any run.
    """
    asked = [request.fields, request.filters, request.order, window]
    fingerprint = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
    fresh = ExportState(fingerprint=fingerprint, parts=parts_of(window, request.filters), restarted_by=restart)
    document = state_store.load()
    if document is None or (restart and document.get("restarted_by") != restart):
        return fresh
    state = ExportState.from_json(document)
    if state.fingerprint != fingerprint:
        log.info("What is asked for has changed since the last try: it is exported anew.")
        return fresh
    log.info("Going on with exports %s.", ", ".join(str(part.export_id) for part in state.parts))
    return state
