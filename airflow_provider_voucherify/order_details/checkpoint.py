"""How far the reading of whole orders has come: a small JSON document, from which another process resumes."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from airflow_provider_voucherify.core.job_state import RestartableState
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.order_details.config import DetailsConfig
from airflow_provider_voucherify.order_export.checkpoint import export_ids_of


class ListingPosition(msgspec.Struct, kw_only=True):
    """
    A place in the two passes over the listing.

    :param passes: The sort orders of the passes that are not complete, that of the present one first.
    :param is_chosen: Whether it is known which pass comes first.
    :param since: A time of the window that was there when the reading began: what changes later is not older.
    :param page: The page to read next.
    :param newest: The newest time in the window that the pass has met.
    :param before: The newest time in the window that the pass over the same orders before it met: only what is newer is
        new. None in the first one.
    :param is_repeated: Whether this pass looks again for what moved to the front.
    :param found: How many orders of the window it brought that were not there before.
    :param leapt_from: The page from which it leapt to this one, as all orders between seemed to be known.
    :param may_leap: Whether no leap of the pass was wrong.
    """

    passes: list[Literal["-created_at", "-updated_at"]] = msgspec.field(
        default_factory=lambda: ["-created_at", "-updated_at"]
    )
    is_chosen: bool = False
    since: datetime | None = None
    page: int = 1
    newest: datetime | None = None
    before: datetime | None = None
    is_repeated: bool = False
    found: int = 0
    leapt_from: int | None = None
    may_leap: bool = True


class DetailsState(RestartableState, kw_only=True):
    """
    How far the reading has come.

    :param position: The place in the listing.
    :param spooled: How many files of the spool are complete.
    :param is_beyond: Whether the window goes beyond the listing, so that the orders are read one by one.
    :param export: The state of the export of their ids, kept after its download so that a retry downloads it again.
    :param read: How many of these ids are done.
    :param changed_since: How many of these orders changed after the window.
    :param api_calls: Calls made by earlier tries.
    """

    unreadable: ClassVar[str] = (
        "The state of these order details cannot be read ({error}). Start over with restart=True."
    )

    position: ListingPosition = msgspec.field(default_factory=ListingPosition)
    spooled: int = 0
    is_beyond: bool = False
    export: dict[str, Any] | None = None
    read: int = 0
    changed_since: int = 0
    api_calls: int = 0

    @property
    def export_ids(self) -> list[str]:
        """The exports requested so far."""
        return export_ids_of(self.export)


def open_state(
    state_store: StateStore, config: DetailsConfig, project: str, *, run: str | None, restart: bool
) -> DetailsState:
    """
    Load the reading to resume, or start one.

    :param state_store: Where the state is saved.
    :param config: The options. The state of another window is of no use, and is forgotten.
    :param project: The project of the connection.
    :param run: The name of the run; None if it has none.
    :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
    :raises StateError: if the saved state cannot be read.
    """
    fingerprint = hashlib.sha256(msgspec.json.encode([project, config.window])).hexdigest()
    fresh = DetailsState(fingerprint=fingerprint, restarted_by=run if restart else None)
    return fresh.or_saved(state_store, run=run, restart=restart)
